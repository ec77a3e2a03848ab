"""Training: run the plan's commands, then find out from MLflow what they logged and registered."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, Literal

from jenkins_mlflow.errors import Interrupted, JenkinsMlflowError
from jenkins_mlflow.processes import GRACE_SECONDS, Ended, Processes
from jenkins_mlflow.tags import LOST
from jenkins_mlflow.text import plural
from jenkins_mlflow.training.earlier import Attempted, attempted, lost
from jenkins_mlflow.training.logged import LoggedRun, TrainingRegistry
from jenkins_mlflow.training.plan import TrainPlan


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
    plan: TrainPlan,
    registry: TrainingRegistry,
    say: Callable[[str], None],
    *,
    grace: float = GRACE_SECONDS,
    resume: bool = False,
) -> TrainResult:
    """Run the plan's commands and gather what they logged.

    Args:
        plan: What to run.
        registry: Where the commands log to.
        say: Told every line of output, prefixed by its candidate.
        grace: Seconds between SIGTERM and SIGKILL for a candidate that has to end.
        resume: Leave alone what this build has trained already; runs that a lost agent left open are ended.

    Returns:
        The result; also when candidates fail, or a signal stops them all (status ``interrupted``).

    Raises:
        ConnectionFailed, RegistryError: before anything was started.
    """
    registry.prepare(plan.experiment)
    earlier = registry.runs_of_build(plan.build)
    before = _trained_before(plan, registry, earlier) if resume else {}
    for name in before:
        say(f"[{name}] trained before by this build, not again")
    commands = [command for command in plan.commands if command.name not in before]
    for folder in {command.log.parent for command in commands}:
        folder.mkdir(parents=True, exist_ok=True)
    processes = Processes(
        commands,
        jobs=plan.jobs,
        timeout=plan.timeout,
        stop_on_failure=plan.on_failure == "stop",
        say=say,
        grace=grace,
        on_end=lambda candidate: say(_ending(candidate)),
    )
    ended = {candidate.name: candidate for candidate in processes.run()} if commands else {}
    for warning in processes.warnings:
        say(f"warning: {warning}")
    candidates = tuple(
        ended.get(command.name) or Ended(command.name, "ok", None, 0.0, command.log)
        for command in plan.commands
    )
    stopped = processes.interrupted
    if stopped:
        with suppress(JenkinsMlflowError):  # it only tidies up; to end is more important
            known = {run.run_id for run in earlier}
            fresh = [run for run in registry.runs_of_build(plan.build) if run.run_id not in known]
            _settle(registry, [candidate for candidate in candidates if candidate.status != "ok"], fresh)
        stopped.state = _summary(candidates)
        stopped.next_step = "runs that had ended are in MLflow; train again to complete the build"
        message = f"{stopped.message}: {stopped.state}"
        return TrainResult("interrupted", message, plan.build, candidates, stopped=stopped)
    return _collect(plan, registry, candidates, {run.run_id for run in earlier}, before)


def _trained_before(
    plan: TrainPlan, registry: TrainingRegistry, earlier: Sequence[LoggedRun]
) -> dict[str, Attempted]:
    """The candidates that are trained already; runs of the others that were left open are given up."""
    runs = _with_versions(registry, earlier)
    found = {command.name: attempted(command.name, runs) for command in plan.commands}
    trained = {name: attempt for name, attempt in found.items() if attempt.status == "ok"}
    abandoned = [run for name in found if name not in trained for run in lost(name, runs)]
    registry.mark(abandoned, LOST)
    registry.end([run for run in abandoned if run.running])
    return trained


def gather(plan: TrainPlan, registry: TrainingRegistry) -> TrainResult:
    """The result of a build whose candidates were trained by other commands, on other agents: MLflow tells.

    Raises:
        ConnectionFailed, RegistryError: MLflow does not.
    """
    runs = _with_versions(registry, registry.runs_of_build(plan.build))
    attempts = [attempted(command.name, runs) for command in plan.commands]
    candidates = tuple(
        Ended(
            name=attempt.name,
            status="missing" if attempt.status == "open" else attempt.status,
            exit_code=None,
            seconds=round(sum(run.seconds or 0.0 for run in attempt.runs), 3),
            log=command.log,
            error={"failed": "see its own log", "open": "no run of it ended well"}.get(attempt.status, ""),
        )
        for command, attempt in zip(plan.commands, attempts, strict=True)
    )
    return _judge(plan, candidates, [run for attempt in attempts for run in attempt.runs])


def _collect(
    plan: TrainPlan,
    registry: TrainingRegistry,
    candidates: tuple[Ended, ...],
    earlier: Collection[str],
    before: dict[str, Attempted],
) -> TrainResult:
    """Ask MLflow what was logged. If it stopped answering, the training failed, and its outcome is kept."""
    names = {candidate.name for candidate in candidates if candidate.name not in before}
    succeeded = [candidate.name for candidate in candidates if candidate.status == "ok"]
    runs: list[LoggedRun] = [run for attempt in before.values() for run in attempt.runs]
    warnings: list[str] = []
    failure = ""
    try:
        found = registry.runs_of_build(plan.build)
        fresh = [run for run in found if run.candidate in names and run.run_id not in earlier]
        runs = _with_versions(registry, [*runs, *fresh])
        warnings = [_no_run(name) for name in succeeded if name not in {run.candidate for run in runs}]
        if plan.register_as:
            runs, notes = _register(plan, registry, runs, succeeded)
            warnings += notes
        _settle(registry, candidates, runs)  # last: what is marked is complete
    except JenkinsMlflowError as error:
        failure = f"; what they logged is not known: {error.message}"
    return _judge(plan, candidates, runs, warnings, failure)


def _settle(registry: TrainingRegistry, candidates: Sequence[Ended], runs: Sequence[LoggedRun]) -> None:
    """Mark each run with how its candidate ended; a killed script leaves its run as running, for ever."""
    for candidate in candidates:
        own = [run for run in runs if run.candidate == candidate.name]
        registry.mark([run for run in own if run.outcome != candidate.status], candidate.status)
        if candidate.status != "ok":
            registry.end([run for run in own if run.running])


def _judge(
    plan: TrainPlan,
    candidates: tuple[Ended, ...],
    runs: Sequence[LoggedRun],
    warnings: Sequence[str] = (),
    failure: str = "",
) -> TrainResult:
    """Whether the training as a whole went well, by the config's policy."""
    succeeded = [candidate.name for candidate in candidates if candidate.status == "ok"]
    allowed = bool(succeeded) if plan.on_failure == "continue" else len(succeeded) == len(candidates)
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
        + (f" ({candidate.error})" if candidate.status in ("failed", "missing") else "")
        for candidate in candidates
        if candidate.status != "ok"
    ]
    return f"{good} of {plural(len(candidates), 'candidate')} trained" + (
        f": {', '.join(bad)}" if bad else ""
    )


def _ending(candidate: Ended) -> str:
    """One candidate's end with its time; a failure names the log."""
    if candidate.status == "cancelled" and candidate.exit_code is None:
        return f"[{candidate.name}] {candidate.error}"
    took = f"[{candidate.name}] {candidate.status} after {candidate.seconds:.1f} s"
    return took if candidate.status == "ok" else f"{took}: {candidate.error}; its log: {candidate.log}"


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
