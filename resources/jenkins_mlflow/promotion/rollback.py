"""Finds the version that a rollback returns to, from the records that promotions left on the versions they promoted."""

from __future__ import annotations

from dataclasses import dataclass

from jenkins_mlflow.errors import NotFound, Refused
from jenkins_mlflow.promotion.record import Entry, before, is_elsewhere, is_recorded, is_unsigned
from jenkins_mlflow.registry.snapshot import Model, Snapshot
from jenkins_mlflow.registry.version import Target, Version
from jenkins_mlflow.tags import PROMOTED_AT, RESTORED_FROM, TARGET
from jenkins_mlflow.text import argument


@dataclass(frozen=True)
class Return:
    """The current version (None if none or several are in production), and the version to return to.

    ``before`` holds the versions in production before that one, for its record after the rollback.
    """

    current: Version | None
    model: str
    number: int
    before: tuple[Entry, ...] = ()


def plan_return(
    snapshot: Snapshot, name: str, to: int | None, target: Target, *, unrecorded: bool = False
) -> Return:
    """Work out what a rollback of a model returns to. Pure.

    A promotion records everything that was in production before it. A rollback takes one step off that list, so the
    next rollback goes one step further back, and none goes forward again.

    Args:
        snapshot: The model, and the rest of its group if that is exclusive.
        name: The model.
        to: The version to return to; None for the one that was in production before.
        target: What marks production.
        unrecorded: Whether to accept a version of the same model that no recorded promotion put into
            production. Set when a promotion is undone, not when somebody asks for a rollback.

    Raises:
        NotFound: the model or the version does not exist, or no longer does.
        Refused: it is not known what was in production before, or no promotion put that version there.
    """
    model = snapshot.require(name)
    serving = model.production(target)
    current = serving[0] if len(serving) == 1 else None
    if to is not None:
        wanted = _there(snapshot, (name, to, 0))
        return Return(current, name, to, tuple(before(wanted)))
    if current is None:
        raise _refused(*_unclear(model, target))
    if void := _why_void(current, target):
        raise _refused(f"{current.label} is in production, and {void}")
    steps = before(current)
    if not steps:
        step = "" if is_recorded(current) else _to_recorded(model)
        raise _refused(f"{current.label} is in production, and {_why_last(current)}", step)
    back = _there(snapshot, steps[-1])
    if not is_recorded(back) and not (unrecorded and back.model == name):
        reason = _why_void(back, target) or "no recorded promotion put it there"
        raise _refused(
            f"{back.label} was in production before {current.label}, but {reason}",
            f"to return to it all the same: "
            f"`jenkins-mlflow rollback --model {argument(back.model)} --to {back.number}`",
        )
    if back.model != name and not target.exclusive:
        raise _refused(f"{current.label} says that it replaced {back.label}, but its group is not exclusive")
    return Return(current, back.model, back.number, tuple(steps[:-1]))


def _why_void(version: Version, target: Target) -> str:
    """Why a version's promotion record does not count; empty if it counts, or if there is none."""
    if is_elsewhere(version, target):
        return f"its promotion record is of {version.tags[TARGET]}, not of {target.marks}"
    return "its promotion record is not signed with this key" if is_unsigned(version, target) else ""


def _why_last(version: Version) -> str:
    """Why no version is recorded as in production before this one."""
    if not is_recorded(version):
        return "no promotion recorded what was there before it"
    if version.record.get(PROMOTED_AT):
        return "it is the first version in production: nothing to return to"
    return "a rollback put it there, and nothing records what was there before"


def _unclear(model: Model, target: Target) -> tuple[str, str]:
    """Why it is not known which version to return from, and what to do; with a record, that is a single command."""
    serving = model.production(target)
    count = f"{len(serving)} versions of {model.name} are" if serving else f"no version of {model.name} is"
    apart = model.disagreement(target)
    marks = (
        f" (version {apart[0].number} by its stage, version {apart[1].number} by its alias)" if apart else ""
    )
    why = f"{count} in production{marks}, so there is no single previous version"
    return why, _to_recorded(model)


def _to_recorded(model: Model) -> str:
    """The command that returns to the version that is recorded as in production; empty if none is."""
    if model.recorded is None:
        return ""
    return (
        f"`jenkins-mlflow rollback --model {argument(model.name)} --recorded` returns to version "
        f"{model.recorded.number}, which is recorded as in production; or name a version with --to"
    )


def _refused(why: str, next_step: str = "") -> Refused:
    return Refused(
        why,
        state="nothing was changed",
        next_step=next_step
        or "name the version to return to with --to; `jenkins-mlflow list` shows what is registered",
    )


def _there(snapshot: Snapshot, entry: Entry) -> Version:
    """The version that a record names, found under its new name if its model has since been renamed."""
    name, number, created = entry
    model = snapshot.model(name)
    version = model.version(number) if model else None
    if version is None or created not in (0, version.created):
        renamed = [v for v in snapshot.versions() if created and (v.number, v.created) == (number, created)]
        if len(renamed) == 1:
            return renamed[0]
        raise NotFound(
            f"{name} version {number} cannot be returned to: it was deleted, or was never in this group",
            state="nothing was changed",
            next_step=_restored(model, number, created)
            or "choose another version with --to; `jenkins-mlflow list` shows what is registered",
        )
    return version


def _restored(model: Model | None, number: int, created: int) -> str:
    """What to do if a tag, which anybody may write, says that the deleted version was restored under a new number."""
    for version in model.versions if model else ():
        origin, _, _ = version.tags.get(RESTORED_FROM, "").partition("@")
        if origin and (origin == str(number) or created == version.first_created):
            return (
                f"version {version.number} was restored from it: "
                f"`jenkins-mlflow rollback --model {argument(version.model)} --to {version.number}`"
            )
    return ""
