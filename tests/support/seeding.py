"""Fills a registry: versions with runs, metrics, tags, stages and aliases."""

from __future__ import annotations

import contextlib
import itertools
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from support.databases import lay_database
from support.environments import OWN_VERSION

if TYPE_CHECKING:
    from mlflow import MlflowClient

numbers = itertools.count(1)


def fresh_name() -> str:
    """The name of a model that no other test of this session has; a later one sorts after an earlier one."""
    return f"fresh-{next(numbers):04}"


@dataclass(frozen=True)
class Spec:
    """One version to make. ``linked`` links its metrics to a logged model, as a real training with log_model does."""

    metrics: Mapping[str, float] = field(default_factory=dict)
    stage: str = ""
    aliases: tuple[str, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)
    run_tags: Mapping[str, str] = field(default_factory=dict)
    linked: bool = False


def client(uri: str) -> MlflowClient:
    """A client of a server or store; its hidden retries are left as they are."""
    from mlflow import MlflowClient

    os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")
    return MlflowClient(tracking_uri=uri, registry_uri=uri)


def seed(uri: str, models: Mapping[str, list[Spec]], experiment: str = "seed") -> MlflowClient:
    """Make the models with their versions, oldest first: version N is the Nth of the list.

    Args:
        uri: A server's address, or a store of the tests' own MLflow version (faster).
        models: Versions by model name; a model that exists gets more versions.
        experiment: Name of the experiment for the runs; made if it is missing.
    """
    from mlflow.exceptions import MlflowException

    path = Path(uri.removeprefix("sqlite:///"))
    if uri.startswith("sqlite:///") and path.parent.is_dir() and not path.exists():
        lay_database(path, OWN_VERSION)
    mlflow = client(uri)
    found = mlflow.get_experiment_by_name(experiment)
    experiment_id = found.experiment_id if found else mlflow.create_experiment(experiment)
    for name, specs in models.items():
        with contextlib.suppress(MlflowException):  # it exists
            mlflow.create_registered_model(name)
        for spec in specs:
            _make(mlflow, experiment_id, name, spec, served=uri.startswith("http"))
    return mlflow


def _make(mlflow: MlflowClient, experiment_id: str, name: str, spec: Spec, *, served: bool) -> None:
    from mlflow.entities import LoggedModelOutput

    run = mlflow.create_run(experiment_id, tags=dict(spec.run_tags), run_name=name)
    run_id = run.info.run_id
    extra: dict[str, Any] = {}
    source = f"{run.info.artifact_uri}/model"
    if spec.linked:
        logged = mlflow.create_logged_model(experiment_id, name="model", source_run_id=run_id)
        extra = {"model_id": logged.model_id}
        mlflow.log_outputs(run_id, [LoggedModelOutput(logged.model_id, 0)])
        # A server refuses paths of its own machine; a store would look models:/ up in the process's default server.
        source = f"models:/{logged.model_id}" if served else logged.artifact_location
    for key, value in spec.metrics.items():
        mlflow.log_metric(run_id, key, value, **extra)
    if spec.linked:
        mlflow.finalize_logged_model(logged.model_id, "READY")
    mlflow.set_terminated(run_id)
    version = mlflow.create_model_version(name, source, run_id, tags=dict(spec.tags), **extra).version
    if spec.stage:
        mlflow.transition_model_version_stage(name, version, spec.stage)
    for alias in spec.aliases:
        mlflow.set_registered_model_alias(name, alias, version)


def give_files(uri: str, *models: str) -> None:
    """Give every version of these models a file; a rollback goes to no version without."""
    mlflow = client(uri)
    for model in models:
        for version in mlflow.search_model_versions(f"name = '{model}'"):
            mlflow.log_text(str(version.run_id), "weights", "model/weights.txt")
