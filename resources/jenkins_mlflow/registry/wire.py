"""MLflow's documented REST API: a table of endpoints, and of each answer the fields that are used.

All other fields are ignored, so that any server from 2.22 on will do. Numbers may come as text, as protobuf's JSON
has them: a version's number, and metrics that are NaN or infinite.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from jenkins_mlflow.registry.doors import FoundModel
from jenkins_mlflow.registry.sending import Endpoint
from jenkins_mlflow.registry.snapshot import NO_STAGE, Run, Version


def as_dict(pairs: Iterable[Any]) -> dict[str, Any]:
    return {pair.key: pair.value for pair in pairs}


class Answer(msgspec.Struct, gc=False):
    """Any JSON object."""


class Tag(Answer):
    key: str
    value: str = ""


class Metric(Answer):
    key: str
    value: float = 0.0


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
        return FoundModel(self.name, aliases, as_dict(self.tags), updated)


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
            model=self.name,
            number=self.version,
            stage=self.current_stage or NO_STAGE,
            aliases=tuple(sorted(self.aliases)),
            status=self.status,
            created=self.creation_timestamp,
            run_id=self.run_id or None,
            source=self.source,
            tags=as_dict(self.tags),
            description=self.description,
        )


class Info(Answer):
    run_id: str
    start_time: int = 0


class Data(Answer):
    metrics: list[Metric] = []
    tags: list[Tag] = []


class RunFields(Answer):
    info: Info
    data: Data = msgspec.field(default_factory=Data)

    def found(self) -> Run:
        metrics, tags = as_dict(self.data.metrics), as_dict(self.data.tags)
        return Run(self.info.run_id, metrics, tags, self.info.start_time)


class Experiment(Answer):
    experiment_id: str
    lifecycle_stage: str = ""


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


class Runs(Answer):
    runs: list[RunFields] = []
    next_page_token: str = ""


class OneRun(Answer):
    run: RunFields


class OneModel(Answer):
    registered_model: ModelFields


class OneVersion(Answer):
    model_version: VersionFields


class Uri(Answer):
    artifact_uri: str


class LoggedInfo(Answer):
    tags: list[Tag] = []


class LoggedData(Answer):
    metrics: list[Metric] = []


class Logged(Answer):
    info: LoggedInfo
    data: LoggedData = msgspec.field(default_factory=LoggedData)


class OneLogged(Answer):
    model: Logged


class Files(Answer):
    files: list[Answer] = []


_MODEL = "/api/2.0/mlflow/registered-models/"
_EXPERIMENT = "/api/2.0/mlflow/experiments/"
_RUN = "/api/2.0/mlflow/runs/"
_VERSION = "/api/2.0/mlflow/model-versions/"
SEARCH_MODELS = Endpoint("GET", _MODEL + "search", Models)
GET_MODEL = Endpoint("GET", _MODEL + "get", OneModel)
CREATE_MODEL = Endpoint("POST", _MODEL + "create", OneModel)
UPDATE_MODEL = Endpoint("PATCH", _MODEL + "update", OneModel)
DELETE_MODEL = Endpoint("DELETE", _MODEL + "delete", Answer)
TAG_MODEL = Endpoint("POST", _MODEL + "set-tag", Answer)
UNTAG_MODEL = Endpoint("DELETE", _MODEL + "delete-tag", Answer)
SET_ALIAS = Endpoint("POST", _MODEL + "alias", Answer)
DELETE_ALIAS = Endpoint("DELETE", _MODEL + "alias", Answer)
SEARCH_VERSIONS = Endpoint("GET", _VERSION + "search", Versions)
GET_VERSION = Endpoint("GET", _VERSION + "get", OneVersion)
CREATE_VERSION = Endpoint("POST", _VERSION + "create", OneVersion)
DELETE_VERSION = Endpoint("DELETE", _VERSION + "delete", Answer)
TAG_VERSION = Endpoint("POST", _VERSION + "set-tag", Answer)
UNTAG_VERSION = Endpoint("DELETE", _VERSION + "delete-tag", Answer)
TRANSITION = Endpoint("POST", _VERSION + "transition-stage", Answer)
DOWNLOAD_URI = Endpoint("GET", _VERSION + "get-download-uri", Uri)
SEARCH_EXPERIMENTS = Endpoint("POST", _EXPERIMENT + "search", Experiments)
GET_EXPERIMENT = Endpoint("GET", _EXPERIMENT + "get-by-name", OneExperiment)
CREATE_EXPERIMENT = Endpoint("POST", _EXPERIMENT + "create", Answer)
RESTORE_EXPERIMENT = Endpoint("POST", _EXPERIMENT + "restore", Answer)
SEARCH_RUNS = Endpoint("POST", _RUN + "search", Runs)
CREATE_RUN = Endpoint("POST", _RUN + "create", OneRun)
UPDATE_RUN = Endpoint("POST", _RUN + "update", Answer)
GET_LOGGED_MODEL = Endpoint("GET", "/api/2.0/mlflow/logged-models/", OneLogged)
LIST_FILES = Endpoint("GET", "/api/2.0/mlflow-artifacts/artifacts", Files)
