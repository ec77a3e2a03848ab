"""Finds versions that a training itself put into production, and works out how to revert that. Pure.

A training script may set stages and aliases, so that what it registered serves before any gate has judged it.
Such a version is recognised by three facts: one of the build's runs created it, it is in production, and no
recorded promotion put it there.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from jenkins_mlflow.registry.change import Change
from jenkins_mlflow.registry.snapshot import Model, Snapshot
from jenkins_mlflow.registry.version import NO_STAGE, Target, Version
from jenkins_mlflow.text import printable
from jenkins_mlflow.training.marks import (
    Held,
    Marks,
    Seen,
    alone,
    marks_of,
    newest_of,
    promoted_since,
    recorded,
    sharing,
)

Trained = Mapping[str, set[int]]
"""The versions that the build's training registered, by model."""


@dataclass(frozen=True)
class SelfPromotion:
    """The versions of one model that a training put into production.

    Attributes:
        model: The registered model.
        versions: The build's versions that are in production.
        changes: The changes that revert this, starting with those into production; they may include other
            models of an exclusive group.
        obstacle: Why this cannot be reverted; empty if ``changes`` do it.
    """

    model: str
    versions: tuple[int, ...]
    changes: tuple[Change, ...]
    obstacle: str = ""


@dataclass(frozen=True)
class _Past:
    """What is known about production before the training; see ``self_promotions``."""

    before: Snapshot
    earlier: Sequence[Seen]
    target: Target
    now: float

    def of(self, models: Sequence[Model], trained: Trained) -> Marks | None:
        """What models that share one champion had in production; a recorded promotion since then counts."""
        if promoted := promoted_since(models, newest_of(self.before.models)):
            return alone(promoted, self.target)
        names = {model.name for model in models}
        known = [model for model in self.before.models if model.name in names or self.target.exclusive]
        began = marks_of(known, self.target, self.now)
        for held in (began, *(seen.since(models, self.target) for seen in self.earlier)):
            if held is not None and not _any_of(held, trained):
                return held
        return None


def self_promotions(
    before: Snapshot,
    earlier: Sequence[Seen],
    after: Snapshot,
    target: Target,
    run_ids: Collection[str],
    now: float,
) -> tuple[SelfPromotion, ...]:
    """Find the versions that a build's training put into production.

    Args:
        before: The group when this command started, with the runs that ``marks`` needs.
        earlier: What was in production when other commands of the build started, the latest first.
        after: The group now.
        target: What marks production.
        run_ids: All runs of the build.
        now: Seconds since 1970 when this command started.
    """
    trained = {
        model.name: {version.number for version in model.versions if _by_training(version, run_ids)}
        for model in after.models
    }
    past = _Past(before, earlier, target, now)
    return tuple(
        found for models in sharing(after.models, target) for found in _of_models(models, past, trained)
    )


def _by_training(version: Version, run_ids: Collection[str]) -> bool:
    return version.run_id in run_ids and not recorded(version)


def _of_models(models: Sequence[Model], past: _Past, trained: Trained) -> list[SelfPromotion]:
    """Like ``self_promotions``, for models that share a champion: an exclusive group, or one model alone."""
    target = past.target
    serving = {
        model.name: numbers
        for model in models
        if (numbers := tuple(v.number for v in model.production(target) if v.number in trained[model.name]))
    }
    if not serving:
        return []
    present = {model.name: model for model in models}
    held = past.of(models, trained)
    obstacle = _obstacle(held, present, target, trained, serving)
    if held is None or obstacle:
        return [SelfPromotion(name, numbers, (), obstacle) for name, numbers in serving.items()]
    returning = [change for model in models for change in _returning(model, held, target, serving)]
    changes = {
        name: (
            *(change for change in returning if change.model not in serving or change.model == name),
            *_leaving(present[name], past.before.model(name), held, target, trained[name]),
        )
        for name in serving
    }
    if _emptied(models, [change for some in changes.values() for change in some], held, target):
        obstacle = "without it, a stage or an alias that was in use would be empty"
        return [SelfPromotion(name, numbers, (), obstacle) for name, numbers in serving.items()]
    return [SelfPromotion(name, numbers, changes[name]) for name, numbers in serving.items()]


def _emptied(models: Sequence[Model], changes: Sequence[Change], held: Marks, target: Target) -> bool:
    """Whether the changes would leave the stage or the alias empty although a version had it before."""
    then = {(change.model, change.mark): change.wanted for change in changes}
    staged = any(
        then.get((version.model, version.number), version.stage) == target.stage
        for model in models
        for version in model.versions
    )
    pointed = target.alias is not None and any(
        then.get((model.name, target.alias), model.aliases.get(target.alias)) for model in models
    )
    were_staged = target.stage is not None and any(one.staged for one in held.values())
    were_pointed = target.alias is not None and any(one.holder for one in held.values())
    return (were_staged and not staged) or (were_pointed and not pointed)


def _any_of(held: Marks, trained: Trained) -> bool:
    return any({*one.staged, one.holder} & trained.get(name, set()) for name, one in held.items())


def _obstacle(
    held: Marks | None,
    present: Mapping[str, Model],
    target: Target,
    trained: Trained,
    serving: Collection[str],
) -> str:
    """Why the version that was in production before cannot be put back; empty if it can."""
    if held is None:
        return "what was in production before is not known"
    lost = [
        f"v{number}" if name in serving else f"{printable(name)} v{number}"
        for name, one in held.items()
        for number in _lost(one, present.get(name), target, trained.get(name, ()))
    ]
    was = "was" if len(lost) == 1 else "were"
    return f"{', '.join(lost)}, which {was} in production before, {was} deleted" if lost else ""


def _lost(held: Held, model: Model | None, target: Target, trained: Collection[int]) -> list[int]:
    """The deleted versions whose mark no version would have once the training's versions leave."""
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
    """The changes that put versions back. If somebody else has put a version into production, nothing joins it."""
    one = held.get(model.name, Held())
    others = {version.number for version in model.production(target)} - {*one.staged, one.holder}
    if model.name not in serving and others:
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
    """The changes that take the training's versions out of production and give the alias back."""
    for version in model.staged(target.stage):
        if version.number in trained:
            known = began.version(version.number) if began else None
            stage = known.stage if known and known.stage != target.stage else NO_STAGE
            yield Change(model.name, version.number, str(target.stage), stage)
    holder = model.aliases.get(target.alias) if target.alias else None
    if target.alias and holder in trained:
        yield Change(model.name, target.alias, holder, held.get(model.name, Held()).holder)
