"""Registers the models that candidates logged but did not register themselves."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

from jenkins_mlflow.training.logged import LoggedRun, TrainingRegistry
from jenkins_mlflow.training.plan import TrainPlan


def with_versions(registry: TrainingRegistry, runs: Sequence[LoggedRun]) -> list[LoggedRun]:
    """Add to each run the versions that it registered."""
    versions = registry.versions_of_runs([run.run_id for run in runs]) if runs else {}
    return [replace(run, versions=versions.get(run.run_id, ())) for run in runs]


def register(
    plan: TrainPlan, registry: TrainingRegistry, runs: Sequence[LoggedRun], succeeded: Collection[str]
) -> tuple[list[LoggedRun], list[str]]:
    """Register the models that successful candidates logged, as ``train.register`` says.

    Returns:
        The runs with all their versions, and notes for the user.
    """
    if plan.register_as is None:
        return list(runs), []
    open_runs = [run for run in runs if run.finished and not run.versions and run.candidate in succeeded]
    models = registry.models_of_runs(plan.build, open_runs) if open_runs else {}
    notes: list[str] = []
    for run in open_runs:
        logged = models.get(run.run_id, ())
        if not logged:
            continue
        chosen = logged[-1]
        registry.register(chosen, plan.register_as.replace("{candidate}", run.candidate))
        if len(logged) > 1:
            names = ", ".join(model.name for model in logged)
            notes.append(
                f"run {run.name} of {run.candidate} logged {names}; the last one, {chosen.name}, was registered"
            )
    for name in succeeded:
        candidate_runs = [run for run in runs if run.candidate == name]
        if not all(run.finished for run in candidate_runs):
            notes.append(f"a run of {name} did not finish, so its model was not registered")
        elif candidate_runs and not any(run.versions or models.get(run.run_id) for run in candidate_runs):
            notes.append(
                f"candidate {name!r} logged no model, so train.register has nothing to register; "
                "log one with `mlflow.*.log_model`"
            )
    return with_versions(registry, runs), notes
