"""Runs the plan's commands, then finds out from MLflow what they logged and registered."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from pathlib import Path

from jenkins_mlflow.errors import Interrupted, JenkinsMlflowError
from jenkins_mlflow.processes import GRACE_SECONDS, Ended, Processes
from jenkins_mlflow.registry.version import LONGEST_TRAINING
from jenkins_mlflow.tags import LOST
from jenkins_mlflow.text import plural
from jenkins_mlflow.training.elsewhere import without_runs
from jenkins_mlflow.training.logged import LoggedRun, TrainingRegistry
from jenkins_mlflow.training.plan import TrainPlan
from jenkins_mlflow.training.progress import Progress, progress_of
from jenkins_mlflow.training.registering import register, with_versions
from jenkins_mlflow.training.result import Trained, judge, summary


def train(
    plan: TrainPlan,
    registry: TrainingRegistry,
    say: Callable[[str], None],
    *,
    grace: float = GRACE_SECONDS,
    resume: bool = False,
) -> Trained:
    """Run the plan's commands and gather what they logged. Runs that a lost agent left open are ended first.

    Args:
        plan: What to run.
        registry: The registry to which the commands log.
        say: Called with every line of output, prefixed by its candidate.
        grace: Seconds between SIGTERM and SIGKILL for a candidate that has to end.
        resume: Skip candidates that this build has already trained.

    Returns:
        The result, also if candidates fail or a signal stops them all (status ``interrupted``).

    Raises:
        ConnectionFailed, RegistryError: before any command was started.
    """
    registry.prepare(plan.experiment)
    earlier = registry.runs_of_build(plan.build)
    # Without --resume nothing counts as trained, so the versions are not needed.
    known = with_versions(registry, earlier) if resume else earlier
    progress = [progress_of(command.name, known) for command in plan.commands]
    _give_up(registry, [run for one in progress for run in one.unended])
    _give_up_other_builds(plan, registry, say)
    before = {one.name: one for one in progress if one.status == "ok"} if resume else {}
    for name in before:
        say(f"[{name}] skipped: this build has already trained it")
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
    if not stopped:
        try:
            return _collect(plan, registry, candidates, {run.run_id for run in earlier}, before)
        except Interrupted as late:  # Jenkins ends the scripts first, then the command that started them
            stopped = late
    runs: list[LoggedRun] = []
    with suppress(JenkinsMlflowError):  # cleaning up and reporting matter less than ending
        ids = {run.run_id for run in earlier}
        fresh = [run for run in registry.runs_of_build(plan.build) if run.run_id not in ids]
        _settle(registry, [candidate for candidate in candidates if candidate.status != "ok"], fresh)
        runs = with_versions(registry, fresh)
    stopped.state = summary(candidates)
    stopped.next_step = "finished runs are in MLflow; train again to complete the build"
    message = f"{stopped.message}: {stopped.state}"
    return Trained("interrupted", message, plan.build, candidates, tuple(runs), stopped=stopped)


def gather(plan: TrainPlan, registry: TrainingRegistry) -> Trained:
    """Read from MLflow the result of a build whose candidates were trained by other commands, on other agents.

    Candidates that have not ended by now were lost with their agents; their runs are ended.

    Raises:
        ConnectionFailed, RegistryError: MLflow does not answer.
    """
    runs = with_versions(registry, registry.runs_of_build(plan.build))
    progress = [progress_of(command.name, runs) for command in plan.commands]
    _give_up(registry, [run for one in progress for run in one.unended])
    candidates = tuple(
        Ended(
            name=one.name,
            status="missing" if one.status == "open" else one.status,
            exit_code=None,
            seconds=round(sum(run.seconds or 0.0 for run in one.runs), 3),
            log=command.log,
            error=_why(one, command.log),
        )
        for command, one in zip(plan.commands, progress, strict=True)
    )
    return judge(plan, candidates, [run for one in progress for run in one.runs])


def _why(one: Progress, log: Path) -> str:
    if one.status == "open":
        return "none of its runs succeeded"
    return "" if one.status == "ok" or log.exists() else "its log is on the machine where it was trained"


def _give_up(registry: TrainingRegistry, runs: Sequence[LoggedRun]) -> None:
    """Mark runs as lost and end them, because MLflow would show interrupted ones as running forever."""
    registry.mark(runs, LOST)
    registry.end([run for run in runs if run.running])


def _give_up_other_builds(plan: TrainPlan, registry: TrainingRegistry, say: Callable[[str], None]) -> None:
    """Mark as lost the runs of other builds that have been running in this experiment for longer than a training may.

    A build that is in fact still running marks and ends its runs itself, so a wrong guess does no harm.
    """
    longest = plan.timeout or LONGEST_TRAINING
    with suppress(JenkinsMlflowError):  # cleans up after others, perhaps without the right to
        abandoned_runs = registry.left_running(plan.experiment, round((time.time() - longest) * 1000))
        _give_up(registry, abandoned_runs)
        if abandoned_runs:
            say(f"ended {plural(len(abandoned_runs), 'run')} that an earlier build left running")


def _collect(
    plan: TrainPlan,
    registry: TrainingRegistry,
    candidates: tuple[Ended, ...],
    earlier: Collection[str],
    before: dict[str, Progress],
) -> Trained:
    """Ask MLflow what was logged. If it has stopped answering, the training has failed and its outcome is kept."""
    names = {candidate.name for candidate in candidates if candidate.name not in before}
    runs: list[LoggedRun] = [run for one in before.values() for run in one.runs]
    warnings: list[str] = []
    failure = ""
    try:
        found = registry.runs_of_build(plan.build)
        fresh = [run for run in found if run.candidate in names and run.run_id not in earlier]
        runs = with_versions(registry, [*runs, *fresh])
        candidates, warnings = without_runs(candidates, {run.candidate for run in runs}, plan.tracking_uri)
        succeeded = [candidate.name for candidate in candidates if candidate.status == "ok"]
        runs, notes = register(plan, registry, runs, succeeded)
        warnings += notes
        _settle(registry, candidates, runs)  # last, because a marked run counts as complete
    except JenkinsMlflowError as error:
        failure = f"; what they logged is not known: {error.message}"
    return judge(plan, candidates, runs, warnings, failure)


def _settle(registry: TrainingRegistry, candidates: Sequence[Ended], runs: Sequence[LoggedRun]) -> None:
    """Mark each run with its candidate's outcome, and end the runs that a killed script left running."""
    for candidate in candidates:
        candidate_runs = [run for run in runs if run.candidate == candidate.name]
        registry.mark([run for run in candidate_runs if run.outcome != candidate.status], candidate.status)
        if candidate.status != "ok":
            registry.end([run for run in candidate_runs if run.running])


def _ending(candidate: Ended) -> str:
    """A line about how one candidate ended and after how long; for a failure, also its log."""
    if candidate.status == "cancelled" and candidate.exit_code is None:
        return f"[{candidate.name}] {candidate.error}"
    took = f"[{candidate.name}] {candidate.status} after {candidate.seconds:.1f} s"
    return took if candidate.status == "ok" else f"{took}: {candidate.error}; its log: {candidate.log}"
