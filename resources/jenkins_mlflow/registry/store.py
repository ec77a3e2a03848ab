"""The door ``store``: MLflow's own client, for databases, folders, and servers that are reached in an unusual way."""

from __future__ import annotations

import contextlib
import functools
import io
import re
import sys
from collections.abc import Collection, Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from jenkins_mlflow.registry.choice import HTTP_SCHEMES
from jenkins_mlflow.registry.clock import StoreClock, store_clock
from jenkins_mlflow.registry.connection import local_path
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
from jenkins_mlflow.registry.entities import (
    found_logged_model,
    found_model,
    found_run,
    found_version,
    kept_run,
    training_run,
    whole_run,
)
from jenkins_mlflow.registry.faults import classify
from jenkins_mlflow.registry.mlflow_client import (
    default_store,
    delete_files,
    fetch_file,
    has_artifacts,
    list_files,
    open_client,
    store_file,
)
from jenkins_mlflow.registry.version import Run, Version


class StoreDoor:
    """Implements ``doors.Door`` with MLflow's client.

    Raises:
        ConnectionFailed: see ``open_client``.
    """

    def __init__(self, uri: str) -> None:
        self.client = open_client(uri)
        self._uri = uri
        # The client's own writes first ask whether the model is a prompt, which doubles their requests; the layer
        # below does not (MLflow 3.17.2). No command handles prompts, because the searches leave them out.
        self._writer: Any = getattr(self.client, "_get_registry_client", lambda: self.client)()

    @functools.cached_property
    def _clock(self) -> StoreClock:
        return store_clock(self._uri, getattr(self._writer, "store", None))

    def models(self, condition: str, *, limit: int, page_token: str) -> Page[FoundModel]:
        found = self.client.search_registered_models(
            filter_string=condition or None,
            max_results=limit,
            order_by=["name ASC"],
            page_token=page_token or None,
        )
        return Page.of([found_model(model) for model in found], found.token)

    def versions(self, condition: str, *, limit: int, page_token: str) -> Page[Version]:
        found = self.client.search_model_versions(
            filter_string=condition or None,
            max_results=limit,
            order_by=["name ASC", "version_number DESC"],
            page_token=page_token or None,
        )
        return Page.of([found_version(version) for version in found], found.token)

    def experiments(self, *, limit: int, page_token: str) -> Page[str]:
        from mlflow.entities import ViewType

        found = self.client.search_experiments(
            view_type=ViewType.ALL, max_results=limit, order_by=["name ASC"], page_token=page_token or None
        )
        return Page.of([experiment.experiment_id for experiment in found], found.token)

    def runs(self, experiments: Collection[str], run_ids: Collection[str]) -> list[Run]:
        from mlflow.entities import ViewType

        condition = "attributes.run_id IN ({})".format(",".join(f"'{run_id}'" for run_id in run_ids))
        found = self.client.search_runs(list(experiments), condition, ViewType.ALL, max_results=len(run_ids))
        return [found_run(run) for run in found]

    def model(self, name: str) -> FoundModel:
        return found_model(self.client.get_registered_model(name))

    def version(self, name: str, number: int) -> Version:
        found = self.client.get_model_version(name, str(number))
        return found_version(found, tuple(sorted(found.aliases)))

    def storage_uri(self, name: str, number: int) -> str:
        return self.client.get_model_version_download_uri(name, str(number))

    def has_artifacts(self, uri: str) -> bool:
        return has_artifacts(uri, self._uri)

    def logged_model(self, model_id: str) -> FoundLoggedModel:
        return found_logged_model(self.client.get_logged_model(model_id))

    def logged_models(
        self, experiments: Collection[str], condition: str, *, limit: int, page_token: str
    ) -> Page[FoundLoggedModel]:
        try:
            found = self.client.search_logged_models(
                list(experiments),
                condition,
                max_results=limit,
                order_by=[{"field_name": "creation_timestamp", "ascending": True}],
                page_token=page_token or None,
            )
        except Exception as error:
            if classify(error).status != HTTPStatus.NOT_FOUND:
                raise
            return Page()  # MLflow 2 has no logged models
        return Page.of([found_logged_model(model) for model in found], found.token)

    def tag_logged_model(self, model_id: str, key: str, value: str) -> None:
        self.client.set_logged_model_tags(model_id, {key: value})

    def server_version(self) -> str | None:
        import mlflow

        if urlsplit(self._uri).scheme not in HTTP_SCHEMES:
            return str(mlflow.__version__)
        from mlflow.utils.credentials import get_default_host_creds
        from mlflow.utils.rest_utils import http_request

        try:
            answer = http_request(get_default_host_creds(self._uri), "/version", "GET", timeout=10)
        except Exception:  # noqa: BLE001  the version only phrases advice or saves time; no promotion depends on it
            return None
        text = answer.text.strip()
        return text if answer.status_code == 200 and re.fullmatch(r"\d+\.\d+[\w.+-]*", text) else None

    def set_stage(self, name: str, number: int, stage: str, *, archive_existing: bool) -> None:
        self._writer.transition_model_version_stage(name, str(number), stage, archive_existing)

    def set_alias(self, name: str, alias: str, number: int) -> None:
        self._writer.set_registered_model_alias(name, alias, str(number))

    def delete_alias(self, name: str, alias: str) -> None:
        self._writer.delete_registered_model_alias(name, alias)

    def tag_version(self, name: str, number: int, key: str, value: str) -> None:
        self._writer.set_model_version_tag(name, str(number), key, value)

    def tag_model(self, name: str, key: str, value: str) -> None:
        self._writer.set_registered_model_tag(name, key, value)

    def untag_model(self, name: str, key: str) -> None:
        self._writer.delete_registered_model_tag(name, key)

    def create_model(self, name: str, tags: Mapping[str, str], description: str) -> int:
        return int(self._writer.create_registered_model(name, dict(tags), description).creation_timestamp)

    def now(self) -> float:
        return self._clock.now()

    def stamp(self, name: str, description: str) -> int:
        return self._clock.stamp(name, description)

    def copy_version(self, name: str, number: int, into: str, send: Send) -> int:
        with contextlib.redirect_stderr(io.StringIO()):  # MLflow reports every step there
            return int(send(lambda: self.client.copy_model_version(f"models:/{name}/{number}", into)).version)

    def create_version(self, like: Version, tags: Mapping[str, str], model_id: str) -> int:
        with default_store(self._uri):
            made = self.client.create_model_version(
                like.model,
                like.source,
                like.run_id,
                tags=dict(tags),
                description=like.description or None,
                model_id=model_id or None,
            )
        return int(made.version)

    def untag_version(self, name: str, number: int, key: str) -> None:
        self._writer.delete_model_version_tag(name, str(number), key)

    def experiment(self, name: str) -> FoundExperiment | None:
        found = self.client.get_experiment_by_name(name)
        return FoundExperiment(found.experiment_id, found.lifecycle_stage == "deleted") if found else None

    def create_experiment(self, name: str) -> None:
        self.client.create_experiment(name)

    def create_run(self, experiment: str, started: int, tags: Mapping[str, str], name: str) -> str:
        return str(self.client.create_run(experiment, started, dict(tags), name).info.run_id)

    def log(self, run_id: str, params: Mapping[str, str], metrics: Mapping[str, float], when: int) -> None:
        from mlflow.entities import Metric, Param

        values = [Metric(key, value, when, 0) for key, value in metrics.items()]
        self.client.log_batch(run_id, values, [Param(key, value) for key, value in params.items()])

    def keep_file(self, run_id: str, name: str, text: str) -> bool:
        scheme = urlsplit(self._uri).scheme
        uri = str(self.client.get_run(run_id).info.artifact_uri)
        beside = scheme not in HTTP_SCHEMES and local_path(self._uri)
        if local_path(uri) is not None and not (beside and Path(beside).is_dir()):
            return False  # it is a folder on the server's machine, or below this program's working directory
        self.client.log_text(run_id, text, name)
        return True

    def finish_run(self, run_id: str) -> None:
        # set_terminated() would print two lines to standard output, where the result belongs (MLflow 3.17.2).
        self.client.update_run(run_id, "FINISHED")

    def end_run(self, run_id: str, status: str, ended: int) -> None:
        with contextlib.redirect_stdout(sys.stderr):  # the client prints the run's address
            self.client.set_terminated(run_id, status, ended)

    def whole_run(self, run_id: str) -> WholeRun:
        run = self.client.get_run(run_id)
        return whole_run(run, self.client.get_experiment(run.info.experiment_id).name)

    def points(self, run_id: str, key: str, *, page_token: str) -> Page[Point]:
        found = self.client.get_metric_history(run_id, key)
        return Page.of([Point(each.key, each.value, each.timestamp, each.step) for each in found], "")

    def log_points(self, run_id: str, points: Collection[Point]) -> None:
        from mlflow.entities import Metric

        values = [Metric(point.key, point.value, point.when, point.step) for point in points]
        self.client.log_batch(run_id, values)

    def tag_run(self, run_id: str, key: str, value: str) -> None:
        self.client.set_tag(run_id, key, value)

    def training_runs(
        self, experiments: Collection[str], condition: str, *, limit: int, page_token: str
    ) -> Page[FoundRun]:
        found = self.client.search_runs(
            list(experiments),
            condition,
            max_results=limit,
            order_by=["attributes.start_time ASC", "attributes.run_id ASC"],
            page_token=page_token or None,
        )
        return Page.of([training_run(run) for run in found], found.token)

    def find_runs(self, experiment: str, condition: str, *, limit: int, page_token: str) -> Page[Run]:
        found = self.client.search_runs(
            [experiment],
            condition,
            max_results=limit,
            order_by=["attributes.start_time ASC"],
            page_token=page_token or None,
        )
        return Page.of([found_run(run) for run in found], found.token)

    def kept_runs(
        self, experiments: Collection[str], condition: str, *, limit: int, page_token: str
    ) -> Page[KeptRun]:
        from mlflow.entities import ViewType

        found = self.client.search_runs(
            list(experiments),
            condition,
            ViewType.ALL,
            max_results=limit,
            order_by=["attributes.start_time ASC"],
            page_token=page_token or None,
        )
        return Page.of([kept_run(run) for run in found], found.token)

    def delete_run(self, run_id: str) -> None:
        self.client.delete_run(run_id)

    def delete_logged_model(self, model_id: str) -> None:
        self.client.delete_logged_model(model_id)

    def experiment_locations(self, *, limit: int, page_token: str) -> Page[str]:
        from mlflow.entities import ViewType

        found = self.client.search_experiments(
            view_type=ViewType.ALL, max_results=limit, order_by=["name ASC"], page_token=page_token or None
        )
        return Page.of([experiment.artifact_location for experiment in found], found.token)

    def files(self, path: str) -> list[FoundFile]:
        return list_files(f"mlflow-artifacts:/{path}", self._uri)

    def fetch_file(self, path: str, into: Path, most: int | None = None) -> None:
        fetch_file(f"mlflow-artifacts:/{path}", self._uri, into)

    def store_file(self, path: str, source: Path) -> None:
        store_file(f"mlflow-artifacts:/{path}", self._uri, source)

    def delete_files(self, path: str) -> None:
        delete_files(f"mlflow-artifacts:/{path}", self._uri)

    def sees_all(self) -> bool:
        # With a plugin's login, it is not known which accounts exist.
        return urlsplit(self._uri).scheme not in HTTP_SCHEMES

    def delete_model(self, name: str) -> None:
        self._writer.delete_registered_model(name)

    def delete_version(self, name: str, number: int) -> None:
        self._writer.delete_model_version(name, str(number))
