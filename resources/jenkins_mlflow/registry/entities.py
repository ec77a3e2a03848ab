"""Converts the entities of MLflow's own client into the values that every door returns."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jenkins_mlflow.registry.door_types import (
    FoundLoggedModel,
    FoundModel,
    FoundRun,
    KeptRun,
    WholeRun,
    last_values,
    mixed_datasets,
)
from jenkins_mlflow.registry.version import NO_STAGE, Run, Version

if TYPE_CHECKING:
    from mlflow.entities import LoggedModel, Run as MlflowRun
    from mlflow.entities.model_registry import ModelVersion, RegisteredModel


def found_model(model: RegisteredModel) -> FoundModel:
    aliases = {alias: int(number) for alias, number in model.aliases.items()}
    created = int(model.creation_timestamp or 0)
    updated = int(model.last_updated_timestamp or created)
    return FoundModel(model.name, aliases, dict(model.tags or {}), updated, created)


def found_run(run: MlflowRun) -> Run:
    info, data = run.info, run.data
    outputs = getattr(run, "outputs", None)  # MLflow 2 has none
    used = [given.dataset for given in run.inputs.dataset_inputs] if run.inputs else []
    return Run(
        info.run_id,
        dict(data.metrics),
        dict(data.tags),
        int(info.start_time or 0),
        str(info.status),
        info.lifecycle_stage == "deleted",
        info.experiment_id,
        tuple(dict.fromkeys(model.model_id for model in outputs.model_outputs)) if outputs else (),
        datasets=len({(dataset.name, dataset.digest) for dataset in used}),
    )


def kept_run(run: MlflowRun) -> KeptRun:
    info = run.info
    return KeptRun(
        info.run_id,
        info.experiment_id,
        info.artifact_uri or "",
        str(info.status),
        int(info.end_time or 0),
        info.lifecycle_stage == "deleted",
        dict(run.data.tags),
        int(info.start_time or 0),
    )


def training_run(run: MlflowRun) -> FoundRun:
    info = run.info
    ended = int(info.end_time or 0)
    return FoundRun(
        found_run(run), info.experiment_id, info.run_name or "", info.status, ended, info.artifact_uri or ""
    )


def found_logged_model(model: LoggedModel) -> FoundLoggedModel:
    return FoundLoggedModel(
        model.model_id,
        model.name,
        model.source_run_id or "",
        str(model.status),
        bool(model.metrics),
        model.tags,
        model.experiment_id,
        model.artifact_location,
        last_values(model.metrics or (), model.source_run_id or ""),
        mixed_datasets(model.metrics or (), model.source_run_id or ""),
    )


def found_version(found: ModelVersion, aliases: tuple[str, ...] = ()) -> Version:
    return Version(
        model=found.name,
        number=int(found.version),
        stage=str(found.current_stage or NO_STAGE),
        aliases=aliases,
        status=str(found.status),
        created=int(found.creation_timestamp or 0),
        run_id=found.run_id or None,
        source=found.source or "",
        tags=dict(found.tags or {}),
        description=found.description or "",
    )


def whole_run(run: MlflowRun, experiment: str) -> WholeRun:
    info, data = run.info, run.data
    return WholeRun(
        info.run_id,
        experiment,
        info.run_name or "",
        str(info.status),
        int(info.start_time or 0),
        int(info.end_time or 0),
        info.artifact_uri or "",
        dict(data.params),
        list(data.metrics),
        dict(data.tags),
    )
