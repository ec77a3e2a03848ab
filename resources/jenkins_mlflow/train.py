"""Training: run the plan's commands, then find out from MLflow what they logged and registered."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, Protocol

from jenkins_mlflow.errors import Interrupted, JenkinsMlflowError
from jenkins_mlflow.processes import GRACE_SECONDS, Ended, Processes
from jenkins_mlflow.text import plural
from jenkins_mlflow.train_plan import TrainPlan


@dataclass(frozen=True)
class RegisteredVersion:
    """A version of a registered model that a run made."""

    model: str
    version: int


@dataclass(frozen=True)
class LoggedRun:
    """An MLflow run of this build; ``seconds`` is None while it runs."""

    run_id: str
    name: str
    candidate: str
    experiment_id: str
    finished: bool
    seconds: float | None
    metrics: Mapping[str, float]
    artifact_uri: str = ""
    log_history: str = ""
    versions: tuple[RegisteredVersion, ...] = ()

    def document(self) -> dict[str, Any]:
        """The run as the JSON document shows it; a metric that is no finite number is null."""
        return {
            "run_id": self.run_id,
            "name": self.name,
            "candidate": self.candidate,
            "metrics": {key: value if math.isfinite(value) else None for key, value in self.metrics.items()},
            "seconds": self.seconds,
            "versions": [vars(version) for version in self.versions],
        }


@dataclass(frozen=True)
class LoggedModel:
    """A model that a run logged: ``source`` is where its files lie, ``model_id`` its identity in MLflow 3."""

    run_id: str
    name: str
    source: str
    model_id: str | None = None


class TrainingRegistry(Protocol):
    """What training needs from MLflow. Every method raises JenkinsMlflowError."""

    def prepare(self, experiment: str) -> None:
        """Make sure that the store and the experiment exist, before candidates race to create either."""

    def runs_of_build(self, build: str) -> list[LoggedRun]:
        """All runs that carry the build's tag, oldest first, in whatever experiment the scripts chose."""

    def versions_of_runs(self, run_ids: Collection[str]) -> dict[str, tuple[RegisteredVersion, ...]]:
        """The registered versions by the run that made them."""

    def models_of_runs(self, build: str, runs: Sequence[LoggedRun]) -> dict[str, tuple[LoggedModel, ...]]:
        """The logged models by run, oldest first."""

    def register(self, model: LoggedModel, name: str) -> RegisteredVersion:
        """Register a logged model under a name; safe to repeat."""


@dataclass(frozen=True)
class TrainResult:
    """How the candidates ended and what they logged. ``stopped``: the signal that ended it early."""

    status: Literal["trained", "failed", "interrupted"]
    message: str
    build: str
    candidates: tuple[Ended, ...]
    runs: tuple[LoggedRun, ...] = ()
    warnings: tuple[str, ...] = ()
    stopped: Interrupted | None = None

    @property
    def exit_code(self) -> int:
        """0, 1, or the signal's code."""
        if self.stopped:
            return self.stopped.exit_code
        return 0 if self.status == "trained" else 1

    def document(self) -> dict[str, Any]:
        """The result as the JSON document's own part."""
        return {
            "status": self.status,
            "exit_code": self.exit_code,
            "message": self.message,
            "build": self.build,
            "candidates": [{**vars(ended), "log": str(ended.log)} for ended in self.candidates],
            "runs": [run.document() for run in self.runs],
            "warnings": list(self.warnings),
        }


