"""The door ``http``: MLflow's documented REST API, spoken without MLflow.

Of each answer only the fields that are used are decoded; all others are ignored, so that any server from 2.22 on will
do. Numbers may come as text, as protobuf's JSON has them: a version's number, and metrics that are NaN or infinite.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import msgspec
import requests

from jenkins_mlflow.registry.doors import FoundLoggedModel, FoundModel, Page
from jenkins_mlflow.registry.faults import ErrorAnswer, UnusableAnswer, classify
from jenkins_mlflow.registry.sending import Endpoint, Sender
from jenkins_mlflow.registry.snapshot import NO_STAGE, Run, Version

_NO_PROMPTS = "tag.`mlflow.prompt.is_prompt` != 'true'"  # as MLflow's client asks


class _Answer(msgspec.Struct, gc=False):
    """Any JSON object."""


class _Tag(_Answer):
    key: str
    value: str = ""


class _Metric(_Answer):
    key: str
    value: float = 0.0


class _Alias(_Answer):
    alias: str
    version: int


class _Model(_Answer):
    name: str
    creation_timestamp: int = 0
    last_updated_timestamp: int = 0
    tags: list[_Tag] = []
    aliases: list[_Alias] = []

    def found(self) -> FoundModel:
        aliases = {alias.alias: alias.version for alias in self.aliases}
        updated = self.last_updated_timestamp or self.creation_timestamp
        return FoundModel(self.name, aliases, _dict(self.tags), updated)


class _Version(_Answer):
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
    tags: list[_Tag] = []
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
            tags=_dict(self.tags),
        )


class _Info(_Answer):
    run_id: str


class _Data(_Answer):
    metrics: list[_Metric] = []
    tags: list[_Tag] = []


class _Run(_Answer):
    info: _Info
    data: _Data

    def found(self) -> Run:
        return Run(self.info.run_id, _dict(self.data.metrics), _dict(self.data.tags))


class _Experiment(_Answer):
    experiment_id: str


class _Models(_Answer):
    registered_models: list[_Model] = []
    next_page_token: str = ""


class _Versions(_Answer):
    model_versions: list[_Version] = []
    next_page_token: str = ""


class _Experiments(_Answer):
    experiments: list[_Experiment] = []
    next_page_token: str = ""


class _Runs(_Answer):
    runs: list[_Run] = []


class _OneModel(_Answer):
    registered_model: _Model


class _OneVersion(_Answer):
    model_version: _Version


class _Uri(_Answer):
    artifact_uri: str


class _LoggedInfo(_Answer):
    tags: list[_Tag] = []


class _LoggedData(_Answer):
    metrics: list[_Metric] = []


class _Logged(_Answer):
    info: _LoggedInfo
    data: _LoggedData = msgspec.field(default_factory=_LoggedData)


class _OneLogged(_Answer):
    model: _Logged


class _Files(_Answer):
    files: list[_Answer] = []


_MODEL = "/api/2.0/mlflow/registered-models/"
_VERSION = "/api/2.0/mlflow/model-versions/"
SEARCH_MODELS = Endpoint("GET", _MODEL + "search", _Models)
GET_MODEL = Endpoint("GET", _MODEL + "get", _OneModel)
CREATE_MODEL = Endpoint("POST", _MODEL + "create", _OneModel)
UPDATE_MODEL = Endpoint("PATCH", _MODEL + "update", _Answer)
DELETE_MODEL = Endpoint("DELETE", _MODEL + "delete", _Answer)
TAG_MODEL = Endpoint("POST", _MODEL + "set-tag", _Answer)
UNTAG_MODEL = Endpoint("DELETE", _MODEL + "delete-tag", _Answer)
SET_ALIAS = Endpoint("POST", _MODEL + "alias", _Answer)
DELETE_ALIAS = Endpoint("DELETE", _MODEL + "alias", _Answer)
SEARCH_VERSIONS = Endpoint("GET", _VERSION + "search", _Versions)
GET_VERSION = Endpoint("GET", _VERSION + "get", _OneVersion)
CREATE_VERSION = Endpoint("POST", _VERSION + "create", _OneVersion)
DELETE_VERSION = Endpoint("DELETE", _VERSION + "delete", _Answer)
TAG_VERSION = Endpoint("POST", _VERSION + "set-tag", _Answer)
TRANSITION = Endpoint("POST", _VERSION + "transition-stage", _Answer)
DOWNLOAD_URI = Endpoint("GET", _VERSION + "get-download-uri", _Uri)
SEARCH_EXPERIMENTS = Endpoint("POST", "/api/2.0/mlflow/experiments/search", _Experiments)
SEARCH_RUNS = Endpoint("POST", "/api/2.0/mlflow/runs/search", _Runs)
GET_LOGGED_MODEL = Endpoint("GET", "/api/2.0/mlflow/logged-models/", _OneLogged)
LIST_FILES = Endpoint("GET", "/api/2.0/mlflow-artifacts/artifacts", _Files)


class HttpDoor:
    """Implements ``doors.Door`` for a server.

    Args:
        uri: The server's address.
        environ: Where MLflow's settings are read from.
        home: Folder with ``.mlflow/credentials``.

    Raises:
        UsageError: a setting of MLflow has a value that it cannot have.
    """

    def __init__(self, uri: str, environ: Mapping[str, str], home: Path) -> None:
        self._uri = uri
        self._sender = Sender(uri, environ, home)

    def models(self, condition: str, *, limit: int, page_token: str) -> Page[FoundModel]:
        condition = f"{condition} AND {_NO_PROMPTS}" if condition else _NO_PROMPTS
        answer = self._sender.send(SEARCH_MODELS, _search(condition, limit, page_token, "name ASC"))
        return Page.of([model.found() for model in answer.registered_models], answer.next_page_token)

    def versions(self, condition: str, *, limit: int, page_token: str) -> Page[Version]:
        order = ("name ASC", "version_number DESC")
        answer = self._sender.send(SEARCH_VERSIONS, _search(condition, limit, page_token, *order))
        return Page.of([version.found() for version in answer.model_versions], answer.next_page_token)

    def experiments(self, *, limit: int, page_token: str) -> Page[str]:
        payload = {**_search("", limit, page_token, "name ASC"), "view_type": "ALL"}
        answer = self._sender.send(SEARCH_EXPERIMENTS, payload)
        return Page.of([found.experiment_id for found in answer.experiments], answer.next_page_token)

    def runs(self, experiments: Collection[str], run_ids: Collection[str]) -> list[Run]:
        # Without blanks: a server's parser takes 10,000 tokens, and a blank is one (MLflow 2.22 to 3.17).
        some = ",".join(f"'{run_id}'" for run_id in run_ids)
        payload = {
            "experiment_ids": list(experiments),
            "filter": f"attributes.run_id IN ({some})",
            "run_view_type": "ALL",
            "max_results": len(run_ids),
        }
        return [run.found() for run in self._sender.send(SEARCH_RUNS, payload).runs]

    def model(self, name: str) -> FoundModel:
        return self._sender.send(GET_MODEL, {"name": name}).registered_model.found()

    def version(self, name: str, number: int) -> Version:
        return self._sender.send(GET_VERSION, _version(name, number)).model_version.found()

    def storage_uri(self, name: str, number: int) -> str:
        return self._sender.send(DOWNLOAD_URI, _version(name, number)).artifact_uri

    def has_artifacts(self, uri: str) -> bool:
        parts = urlsplit(uri)
        if parts.scheme != "mlflow-artifacts" or parts.netloc:
            from jenkins_mlflow.registry.store import has_artifacts

            return has_artifacts(uri, self._uri)
        return bool(self._sender.send(LIST_FILES, {"path": parts.path.strip("/")}).files)

    def logged_model(self, model_id: str) -> FoundLoggedModel:
        model = self._sender.send(GET_LOGGED_MODEL, {}, in_path=quote(model_id, safe="")).model
        return FoundLoggedModel(bool(model.data.metrics), _dict(model.info.tags))

    def server_version(self) -> str | None:
        try:
            text = self._sender.text("GET", "/version").decode(errors="replace").strip()
        except (requests.RequestException, ErrorAnswer, UnusableAnswer):
            return None  # it only ever words advice or spares time: no promotion depends on it
        return text if re.fullmatch(r"\d+\.\d+[\w.+-]*", text) else None

    def set_stage(self, name: str, number: int, stage: str, *, archive_existing: bool) -> None:
        more = {"stage": stage, "archive_existing_versions": archive_existing}
        self._sender.send(TRANSITION, {**_version(name, number), **more})

    def set_alias(self, name: str, alias: str, number: int) -> None:
        self._sender.send(SET_ALIAS, {**_version(name, number), "alias": alias})

    def delete_alias(self, name: str, alias: str) -> None:
        self._sender.send(DELETE_ALIAS, {"name": name, "alias": alias})

    def tag_version(self, name: str, number: int, key: str, value: str) -> None:
        self._sender.send(TAG_VERSION, {**_version(name, number), "key": key, "value": value})

    def tag_model(self, name: str, key: str, value: str) -> None:
        self._sender.send(TAG_MODEL, {"name": name, "key": key, "value": value})

    def untag_model(self, name: str, key: str) -> None:
        self._sender.send(UNTAG_MODEL, {"name": name, "key": key})

    def create_model(self, name: str, tags: Mapping[str, str], description: str) -> int:
        pairs = [{"key": key, "value": value} for key, value in tags.items()]
        payload = {"name": name, "tags": pairs, "description": description}
        return self._sender.send(CREATE_MODEL, payload).registered_model.creation_timestamp

    def describe_model(self, name: str, description: str) -> None:
        self._sender.send(UPDATE_MODEL, {"name": name, "description": description})

    def copy_version(self, name: str, number: int, into: str) -> int:
        found = self._sender.send(GET_VERSION, _version(name, number)).model_version
        try:
            self._sender.send(CREATE_MODEL, {"name": into})
        except ErrorAnswer as error:
            if not classify(error).exists:
                raise
        payload = {
            "name": into,
            "source": f"models:/{name}/{number}",
            "run_id": found.run_id,
            "run_link": found.run_link,
            "tags": [{"key": tag.key, "value": tag.value} for tag in found.tags],
            "description": found.description,
            "model_id": found.model_id,
        }
        payload = {key: value for key, value in payload.items() if value}
        return self._sender.send(CREATE_VERSION, payload).model_version.version

    def delete_model(self, name: str) -> None:
        self._sender.send(DELETE_MODEL, {"name": name})

    def delete_version(self, name: str, number: int) -> None:
        self._sender.send(DELETE_VERSION, _version(name, number))


def _dict(pairs: Iterable[Any]) -> dict[str, Any]:
    return {pair.key: pair.value for pair in pairs}


def _version(name: str, number: int) -> dict[str, Any]:
    return {"name": name, "version": str(number)}


def _search(condition: str, limit: int, page_token: str, *order: str) -> dict[str, Any]:
    """A search's parameters; empty ones are left out."""
    payload = {"filter": condition, "max_results": limit, "page_token": page_token, "order_by": list(order)}
    return {key: value for key, value in payload.items() if value}
