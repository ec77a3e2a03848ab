"""Plans which commands a training runs, and in which environment.

Scripts need no change: MLflow itself reads MLFLOW_TRACKING_URI, MLFLOW_EXPERIMENT_NAME and MLFLOW_RUN_CONTEXT
(the tags of every run and logged model that the fluent API creates), and those tags name the build.
"""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from jenkins_mlflow.build import BuildContext
from jenkins_mlflow.config.mistakes import did_you_mean
from jenkins_mlflow.config.train import Train
from jenkins_mlflow.errors import UsageError
from jenkins_mlflow.processes import Command
from jenkins_mlflow.registry.connection import local_path
from jenkins_mlflow.tags import CANDIDATE_TAG, PRODUCTION_BEFORE
from jenkins_mlflow.text import parsed_json, printable

RUN_CONTEXT = "MLFLOW_RUN_CONTEXT"
# Set by hand or by an outer run, these would put every candidate into the same run or into another experiment.
_DROPPED = ("MLFLOW_RUN_ID", "MLFLOW_EXPERIMENT_ID")


@dataclass(frozen=True)
class TrainPlan:
    """The commands to run, and the build to run them for."""

    build: str
    tracking_uri: str
    experiment: str
    commands: tuple[Command, ...]
    jobs: int
    timeout: float | None
    on_failure: Literal["stop", "continue"]
    register_as: str | None


def plan_training(
    rules: Train,
    build: BuildContext,
    tracking_uri: str,
    environ: Mapping[str, str],
    logs: Path,
    only: Collection[str] = (),
    production_before: str = "",
) -> TrainPlan:
    """Decide what to run. Pure.

    Args:
        rules: The config's ``train`` section.
        build: The build, which must have an id (see ``BuildContext.for_training``).
        tracking_uri: The tracking server to which scripts log.
        environ: The environment that scripts inherit, copied before ``connect`` sets this process's MLflow
            variables.
        logs: The folder of the log files.
        only: The candidates to train; empty for all.
        production_before: What is in production now, as encoded by ``marks.encode``; empty if it is not
            needed.

    Raises:
        UsageError: ``only`` names an unknown candidate, or ``environ`` has a broken MLFLOW_RUN_CONTEXT.
    """
    for name in only:
        if name not in rules.commands:
            raise UsageError(
                f'--only: there is no candidate "{printable(name)}"{did_you_mean(name, rules.commands)}',
                state="nothing was started",
                next_step=f"choose from: {', '.join(rules.commands)}",
            )
    shared = _environment(rules, tracking_uri, environ)
    tags = {**_inherited_tags(environ), **build.tags()}
    if production_before:
        tags[PRODUCTION_BEFORE] = production_before
    commands = tuple(
        Command(
            name=name,
            argv=tuple(argv),
            log=logs / f"{name}.log",
            environment={**shared, RUN_CONTEXT: json.dumps({**tags, CANDIDATE_TAG: name})},
        )
        for name, argv in rules.commands.items()
        if not only or name in only
    )
    return TrainPlan(
        build=build.id,
        tracking_uri=tracking_uri,
        experiment=rules.experiment,
        commands=commands,
        jobs=rules.jobs or min(len(commands), os.cpu_count() or 1),
        timeout=rules.timeout,
        on_failure=rules.on_failure,
        register_as=rules.register_as,
    )


def _environment(rules: Train, tracking_uri: str, environ: Mapping[str, str]) -> dict[str, str]:
    inherited = {key: value for key, value in environ.items() if key not in _DROPPED}
    # Python buffers output that goes to a pipe, but the log should grow while a script runs.
    defaults = {"PYTHONUNBUFFERED": "1"}
    if local_path(tracking_uri) is not None and not tracking_uri.startswith("sqlite"):
        defaults["MLFLOW_ALLOW_FILE_STORE"] = "true"
    return {
        **defaults,
        **inherited,
        "MLFLOW_TRACKING_URI": tracking_uri,
        "MLFLOW_EXPERIMENT_NAME": rules.experiment,
    }


def _inherited_tags(environ: Mapping[str, str]) -> dict[str, str]:
    text = environ.get(RUN_CONTEXT, "").strip()
    try:
        tags = parsed_json(text) if text else {}
    except ValueError:
        tags = None
    if not isinstance(tags, dict):
        raise UsageError(
            f"{RUN_CONTEXT} in the environment is not a JSON object",
            state="nothing was started",
            next_step=f'unset it, or write it as {{"tag": "value"}}; it is {printable(text[:60])!r}',
        )
    return {str(key): str(value) for key, value in tags.items()}
