"""The models that a piece of work covers, in forms that fit into a tag."""

from __future__ import annotations

import functools
import hashlib
import os
from base64 import urlsafe_b64encode
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import TypeVar

from typing_extensions import Self

from jenkins_mlflow.registry.names import literal_prefix, matches

S = TypeVar("S", bound="Scope")

_NAMED = 3  # names that are written out next to digests
# Characters, 36 bits: by chance, two sets of 300 names collide once in 700,000, and then one merely waits.
_DIGEST = 6
_PREFIX = 100
_ALL = "*"


@dataclass(frozen=True)
class Scope:
    """The models that a piece of work covers.

    Attributes:
        scope: Names or patterns of the models that it may change.
        writes: The names of the models that it certainly changes.
        digests: Digests of the names that did not fit into a tag, or ``*`` for any name.
        beneath: The common prefix of all those names.
    """

    scope: tuple[str, ...]
    writes: tuple[str, ...]
    digests: str = field(default="", kw_only=True)
    beneath: str = field(default="", kw_only=True)

    @property
    def what(self) -> str:
        """The models, for messages."""
        names = self.writes or self.scope
        more = len(names[_NAMED:]) + (0 if self.digests == _ALL else len(self.digests) // _DIGEST)
        return ", ".join(names[:_NAMED]) + (f" and {more} more" if more else "")

    def forms(self) -> tuple[Self, Self, Self]:
        """Ever shorter forms: with each name once, with digests of names, and with only their common prefix.

        With a shorter form, ``overlaps`` may report an overlap that does not exist, but never misses one.
        """
        patterns = tuple(dict.fromkeys(pattern for pattern in self.scope if not _is_name(pattern)))
        names = tuple(dict.fromkeys((*self.writes, *filter(_is_name, self.scope))))
        hidden = names[_NAMED:]
        prefix = _common(map(literal_prefix, (*self.scope, *self.writes)))
        return (
            replace(
                self,
                scope=tuple(dict.fromkeys(p for p in self.scope if not _is_name(p) or p not in self.writes)),
                writes=tuple(dict.fromkeys(self.writes)),
            ),
            replace(
                self,
                scope=patterns,
                writes=names[:_NAMED],
                digests="".join(map(_digest, hidden)),
                beneath=_common(hidden),
            ),
            replace(self, scope=(f"{prefix}*",), writes=(), digests=_ALL, beneath=prefix),
        )

    def overlaps(self, other: Scope) -> bool:
        """Whether one may change a model that the other certainly changes.

        If neither certainly writes anything (two cleanups by patterns, say), they do not overlap.

        Args:
            other: Another scope, in any form; this one must have all its names.
        """
        return (
            any(other.covers(name) or other.hides(name) for name in self.writes)
            or any(self.covers(name) for name in other.writes)
            or any(other.hides(pattern) for pattern in self.scope)
        )

    def covers(self, name: str) -> bool:
        """Whether this scope includes a model. Entries of ``writes`` are names even if they look like patterns."""
        return name in self.writes or matches(name, self.scope)

    def hides(self, pattern: str) -> bool:
        """Whether one of the names that did not fit may be this name or match this pattern."""
        if not self.digests:
            return False
        if not _is_name(pattern):
            prefix = literal_prefix(pattern)
            return prefix.startswith(self.beneath) or self.beneath.startswith(prefix)
        return pattern.startswith(self.beneath) and (self.digests == _ALL or _digest(pattern) in self._hidden)

    @functools.cached_property
    def _hidden(self) -> frozenset[str]:
        return frozenset(self.digests[at : at + _DIGEST] for at in range(0, len(self.digests), _DIGEST))


def _common(names: Iterable[str]) -> str:
    return os.path.commonprefix(list(names))[:_PREFIX]  # noqa: RUF071  meant character by character


def _is_name(pattern: str) -> bool:
    return literal_prefix(pattern) == pattern


def _digest(name: str) -> str:
    return urlsafe_b64encode(hashlib.sha256(name.encode(errors="replace")).digest()).decode()[:_DIGEST]
