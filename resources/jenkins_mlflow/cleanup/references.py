"""The files that living versions refer to, as far as their sources say. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping

from jenkins_mlflow.registry.locations import Location, mentioned, parse_location
from jenkins_mlflow.registry.sources import copied_from, logged_model_of
from jenkins_mlflow.registry.version import Version

ByKey = Mapping[tuple[str, int], Version]

_RUN = re.compile(r"runs:/+([0-9a-zA-Z_-]+)(?:/+(.*))?")


class Unknown(Exception):
    """The location of a version's files cannot be determined from its source."""


def run_path_of(source: str) -> tuple[str, tuple[str, ...]] | None:
    """The run and the path in it that a source of the form ``runs:/`` names."""
    found = _RUN.fullmatch(source)
    if not found:
        return None
    return found.group(1), tuple(name for name in (found.group(2) or "").split("/") if name)


def original(version: Version, known: ByKey) -> Version:
    """The version whose files these are: itself, or the original of a copy.

    Raises:
        Unknown: It is a copy of a version that is not known.
    """
    seen = {(version.model, version.number)}
    while version.source.startswith("models:") and not logged_model_of(version.source):
        key = copied_from(version.source) or ("", 0)
        if key in seen or key not in known:
            raise Unknown(f"it is a copy of {version.source.removeprefix('models:/')}")
        seen.add(key)
        version = known[key]
    return version


def claim(version: Version, known: ByKey) -> list[Location]:
    """The locations that a version refers to.

    Args:
        version: The version.
        known: Living versions, and deleted ones that can still be restored.

    Raises:
        Unknown: See ``original``.
    """
    return claimed_by(original(version, known).source)


def claimed_by(source: str) -> list[Location]:
    """The locations that a source names, unless the source is another version."""
    if model_id := logged_model_of(source):
        return [Location("", "", (model_id,))]
    if path := run_path_of(source):
        return [Location("", "", (path[0], "artifacts", *path[1]))]
    try:
        return [parse_location(source)]
    except ValueError:
        return mentioned(source)
