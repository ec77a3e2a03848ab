"""Production in two places at once, or only half there, as commands report it, and how to resolve that. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from jenkins_mlflow.promotion.intent import is_unfinished
from jenkins_mlflow.registry.snapshot import Model, Snapshot
from jenkins_mlflow.registry.version import Target, Version, last_recorded
from jenkins_mlflow.tags import TARGET
from jenkins_mlflow.text import argument


@dataclass(frozen=True)
class Conflict:
    """Versions of one model that are in production at once.

    Attributes:
        kind: What contradicts what.
        message: The same in a sentence.
        versions: The versions.
    """

    kind: Literal["two in production", "stage and alias differ"]
    message: str
    versions: Sequence[Version]


def conflict(model: Model, target: Target) -> Conflict | None:
    """More than one version in the stage, or one there and another with the alias."""
    serving = model.staged(target.stage)
    if len(serving) > 1:
        numbers = " and ".join(str(version.number) for version in reversed(serving))
        message = f"{model.name} has {len(serving)} versions in {target.stage}: {numbers}"
        return Conflict("two in production", message, serving)
    differ = model.disagreement(target)
    if differ is None:
        return None
    staged, holder = differ
    message = (
        f"{model.name}: version {staged.number} is in {target.stage}, but alias {target.alias} is on version "
        f"{holder.number}"
    )
    return Conflict("stage and alias differ", message, differ)


def conflicts(snapshot: Snapshot, target: Target) -> list[str]:
    """Models with more than one version in the stage, or whose stage and alias differ.

    A model with an unfinished promotion is skipped: that has to be settled first.
    """
    messages = []
    for model in snapshot.models:
        if is_unfinished(model) or not model.production(target):
            continue
        if found := conflict(model, target):
            settle = "keep one" if found.kind == "two in production" else "settle it"
            messages.append(f"{found.message}; {settle}: {keep_one(found.versions)}")
    return messages


def keep_one(versions: Sequence[Version]) -> str:
    """The promotions that leave only one of these in production; first that of the version recorded last."""
    recorded = last_recorded(versions)
    ordered = sorted(versions, key=lambda version: version is not recorded)
    model = ordered[0].model
    if any(version.model != model for version in ordered):
        return " or ".join(f"`{_promote(version)}`" for version in ordered)
    others = (f" or `--version {version.number}`" for version in ordered[1:])
    return f"`{_promote(ordered[0])}`{''.join(others)}"


def _promote(version: Version) -> str:
    return f"jenkins-mlflow promote --model {argument(version.model)} --version {version.number}"


@dataclass(frozen=True)
class Half:
    """A champion that lacks a mark that its promotion gave it: a person took it away, or no method could set it.

    Attributes:
        version: The champion.
        missing: The mark in words.
    """

    version: Version
    missing: str

    @property
    def message(self) -> str:
        marks = self.version.record.get(TARGET, "")
        return (
            f"{self.version.label} is only partly in production: its promotion record says {marks}, "
            f"but it lacks the {self.missing}"
        )

    @property
    def fix(self) -> str:
        return f"`{_promote(self.version)}`"


def halves(snapshot: Snapshot, target: Target) -> list[Half]:
    """The champions that lack a mark of the target although their own record says that they got it.

    Only the version that was promoted last counts, if nothing else is in production. A version without a record
    lacks nothing: teams may set only the stage by hand.
    """
    found = []
    for model in snapshot.models:
        serving = model.production(target)
        recorded = snapshot.recorded if target.exclusive else model.recorded
        if len(serving) != 1 or serving[0] is not recorded or is_unfinished(model):
            continue
        version = serving[0]
        given = {*version.record.get(TARGET, "").split()} & {*target.marks.split()}
        if target.stage in given and version.stage != target.stage:
            found.append(Half(version, f"stage {target.stage}"))
        elif f"@{target.alias}" in given and target.alias not in version.aliases:
            found.append(Half(version, f"alias {target.alias}"))
    return found


def champions(snapshot: Snapshot, target: Target) -> list[Version]:
    """The version in production of each model that has one."""
    serving = [(model, model.production(target)) for model in snapshot.models]
    return [versions[0] for _, versions in serving if versions]


def rivals(snapshot: Snapshot, target: Target) -> list[str]:
    """The conflict of an exclusive group in which several models have a champion."""
    serving = champions(snapshot, target)
    if not target.exclusive or len(serving) < 2 or any(map(is_unfinished, snapshot.models)):
        return []
    return [
        (
            f"the group has one champion (promote.exclusive), but {len(serving)} of its models are in production: "
            f"{', '.join(version.label for version in serving)}; keep one: {keep_one(serving)}"
        )
    ]
