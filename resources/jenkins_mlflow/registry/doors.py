"""The two doors to a registry behind one protocol.

``http`` uses MLflow's documented REST API directly, without importing MLflow, which would take 1.5 s of CPU.
``store`` is MLflow's own client, for databases and folders and for servers that are reached in an unusual
way. ``choice`` chooses the door for an address.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Protocol, TypeVar

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
from jenkins_mlflow.registry.version import Run, Version

T = TypeVar("T")


class Send(Protocol):
    """Sends one request that writes; see ``Lock.send``."""

    def __call__(self, write: Callable[[], T], /) -> T: ...


class Sends(Protocol):
    """A lock, as a registry sees it."""

    @property
    def send(self) -> Send: ...


def at_once(write: Callable[[], T]) -> T:
    """Send it at once, without a lock."""
    return write()


class Door(Protocol):
    """One way to a registry. Unless it says otherwise, each method makes one request and tries it once.

    ``faults.classify`` classifies what a method raises. Versions come without aliases and runs unless a
    method says otherwise, because MLflow keeps those elsewhere.
    """

    def models(self, condition: str, *, limit: int, page_token: str) -> Page[FoundModel]:
        """Registered models that match an MLflow filter, by name; prompts are left out."""

    def versions(self, condition: str, *, limit: int, page_token: str) -> Page[Version]:
        """Versions that match an MLflow filter, by name, newest first."""

    def experiments(self, *, limit: int, page_token: str) -> Page[str]:
        """The ids of all experiments, including deleted ones."""

    def runs(self, experiments: Collection[str], run_ids: Collection[str]) -> list[Run]:
        """The runs of these experiments that have one of these ids, including deleted ones."""

    def model(self, name: str) -> FoundModel:
        """One registered model."""

    def version(self, name: str, number: int) -> Version:
        """One version with its aliases."""

    def storage_uri(self, name: str, number: int) -> str:
        """Where a version's files are, according to the registry."""

    def has_artifacts(self, uri: str) -> bool:
        """Whether an artifact address has any files."""

    def logged_model(self, model_id: str) -> FoundLoggedModel:
        """One logged model."""

    def logged_models(
        self, experiments: Collection[str], condition: str, *, limit: int, page_token: str
    ) -> Page[FoundLoggedModel]:
        """Logged models that match an MLflow filter, oldest first."""

    def tag_logged_model(self, model_id: str, key: str, value: str) -> None:
        """Set one tag of a logged model."""

    def server_version(self) -> str | None:
        """The server's MLflow version, or the client's for a store opened directly; None if it is not reported."""

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
        """Create a registered model. Return its creation time in milliseconds of the registry's clock."""

    def now(self) -> float:
        """The store's present time, in seconds since 1970."""

    def stamp(self, name: str, description: str) -> int:
        """Write the store's present time into a registered model. Return that time in milliseconds."""

    def copy_version(self, name: str, number: int, into: str, send: Send) -> int:
        """Add a copy of a version to another model, which is created if it is missing. Return its number.

        Up to 3 requests.

        Args:
            send: Sends the requests that write.
        """

    def create_version(self, like: Version, tags: Mapping[str, str], model_id: str) -> int:
        """Register a version with another one's source, run and description. Return its number.

        Args:
            like: The other version.
            tags: The new version's tags.
            model_id: The id of the logged model if the source is one; otherwise empty.
        """

    def untag_version(self, name: str, number: int, key: str) -> None:
        """Remove one tag of a version."""

    def experiment(self, name: str) -> FoundExperiment | None:
        """The experiment with this name; None if there is none."""

    def create_experiment(self, name: str) -> None:
        """Create an experiment."""

    def create_run(self, experiment: str, started: int, tags: Mapping[str, str], name: str) -> str:
        """Create a run that started at a time in milliseconds. Return its id."""

    def log(self, run_id: str, params: Mapping[str, str], metrics: Mapping[str, float], when: int) -> None:
        """Log params and metrics of a run at a time in milliseconds; safe to repeat with the same values."""

    def keep_file(self, run_id: str, name: str, text: str) -> bool:
        """Store a text as an artifact of a run if this door can. Return whether it did. Up to 2 requests."""

    def finish_run(self, run_id: str) -> None:
        """Mark a run as finished. Up to 2 requests."""

    def end_run(self, run_id: str, status: str, ended: int) -> None:
        """End a run with a status, at a time in milliseconds."""

    def whole_run(self, run_id: str) -> WholeRun:
        """One run with the name of its experiment, even from the trash. 2 requests."""

    def points(self, run_id: str, key: str, *, page_token: str) -> Page[Point]:
        """Every value that a run has logged for one metric."""

    def log_points(self, run_id: str, points: Collection[Point]) -> None:
        """Log at most 1,000 values of metrics."""

    def tag_run(self, run_id: str, key: str, value: str) -> None:
        """Set one tag of a run."""

    def training_runs(
        self, experiments: Collection[str], condition: str, *, limit: int, page_token: str
    ) -> Page[FoundRun]:
        """The runs of these experiments that match an MLflow filter, oldest first, without deleted ones."""

    def find_runs(self, experiment: str, condition: str, *, limit: int, page_token: str) -> Page[Run]:
        """The runs of an experiment that match an MLflow filter, oldest first, without deleted ones."""

    def kept_runs(
        self, experiments: Collection[str], condition: str, *, limit: int, page_token: str
    ) -> Page[KeptRun]:
        """The runs of these experiments that match an MLflow filter, oldest first, including deleted ones."""

    def delete_run(self, run_id: str) -> None:
        """Put a run into MLflow's trash."""

    def delete_logged_model(self, model_id: str) -> None:
        """Put a logged model into MLflow's trash."""

    def experiment_locations(self, *, limit: int, page_token: str) -> Page[str]:
        """Where the files of each experiment are, including deleted ones."""

    def files(self, path: str) -> list[FoundFile]:
        """The content of a folder in the server's own artifacts; empty if it does not exist."""

    def fetch_file(self, path: str, into: Path, most: int | None = None) -> None:
        """Download one of the server's own artifacts; at most ``most`` bytes, if the door can limit that."""

    def store_file(self, path: str, source: Path) -> None:
        """Upload one of the server's own artifacts, replacing an existing one."""

    def delete_files(self, path: str) -> None:
        """Delete a folder of the server's own artifacts with its content."""

    def sees_all(self) -> bool | None:
        """Whether no model can be hidden from this account; None where nobody can tell. Up to 2 requests."""

    def delete_model(self, name: str) -> None:
        """Delete a registered model."""

    def delete_version(self, name: str, number: int) -> None:
        """Delete a version."""