def train(
    plan: TrainPlan, registry: TrainingRegistry, say: Callable[[str], None], *, grace: float = GRACE_SECONDS
) -> TrainResult:
    """Run the plan's commands and gather what they logged.

    Args:
        plan: What to run.
        registry: Where the commands log to.
        say: Told every line of output, prefixed by its candidate.
        grace: Seconds between SIGTERM and SIGKILL for a candidate that has to end.

    Returns:
        The result; also when candidates fail, or a signal stops them all (status ``interrupted``).

    Raises:
        ConnectionFailed, RegistryError: before anything was started.
    """
    registry.prepare(plan.experiment)
    earlier = {run.run_id for run in registry.runs_of_build(plan.build)}
    for folder in {command.log.parent for command in plan.commands}:
        folder.mkdir(parents=True, exist_ok=True)
    processes = Processes(
        plan.commands,
        jobs=plan.jobs,
        timeout=plan.timeout,
        stop_on_failure=plan.on_failure == "stop",
        say=say,
        grace=grace,
    )
    candidates = processes.run()
    stopped = processes.interrupted
    if stopped:
        stopped.state = _summary(candidates)
        stopped.next_step = "runs that had ended are in MLflow; train again to complete the build"
        message = f"{stopped.message}: {stopped.state}"
        return TrainResult("interrupted", message, plan.build, candidates, stopped=stopped)
    return _gather(plan, registry, candidates, earlier)


def _gather(
    plan: TrainPlan, registry: TrainingRegistry, candidates: tuple[Ended, ...], earlier: Collection[str]
) -> TrainResult:
    """Ask MLflow what was logged. If it stopped answering, the training failed, and its outcome is kept."""
    names = {candidate.name for candidate in candidates}
    succeeded = [candidate.name for candidate in candidates if candidate.status == "ok"]
    runs: list[LoggedRun] = []
    warnings: list[str] = []
    failure = ""
    try:
        found = registry.runs_of_build(plan.build)
        runs = [run for run in found if run.candidate in names and run.run_id not in earlier]
        runs = _with_versions(registry, runs)
        warnings = [_no_run(name) for name in succeeded if name not in {run.candidate for run in runs}]
        if plan.register_as:
            runs, notes = _register(plan, registry, runs, succeeded)
            warnings += notes
    except JenkinsMlflowError as error:
        failure = f"; what they logged is not known: {error.message}"
    allowed = succeeded if plan.on_failure == "continue" else len(succeeded) == len(candidates)
    trained = bool(allowed and runs and not failure)
    versions = sum(len(run.versions) for run in runs)
    made = f"{plural(len(runs), 'run')} logged, {plural(versions, 'version')} registered"
    message = f"{_summary(candidates)}{failure or f'; {made}'}"
    return TrainResult(
        "trained" if trained else "failed", message, plan.build, candidates, tuple(runs), tuple(warnings)
    )


def _summary(candidates: Sequence[Ended]) -> str:
    good = sum(candidate.status == "ok" for candidate in candidates)
    bad = [
        f"{candidate.name} {candidate.status}"
        + (f" ({candidate.error})" if candidate.status == "failed" else "")
        for candidate in candidates
        if candidate.status != "ok"
    ]
    return f"{good} of {plural(len(candidates), 'candidate')} trained" + (
        f": {', '.join(bad)}" if bad else ""
    )


def _no_run(name: str) -> str:
    return (
        f"{name} ended well but logged no MLflow run that carries this build: does its script use "
        "another tracking URI, or MlflowClient.create_run, which ignores MLFLOW_RUN_CONTEXT?"
    )


def _with_versions(registry: TrainingRegistry, runs: Sequence[LoggedRun]) -> list[LoggedRun]:
    versions = registry.versions_of_runs([run.run_id for run in runs]) if runs else {}
    return [replace(run, versions=versions.get(run.run_id, ())) for run in runs]


def _register(
    plan: TrainPlan, registry: TrainingRegistry, runs: Sequence[LoggedRun], succeeded: Collection[str]
) -> tuple[list[LoggedRun], list[str]]:
    """Register what successful candidates logged and did not register themselves."""
    assert plan.register_as is not None
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
                f"run {run.name} of {run.candidate} logged {names}: the last, {chosen.name}, was registered"
            )
    for name in succeeded:
        own = [run for run in runs if run.candidate == name]
        if not all(run.finished for run in own):
            notes.append(f"a run of {name} did not finish, so its model was not registered")
        elif own and not any(run.versions or models.get(run.run_id) for run in own):
            notes.append(f"{name} logged no model, so there is nothing to register")
    return _with_versions(registry, runs), notes
