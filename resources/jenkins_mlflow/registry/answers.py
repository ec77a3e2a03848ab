"""The answers of MLflow's documented REST API, with only the fields that are used.

All other fields are ignored, so that any server from 2.22 on works. Numbers may arrive as text, as in
protobuf's JSON: a version's number, and metrics that are NaN or infinite.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from jenkins_mlflow.registry.door_types import (
    FoundLoggedModel,
    FoundModel,
    FoundRun,
    KeptRun,
    Point,
    WholeRun,
    last_values,
    mixed_datasets,
)
from jenkins_mlflow.registry.version import NO_STAGE, NOTHING, Run, Version

_LOGGED_MODEL_STATUS = "LOGGED_MODEL_"


def as_dict(pairs: Sequence[Any]) -> Mapping[str, Any]:
    """Tags. Equal keys and empty maps are shared, to save memory with 100,000 versions."""
    return {sys.intern(pair.key): pair.value for pair in pairs} if pairs else NOTHING


class Answer(msgspec.Struct, gc=False):
    """Any JSON object."""


class Empty(Answer):
    """The answer of most writes. One with fields comes from another program, for example a gateway."""


class Tag(Answer):
    key: str
    value: str = ""


class Metric(Answer):
    key: str
    value: float = 0.0
    timestamp: int = 0
    step: int = 0
    run_id: str = ""
    dataset_name: str = ""
    dataset_digest: str = ""


class Alias(Answer):
    alias: str
    version: int


class ModelFields(Answer):
    name: str
    creation_timestamp: int = 0
    last_updated_timestamp: int = 0
    tags: list[Tag] = []
    aliases: list[Alias] = []

    def found(self) -> FoundModel:
        aliases = {alias.alias: alias.version for alias in self.aliases}
        updated = self.last_updated_timestamp or self.creation_timestamp
        return FoundModel(self.name, aliases, as_dict(self.tags), updated, self.creation_timestamp)


class VersionFields(Answer):
    name: str
    version: int
    current_stage: str = NO_STAGE
    status: str = "PENDING_REGISTRATION"
    creation_timestamp: int = 0
    run_id: str = ""
    source: str = ""
    run_link: str = ""
    description: str = ""
    model_id: str = ""
    tags: list[Tag] = []
    aliases: list[str] = []

    def found(self) -> Version:
        return Version(
            model=sys.intern(self.name),
            number=self.version,
            stage=sys.intern(self.current_stage or NO_STAGE),
            aliases=tuple(sorted(self.aliases)),
            status=sys.intern(self.status),
            created=self.creation_timestamp,
            run_id=self.run_id or None,
            source=self.source,
            tags=as_dict(self.tags),
            description=self.description,
        )


class Info(Answer):
    run_id: str
    start_time: int = 0
    end_time: int = 0
    experiment_id: str = ""
    run_name: str = ""
    status: str = ""
    artifact_uri: str = ""
    lifecycle_stage: str = ""


class Data(Answer):
    params: list[Tag] = []
    metrics: list[Metric] = []
    tags: list[Tag] = []


class ModelOutput(Answer):
    model_id: str


class Outputs(Answer):
    model_outputs: list[ModelOutput] = []


NO_OUTPUTS = Outputs()


class Dataset(Answer):
    name: str = ""
    digest: str = ""


class DatasetInput(Answer):
    dataset: Dataset


class Inputs(Answer):
    dataset_inputs: list[DatasetInput] = []


NO_INPUTS = Inputs()


class RunFields(Answer):
    info: Info
    data: Data = msgspec.field(default_factory=Data)
    inputs: Inputs = msgspec.field(default_factory=lambda: NO_INPUTS)
    outputs: Outputs = msgspec.field(default_factory=lambda: NO_OUTPUTS)

    def found(self) -> Run:
        info, data = self.info, self.data
        return Run(
            info.run_id,
            as_dict(data.metrics),
            as_dict(data.tags),
            info.start_time,
            sys.intern(info.status),
            info.lifecycle_stage == "deleted",
            sys.intern(info.experiment_id),
            tuple(dict.fromkeys(model.model_id for model in self.outputs.model_outputs)),
            datasets=len({(used.dataset.name, used.dataset.digest) for used in self.inputs.dataset_inputs}),
        )

    def kept(self) -> KeptRun:
        info = self.info
        return KeptRun(
            info.run_id,
            info.experiment_id,
            info.artifact_uri,
            info.status,
            info.end_time,
            info.lifecycle_stage == "deleted",
            as_dict(self.data.tags),
            info.start_time,
        )

    def found_run(self) -> FoundRun:
        info = self.info
        return FoundRun(
            self.found(), info.experiment_id, info.run_name, info.status, info.end_time, info.artifact_uri
        )

    def whole(self, experiment: str) -> WholeRun:
        info, data = self.info, self.data
        return WholeRun(
            info.run_id,
            experiment,
            info.run_name,
            info.status,
            info.start_time,
            info.end_time,
            info.artifact_uri,
            as_dict(data.params),
            [metric.key for metric in data.metrics],
            as_dict(data.tags),
        )


class Experiment(Answer):
    experiment_id: str
    name: str = ""
    lifecycle_stage: str = ""
    artifact_location: str = ""


class Models(Answer):
    registered_models: list[ModelFields] = []
    next_page_token: str = ""


class Versions(Answer):
    model_versions: list[VersionFields] = []
    next_page_token: str = ""


class Experiments(Answer):
    experiments: list[Experiment] = []
    next_page_token: str = ""


class OneExperiment(Answer):
    experiment: Experiment


class MadeExperiment(Answer):
    experiment_id: str


class Runs(Answer):
    runs: list[RunFields] = []
    next_page_token: str = ""


class OneRun(Answer):
    run: RunFields


class ChangedRun(Answer):
    run_info: Info


class Points(Answer):
    metrics: list[Metric] = []
    next_page_token: str = ""

    def found(self) -> list[Point]:
        return [Point(point.key, point.value, point.timestamp, point.step) for point in self.metrics]


class OneModel(Answer):
    registered_model: ModelFields


class OneVersion(Answer):
    model_version: VersionFields


class Uri(Answer):
    artifact_uri: str


class LoggedInfo(Answer):
    model_id: str
    name: str = ""
    source_run_id: str = ""
    status: str = ""
    experiment_id: str = ""
    artifact_uri: str = ""
    tags: list[Tag] = []


class LoggedData(Answer):
    metrics: list[Metric] = []


class Logged(Answer):
    info: LoggedInfo
    data: LoggedData = msgspec.field(default_factory=LoggedData)

    def found(self) -> FoundLoggedModel:
        info = self.info
        status = info.status.removeprefix(_LOGGED_MODEL_STATUS)
        return FoundLoggedModel(
            info.model_id,
            info.name,
            info.source_run_id,
            status,
            bool(self.data.metrics),
            as_dict(info.tags),
            info.experiment_id,
            info.artifact_uri,
            last_values(self.data.metrics, info.source_run_id),
            mixed_datasets(self.data.metrics, info.source_run_id),
        )


class LoggedModels(Answer):
    models: list[Logged] = []
    next_page_token: str = ""


class OneLogged(Answer):
    model: Logged


class FileFields(Answer):
    path: str
    is_dir: bool = False
    file_size: int = 0


class Files(Answer):
    files: list[FileFields] = []


class User(Answer):
    is_admin: bool = False


class OneUser(Answer):
    user: User = msgspec.field(default_factory=User)
