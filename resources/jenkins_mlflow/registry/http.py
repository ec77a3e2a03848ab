"""The door ``http``: MLflow's documented REST API, spoken without MLflow."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import requests

from jenkins_mlflow.registry import wire
from jenkins_mlflow.registry.clock import told_by
from jenkins_mlflow.registry.doors import FoundExperiment, FoundLoggedModel, FoundModel, Page
from jenkins_mlflow.registry.faults import ErrorAnswer, UnusableAnswer, classify
from jenkins_mlflow.registry.sending import Sender
from jenkins_mlflow.registry.snapshot import Run, Version

_NO_PROMPTS = "tag.`mlflow.prompt.is_prompt` != 'true'"  # as MLflow's client asks


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
        answer = self._sender.send(wire.SEARCH_MODELS, _search(condition, limit, page_token, "name ASC"))
        return Page.of([model.found() for model in answer.registered_models], answer.next_page_token)

    def versions(self, condition: str, *, limit: int, page_token: str) -> Page[Version]:
        order = ("name ASC", "version_number DESC")
        answer = self._sender.send(wire.SEARCH_VERSIONS, _search(condition, limit, page_token, *order))
        return Page.of([version.found() for version in answer.model_versions], answer.next_page_token)

    def experiments(self, *, limit: int, page_token: str) -> Page[str]:
        payload = {**_search("", limit, page_token, "name ASC"), "view_type": "ALL"}
        answer = self._sender.send(wire.SEARCH_EXPERIMENTS, payload)
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
        return [run.found() for run in self._sender.send(wire.SEARCH_RUNS, payload).runs]

    def model(self, name: str) -> FoundModel:
        return self._sender.send(wire.GET_MODEL, {"name": name}).registered_model.found()

    def version(self, name: str, number: int) -> Version:
        return self._sender.send(wire.GET_VERSION, _version(name, number)).model_version.found()

    def storage_uri(self, name: str, number: int) -> str:
        return self._sender.send(wire.DOWNLOAD_URI, _version(name, number)).artifact_uri

    def has_artifacts(self, uri: str) -> bool:
        parts = urlsplit(uri)
        if parts.scheme != "mlflow-artifacts" or parts.netloc:
            from jenkins_mlflow.registry.store import has_artifacts

            return has_artifacts(uri, self._uri)
        return bool(self._sender.send(wire.LIST_FILES, {"path": parts.path.strip("/")}).files)

    def logged_model(self, model_id: str) -> FoundLoggedModel:
        model = self._sender.send(wire.GET_LOGGED_MODEL, {}, in_path=quote(model_id, safe="")).model
        return FoundLoggedModel(bool(model.data.metrics), wire.as_dict(model.info.tags))

    def server_version(self) -> str | None:
        try:
            text = self._sender.exchange("GET", "/version")[0].decode(errors="replace").strip()
        except (requests.RequestException, ErrorAnswer, UnusableAnswer):
            return None  # it only ever words advice or spares time: no promotion depends on it
        return text if re.fullmatch(r"\d+\.\d+[\w.+-]*", text) else None

    def set_stage(self, name: str, number: int, stage: str, *, archive_existing: bool) -> None:
        more = {"stage": stage, "archive_existing_versions": archive_existing}
        self._sender.send(wire.TRANSITION, {**_version(name, number), **more})

    def set_alias(self, name: str, alias: str, number: int) -> None:
        self._sender.send(wire.SET_ALIAS, {**_version(name, number), "alias": alias})

    def delete_alias(self, name: str, alias: str) -> None:
        self._sender.send(wire.DELETE_ALIAS, {"name": name, "alias": alias})

    def tag_version(self, name: str, number: int, key: str, value: str) -> None:
        self._sender.send(wire.TAG_VERSION, {**_version(name, number), "key": key, "value": value})

    def tag_model(self, name: str, key: str, value: str) -> None:
        self._sender.send(wire.TAG_MODEL, {"name": name, "key": key, "value": value})

    def untag_model(self, name: str, key: str) -> None:
        self._sender.send(wire.UNTAG_MODEL, {"name": name, "key": key})

    def create_model(self, name: str, tags: Mapping[str, str], description: str) -> int:
        payload = {"name": name, "tags": _pairs(tags), "description": description}
        return self._sender.send(wire.CREATE_MODEL, payload).registered_model.creation_timestamp

    def now(self) -> float:
        try:
            headers = self._sender.exchange("GET", "/version")[1]
        except ErrorAnswer as error:
            if (
                error.status != requests.codes.not_found
            ):  # a server that hides its version still tells the time
                raise
            headers = error.headers
        return told_by(headers, self._uri)

    def stamp(self, name: str, description: str) -> int:
        payload = {"name": name, "description": description}
        return self._sender.send(wire.UPDATE_MODEL, payload).registered_model.last_updated_timestamp

    def copy_version(self, name: str, number: int, into: str) -> int:
        found = self._sender.send(wire.GET_VERSION, _version(name, number)).model_version
        try:
            self._sender.send(wire.CREATE_MODEL, {"name": into})
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
        return self._sender.send(wire.CREATE_VERSION, payload).model_version.version

    def create_version(self, like: Version, tags: Mapping[str, str], model_id: str) -> int:
        payload = {
            "name": like.model,
            "source": like.source,
            "run_id": like.run_id,
            "tags": _pairs(tags),
            "description": like.description,
            "model_id": model_id,
        }
        payload = {key: value for key, value in payload.items() if value}
        return self._sender.send(wire.CREATE_VERSION, payload).model_version.version

    def untag_version(self, name: str, number: int, key: str) -> None:
        self._sender.send(wire.UNTAG_VERSION, {**_version(name, number), "key": key})

    def experiment(self, name: str) -> FoundExperiment | None:
        try:
            found = self._sender.send(wire.GET_EXPERIMENT, {"experiment_name": name}).experiment
        except ErrorAnswer as error:
            if not classify(error).not_found:
                raise
            return None
        return FoundExperiment(found.experiment_id, found.lifecycle_stage == "deleted")

    def create_experiment(self, name: str) -> None:
        self._sender.send(wire.CREATE_EXPERIMENT, {"name": name})

    def restore_experiment(self, experiment: str) -> None:
        self._sender.send(wire.RESTORE_EXPERIMENT, {"experiment_id": experiment})

    def create_run(self, experiment: str, started: int, tags: Mapping[str, str], name: str) -> str:
        payload = {
            "experiment_id": experiment,
            "user_id": "unknown",  # as MLflow's client has it
            "start_time": started,
            "tags": _pairs(tags),
            "run_name": name,
        }
        return self._sender.send(wire.CREATE_RUN, payload).run.info.run_id

    def finish_run(self, run_id: str) -> None:
        self._sender.send(wire.UPDATE_RUN, {"run_id": run_id, "status": "FINISHED"})

    def find_runs(self, experiment: str, condition: str, *, limit: int, page_token: str) -> Page[Run]:
        payload = _search(condition, limit, page_token, "attributes.start_time ASC")
        answer = self._sender.send(wire.SEARCH_RUNS, {**payload, "experiment_ids": [experiment]})
        return Page.of([run.found() for run in answer.runs], answer.next_page_token)

    def delete_model(self, name: str) -> None:
        self._sender.send(wire.DELETE_MODEL, {"name": name})

    def delete_version(self, name: str, number: int) -> None:
        self._sender.send(wire.DELETE_VERSION, _version(name, number))


def _version(name: str, number: int) -> dict[str, Any]:
    return {"name": name, "version": str(number)}


def _pairs(tags: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"key": key, "value": value} for key, value in tags.items()]


def _search(condition: str, limit: int, page_token: str, *order: str) -> dict[str, Any]:
    """A search's parameters; empty ones are left out."""
    payload = {"filter": condition, "max_results": limit, "page_token": page_token, "order_by": list(order)}
    return {key: value for key, value in payload.items() if value}
