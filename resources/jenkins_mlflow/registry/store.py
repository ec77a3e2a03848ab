"""The door ``store``: MLflow's own client, for databases, folders and servers that are reached in an unusual way."""

from __future__ import annotations

import contextlib
import functools
import inspect
import io
import logging
import re
import warnings
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from jenkins_mlflow.errors import ConnectionFailed
from jenkins_mlflow.registry.clock import StoreClock, store_clock
from jenkins_mlflow.registry.doors import HTTP_SCHEMES, FoundExperiment, FoundLoggedModel, FoundModel, Page
from jenkins_mlflow.registry.snapshot import NO_STAGE, Run, Version
from jenkins_mlflow.text import one_line, redact

if TYPE_CHECKING:
    import requests
    from mlflow import MlflowClient
    from mlflow.entities import Run as MlflowRun
    from mlflow.entities.model_registry import ModelVersion, RegisteredModel


class StoreDoor:
    """Implements ``doors.Door`` with MLflow's client.

    Raises:
        ConnectionFailed: see ``open_client``.
    """

    def __init__(self, uri: str) -> None:
        self.client = open_client(uri)
        self._uri = uri
        # The client's own writes first ask whether the model is a prompt, which doubles their requests; the layer
        # below does not (MLflow 3.17.2). No command offers prompts: the searches leave them out.
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
        return Page.of([_model(model) for model in found], found.token)

    def versions(self, condition: str, *, limit: int, page_token: str) -> Page[Version]:
        found = self.client.search_model_versions(
            filter_string=condition or None,
            max_results=limit,
            order_by=["name ASC", "version_number DESC"],
            page_token=page_token or None,
        )
        return Page.of([_version(version) for version in found], found.token)

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
        return [_run(run) for run in found]

    def model(self, name: str) -> FoundModel:
        return _model(self.client.get_registered_model(name))

    def version(self, name: str, number: int) -> Version:
        found = self.client.get_model_version(name, str(number))
        return _version(found, tuple(sorted(found.aliases)))

    def storage_uri(self, name: str, number: int) -> str:
        return self.client.get_model_version_download_uri(name, str(number))

    def has_artifacts(self, uri: str) -> bool:
        return has_artifacts(uri, self._uri)

    def logged_model(self, model_id: str) -> FoundLoggedModel:
        found = self.client.get_logged_model(model_id)
        return FoundLoggedModel(bool(found.metrics), found.tags)

    def server_version(self) -> str | None:
        import mlflow

        if urlsplit(self._uri).scheme not in HTTP_SCHEMES:
            return str(mlflow.__version__)
        from mlflow.utils.credentials import get_default_host_creds
        from mlflow.utils.rest_utils import http_request

        try:
            answer = http_request(get_default_host_creds(self._uri), "/version", "GET", timeout=10)
        except Exception:  # noqa: BLE001  it only ever words advice or spares time: no promotion depends on it
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

    def copy_version(self, name: str, number: int, into: str) -> int:
        with contextlib.redirect_stderr(io.StringIO()):  # MLflow tells of every step there
            return int(self.client.copy_model_version(f"models:/{name}/{number}", into).version)

    def create_version(self, like: Version, tags: Mapping[str, str], model_id: str) -> int:
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

    def restore_experiment(self, experiment: str) -> None:
        self.client.restore_experiment(experiment)

    def create_run(self, experiment: str, started: int, tags: Mapping[str, str], name: str) -> str:
        return str(self.client.create_run(experiment, started, dict(tags), name).info.run_id)

    def finish_run(self, run_id: str) -> None:
        # set_terminated() would print two lines to standard output, where the result goes (MLflow 3.17.2).
        self.client.update_run(run_id, "FINISHED")

    def find_runs(self, experiment: str, condition: str, *, limit: int, page_token: str) -> Page[Run]:
        found = self.client.search_runs(
            [experiment],
            condition,
            max_results=limit,
            order_by=["attributes.start_time ASC"],
            page_token=page_token or None,
        )
        return Page.of([_run(run) for run in found], found.token)

    def delete_model(self, name: str) -> None:
        self._writer.delete_registered_model(name)

    def delete_version(self, name: str, number: int) -> None:
        self._writer.delete_model_version(name, str(number))


def open_client(uri: str) -> MlflowClient:
    """Open MLflow's client on an address, with what it says to nobody's use silenced.

    Raises:
        ConnectionFailed: MLflow is not installed, or the store cannot be opened.
    """
    try:
        from mlflow import MlflowClient
    except ImportError as error:
        raise _cannot_open(uri, error) from error

    _show_error_answers()
    # Stages are deprecated but they are what this tool is asked to set: the warning tells our user nothing.
    warnings.filterwarnings("ignore", category=FutureWarning, module=r"mlflow\..*|jenkins_mlflow\..*")
    for noisy in ("mlflow", "alembic"):
        logging.getLogger(noisy).setLevel(logging.ERROR)
    try:
        return MlflowClient(uri, uri)
    except (
        Exception
    ) as error:  # a database that is down, refuses the login or has another schema, a missing driver
        raise _cannot_open(uri, error) from error


def _cannot_open(uri: str, error: Exception) -> ConnectionFailed:
    return ConnectionFailed(
        f"cannot open the MLflow store {redact(uri)}: {one_line(str(error))}",
        next_step="check the address, the login and that the store's schema fits this MLflow version",
    )


def has_artifacts(uri: str, tracking_uri: str) -> bool:
    """Whether there are files at an artifact address, in any storage that MLflow knows."""
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

    return bool(get_artifact_repository(uri, tracking_uri=tracking_uri).list_artifacts())


def _show_error_answers() -> None:
    """Let the answers behind HTTP 429 and 5xx through, with their body and Retry-After header.

    MLflow's client (3.17.2) drops them: urllib3 raises without the answer once its retries, which are none here, are
    used up. There is no setting for it, so its one function that sends is wrapped; where a later MLflow has no such
    function, only the header and the body are missing.
    """
    import requests
    from mlflow.utils import rest_utils

    sender = "_get_http_response_with_retries"
    original = getattr(rest_utils, sender, None)
    if original is None or hasattr(original, "shows_error_answers"):
        return
    signature = inspect.signature(original)

    @functools.wraps(original)
    def send(*args: Any, **kwargs: Any) -> requests.Response:
        call = signature.bind(*args, **kwargs)
        raising = call.arguments.get("raise_on_status", True)
        call.arguments["raise_on_status"] = False
        answer: requests.Response = original(*call.args, **call.kwargs)
        if raising and answer.status_code in call.arguments.get("retry_codes", ()):
            raise requests.exceptions.HTTPError(f"HTTP {answer.status_code}", response=answer)
        return answer

    vars(send)["shows_error_answers"] = True
    setattr(rest_utils, sender, send)


def _model(model: RegisteredModel) -> FoundModel:
    aliases = {alias: int(number) for alias, number in model.aliases.items()}
    updated = int(model.last_updated_timestamp or model.creation_timestamp or 0)
    return FoundModel(model.name, aliases, dict(model.tags or {}), updated)


def _run(run: MlflowRun) -> Run:
    started = int(run.info.start_time or 0)
    return Run(run.info.run_id, dict(run.data.metrics), dict(run.data.tags), started)


def _version(found: ModelVersion, aliases: tuple[str, ...] = ()) -> Version:
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
