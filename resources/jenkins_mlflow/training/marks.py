"""What was in production when a training command began. Pure.

It is read from the registry when the command starts. Candidates may train on several agents, though, and one may move
a mark before the command on another agent starts. So each run carries what its own command saw, as a tag that
MLFLOW_RUN_CONTEXT gives it: together the runs of a build know how production was before any of them, also when an
agent was lost.

Another build may be at work, too, and its script may have promoted already. Then what that build saw counts: its own
command takes its version out again.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from jenkins_mlflow.registry.snapshot import (
    LONGEST_TRAINING,
    Model,
    Run,
    Snapshot,
    Target,
    Version,
    newest_record,
)
from jenkins_mlflow.tags import LONGEST_TAG, OUTCOME_TAG, PRODUCTION_BEFORE, PROMOTED_AT
from jenkins_mlflow.text import parsed_json


@dataclass(frozen=True)
class Held:
    """What was in production in one model: the versions in the stage, and the holder of the alias."""

    staged: tuple[int, ...] = ()
    holder: int | None = None


Marks = Mapping[str, Held]
"""What was in production, by model; a model that is absent had nothing in production."""


@dataclass(frozen=True)
class Seen:
    """What was in production when a command began.

    Attributes:
        marks: What was in production.
        newest: By model, when its last promotion of that time was recorded, see ``newest_record``: a later one came
            after it.
    """

    marks: Marks
    newest: Mapping[str, int] = field(default_factory=dict)

    def since(self, models: Sequence[Model], target: Target) -> Marks | None:
        """What these models, which share one champion, had in production: a promotion recorded since then counts.

        None where records are signed and one of the versions has no signed record: everybody may write such a tag,
        and it must put nothing into production that passed no gate.
        """
        if promoted := promoted_since(models, self.newest):
            return alone(promoted, target)
        names = {model.name for model in models}
        held = {name: one for name, one in self.marks.items() if name in names or target.exclusive}
        versions = [v for model in models for v in model.versions if v.number in _numbers(held, model.name)]
        return held if all(version.vouched is None or recorded(version) for version in versions) else None


def _numbers(held: Marks, name: str) -> set[int | None]:
    one = held.get(name, Held())
    return {*one.staged, one.holder}


def marks(snapshot: Snapshot, target: Target, now: float) -> Seen | None:
    """What is in production now, without what trainings at work have put there; None if that is not known.

    Args:
        snapshot: The group, with the runs of ``unrecorded`` versions.
        target: What marks production.
        now: Seconds since 1970.
    """
    found = [marks_of(models, target, now) for models in sharing(snapshot.models, target)]
    known = [held for held in found if held is not None]
    if known != found:
        return None
    held_now = {name: one for held in known for name, one in held.items()}
    return Seen(held_now, newest_of(snapshot.models))


def marks_of(models: Sequence[Model], target: Target, now: float) -> Marks | None:
    """What models that have one champion together have in production, in the same way."""
    made = [
        version
        for model in models
        for version in model.production(target)
        if unrecorded(version, target) and version.run and _at_work(version.run, now)
    ]
    rest = {model.name: _held(model, target, made) for model in models}
    rest = {name: one for name, one in rest.items() if one != Held()}
    if not made:
        return rest
    runs = sorted((version.run for version in made if version.run), key=lambda run: run.started)
    trainings = [
        decode(run.tags[PRODUCTION_BEFORE]) for run in runs
    ]  # the first has seen what was before all
    known = [seen for seen in trainings if seen is not None]
    before = known[0].since(models, target) if known == trainings else None
    if before is None or not rest:
        return before
    return {
        name: Held(
            one.staged or before.get(name, Held()).staged, one.holder or before.get(name, Held()).holder
        )
        for name, one in rest.items()
    }


def newest_of(models: Iterable[Model]) -> dict[str, int]:
    """When the last promotion of each model was recorded, for those that have one."""
    return {model.name: newest for model in models if (newest := newest_record(model.versions))}


def promoted_since(models: Sequence[Model], newest: Mapping[str, int]) -> Version | None:
    """The version that was promoted last of those that were promoted since; None if none was.

    Args:
        models: The models now.
        newest: As ``newest_of`` made it then.
    """
    promoted = [
        version
        for model in models
        for version in model.versions
        if newest_record([version]) > newest.get(model.name, 0)
    ]
    return max(promoted, key=lambda version: version.recorded_time, default=None)


def sharing(models: Sequence[Model], target: Target) -> Sequence[Sequence[Model]]:
    """The models that have one champion together: an exclusive group, or each model alone."""
    return [models] if target.exclusive else [(model,) for model in models]


def unrecorded(version: Version, target: Target) -> bool:
    """Whether it is in production without a recorded promotion: a training may have put it there."""
    return version.in_production(target) and not recorded(version)


def recorded(version: Version) -> bool:
    return PROMOTED_AT in version.record


def alone(version: Version, target: Target) -> Marks:
    """The marks of a version that was promoted."""
    number = version.number
    return {version.model: Held((number,) if target.stage else (), number if target.alias else None)}


def _at_work(run: Run, now: float) -> bool:
    """Whether the command that started the run still has to look at what its script changed, unless it was lost."""
    open_ended = PRODUCTION_BEFORE in run.tags and OUTCOME_TAG not in run.tags
    return open_ended and now - run.started / 1000 < LONGEST_TRAINING


def _held(model: Model, target: Target, made: Sequence[Version]) -> Held:
    """What has the model's marks, without the versions that trainings at work have made."""
    others = [version.number for version in model.production(target) if version not in made]
    staged = tuple(version.number for version in model.staged(target.stage) if version.number in others)
    holder = model.aliases.get(target.alias) if target.alias else None
    return Held(staged, holder if holder in others else None)


def encode(seen: Seen | None) -> str:
    """What was seen as the text of a tag; empty when it is not known, or no tag can hold it."""
    if seen is None:
        return ""
    compact = {
        name: [list(one.staged), one.holder, seen.newest.get(name, 0)]
        for name in sorted({*seen.marks, *seen.newest})
        for one in [seen.marks.get(name, Held())]
    }
    text = json.dumps(compact, ensure_ascii=False, separators=(",", ":"))
    return text if len(text.encode()) <= LONGEST_TAG else ""


def decode(text: str) -> Seen | None:
    """What such a tag says; None when it holds anything else: everybody may write it."""
    try:
        models = {name: _model(one) for name, one in parsed_json(text).items()}
    except (ValueError, TypeError, AttributeError):
        return None
    marks = {name: held for name, (held, _) in models.items() if held != Held()}
    return Seen(marks, {name: newest for name, (_, newest) in models.items() if newest})


def decoded(texts: Iterable[str]) -> Iterator[Seen]:
    """What such tags say, each text once, without those that say nothing."""
    return (seen for text in dict.fromkeys(texts) if (seen := decode(text)) is not None)


def _model(one: object) -> tuple[Held, int]:
    if not isinstance(one, list):
        raise TypeError("no marks")
    staged, holder, newest = one
    held = Held(tuple(_number(number) for number in staged), None if holder is None else _number(holder))
    return held, _number(newest)


def _number(value: object) -> int:
    if type(value) is not int:
        raise TypeError("no number")
    return value
