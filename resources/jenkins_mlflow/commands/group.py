"""The models of a command: every pattern must match, every name exist; an error names the nearest name."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from typing import Protocol

from jenkins_mlflow.errors import NotFound, NothingRegistered, UsageError
from jenkins_mlflow.registry.names import matches
from jenkins_mlflow.registry.snapshot import Model, Snapshot
from jenkins_mlflow.text import listed, printable

EVERY_MODEL = "*"
NAMED_BY = "`models` in the config, or --models"
_ALIKE = 0.5
_SHOWN = 5


class Names(Protocol):
    """A registry that can list the names of all its models."""

    def names(self) -> list[str]:
        """Every registered model's name, sorted."""


def require_models(
    registry: Names, group: Snapshot, patterns: Sequence[str], named_by: str = NAMED_BY
) -> None:
    """Make sure that every pattern matches a registered model; costs a request only if one does not.

    A single pattern that matches nothing is an error, too: without its models, the group's champion may be
    missing. ``*`` means all models, even if there are none.

    Args:
        registry: The registry to search for the nearest names.
        group: The models that the patterns match.
        patterns: Names or patterns, of the config or the command line.
        named_by: What to correct if one is wrong.

    Raises:
        UsageError: A pattern matches nothing; the message has the nearest existing name. NothingRegistered if
            no pattern matches anything.
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
        f"correct {named_by}; `jenkins-mlflow list --models '*'` shows every name"
        if known
        else "train and register one first: in the training script, or by train.register"
    )
    lines = [
        f'"{printable(pattern)}" matches no registered model; {nearest(pattern, known)}'
        for pattern in missing
    ]
    error = UsageError if found else NothingRegistered
    raise error("\n".join(lines), state="nothing was changed", next_step=hint)


def require_model(registry: Names, group: Snapshot, name: str) -> Model:
    """The model that a person named; costs a request only if it is not in the group.

    Args:
        registry: The registry to search for the nearest name.
        group: The models that were read.
        name: The name from the command line.

    Raises:
        NotFound: No model has this name; the message has the nearest one.
    """
    model = group.model(name)
    if model is None:
        raise no_such_model(registry, name)
    return model


def no_such_model(registry: Names, name: str) -> NotFound:
    """The error for a model that a person named and that does not exist, with the nearest name."""
    return NotFound(
        f"there is no registered model {printable(name)!r}; {nearest(name, registry.names())}",
        state="nothing was changed",
        next_step="correct the name; `jenkins-mlflow list --models '*'` shows every one",
    )


def nearest(pattern: str, known: Sequence[str]) -> str:
    """The known name most like a name or pattern that matches nothing, as text."""
    if not known:
        return "none is registered yet"
    literal = re.sub(r"[*?\[\]]", "", pattern).casefold()

    def likeness(name: str) -> float:
        """The similarity of the name, or its beginning, to the pattern."""
        folded = name.casefold()
        return max(
            difflib.SequenceMatcher(None, literal, text).ratio() for text in (folded, folded[: len(literal)])
        )

    found = max(known, key=likeness)
    if likeness(found) >= _ALIKE:
        return f'the nearest name is "{printable(found)}"'
    return f"there is no name like it; registered: {listed([printable(name) for name in known], _SHOWN)}"
