"""What every command says of production where it is in two places at once, and how to settle it. Pure."""

from __future__ import annotations

from jenkins_mlflow.promotion.intent import is_unfinished
from jenkins_mlflow.registry.snapshot import Snapshot, Target, Version
from jenkins_mlflow.text import argument


def conflicts(snapshot: Snapshot, target: Target) -> list[str]:
    """Models with more than one version in the stage, or whose stage and alias differ.

    One with an unfinished promotion is left out: that is what has to be settled first.
    """
    told = []
    for model in snapshot.models:
        if is_unfinished(model) or not model.production(target):
            continue
        promote = f"jenkins-mlflow promote --model {argument(model.name)} --version"
        serving = model.staged(target.stage)
        if len(serving) > 1:
            numbers = " and ".join(str(version.number) for version in reversed(serving))
            told.append(
                f"{model.name} has {len(serving)} versions in {target.stage}: {numbers}; keep one: "
                f"`{promote} {serving[0].number}`"
            )
        elif differ := model.disagreement(target):
            staged, holder = differ
            told.append(
                f"{model.name}: version {staged.number} is in {target.stage}, but alias {target.alias} "
                f"is on version {holder.number}; settle it: `{promote} {staged.number}` "
                f"or `--version {holder.number}`"
            )
    return told


def champions(snapshot: Snapshot, target: Target) -> list[Version]:
    """The version in production of each model that has one."""
    serving = [(model, model.production(target)) for model in snapshot.models]
    return [versions[0] for _, versions in serving if versions]


def rivals(snapshot: Snapshot, target: Target) -> list[str]:
    """The champions of an exclusive group where several of its models have one."""
    serving = champions(snapshot, target)
    if not target.exclusive or len(serving) < 2 or any(map(is_unfinished, snapshot.models)):
        return []
    return [
        (
            f"the group has one champion (promote.exclusive), but {len(serving)} of its models are in production: "
            f"{', '.join(version.label for version in serving)}; keep one: "
            f"`jenkins-mlflow promote --model {argument(serving[0].model)} --version {serving[0].number}`"
        )
    ]
