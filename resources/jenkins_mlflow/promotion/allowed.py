"""What the reader's own config allows of an intent, and how to settle one that it does not allow. Pure."""

from __future__ import annotations

from dataclasses import replace

from jenkins_mlflow.errors import RegistryError
from jenkins_mlflow.promotion.changes import Table
from jenkins_mlflow.promotion.intent import Intent, read_intent
from jenkins_mlflow.registry.change import Change
from jenkins_mlflow.registry.names import matches
from jenkins_mlflow.registry.snapshot import Model
from jenkins_mlflow.registry.version import ARCHIVED, NO_STAGE, PRODUCTION, STAGING, Target
from jenkins_mlflow.tags import INTENT_TAG
from jenkins_mlflow.text import argument

STAGES = (NO_STAGE, STAGING, PRODUCTION, ARCHIVED)


def allowed_intent(model: Model, target: Target, group: tuple[str, ...]) -> Intent | None:
    """Read a model's unfinished intent; None if it has none.

    Args:
        model: The model.
        target: The reader's own target.
        group: The name patterns of the reader's own group.

    Raises:
        RegistryError: it cannot be read, or this config does not allow it; the next step says what settles it.
    """
    intent = read_intent(model)
    if intent is None or not (why := asks_for_more(intent, target, group)):
        return intent
    raise RegistryError(
        f"{model.name} carries an unfinished promotion that this config does not allow: {why}",
        state="nothing was changed",
        next_step=_way_out(intent, target, group),
    )


def _way_out(intent: Intent, target: Target, group: tuple[str, ...]) -> str:
    """What settles an intent that the config does not allow: a command, if only stage or alias differ.

    A person decides whether to run it. What would change other models is never advised.
    """
    remove = f"look at its tag {INTENT_TAG} in MLflow, correct stages and aliases, then remove the tag"
    started = _started_with(intent.table, target)
    if started.stage not in (None, PRODUCTION, STAGING) or asks_for_more(intent, started, group):
        return f"run `jenkins-mlflow promote --recover` with the config that it was started with, or {remove}"
    marks = " ".join(
        f"--{option} {argument(mark) if mark else 'null'}"
        for option, mark in (("stage", started.stage), ("alias", started.alias))
    )
    command = f"`jenkins-mlflow promote --recover {marks} --models {argument(intent.model)}`"
    return f"if it was started with these marks, {command} finishes or undoes it; else {remove}"


def _started_with(table: Table, target: Target) -> Target:
    """The reader's target with the stage and the alias that the promoted version was to get."""
    changes = table.of(table.model).changes
    stages = [change.wanted for change in changes if change.mark == table.number]
    aliases = [change.mark for change in changes if not change.is_stage]
    return replace(
        target,
        stage=str(stages[0]) if stages else None,
        alias=str(aliases[0]) if aliases else None,
    )


def asks_for_more(intent: Intent, target: Target, group: tuple[str, ...]) -> str:
    """What an intent asks for that no promotion under this config would do; empty if nothing. Pure.

    Args:
        intent: The intent found.
        target: The reader's own target.
        group: The name patterns of the reader's own group.
    """
    table = intent.table
    for change in table.changes:
        in_promoted_model = change.model == table.model
        if not in_promoted_model and not (target.exclusive and matches(change.model, group)):
            return f"it would change {change.model}, which is outside its reach"
        if not (_own_change(change, table, target) if in_promoted_model else _retirement(change, target)):
            return f"it would make a change that no promotion makes here ({change.describe()})"
    return ""


def _own_change(change: Change, table: Table, target: Target) -> bool:
    if not change.is_stage:
        return change.mark == target.alias and change.wanted == table.number
    if change.mark == table.number:
        return change.wanted == target.stage and change.found in STAGES
    return _retirement(change, target)


def _retirement(change: Change, target: Target) -> bool:
    """Whether the change takes a version out of production."""
    if change.is_stage:
        return target.stage is not None and (change.found, change.wanted) == (target.stage, ARCHIVED)
    return change.mark == target.alias and change.wanted is None
