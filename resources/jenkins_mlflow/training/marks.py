"""Works out what was in production when a training command started. Pure.

This is read from the registry when the command starts. But candidates may train on several agents, and one
may move a mark before the command on another agent starts. So each run carries what its own command saw, as a
tag set by MLFLOW_RUN_CONTEXT. Together, the runs of a build show what was in production before any of them,
even if an agent was lost.

Another build may be training too, and its script may already have promoted a version. Then what that build
saw at its start counts, because its own command will take the version out again.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from jenkins_mlflow.registry.snapshot import Model, Snapshot
from jenkins_mlflow.registry.version import LONGEST_TRAINING, Run, Target, Version, newest_record
from jenkins_mlflow.tags import LONGEST_TAG, OUTCOME_TAG, PRODUCTION_BEFORE, PROMOTED_AT
from jenkins_mlflow.text import parsed_json


@dataclass(frozen=True)
class Held:
    """The versions in production in one model: those in the stage, and the holder of the alias."""

    staged: tuple[int, ...] = ()
    holder: int | None = None


Marks = Mapping[str, Held]
"""The versions in production, by model; a model that is absent had nothing in production."""


@dataclass(frozen=True)
class Seen:
    """What a command saw in production when it started.

    Attributes:
        marks: The versions in production.
        newest: By model, when its latest promotion at that time was recorded (see ``newest_record``). Any
            later record means a promotion since then.
    """

    marks: Marks
    newest: Mapping[str, int] = field(default_factory=dict)

    def since(self, models: Sequence[Model], target: Target) -> Marks | None:
        """What these models, which share one champion, had in production; a promotion recorded since then counts.

        None if records are signed and one of the versions has no signed record: anybody may write this tag, and
        it must not put a version into production that has not passed the gates.
        """
        if promoted := promoted_since(models, self.newest):
            return alone(promoted, target)
        names = {model.name for model in models}
        held = {name: one for name, one in self.marks.items() if name in names or target.exclusive}
        versions = [v for model in models for v in model.versions if v.number in _numbers(held, model.name)]
        return held if all(version.counted is None or recorded(version) for version in versions) else None


def _numbers(held: Marks, name: str) -> set[int | None]:
    one = held.get(name, Held())
    return {*one.staged, one.holder}


def marks(snapshot: Snapshot, target: Target, now: float) -> Seen | None:
    """The versions in production now, without those put there by running trainings; None if that is not known.

    Args:
        snapshot: The group, including the runs of ``unrecorded`` versions.
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
    """Production without versions put there by trainings that are still running, for models with one champion.

    Returns:
        The versions in production, by model; None if they are not known.
    """
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
    # The first run saw what was in production before all of them.
    trainings = [decode(run.tags[PRODUCTION_BEFORE]) for run in runs]
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
    """When the last promotion of each model was recorded; models without one are left out."""
    return {model.name: newest for model in models if (newest := newest_record(model.versions))}


def promoted_since(models: Sequence[Model], newest: Mapping[str, int]) -> Version | None:
    """The version that has been promoted most recently since then; None if there was no promotion.

    Args:
        models: The models now.
        newest: The result of ``newest_of`` at that time.
    """
    promoted = [
        version
        for model in models
        for version in model.versions
        if newest_record([version]) > newest.get(model.name, 0)
    ]
    return max(promoted, key=lambda version: version.recorded_time, default=None)


def sharing(models: Sequence[Model], target: Target) -> Sequence[Sequence[Model]]:
    """The sets of models that share a champion: the whole exclusive group, or each model alone."""
    return [models] if target.exclusive else [(model,) for model in models]


def unrecorded(version: Version, target: Target) -> bool:
    """Whether it is in production without a recorded promotion, so that a training may have put it there."""
    return version.in_production(target) and not recorded(version)


def recorded(version: Version) -> bool:
    return PROMOTED_AT in version.record


def alone(version: Version, target: Target) -> Marks:
    """The marks of a promoted version."""
    number = version.number
    return {version.model: Held((number,) if target.stage else (), number if target.alias else None)}


def _at_work(run: Run, now: float) -> bool:
    """Whether the command that started the run has yet to check what its script changed, unless it was lost."""
    open_ended = PRODUCTION_BEFORE in run.tags and OUTCOME_TAG not in run.tags
    return open_ended and now - run.started / 1000 < LONGEST_TRAINING


def _held(model: Model, target: Target, made: Sequence[Version]) -> Held:
    """The versions with the model's marks, without those created by running trainings."""
    others = [version.number for version in model.production(target) if version not in made]
    staged = tuple(version.number for version in model.staged(target.stage) if version.number in others)
    holder = model.aliases.get(target.alias) if target.alias else None
    return Held(staged, holder if holder in others else None)


def encode(seen: Seen | None) -> str:
    """What a command saw, as the text of a tag; empty if it is not known or does not fit into a tag."""
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
    """Read such a tag; None if it holds anything else, because anybody may write it."""
    try:
        models = {name: _model(one) for name, one in parsed_json(text).items()}
    except (ValueError, TypeError, AttributeError):
        return None
    marks = {name: held for name, (held, _) in models.items() if held != Held()}
    return Seen(marks, {name: newest for name, (_, newest) in models.items() if newest})


def decoded(texts: Iterable[str]) -> Iterator[Seen]:
    """Read such tags, each distinct text once, without those that cannot be read."""
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
