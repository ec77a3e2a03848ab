"""`train`: run the config's training commands and report what they logged."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from jenkins_mlflow import errors
from jenkins_mlflow.commands.session import Document, Session
from jenkins_mlflow.errors import UsageError
from jenkins_mlflow.text import plural
from jenkins_mlflow.training.plan import TrainPlan, plan_training
from jenkins_mlflow.training.registered import MlflowTrainingRegistry
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
    plan = plan_training(rules, build, session.uri, dict(os.environ), session.report / "logs", only)
    if way == "plan":
        return _planned(plan)
    registry = MlflowTrainingRegistry(session.registry(may_create=True))
    if way == "gather":
        return {"command": "train", **gather(plan, registry).document()}
    session.terminal.say(
        f"training {plural(len(plan.commands), 'candidate')}, {plan.jobs} at once, as build {plan.build}"
    )
    result = run_training(plan, registry, session.terminal.say, resume=way == "resume")
    return {"command": "train", **result.document()}


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
