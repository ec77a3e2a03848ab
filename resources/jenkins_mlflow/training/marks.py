"""What a training put into production itself, and how production was before. Pure.

A training script may set stages and aliases: what it registered then serves before any gate has looked at it. Such a
version is told by three things: one of the build's runs made it, it is in production, and no recorded promotion put it
there.

What was in production before the training is read from the registry when a training command starts. Candidates may
train on several agents, though, and one may move a mark before the command on another agent starts. So each run
carries what its own command saw, as a tag that MLFLOW_RUN_CONTEXT gives it: together the runs of a build know how
production was before any of them, also when an agent was lost.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from jenkins_mlflow.registry.change import Change
from jenkins_mlflow.registry.snapshot import NO_STAGE, Model, Snapshot, Target, Version
from jenkins_mlflow.tags import LONGEST_TAG, PROMOTED_AT
from jenkins_mlflow.text import parsed_json, printable


@dataclass(frozen=True)
class Held:
    """What was in production in one model: the versions in the stage, and the holder of the alias."""

    staged: tuple[int, ...] = ()
    holder: int | None = None


Marks = Mapping[str, Held]
"""What was in production, by model; a model that is absent had nothing in production."""

Trained = Mapping[str, set[int]]
"""The versions that the build's training registered, by model."""


@dataclass(frozen=True)
class SelfPromotion:
    """What a training put into production in one model.

    Attributes:
        model: The registered model.
        versions: Those of the build that are in production.
        changes: They lead back, what goes into production first; in an exclusive group also in other models.
        obstacle: Why nothing leads back; empty if ``changes`` do.
    """

    model: str
    versions: tuple[int, ...]
    changes: tuple[Change, ...]
    obstacle: str = ""


def marks(snapshot: Snapshot, target: Target) -> Marks:
    """What is in production now."""
    found = {model.name: _held(model, target) for model in snapshot.models}
    return {name: held for name, held in found.items() if held != Held()}


def _held(model: Model, target: Target) -> Held:
    staged = tuple(version.number for version in model.staged(target.stage))
    return Held(staged, model.aliases.get(target.alias) if target.alias else None)


def encode(held: Marks) -> str:
    """The marks as the text of a tag; empty when no tag can hold them."""
    compact = {name: [list(one.staged), one.holder] for name, one in sorted(held.items())}
    text = json.dumps(compact, ensure_ascii=False, separators=(",", ":"))
    return text if len(text.encode()) <= LONGEST_TAG else ""


def decode(text: str) -> Marks | None:
    """The marks of such a tag; None when it holds anything else: everybody may write it."""
    try:
        return {
            name: Held(
                tuple(_number(number) for number in staged), None if holder is None else _number(holder)
            )
            for name, (staged, holder) in parsed_json(text).items()
        }
    except (ValueError, TypeError, AttributeError):
        return None


def _number(value: object) -> int:
    if type(value) is not int:
        raise TypeError("no version number")
    return value


def self_promotions(
    before: Snapshot, earlier: Sequence[Marks], after: Snapshot, target: Target, run_ids: Collection[str]
) -> tuple[SelfPromotion, ...]:
    """What the training of a build put into production.

    Args:
        before: The group when this command began.
        earlier: What was in production when other commands of the build began, the latest first.
        after: The group now.
        target: What marks production.
        run_ids: All runs of the build.
    """
    trained = {
        model.name: {version.number for version in model.versions if _by_training(version, run_ids)}
        for model in after.models
    }
    sharing = [after.models] if target.exclusive else [(model,) for model in after.models]
    return tuple(
        found for models in sharing for found in _of_models(models, before, earlier, target, trained)
    )


def _by_training(version: Version, run_ids: Collection[str]) -> bool:
    return version.run_id in run_ids and PROMOTED_AT not in version.record


