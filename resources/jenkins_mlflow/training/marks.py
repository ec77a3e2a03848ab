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
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from jenkins_mlflow.registry.change import Change
from jenkins_mlflow.registry.snapshot import NO_STAGE, Model, Snapshot, Target, Version
from jenkins_mlflow.tags import LONGEST_TAG, PROMOTED_AT
from jenkins_mlflow.text import parsed_json


@dataclass(frozen=True)
class Held:
    """What was in production in one model: the versions in the stage, and the holder of the alias."""

    staged: tuple[int, ...] = ()
    holder: int | None = None


Marks = Mapping[str, Held]
"""What was in production, by model; a model that is absent had nothing in production."""


@dataclass(frozen=True)
class SelfPromotion:
    """What a training put into production in one model.

    ``changes`` lead back, what goes into production first; None when it is not known what was there before.
    """

    model: str
    versions: tuple[int, ...]
    changes: tuple[Change, ...] | None


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
    found = []
    for model in after.models:
        trained = {version.number for version in model.versions if _by_training(version, run_ids)}
        serving = tuple(v.number for v in model.production(target) if v.number in trained)
        if serving:
            held = _before(model, before, earlier, target, trained)
            changes = None if held is None else _back(model, held, before.model(model.name), target, trained)
            found.append(SelfPromotion(model.name, serving, changes))
    return tuple(found)


def _by_training(version: Version, run_ids: Collection[str]) -> bool:
    return version.run_id in run_ids and PROMOTED_AT not in version.record


def _before(
    model: Model, before: Snapshot, earlier: Sequence[Marks], target: Target, trained: Collection[int]
) -> Held | None:
    """What was in production before the training; a recorded promotion since then counts."""
    began = before.model(model.name)
    promoted = [v for v in model.versions if v.recorded_at != _recorded_before(v, began)]
    if promoted:
        number = max(promoted, key=lambda version: version.recorded_at).number
        return Held((number,), number)
    for held in (marks(before, target), *earlier):
        one = held.get(model.name, Held())
        if not {*one.staged, one.holder} & set(trained):
            return one
    return None


def _recorded_before(version: Version, began: Model | None) -> str:
    known = began.version(version.number) if began else None
    return known.recorded_at if known else ""


def _back(
    model: Model, held: Held, began: Model | None, target: Target, trained: Collection[int]
) -> tuple[Change, ...]:
    changes = []
    if target.stage:
        returning = (model.version(number) for number in held.staged)
        changes += [
            Change(model.name, version.number, version.stage, target.stage)
            for version in returning
            if version and version.stage != target.stage
        ]
        for version in model.staged(target.stage):
            if version.number in trained:
                known = began.version(version.number) if began else None
                stage = known.stage if known and known.stage != target.stage else NO_STAGE
                changes.append(Change(model.name, version.number, target.stage, stage))
    holder = model.aliases.get(target.alias) if target.alias else None
    if target.alias and holder in trained:
        wanted = held.holder if held.holder and model.version(held.holder) else None
        changes.append(Change(model.name, target.alias, holder, wanted))
    return tuple(changes)
