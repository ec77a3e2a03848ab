"""The door ``http``: uses MLflow's documented REST API without MLflow."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import requests

from jenkins_mlflow.registry import rest
from jenkins_mlflow.registry.choice import SERVED_SCHEMES
from jenkins_mlflow.registry.client_settings import user_of
from jenkins_mlflow.registry.clock import server_time
from jenkins_mlflow.registry.door_types import (
    FoundExperiment,
    FoundFile,
    FoundLoggedModel,
    FoundModel,
    FoundRun,
    KeptRun,
    Page,
    Point,
    WholeRun,
)
from jenkins_mlflow.registry.doors import Send
from jenkins_mlflow.registry.faults import ErrorAnswer, UnusableAnswer, classify, unless_there
from jenkins_mlflow.registry.sending import Sender
from jenkins_mlflow.registry.version import Run, Version

_POINTS = 10_000  # values in a page of a metric's history
_NO_PROMPTS = "tag.`mlflow.prompt.is_prompt` != 'true'"  # the same filter as in MLflow's client


class HttpDoor:
    """Implements ``doors.Door`` for a server.

    Args:
        uri: The server's address.
        environ: The variables with MLflow's settings.
        home: The folder with ``.mlflow/credentials``; None to use only the environment's login.

    Raises:
        UsageError: one of MLflow's settings has an invalid value.
    """

    def __init__(self, uri: str, environ: Mapping[str, str], home: Path | None) -> None:
        self._uri = uri
        self._other = home is None
        self._sender = Sender(uri, environ, home)
        self._user = user_of(uri, environ, home)
        self._made = ("", "")  # the run that was made last, and where its artifacts are

    def models(self, condition: str, *, limit: int, page_token: str) -> Page[FoundModel]:
        condition = f"{condition} AND {_NO_PROMPTS}" if condition else _NO_PROMPTS
        answer = self._sender.send(rest.SEARCH_MODELS, _search(condition, limit, page_token, "name ASC"))
        return Page.of([model.found() for model in answer.registered_models], answer.next_page_token)

    def versions(self, condition: str, *, limit: int, page_token: str) -> Page[Version]:
        order = ("name ASC", "version_number DESC")
        answer = self._sender.send(rest.SEARCH_VERSIONS, _search(condition, limit, page_token, *order))
        return Page.of([version.found() for version in answer.model_versions], answer.next_page_token)

    def experiments(self, *, limit: int, page_token: str) -> Page[str]:
        payload = {**_search("", limit, page_token, "name ASC"), "view_type": "ALL"}
        answer = self._sender.send(rest.SEARCH_EXPERIMENTS, payload)
        return Page.of([found.experiment_id for found in answer.experiments], answer.next_page_token)

    def runs(self, experiments: Collection[str], run_ids: Collection[str]) -> list[Run]:
        # Without spaces: a server's parser accepts 10,000 tokens, and a space is one (MLflow 2.22 to 3.17).
        some = ",".join(f"'{run_id}'" for run_id in run_ids)
        payload = {
            "experiment_ids": list(experiments),
            "filter": f"attributes.run_id IN ({some})",
            "run_view_type": "ALL",
            "max_results": len(run_ids),
        }
        return [run.found() for run in self._sender.send(rest.SEARCH_RUNS, payload).runs]

    def model(self, name: str) -> FoundModel:
        return self._sender.send(rest.GET_MODEL, {"name": name}).registered_model.found()

    def version(self, name: str, number: int) -> Version:
        return self._sender.send(rest.GET_VERSION, _version(name, number)).model_version.found()

    def storage_uri(self, name: str, number: int) -> str:
        return self._sender.send(rest.DOWNLOAD_URI, _version(name, number)).artifact_uri

    def has_artifacts(self, uri: str) -> bool:
        parts = urlsplit(uri)
        if parts.scheme != "mlflow-artifacts" or parts.netloc:
            if self._other and parts.scheme in SERVED_SCHEMES:
                raise UnusableAnswer("MLflow's client would send it the login of another server")
            from jenkins_mlflow.registry.mlflow_client import has_artifacts

            return has_artifacts(uri, self._uri)
        return bool(self.files(parts.path.strip("/")))

    def logged_model(self, model_id: str) -> FoundLoggedModel:
        return self._sender.send(rest.GET_LOGGED_MODEL, {}, in_path=quote(model_id, safe="")).model.found()

    def logged_models(
        self, experiments: Collection[str], condition: str, *, limit: int, page_token: str
    ) -> Page[FoundLoggedModel]:
        payload = {
            **_search(condition, limit, page_token),
            "experiment_ids": list(experiments),
            "order_by": [{"field_name": "creation_timestamp", "ascending": True}],
        }
        try:
            answer = self._sender.send(rest.SEARCH_LOGGED_MODELS, payload)
        except ErrorAnswer as error:
            if error.status != requests.codes.not_found:
                raise
            return Page()  # MLflow 2 has no logged models
        return Page.of([model.found() for model in answer.models], answer.next_page_token)

    def tag_logged_model(self, model_id: str, key: str, value: str) -> None:
        path = f"{quote(model_id, safe='')}/tags"
        self._sender.send(rest.TAG_LOGGED_MODEL, {"tags": _pairs({key: value})}, in_path=path)

    def server_version(self) -> str | None:
        try:
            text = self._sender.exchange("GET", "/version")[0].decode(errors="replace").strip()
        except (requests.RequestException, ErrorAnswer, UnusableAnswer):
            return None  # the version only phrases advice or saves time; no promotion depends on it
        return text if re.fullmatch(r"\d+\.\d+[\w.+-]*", text) else None

    def set_stage(self, name: str, number: int, stage: str, *, archive_existing: bool) -> None:
        more = {"stage": stage, "archive_existing_versions": archive_existing}
        self._sender.send(rest.TRANSITION, {**_version(name, number), **more})

    def set_alias(self, name: str, alias: str, number: int) -> None:
        self._sender.send(rest.SET_ALIAS, {**_version(name, number), "alias": alias})

    def delete_alias(self, name: str, alias: str) -> None:
        self._sender.send(rest.DELETE_ALIAS, {"name": name, "alias": alias})

    def tag_version(self, name: str, number: int, key: str, value: str) -> None:
        self._sender.send(rest.TAG_VERSION, {**_version(name, number), "key": key, "value": value})

    def tag_model(self, name: str, key: str, value: str) -> None:
        self._sender.send(rest.TAG_MODEL, {"name": name, "key": key, "value": value})

    def untag_model(self, name: str, key: str) -> None:
        self._sender.send(rest.UNTAG_MODEL, {"name": name, "key": key})

    def create_model(self, name: str, tags: Mapping[str, str], description: str) -> int:
        payload = {"name": name, "tags": _pairs(tags), "description": description}
        return self._sender.send(rest.CREATE_MODEL, payload).registered_model.creation_timestamp

    def now(self) -> float:
        try:
            headers = self._sender.exchange("GET", "/version")[1]
        except ErrorAnswer as error:
            if error.status != requests.codes.not_found:  # a server that hides its version still has a clock
                raise
            headers = error.headers
        return server_time(headers, self._uri)

    def stamp(self, name: str, description: str) -> int:
        payload = {"name": name, "description": description}
        return self._sender.send(rest.UPDATE_MODEL, payload).registered_model.last_updated_timestamp

    def copy_version(self, name: str, number: int, into: str, send: Send) -> int:
        found = self._sender.send(rest.GET_VERSION, _version(name, number)).model_version
        unless_there(lambda: send(lambda: self._sender.send(rest.CREATE_MODEL, {"name": into})))
        payload = {
            "name": into,
            "source": f"models:/{name}/{number}",
            "run_id": found.run_id,
            "run_link": found.run_link,
            "tags": [{"key": tag.key, "value": tag.value} for tag in found.tags],
            "description": found.description,
            "model_id": found.model_id,
        }
        given = {key: value for key, value in payload.items() if value}
        return send(lambda: self._sender.send(rest.CREATE_VERSION, given)).model_version.version

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
        return self._sender.send(rest.CREATE_VERSION, payload).model_version.version

    def untag_version(self, name: str, number: int, key: str) -> None:
        self._sender.send(rest.UNTAG_VERSION, {**_version(name, number), "key": key})

    def experiment(self, name: str) -> FoundExperiment | None:
        try:
            found = self._sender.send(rest.GET_EXPERIMENT, {"experiment_name": name}).experiment
        except ErrorAnswer as error:
            if not classify(error).not_found:
                raise
            return None
        return FoundExperiment(found.experiment_id, found.lifecycle_stage == "deleted")

    def create_experiment(self, name: str) -> None:
        self._sender.send(rest.CREATE_EXPERIMENT, {"name": name})

    def create_run(self, experiment: str, started: int, tags: Mapping[str, str], name: str) -> str:
        payload = {
            "experiment_id": experiment,
            "user_id": "unknown",  # as in MLflow's client
            "start_time": started,
            "tags": _pairs(tags),
            "run_name": name,
        }
        info = self._sender.send(rest.CREATE_RUN, payload).run.info
        self._made = (info.run_id, info.artifact_uri)
        return info.run_id

    def log(self, run_id: str, params: Mapping[str, str], metrics: Mapping[str, float], when: int) -> None:
        values = [
            {"key": key, "value": value, "timestamp": when, "step": 0} for key, value in metrics.items()
        ]
        self._sender.send(rest.LOG_BATCH, {"run_id": run_id, "params": _pairs(params), "metrics": values})

    def keep_file(self, run_id: str, name: str, text: str) -> bool:
        made, where = self._made  # read at once: threads share a door
        if made != run_id or not where:
            where = self._sender.send(rest.GET_RUN, {"run_id": run_id}).run.info.artifact_uri
        parts = urlsplit(where)
        if parts.scheme != "mlflow-artifacts" or parts.netloc:
            return False  # it is in a storage that only MLflow's client or only the server can reach
        path = quote(f"{parts.path.strip('/')}/{name}")
        self._sender.put(f"{rest.ARTIFACTS}/{path}", text.encode(errors="replace"))
        return True

    def finish_run(self, run_id: str) -> None:
        self._sender.send(rest.UPDATE_RUN, {"run_id": run_id, "status": "FINISHED"})

    def end_run(self, run_id: str, status: str, ended: int) -> None:
        self._sender.send(rest.UPDATE_RUN, {"run_id": run_id, "status": status, "end_time": ended})

    def whole_run(self, run_id: str) -> WholeRun:
        run = self._sender.send(rest.GET_RUN, {"run_id": run_id}).run
        place = {"experiment_id": run.info.experiment_id}
        return run.whole(self._sender.send(rest.EXPERIMENT_BY_ID, place).experiment.name)

    def points(self, run_id: str, key: str, *, page_token: str) -> Page[Point]:
        payload = {"run_id": run_id, "metric_key": key, "max_results": _POINTS, "page_token": page_token}
        answer = self._sender.send(rest.GET_POINTS, {name: value for name, value in payload.items() if value})
        return Page.of(answer.found(), answer.next_page_token)

    def log_points(self, run_id: str, points: Collection[Point]) -> None:
        values = [
            {"key": point.key, "value": _number(point.value), "timestamp": point.when, "step": point.step}
            for point in points
        ]
        self._sender.send(rest.LOG_BATCH, {"run_id": run_id, "metrics": values})

    def tag_run(self, run_id: str, key: str, value: str) -> None:
        self._sender.send(rest.TAG_RUN, {"run_id": run_id, "key": key, "value": value})

    def training_runs(
        self, experiments: Collection[str], condition: str, *, limit: int, page_token: str
    ) -> Page[FoundRun]:
        order = ("attributes.start_time ASC", "attributes.run_id ASC")
        payload = {**_search(condition, limit, page_token, *order), "experiment_ids": list(experiments)}
        answer = self._sender.send(rest.SEARCH_RUNS, payload)
        return Page.of([run.found_run() for run in answer.runs], answer.next_page_token)

    def find_runs(self, experiment: str, condition: str, *, limit: int, page_token: str) -> Page[Run]:
        payload = _search(condition, limit, page_token, "attributes.start_time ASC")
        answer = self._sender.send(rest.SEARCH_RUNS, {**payload, "experiment_ids": [experiment]})
        return Page.of([run.found() for run in answer.runs], answer.next_page_token)

    def kept_runs(
        self, experiments: Collection[str], condition: str, *, limit: int, page_token: str
    ) -> Page[KeptRun]:
        payload = _search(condition, limit, page_token, "attributes.start_time ASC")
        payload |= {"experiment_ids": list(experiments), "run_view_type": "ALL"}
        answer = self._sender.send(rest.SEARCH_RUNS, payload)
        return Page.of([run.kept() for run in answer.runs], answer.next_page_token)

    def delete_run(self, run_id: str) -> None:
        self._sender.send(rest.DELETE_RUN, {"run_id": run_id})

    def delete_logged_model(self, model_id: str) -> None:
        self._sender.send(rest.DELETE_LOGGED_MODEL, {}, in_path=quote(model_id, safe=""))

    def experiment_locations(self, *, limit: int, page_token: str) -> Page[str]:
        payload = {**_search("", limit, page_token, "name ASC"), "view_type": "ALL"}
        answer = self._sender.send(rest.SEARCH_EXPERIMENTS, payload)
        return Page.of([found.artifact_location for found in answer.experiments], answer.next_page_token)

    def files(self, path: str) -> list[FoundFile]:
        found = self._sender.send(rest.LIST_FILES, {"path": path}).files
        return [FoundFile(file.path, file.is_dir, file.file_size) for file in found]

    def fetch_file(self, path: str, into: Path, most: int | None = None) -> None:
        self._sender.download(f"{rest.ARTIFACTS}/{quote(path)}", into, most)

    def store_file(self, path: str, source: Path) -> None:
        self._sender.upload(f"{rest.ARTIFACTS}/{quote(path)}", source)

    def delete_files(self, path: str) -> None:
        self._sender.send(rest.DELETE_FILES, {}, in_path=quote(path))

    def sees_all(self) -> bool | None:
        try:
            return self._sender.send(rest.THIS_USER, {}).user.is_admin
        except ErrorAnswer as error:  # a server before 3.12, or one without accounts
            if error.status != requests.codes.not_found:
                raise
        try:
            return self._sender.send(rest.ANY_USER, {"username": self._user}).user.is_admin
        except ErrorAnswer as error:
            if error.status not in (requests.codes.not_found, requests.codes.forbidden, requests.codes.bad):
                raise
            if error.status == requests.codes.not_found and classify(error).code == "":
                return True  # a server without accounts
            return False if self._user else None

    def delete_model(self, name: str) -> None:
        self._sender.send(rest.DELETE_MODEL, {"name": name})

    def delete_version(self, name: str, number: int) -> None:
        self._sender.send(rest.DELETE_VERSION, _version(name, number))


def _number(value: float) -> float | str:
    """A number as in protobuf's JSON, where NaN and infinities are words."""
    if math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def _version(name: str, number: int) -> dict[str, Any]:
    return {"name": name, "version": str(number)}


def _pairs(tags: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"key": key, "value": value} for key, value in tags.items()]


def _search(condition: str, limit: int, page_token: str, *order: str) -> dict[str, Any]:
    """A search's parameters; empty ones are left out."""
    payload = {"filter": condition, "max_results": limit, "page_token": page_token, "order_by": list(order)}
    return {key: value for key, value in payload.items() if value}
