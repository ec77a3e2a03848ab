"""Locations of files, as stored in the registry, and whether two of them have files in common. Pure.

The registry's texts are untrusted data: an ambiguous text is not a location, and one that merely looks like
another counts as the same. In case of doubt, a location counts as touched.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

LOCAL = "file"
PROXIED = "mlflow-artifacts"
S3 = "s3"

_ID = re.compile(r"(?:m-)?[0-9a-f]{32}")
# MLflow's servers decode a path more than once, and a backslash is a separator on some systems.
_UNSAFE = re.compile(r"[%?#\\\x00-\x1f\x7f]")


@dataclass(frozen=True)
class Location:
    """A folder.

    Attributes:
        scheme: ``file`` for local ones; empty if only the end of its path is known.
        host: A server or bucket.
        parts: The names in its path, without empty ones.
    """

    scheme: str
    host: str
    parts: tuple[str, ...]

    @property
    def uri(self) -> str:
        path = "/".join(self.parts)
        if self.scheme == LOCAL:
            return f"/{path}"
        return f"{self.scheme}://{self.host}/{path}" if self.host else f"{self.scheme}:/{path}"

    @property
    def ids(self) -> tuple[str, ...]:
        """The ids of runs and logged models in its path."""
        return tuple(part for part in self.parts if _ID.fullmatch(part))

    def within(self, other: Location) -> bool:
        """Whether it is the other location or is below it."""
        return (self.scheme, self.host) == (other.scheme, other.host) and _begins(self.parts, other.parts)

    def below(self, *names: str) -> Location:
        return Location(self.scheme, self.host, (*self.parts, *names))

    @property
    def parent(self) -> Location:
        return Location(self.scheme, self.host, self.parts[:-1])


def parse_location(uri: str) -> Location:
    """Parse an address.

    Raises:
        ValueError: it is ambiguous or not a location; the message says why.
    """
    if _UNSAFE.search(uri):
        raise ValueError("it has a character that servers interpret differently")
    parts = urlsplit(uri)
    scheme, host = parts.scheme.lower(), parts.netloc
    if scheme in ("", LOCAL):
        if host not in ("", "localhost"):
            raise ValueError(f"it is on another host, {host}")
        if not parts.path.startswith("/"):
            raise ValueError("it is a relative path")
        scheme, host = LOCAL, ""
    names = tuple(name for name in parts.path.split("/") if name)
    if any(name in (".", "..") for name in names):
        raise ValueError("it has . or .. in its path")
    return Location(scheme, host, names)


def touches(one: Location, other: Location) -> bool:
    """Whether two locations are, or may be, the same or nested.

    The same id of a run or logged model means the same place, whether it is reached through a server, another
    host name or a link. Then only the path from the id on counts.
    """
    if (one.scheme, one.host) == (other.scheme, other.host) and _related(one.parts, other.parts):
        return True
    for shared in set(one.ids) & set(other.ids):
        if _related(_from(one.parts, shared), _from(other.parts, shared)):
            return True
    return _contains(one.parts, other.parts) if "" in (one.scheme, other.scheme) else False


def mentioned(text: str) -> list[Location]:
    """Candidate matches for text that is not a location: its ids or, without any, its path parts."""
    found = [Location("", "", (name,)) for name in _ID.findall(text)]
    names = tuple(name for name in re.split(r"[/\\]", text) if name not in ("", ".", ".."))
    return found or ([Location("", "", names)] if names else [])


class Touched:
    """Finds which of many claims touch a location, without comparing it with each of them.

    Args:
        claims: Locations, each with a label that says who refers to it.
    """

    def __init__(self, claims: Iterable[tuple[str, Location]]) -> None:
        self._by_id: dict[str, list[tuple[str, Location]]] = {}
        self._by_way: dict[Location, str] = {}
        self._above: dict[Location, str] = {}
        self._loose: list[tuple[str, Location]] = []
        for label, location in claims:
            for name in location.ids:
                self._by_id.setdefault(name, []).append((label, location))
            if location.scheme:
                self._by_way.setdefault(location, label)
                for above in _ways(location):
                    self._above.setdefault(above, label)
            elif not location.ids:
                self._loose.append((label, location))

    def by(self, location: Location) -> str:
        """The label of a claim on this location, its parents or its contents; empty if there is none."""
        if location in self._above:
            return self._above[location]
        for above in _ways(location):
            if above in self._by_way:
                return self._by_way[above]
        near = [claim for name in location.ids for claim in self._by_id.get(name, ())]
        return next((label for label, claim in (*near, *self._loose) if touches(claim, location)), "")


def _ways(location: Location) -> Iterator[Location]:
    """The location and everything above it."""
    for count in range(len(location.parts) + 1):
        yield Location(location.scheme, location.host, location.parts[:count])


def _begins(names: tuple[str, ...], start: tuple[str, ...]) -> bool:
    return names[: len(start)] == start


def _related(one: tuple[str, ...], other: tuple[str, ...]) -> bool:
    return _begins(one, other) or _begins(other, one)


def _from(names: tuple[str, ...], name: str) -> tuple[str, ...]:
    return names[len(names) - 1 - names[::-1].index(name) :]


def _contains(one: tuple[str, ...], other: tuple[str, ...]) -> bool:
    """Whether the shorter path is contained in the longer one."""
    short, long = sorted((one, other), key=len)
    return any(long[at : at + len(short)] == short for at in range(len(long) - len(short) + 1))
