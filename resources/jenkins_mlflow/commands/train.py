"""`train`: runs the config's training commands and reports what they logged."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

from jenkins_mlflow.commands.put_back import put_back
from jenkins_mlflow.commands.session import Session
from jenkins_mlflow.errors import JenkinsMlflowError, UsageError
from jenkins_mlflow.metrics import comparable
from jenkins_mlflow.registry.client import Registry
from jenkins_mlflow.registry.names import matches
from jenkins_mlflow.registry.runs import RunsOf
from jenkins_mlflow.registry.snapshot import Snapshot
from jenkins_mlflow.results.base import Place
from jenkins_mlflow.results.train import RunPart, TrainedPart, TrainResult
from jenkins_mlflow.text import listed, plural, redact
from jenkins_mlflow.training.marks import decoded, encode, marks, unrecorded
from jenkins_mlflow.training.plan import TrainPlan, plan_training
from jenkins_mlflow.training.registered import MlflowTrainingRegistry
from jenkins_mlflow.training.result import Trained
from jenkins_mlflow.training.run import gather, train as run_training
from jenkins_mlflow.training.self_promotion import self_promotions

TrainMode = Literal["run", "resume", "gather", "plan"]


def train(session: Session, only: Sequence[str], *, mode: TrainMode = "run") -> TrainResult:
    """`train`: run the config's training commands and report what they logged and registered.

    Args:
        session: Configuration and connection.
        only: Candidates to train; none = all.
        mode: ``run`` all; ``resume``: all that this build has not trained yet; ``gather``: none, but report
            what other commands of this build have trained; ``plan``: none, without requests to MLflow.

    Raises:
        UsageError: The config has no ``train`` section, ``only`` names an unknown candidate, or the build
            whose training is to be resumed or gathered is not known.
    """
    rules = session.config.train
    if rules is None:
        raise UsageError(
            "there is nothing to train: the config has no train section",
            next_step="add train.experiment and train.candidates to mlops.yaml, or give the config file with --config",
        )
    if mode in ("resume", "gather") and not session.build.id:
        raise UsageError(
            f"--{mode}: no build is known",
            next_step="give --build ID, or run inside a Jenkins build (BUILD_TAG)",
        )
    build = session.build.for_training(Path.cwd())
    environ = dict(os.environ)  # for the scripts: connecting sets MLflow's variables for this process

    def planned(production_before: str = "") -> TrainPlan:
        logs = session.report / "logs"
        return plan_training(rules, build, session.uri, environ, logs, only, production_before)

    if mode == "plan":
        return _planned(planned())
    planned()  # reports mistakes before any request to MLflow
    registry = session.registry(may_create=True)
    doubtful = RunsOf(lambda version: unrecorded(version, session.target))
    began = time.time()
    with session.unwritten():
        before = (
            Snapshot() if rules.may_promote else registry.snapshot(session.scope.patterns, with_runs=doubtful)
        )
    plan = planned("" if rules.may_promote else encode(marks(before, session.target, began)))
    runs = MlflowTrainingRegistry(registry)
    if mode == "gather":
        result = gather(plan, runs)
    else:
        session.terminal.say(
            f"training {plural(len(plan.commands), 'candidate')}, {plan.jobs} at once, as build {plan.build}, "
            f"into {redact(session.uri)}"
        )
        result = run_training(plan, runs, session.terminal.say, resume=mode == "resume")
    for warning in (*result.warnings, *_outside(result, session.scope.models)):
        session.warn(warning)
    ended = train_result(plan, result)
    return ended if rules.may_promote else _put_back(session, registry, runs, before, began, ended)


def _outside(result: Trained, models: Sequence[str]) -> Iterator[str]:
    """A warning about registered models that are not in the group, because the name may be mistyped."""
    made = {version.model for run in result.runs for version in run.versions}
    outside = sorted(name for name in made if not matches(name, models))
    if outside:
        yield (
            f"{listed(outside, 3)} {'is' if len(outside) == 1 else 'are'} not of the group that `models` names "
            f"({', '.join(models)}): `select` takes no version of {'it' if len(outside) == 1 else 'them'}"
        )


def _put_back(
    session: Session,
    registry: Registry,
    training: MlflowTrainingRegistry,
    before: Snapshot,
    began: float,
    ended: TrainResult,
) -> TrainResult:
    """Restore production if the training changed it."""
    problem = ""
    try:
        runs = training.runs_of_build(ended.build or "")
        earlier = list(decoded(run.production_before for run in reversed(runs)))
        after = registry.snapshot(session.scope.patterns)
        found = self_promotions(before, earlier, after, session.target, {run.run_id for run in runs}, began)
        if found:
            done = put_back(session, registry, found)
            problem = "; ".join(one.message for one in done if not one.done)
            ended = replace(ended, put_back=tuple(one.part for one in done))
    except JenkinsMlflowError as error:
        problem = f"it is not known whether the training changed production: {error.message}"
        session.warn(problem)
    if not problem:
        return ended
    message = f"{ended.message}; {problem}"
    return replace(ended, status="failed" if ended.status == "trained" else ended.status, message=message)


def train_result(plan: TrainPlan, trained: Trained) -> TrainResult:
    """The result of `train` for a training."""
    return TrainResult(
        status=trained.status,
        code=trained.stopped.exit_code if trained.stopped else None,
        message=trained.message,
        build=trained.build,
        on_failure=plan.on_failure,
        candidates=tuple(
            TrainedPart(
                name=ended.name,
                status=ended.status,
                exit_code=ended.exit_code,
                seconds=ended.seconds,
                log=str(ended.log),
                error=ended.error,
            )
            for ended in trained.candidates
        ),
        runs=tuple(
            RunPart(
                run_id=run.run_id,
                name=run.name,
                candidate=run.candidate,
                metrics={key: value if comparable(value) else None for key, value in run.metrics.items()},
                seconds=run.seconds,
                versions=tuple(Place(model=made.model, version=made.version) for made in run.versions),
            )
            for run in trained.runs
        ),
    )


def _planned(plan: TrainPlan) -> TrainResult:
    names = [command.name for command in plan.commands]
    return TrainResult(
        status="planned",
        message=f"{plural(len(names), 'candidate')} would be trained: {', '.join(names)}",
        build=plan.build,
        on_failure=plan.on_failure,
        candidates=tuple(
            TrainedPart(name=command.name, status="planned", command=command.argv)
            for command in plan.commands
        ),
    )
