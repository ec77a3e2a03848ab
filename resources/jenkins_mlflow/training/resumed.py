"""Finds runs of earlier trainings that a script has resumed, by ``start_run(run_id=...)`` or MLFLOW_RUN_ID.

MLflow adds no tags to a run that is resumed, so nothing there says which build and candidate did it (MLflow 3.17.2).
"""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from jenkins_mlflow.processes import Ended
from jenkins_mlflow.text import listed
from jenkins_mlflow.training.logged import TrainingRegistry
from jenkins_mlflow.training.registering import with_versions


@dataclass(frozen=True)
class Before:
    """The experiment before the commands began: the runs that had not ended, and the time in milliseconds."""

    running: frozenset[str]
    time: int

    @staticmethod
    def of(registry: TrainingRegistry, experiment: str) -> Before:
        """Ask which runs are running; 2 requests."""
        return Before(registry.running(experiment), round(time.time() * 1000))


def mark_resumed(
    registry: TrainingRegistry,
    experiment: str,
    before: Before,
    candidates: Sequence[Ended],
    logged: Collection[str],
) -> list[str]:
    """Mark runs that were resumed as not well ended if a candidate that did not end well has no run of this build.

    The versions of such a run would otherwise be candidates, with metrics of the training that failed.

    Args:
        registry: The registry.
        experiment: The experiment of the training.
        before: The experiment before the commands began.
        candidates: How the commands ended.
        logged: The candidates that have a run of this build.

    Returns:
        Warnings that name the runs.
    """
    failed = [
        each
        for each in candidates
        if each.status != "ok"
        and each.name not in logged
        and (each.exit_code is not None or each.status == "missing")
    ]
    again = registry.ended_again(experiment, before.time, before.running) if failed else []
    if not again:
        return []
    registry.mark(again, failed[0].status)
    names = listed([each.name for each in failed], 3)
    warnings = []
    for run in with_versions(registry, again):
        versions = ", ".join(f"{made.model} v{made.version}" for made in run.versions)
        warnings.append(
            f"run {run.run_id} of an earlier training was resumed, probably by {names}, and has metrics of both now: "
            f"it is marked as {failed[0].status}"
            + (f", so {versions} is promoted only by name" if versions else "")
            + "; start a new run in the script"
        )
    return warnings
