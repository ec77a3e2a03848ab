"""Bringing versions back to the stages they were found in: after a method that failed half way, and after a crash."""

from __future__ import annotations

import functools
from collections.abc import Sequence

from jenkins_mlflow.methods.base import Method
from jenkins_mlflow.promotion.plan import Plan
from jenkins_mlflow.registry.snapshot import Model, Target, Version
from jenkins_mlflow.registry.writer import Attempt, Writer


def move_back(
    writer: Writer, methods: Sequence[Method], model: Model, moves: Sequence[tuple[Version, str]]
) -> list[str]:
    """Give each version its stage back, trying one method after the other.

    Args:
        writer: Guards, retries and records each write.
        methods: The methods to try, best first.
        model: The model as it is now.
        moves: Versions with the stage each had; the first goes first.

    Returns:
        In words, what could not be undone.
    """
    return [text for version, stage in moves if (text := _move_one(writer, methods, model, version, stage))]


def _move_one(writer: Writer, methods: Sequence[Method], model: Model, version: Version, stage: str) -> str:
    failures, label = [], "undo"
    for method in methods:
        failure = method.obstacle(alone(model, version)) or writer.undo(
            method.name,
            functools.partial(method.move, version, stage),
            f"{version.label} is back in stage {stage}",
        )
        if not failure:
            return ""
        failures.append(f"{method.name}: {failure}")
        label = method.name
    why = failures[-1] if failures else "no method can be used here"
    text = f"{version.label} stayed in stage {version.stage}, it was in {stage}: {why}"
    writer.record(Attempt(label, 0, "not undone", error=text))
    return text


def alone(model: Model, version: Version) -> Plan:
    """The plan that moves one version and touches no other: what a method is asked about before it does."""
    return Plan(version, Target(version.stage, None), model, (), (), needs_stage=True, needs_alias=False)
