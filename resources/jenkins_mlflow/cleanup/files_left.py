"""Whether the files of a version that is no longer registered still exist."""

from __future__ import annotations

from jenkins_mlflow.cleanup.references import run_path_of
from jenkins_mlflow.errors import NotFound
from jenkins_mlflow.registry import homes
from jenkins_mlflow.registry.client import Registry
from jenkins_mlflow.registry.reading import FilesUnknown
from jenkins_mlflow.registry.sources import copied_from, logged_model_of


def files_left(registry: Registry, source: str) -> bool:
    """Whether a source has files.

    Args:
        registry: The registry that had the version.
        source: The version's source.

    Raises:
        FilesUnknown: That cannot be determined from here.
        ConnectionFailed, RegistryError: As for every read of the registry.
    """
    found = registry.has_files_at(_address(registry, source))
    if not found and run_path_of(source):  # MLflow 3 keeps what a run logs as a model beside the run
        raise FilesUnknown(
            f"there are no files at {source}; MLflow 3 may keep them as a logged model of that run"
        )
    return found


def _address(registry: Registry, source: str) -> str:
    if model_id := logged_model_of(source):
        logged = homes.logged_model(registry, model_id)
        if logged is None:
            raise FilesUnknown(
                f"MLflow does not know the logged model {model_id}, or it is in MLflow's trash"
            )
        return logged.uri
    if path := run_path_of(source):
        run = homes.kept_runs(registry, [path[0]]).get(path[0])
        if run is None:
            raise FilesUnknown(f"MLflow no longer knows the run {path[0]}")
        return "/".join([run.uri.rstrip("/"), *path[1]])
    if place := copied_from(source):
        try:
            return registry.storage_uri(*place)
        except NotFound:
            raise FilesUnknown(f"it is a copy of {place[0]} version {place[1]}, which was deleted") from None
    return source
