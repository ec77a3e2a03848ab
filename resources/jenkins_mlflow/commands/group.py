"""The group of models that a command works on: every pattern must match, because a mistyped one matches nothing."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from typing import Protocol

from jenkins_mlflow.errors import UsageError
from jenkins_mlflow.registry.client import matches
from jenkins_mlflow.registry.snapshot import Snapshot
from jenkins_mlflow.text import printable

EVERY_MODEL = "*"


class Names(Protocol):
    """A registry that can tell the names of all its models."""

    def names(self) -> list[str]:
        """Every registered model's name, sorted."""


def require_models(registry: Names, group: Snapshot, patterns: Sequence[str]) -> None:
    """Make sure that every pattern matches a registered model; costs a request only where one does not.

    One of several that matches nothing is an error, too: without its models, the group's champion may be missing.
    ``*`` means all there are, be it none.

    Args:
        registry: Where to look for the nearest names.
        group: The models that the patterns match.
        patterns: Names or patterns, of the config or the command line.

    Raises:
        UsageError: a pattern matches nothing; it names the nearest existing name.
    """
    found = [model.name for model in group.models]
    missing = [
        pattern
        for pattern in patterns
        if pattern != EVERY_MODEL and not any(matches(name, [pattern]) for name in found)
    ]
    if not missing:
        return
    known = registry.names()
    hint = (
        "correct `models` in the config, or --models; `jenkins-mlflow list --models '*'` shows every name"
        if known
        else "train and register one first: in the training script, or by train.register"
    )
    lines = [
        f'"{printable(pattern)}" matches no registered model; {_nearest(pattern, known)}'
        for pattern in missing
    ]
    raise UsageError("\n".join(lines), state="nothing was changed", next_step=hint)


def _nearest(pattern: str, known: Sequence[str]) -> str:
    if not known:
        return "none is registered yet"
    literal = re.sub(r"[*?\[\]]", "", pattern).casefold()

    def likeness(name: str) -> float:
        """How much the name, or its beginning, is like the pattern."""
        folded = name.casefold()
        return max(
            difflib.SequenceMatcher(None, literal, text).ratio() for text in (folded, folded[: len(literal)])
        )

    return f'the nearest name is "{printable(max(known, key=likeness))}"'
