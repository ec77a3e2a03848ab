"""The two doors to a registry behind one protocol, and which of them an address gets.

``http`` speaks MLflow's documented REST API itself and imports nothing of MLflow, which takes 1.5 s of CPU. ``store``
is MLflow's own client: for databases and folders, and for servers that are reached in an unusual way.
"""

from __future__ import annotations

import importlib.metadata
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol, TypeVar
from urllib.parse import urlsplit

from jenkins_mlflow.errors import UsageError
from jenkins_mlflow.registry.snapshot import Run, Version
from jenkins_mlflow.text import redact

T = TypeVar("T")
DoorName = Literal["http", "store"]

FORCED = "JENKINS_MLFLOW_DOOR"
HTTP_SCHEMES = ("http", "https")
_HEADER_PLUGINS = "mlflow.request_header_provider"
_DATABRICKS = (".databricks.com", ".azuredatabricks.net")


class Page(list[T]):
    """Part of what a search finds; ``token`` asks for the next part, and is empty on the last."""

    token: str = ""

    @classmethod
    def of(cls, items: Collection[T], token: str | None) -> Page[T]:
        page = cls(items)
        page.token = token or ""
        return page


class FoundModel(NamedTuple):
    """A registered model without its versions; ``updated`` is in milliseconds of the registry's clock."""

    name: str
    aliases: Mapping[str, int]
    tags: Mapping[str, str]
    updated: int


class FoundExperiment(NamedTuple):
    """An experiment, which may be in MLflow's trash."""

    experiment_id: str
    deleted: bool


class FoundLoggedModel(NamedTuple):
    """What is asked about a logged model of MLflow 3."""

    has_metrics: bool
    tags: Mapping[str, str]


class Door(Protocol):
    """One way to a registry: each method is one request, unless it says otherwise, tried once.

    What a method raises is told apart by ``faults.classify``. Versions come without aliases and runs, unless a
    method says otherwise: MLflow keeps those elsewhere.
    """

    def models(self, condition: str, *, limit: int, page_token: str) -> Page[FoundModel]:
        """Registered models that fit an MLflow filter, by name; prompts are left out."""

    def versions(self, condition: str, *, limit: int, page_token: str) -> Page[Version]:
        """Versions that fit an MLflow filter, by name, newest first."""

    def experiments(self, *, limit: int, page_token: str) -> Page[str]:
        """The ids of all experiments, deleted ones included."""

    def runs(self, experiments: Collection[str], run_ids: Collection[str]) -> list[Run]:
        """The runs with these ids that there are in the experiments, deleted ones included."""

    def model(self, name: str) -> FoundModel:
        """One registered model."""

    def version(self, name: str, number: int) -> Version:
        """One version with its aliases."""

    def storage_uri(self, name: str, number: int) -> str:
        """Where a version's files lie, as the registry knows it."""

    def has_artifacts(self, uri: str) -> bool:
        """Whether there are files at an artifact address."""

    def logged_model(self, model_id: str) -> FoundLoggedModel:
        """One logged model."""

    def server_version(self) -> str | None:
        """The MLflow version of the server, or of the client where a store is opened directly; None if it won't say."""

    def set_stage(self, name: str, number: int, stage: str, *, archive_existing: bool) -> None:
        """Transition a version's stage."""

    def set_alias(self, name: str, alias: str, number: int) -> None:
        """Point an alias at a version."""

    def delete_alias(self, name: str, alias: str) -> None:
        """Remove an alias."""

    def tag_version(self, name: str, number: int, key: str, value: str) -> None:
        """Set one tag of a version."""

    def tag_model(self, name: str, key: str, value: str) -> None:
        """Set one tag of a registered model."""

    def untag_model(self, name: str, key: str) -> None:
        """Remove one tag of a registered model."""

    def create_model(self, name: str, tags: Mapping[str, str], description: str) -> int:
        """Create a registered model; when, in milliseconds of the registry's clock."""

    def now(self) -> float:
        """The store's present time, in seconds since 1970."""

    def stamp(self, name: str, description: str) -> int:
        """Write the store's present time into a registered model; that time in milliseconds."""

    def copy_version(self, name: str, number: int, into: str) -> int:
        """Add a copy of a version to another model, which is made if it is missing; its number. Up to 3 requests."""

    def create_version(self, like: Version, tags: Mapping[str, str], model_id: str) -> int:
        """Register a version with another one's source, run and description; its number.

        Args:
            like: The other one.
            tags: Its tags.
            model_id: The logged model that the source is; empty if it is none.
        """

    def untag_version(self, name: str, number: int, key: str) -> None:
        """Remove one tag of a version."""

    def experiment(self, name: str) -> FoundExperiment | None:
        """The experiment with this name."""

    def create_experiment(self, name: str) -> None:
        """Create an experiment."""

    def restore_experiment(self, experiment: str) -> None:
        """Bring a deleted experiment back."""

    def create_run(self, experiment: str, started: int, tags: Mapping[str, str], name: str) -> str:
        """Create a run that started at a time in milliseconds; its id."""

    def finish_run(self, run_id: str) -> None:
        """Say that a run is finished. Up to 2 requests."""

    def find_runs(self, experiment: str, condition: str, *, limit: int, page_token: str) -> Page[Run]:
        """The runs of an experiment that fit an MLflow filter, oldest first, without deleted ones."""

    def delete_model(self, name: str) -> None:
        """Delete a registered model."""

    def delete_version(self, name: str, number: int) -> None:
        """Delete a version."""


@dataclass(frozen=True)
class Choice:
    """Which door an address gets; ``why`` completes the sentence "MLflow's client is used because ..."."""

    door: DoorName
    why: str = ""


def choose_door(uri: str, environ: Mapping[str, str]) -> Choice:
    """Which door an address gets.

    Args:
        uri: The tracking URI.
        environ: The environment variables; JENKINS_MLFLOW_DOOR forces a door.

    Raises:
        UsageError: JENKINS_MLFLOW_DOOR names no door, or one that cannot be used for this address.
    """
    forced = environ.get(FORCED, "")
    if forced not in ("", "http", "store"):
        raise UsageError(
            f"{FORCED} is {forced!r}, which is no door to a registry",
            state="nothing was read or written",
            next_step=f"set {FORCED} to http or to store, or unset it",
        )
    parts = urlsplit(uri)
    over_http = parts.scheme in HTTP_SCHEMES
    if forced == "http" and not over_http:
        raise UsageError(
            f"{FORCED} is http, but {redact(uri)} is no address of a server",
            state="nothing was read or written",
            next_step=f"unset {FORCED}: databases and folders are opened by MLflow's client",
        )
    if forced:
        return Choice("http") if forced == "http" else Choice("store", f"{FORCED} is store")
    if not over_http:
        return Choice("store", "a database or a folder is opened directly")
    unusual = _unusual(parts.hostname or "", environ)
    return Choice("store", unusual) if unusual else Choice("http")


def _unusual(host: str, environ: Mapping[str, str]) -> str:
    """What only MLflow's client can do to reach this server; empty if nothing."""
    if environ.get("MLFLOW_TRACKING_AWS_SIGV4", "").lower() in ("true", "1"):
        return "MLFLOW_TRACKING_AWS_SIGV4 is set"
    if environ.get("MLFLOW_TRACKING_AUTH"):
        return "MLFLOW_TRACKING_AUTH names a plugin"
    if host.endswith(_DATABRICKS):
        return f"{host} is Databricks"
    plugins = importlib.metadata.entry_points(group=_HEADER_PLUGINS)
    return f"the plugin {next(iter(plugins)).name} adds headers to requests" if plugins else ""
