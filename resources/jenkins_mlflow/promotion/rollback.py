"""Which version a rollback returns to, from what promotions recorded on the versions that they put into production."""

from __future__ import annotations

from dataclasses import dataclass

from jenkins_mlflow.errors import NotFound, Refused
from jenkins_mlflow.registry.snapshot import Snapshot, Target, Version
from jenkins_mlflow.tags import PREVIOUS_MODEL, PREVIOUS_VERSION


@dataclass(frozen=True)
class Return:
    """Back from what (None: nothing is in production) to which model and version."""

    current: Version | None
    model: str
    number: int


def plan_return(snapshot: Snapshot, name: str, to: int | None, target: Target) -> Return:
    """Work out what a rollback of a model returns to. Pure.

    A rollback does not change what a version recorded when it was promoted: the second one in a row returns to what was
    in production before that version, so it goes one step further back, never forward again to the version left first.

    Args:
        snapshot: The model, and the rest of its group if that is exclusive.
        name: The model.
        to: The version to return to; None for the one that was in production before.
        target: What marks production.

    Raises:
        NotFound: the model or the version does not exist (any more).
        Refused: it is not known what was in production before.
    """
    model = snapshot.require(name)
    serving = model.production(target)
    current = serving[0] if len(serving) == 1 else None
    if to is not None:
        return Return(current, name, _there(snapshot, name, to))
    if current is None:
        count = f"{len(serving)} versions of {name} are" if serving else f"no version of {name} is"
        raise Refused(
            f"{count} in production, so there is no one before",
            state="nothing was changed",
            next_step="name the version to return to with --to",
        )
    before = recorded(current)
    if before is None:
        raise Refused(
            f"{current.label} is in production, but no promotion recorded what was there before it",
            state="nothing was changed",
            next_step="name the version to return to with --to; `jenkins-mlflow list` shows what is there",
        )
    other, number = before
    return Return(current, other, _there(snapshot, other, number))


def recorded(version: Version) -> tuple[str, int] | None:
    """Model and number of what a promotion recorded as in production before this version; None if it did not."""
    number = version.tags.get(PREVIOUS_VERSION, "")
    return (version.tags.get(PREVIOUS_MODEL, version.model), int(number)) if number.isdecimal() else None


def _there(snapshot: Snapshot, name: str, number: int) -> int:
    model = snapshot.model(name)
    if model is None or model.version(number) is None:
        raise NotFound(
            f"{name} version {number} cannot be returned to: it was deleted, or never was in this group",
            state="nothing was changed",
            next_step="choose another version with --to; `jenkins-mlflow list` shows what is there",
        )
    return number
