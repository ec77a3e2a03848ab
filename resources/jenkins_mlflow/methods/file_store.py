"""The method that bypasses the server: the runner's own MLflow works on the folder of the server's file store."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import ClassVar
from urllib.parse import urlsplit

from jenkins_mlflow.errors import JenkinsMlflowError, RegistryError
from jenkins_mlflow.methods.base import Transition
from jenkins_mlflow.registry.client import Registry
from jenkins_mlflow.registry.connection import connect, is_affected, local_path
from jenkins_mlflow.registry.mlflow_client import default_store
from jenkins_mlflow.registry.version import Version


class FileStore:
    """Uses the runner's own MLflow directly on the folder of the server's file store.

    Servers 3.0.0 to 3.5.0 fail on every transition in a file store. MLflow 3.17.2, opened on the same folder,
    makes the transition at once, and the server shows the result (measured on 3.0.1, 3.3.2 and 3.4.0).

    Without a configured folder, the store is searched for above the version's files, but only if the server
    is on this host, because a remote server could point at any local store.

    Args:
        registry: The registry as the server shows it.
        folder: The configured folder of the store, if any.
    """

    name: ClassVar[str] = "file-store"

    def __init__(self, registry: Registry, folder: str | None) -> None:
        self._registry = registry
        self._configured = folder
        self._direct: Registry | None = None
        self._folder = Path()

    def obstacle(self, transitions: Sequence[Transition]) -> str:
        if not self._registry.connection.over_http:
            return "the store is already opened directly"
        candidate = transitions[0].version
        folder = local_path(self._configured) if self._configured else self._find(candidate)
        if folder is None:
            return "no folder with this registry was found on this machine; promote.file_store can name it"
        if not holds(folder, candidate):
            return f"there is no store with {candidate.label} in {folder}"
        return self._open(folder, candidate)

    def _open(self, folder: Path, candidate: Version) -> str:
        """Open the folder if it is the server's own registry; otherwise say why not."""
        try:
            direct = Registry(connect(str(folder)), send=self._registry.send)
        except JenkinsMlflowError as error:
            return f"{folder} cannot be opened: {error.message}"
        if is_affected(direct.connection.server_version):
            return f"this runner's own MLflow {direct.connection.server_version} has the server's fault"
        try:
            with default_store(folder.absolute().as_uri()):
                seen = direct.model(candidate.model)
            shown = self._registry.model(candidate.model)
        except JenkinsMlflowError as error:
            return f"{folder} cannot be read: {error.message}"
        if _content(seen.versions) != _content(shown.versions) or seen.aliases != shown.aliases:
            return f"{folder} is not the server's registry: it has a different {candidate.model}"
        self._direct, self._folder = direct, folder
        return ""

    def carry_out(self, transitions: Sequence[Transition]) -> None:
        """Make the transitions in the folder; undo the first one at once if the server does not show it."""
        assert self._direct is not None, "obstacle() opens the folder"
        with default_store(self._folder.absolute().as_uri()):
            for number, item in enumerate(transitions):
                version = item.version
                self._direct.set_stage(version.model, version.number, item.stage)
                if number == 0 and self._registry.version(version.model, version.number).stage != item.stage:
                    self._direct.set_stage(version.model, version.number, version.stage)
                    raise RegistryError(
                        f"{self._folder} is not the server's registry: a change in it does not appear on the server",
                        state=f"{version.label} is back in stage {version.stage} in that folder",
                        next_step="name the server's own folder in promote.file_store",
                    )

    def _find(self, candidate: Version) -> Path | None:
        if not is_this_host(self._registry.connection.uri):
            return None
        return find_store(self._registry.storage_uri(candidate.model, candidate.number), candidate)


def is_this_host(uri: str) -> bool:
    """Whether a server's address belongs to this machine, that is, whether a socket can be bound to it."""
    try:
        found = socket.getaddrinfo(urlsplit(uri).hostname, 0, type=socket.SOCK_STREAM)
    except (OSError, ValueError):
        return False
    return bool(found) and all(_can_bind(family, address) for family, _, _, _, address in found)


def _can_bind(family: int, address: tuple[object, ...]) -> bool:
    with contextlib.suppress(OSError), socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.bind(address)
        return True
    return False


def _content(versions: Sequence[Version]) -> list[tuple[object, ...]]:
    """The data by which two views of the same store agree, over any kind of connection."""
    return [(v.number, v.run_id, v.created, v.source, v.stage) for v in versions]


def holds(folder: Path, version: Version) -> bool:
    """Whether the folder has the layout of an MLflow file store and contains this version."""
    try:
        return (folder / "models" / version.model / f"version-{version.number}" / "meta.yaml").is_file()
    except OSError:  # no permission, or a name that no folder can have
        return False


def find_store(storage_uri: str, version: Version) -> Path | None:
    """Find the file store's folder above a version's files, if those are on this machine.

    Args:
        storage_uri: As MLflow returns it, e.g. `/srv/mlruns/1/models/m-1/artifacts`; `mlflow-artifacts:/...`
            says nothing about the server's folders.
        version: The version that the store must contain.
    """
    path = local_path(storage_uri)
    if path is None or not path.is_absolute():
        return None
    return next((folder for folder in _upwards(path) if holds(folder, version)), None)


def _upwards(path: Path) -> Iterator[Path]:
    yield path
    yield from path.parents
