"""`train`: run the config's training commands and report what they logged."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from jenkins_mlflow import errors
from jenkins_mlflow.commands.put_back import PutBack, put_back
from jenkins_mlflow.commands.session import Document, Session
from jenkins_mlflow.errors import JenkinsMlflowError, UsageError
from jenkins_mlflow.registry.client import Registry
from jenkins_mlflow.registry.snapshot import Snapshot
from jenkins_mlflow.text import plural, redact
from jenkins_mlflow.training.marks import decode, encode, marks, self_promotions
from jenkins_mlflow.training.plan import TrainPlan, plan_training
from jenkins_mlflow.training.registered import MlflowTrainingRegistry
from jenkins_mlflow.training.result import TrainResult
from jenkins_mlflow.training.run import gather, train as run_training

TrainWay = Literal["run", "resume", "gather", "plan"]


def train(session: Session, only: Sequence[str], *, way: TrainWay = "run") -> Document:
    """`train`: run the config's training commands and report what they logged and registered.

    Args:
        session: Configuration and connection.
        only: Candidates to train; none = all.
        way: ``run`` all; ``resume``: all that this build has not trained yet; ``gather``: none, other commands of
            this build have; ``plan``: none, and nothing is asked of MLflow.

    Raises:
        UsageError: the config has no ``train`` section, ``only`` names an unknown candidate, or no build is known
            whose training could be resumed or gathered.
    """
    rules = session.config.train
    if rules is None:
        raise UsageError(
            "there is nothing to train: the config has no train section",
            next_step="add train.experiment and train.candidates to mlops.yaml, or name the file with --config",
        )
    if way in ("resume", "gather") and not session.build.id:
        raise UsageError(
            f"--{way}: no build is known",
            next_step="give --build ID, or run inside a Jenkins build (BUILD_TAG)",
        )
    build = session.build.for_training(Path.cwd())
    environ = dict(os.environ)  # the scripts' own: connecting sets MLflow's variables for this process

    def planned(production_before: str = "") -> TrainPlan:
        logs = session.report / "logs"
        return plan_training(rules, build, session.uri, environ, logs, only, production_before)

    if way == "plan":
        return _planned(planned())
    planned()  # what is wrong with it is said before MLflow is asked anything
    registry = session.registry(may_create=True)
    before = Snapshot() if rules.may_promote else registry.snapshot(session.config.models)
    plan = planned("" if rules.may_promote else encode(marks(before, session.target)))
    runs = MlflowTrainingRegistry(registry)
    if way == "gather":
        result = gather(plan, runs)
    else:
        session.terminal.say(
            f"training {plural(len(plan.commands), 'candidate')}, {plan.jobs} at once, as build {plan.build}, "
            f"into {redact(session.uri)}"
        )
        result = run_training(plan, runs, session.terminal.say, resume=way == "resume")
    for warning in result.warnings:
        session.warn(warning)
    document: Document = {"command": "train", **result.document(), "put_back": []}
    if not rules.may_promote:
        document |= _without_self_promotion(session, registry, runs, plan.build, before, result)
    return document


def _without_self_promotion(
    session: Session,
    registry: Registry,
    training: MlflowTrainingRegistry,
    build: str,
    before: Snapshot,
    result: TrainResult,
) -> Document:
    """Put production back if the training changed it; what the document says of it."""
    done: tuple[PutBack, ...] = ()
    problem = ""
    try:
        runs = training.runs_of_build(build)
        texts = dict.fromkeys(run.production_before for run in reversed(runs))
        earlier = [held for text in texts if (held := decode(text)) is not None]
        after = registry.snapshot(session.config.models)
        found = self_promotions(before, earlier, after, session.target, {run.run_id for run in runs})
        if found:
            done = put_back(session, registry, found)
            problem = "; ".join(one.message for one in done if not one.done)
    except JenkinsMlflowError as error:
        problem = f"whether the training changed production is not known: {error.message}"
        session.warn(problem)
    document: Document = {"put_back": [one.document() for one in done]}
    if problem:
        status = "failed" if result.status == "trained" else result.status
        message = f"{result.message}; {problem}"
        document |= {"status": status, "message": message, "exit_code": result.exit_code or errors.FAILED}
    return document


def _planned(plan: TrainPlan) -> Document:
    names = [command.name for command in plan.commands]
    return {
        "command": "train",
        "status": "planned",
        "exit_code": errors.DONE,
        "message": f"{plural(len(names), 'candidate')} would be trained: {', '.join(names)}",
        "build": plan.build,
        "on_failure": plan.on_failure,
        "candidates": [
            {"name": command.name, "status": "planned", "seconds": None, "command": list(command.argv)}
            for command in plan.commands
        ],
        "runs": [],
    }
