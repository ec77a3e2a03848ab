"""The method that goes around the server: the runner's own MLflow on the folder of the server's file store."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

from jenkins_mlflow.errors import JenkinsMlflowError
from jenkins_mlflow.methods.stage import Stage
from jenkins_mlflow.promotion.plan import Plan
from jenkins_mlflow.registry.client import Registry
from jenkins_mlflow.registry.connection import connect, is_affected, local_path
from jenkins_mlflow.registry.snapshot import Version


class FileStore(Stage):
    """The runner's own MLflow directly on the folder of the server's file store.

    Servers 3.0.0 to 3.5.0 fail on every transition there; MLflow 3.17.2 opened on the same folder transitions at
    once, and the server serves the result (measured on 3.0.1, 3.3.2 and 3.4.0).

    Args:
        registry: The registry as the server shows it.
        folder: The store's folder if it is configured; else it is looked for above the version's files.
    """

    name: ClassVar[str] = "file-store"

    def __init__(self, registry: Registry, folder: str | None) -> None:
        super().__init__(registry)
        self._configured = folder
        self._direct: Registry | None = None
        self._folder = Path()

    def obstacle(self, plan: Plan) -> str:
        if not plan.target.stage:
            return "promote.stage is not set"
        if not self._registry.connection.over_http:
            return "the store is opened directly already"
        candidate = plan.candidate
        folder = local_path(self._configured) if self._configured else self._find(candidate)
        if folder is None:
            return (
                "the server's store is no folder that this machine can reach; promote.file_store can name it"
            )
        if not holds(folder, candidate):
            return f"there is no store with {candidate.label} in {folder}"
        return self._open(folder, candidate)

    def _open(self, folder: Path, candidate: Version) -> str:
        """Open the folder if it is the server's own registry; else why not."""
        direct = Registry(connect(str(folder)))
        if is_affected(direct.connection.server_version):
            return f"this runner's own MLflow {direct.connection.server_version} has the server's fault"
        try:
            with default_store(folder):
                seen = direct.version(candidate.model, candidate.number)
        except JenkinsMlflowError as error:
            return f"{folder} cannot be read: {error.message}"
        if (seen.run_id, seen.created, seen.source) != (
            candidate.run_id,
            candidate.created,
            candidate.source,
        ):
            return (
                f"{folder} is another registry than the server's: its {candidate.label} is not the same one"
            )
        self._direct, self._folder = direct, folder
        return ""

    def move(self, version: Version, stage: str) -> None:
        assert self._direct is not None, "obstacle() opens the folder"
        with default_store(self._folder):
            self._direct.set_stage(version.model, version.number, stage)

    def _find(self, candidate: Version) -> Path | None:
        return find_store(self._registry.storage_uri(candidate.model, candidate.number), candidate)


@contextlib.contextmanager
def default_store(folder: Path) -> Iterator[None]:
    """Make the folder MLflow's default store for a while.

    A file registry asks the process's default store, not its own folder, for the logged model of every version that it
    reads. Left alone (MLflow 3.17.2) that is a new mlflow.db in the working directory, which takes seconds to make, or
    the server, at one request for each version of the model.
    """
    before = os.environ.get("MLFLOW_TRACKING_URI")
    os.environ["MLFLOW_TRACKING_URI"] = folder.absolute().as_uri()
    try:
        yield
    finally:
        if before is None:
            del os.environ["MLFLOW_TRACKING_URI"]
        else:
            os.environ["MLFLOW_TRACKING_URI"] = before


def holds(folder: Path, version: Version) -> bool:
    """Whether the folder is laid out as an MLflow file store that has this version."""
    try:
        return (folder / "models" / version.model / f"version-{version.number}" / "meta.yaml").is_file()
    except OSError:  # no permission to look, or a name that no folder can have
        return False


def find_store(storage_uri: str, version: Version) -> Path | None:
    """The file store's folder above a version's files, if those lie on this machine.

    Args:
        storage_uri: As MLflow gives it, e.g. `/srv/mlruns/1/models/m-1/artifacts`; `mlflow-artifacts:/...` tells
            nothing about the server's folders.
        version: The version that the store must have.
    """
    path = local_path(storage_uri)
    if path is None or not path.is_absolute():
        return None
    return next((folder for folder in _upwards(path) if holds(folder, version)), None)


def _upwards(path: Path) -> Iterator[Path]:
    yield path
    yield from path.parents