def _of_models(
    models: Sequence[Model], before: Snapshot, earlier: Sequence[Marks], target: Target, trained: Trained
) -> list[SelfPromotion]:
    """The same for models that have one champion together: an exclusive group, or one model alone."""
    serving = {
        model.name: numbers
        for model in models
        if (numbers := tuple(v.number for v in model.production(target) if v.number in trained[model.name]))
    }
    if not serving:
        return []
    present = {model.name: model for model in models}
    held = _before(models, before, earlier, target, trained)
    obstacle = _obstacle(held, present, target, trained, serving)
    if held is None or obstacle:
        return [SelfPromotion(name, numbers, (), obstacle) for name, numbers in serving.items()]
    returning = [change for model in models for change in _returning(model, held, target, serving)]
    return [
        SelfPromotion(
            name,
            numbers,
            (
                *(change for change in returning if change.model not in serving or change.model == name),
                *_leaving(present[name], before.model(name), held, target, trained[name]),
            ),
        )
        for name, numbers in serving.items()
    ]


def _before(
    models: Sequence[Model], before: Snapshot, earlier: Sequence[Marks], target: Target, trained: Trained
) -> Marks | None:
    """What was in production before the training; a recorded promotion since then counts."""
    names = {model.name for model in models}
    promoted = [
        version
        for model in models
        for version in model.versions
        if version.recorded_at != _recorded_before(version, before.model(model.name))
    ]
    if promoted:
        last = max(promoted, key=lambda version: version.recorded_at)
        return {
            last.model: Held((last.number,) if target.stage else (), last.number if target.alias else None)
        }
    for held in (marks(before, target), *earlier):
        among = {name: one for name, one in held.items() if name in names or target.exclusive}
        if not any({*one.staged, one.holder} & trained.get(name, set()) for name, one in among.items()):
            return among
    return None


def _recorded_before(version: Version, began: Model | None) -> str:
    known = began.version(version.number) if began else None
    return known.recorded_at if known else ""


def _obstacle(
    held: Marks | None,
    present: Mapping[str, Model],
    target: Target,
    trained: Trained,
    serving: Collection[str],
) -> str:
    """Why what was in production before cannot come back; empty if it can."""
    if held is None:
        return "what was in production before is not known"
    lost = [
        f"v{number}" if name in serving else f"{printable(name)} v{number}"
        for name, one in held.items()
        for number in _lost(one, present.get(name), target, trained.get(name, ()))
    ]
    return f"{', '.join(lost)}, which was in production before, was deleted" if lost else ""


def _lost(held: Held, model: Model | None, target: Target, trained: Collection[int]) -> list[int]:
    """The versions whose mark nothing has if the training's versions leave: they were deleted."""
    if model is None:
        return sorted({*held.staged, *([held.holder] if held.holder else [])})
    others = {version.number for version in model.staged(target.stage)} - set(trained)
    staged = not held.staged or others or any(model.version(number) for number in held.staged)
    lost = [] if staged else [*held.staged]
    taken = target.alias and model.aliases.get(target.alias) in (None, *trained)
    if taken and held.holder and not model.version(held.holder):
        lost.append(held.holder)
    return sorted(set(lost))


def _returning(model: Model, held: Marks, target: Target, serving: Collection[str]) -> Iterator[Change]:
    """What goes back into production. Where somebody else has put a version into it, that one stays alone."""
    one = held.get(model.name, Held())
    if model.name not in serving and model.production(target):
        return
    for number in one.staged if target.stage else ():
        version = model.version(number)
        if version and version.stage != target.stage:
            yield Change(model.name, number, version.stage, target.stage)
    if target.alias and one.holder and target.alias not in model.aliases:
        yield Change(model.name, target.alias, None, one.holder)


def _leaving(
    model: Model, began: Model | None, held: Marks, target: Target, trained: Collection[int]
) -> Iterator[Change]:
    """What goes out of production, and the alias that goes back."""
    for version in model.staged(target.stage):
        if version.number in trained:
            known = began.version(version.number) if began else None
            stage = known.stage if known and known.stage != target.stage else NO_STAGE
            yield Change(model.name, version.number, str(target.stage), stage)
    holder = model.aliases.get(target.alias) if target.alias else None
    if target.alias and holder in trained:
        yield Change(model.name, target.alias, holder, held.get(model.name, Held()).holder)
