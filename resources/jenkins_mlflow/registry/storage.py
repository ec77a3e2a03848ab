"""Measures and deletes the files of runs and logged models: on this machine, through the server or in S3 storage.

A folder is deleted only if it is certain what will be deleted with it. No links are followed.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from jenkins_mlflow.errors import RegistryError
from jenkins_mlflow.registry.client import Registry
from jenkins_mlflow.registry.connection import host_of
from jenkins_mlflow.registry.door_types import FoundFile
from jenkins_mlflow.registry.faults import classify
from jenkins_mlflow.registry.locations import LOCAL, PROXIED, S3, Location, parse_location

T = TypeVar("T")


class OutOfReach(Exception):
    """This process cannot or may not touch these files; the message says why."""


def by_client(registry: Registry, what: str, call: Callable[[], T]) -> T:
    """Read a storage with MLflow's client.

    Raises:
        OutOfReach: this Python has no driver for it.
        ConnectionFailed, RegistryError: the storage refused the request or does not answer.
    """
    try:
        return registry.retrying(what, call)
    except RegistryError as error:
        if isinstance(error.__cause__, ImportError):
            raise OutOfReach(f"this Python has no driver for it: {error.__cause__}") from error
        raise


@dataclass(frozen=True)
class Measured:
    """The number and size of the files in a folder."""

    files: int = 0
    bytes: int = 0


class Storage:
    """The files behind one registry.

    Raises (``measure`` and ``erase``):
        OutOfReach: this process cannot or may not touch the files.
        ConnectionFailed, RegistryError: the server refused the request or does not answer.
    """

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._connection = registry.connection

    def real(self, location: Location) -> Location:
        """The same folder with links resolved, as far as this machine can."""
        if location.scheme != LOCAL:
            return location
        return Location(LOCAL, "", Path(os.path.realpath(location.uri)).parts[1:])

    def measure(self, location: Location) -> Measured:
        """Measure the folder; zero if it is gone."""
        if location.scheme == LOCAL:
            return _measure_local(self._local(location))
        files = self._files(location)
        measured, folders = Measured(), [location]
        while folders:
            folder = folders.pop()
            for file in files(folder):
                if file.is_dir:
                    folders.append(_child(folder, file))
                else:
                    measured = Measured(measured.files + 1, measured.bytes + file.size)
        return measured

    def erase(self, location: Location) -> None:
        """Delete the folder with its content; it is not an error if it is gone."""
        if location.scheme == LOCAL:
            path = self._local(location)
            _measure_local(path)
            if path.exists():
                self._registry.writing(f"deleting {path}", lambda: shutil.rmtree(path))
            return
        files, name = self._files(location), location.parts[-1]
        names = [file.name for file in files(location.parent)]
        if name not in names:
            return
        # Servers before 3.17 delete by prefix in S3: `model` also deletes `model-2`. Its content has no such neighbour.
        alone = not any(other.startswith(name) for other in names if other != name)
        doomed = [location] if alone else [_child(location, file) for file in files(location)]
        for folder in doomed:
            self._delete(folder)

    def _local(self, location: Location) -> Path:
        """The folder on this machine.

        Raises:
            OutOfReach: it is on another machine, or a link leads there.
        """
        path = Path(location.uri)
        above = path
        for name in reversed(location.parts):
            above = above.parent
            if name in location.ids:
                break
        if not above.is_dir():
            raise OutOfReach(f"there is no {above} on this machine")
        real = Path(os.path.realpath(above), *path.relative_to(above).parts)
        if Path(os.path.realpath(path)) != real:
            raise OutOfReach(f"a link leads to {path}")
        return path

    def _files(self, location: Location) -> Callable[[Location], list[FoundFile]]:
        """A function that lists a folder of this storage."""
        what = f"listing {location.uri}"
        if location.scheme == PROXIED:
            self._own_server(location)
            return lambda folder: self._registry.retrying(
                what, lambda: self._connection.door.files("/".join(folder.parts))
            )
        self._known(location)
        from jenkins_mlflow.registry.mlflow_client import list_files

        return lambda folder: by_client(
            self._registry, what, lambda: list_files(folder.uri, self._connection.uri)
        )

    def _delete(self, location: Location) -> None:
        what = f"deleting {location.uri}"
        if location.scheme == PROXIED:
            path = "/".join(location.parts)
            self._registry.writing(what, lambda: self._connection.door.delete_files(path))
            return
        from jenkins_mlflow.registry.mlflow_client import delete_files

        self._registry.writing(what, lambda: delete_files(location.uri, self._connection.uri))

    def _own_server(self, location: Location) -> None:
        if not self._connection.over_http:
            raise OutOfReach("only the server knows where it is, and the registry was opened without it")
        if location.host not in ("", host_of(self._connection.uri)):
            raise OutOfReach(f"it is on another server, {location.host}")

    def _known(self, location: Location) -> None:
        if location.scheme != S3 or not location.host:
            raise OutOfReach(f"deleting in a storage {location.scheme}: is not supported")


def _measure_local(path: Path) -> Measured:
    measured = Measured()
    for folder, folders, files in os.walk(path, onerror=_raise):
        for name in (*folders, *files):
            entry = Path(folder, name)
            status = entry.lstat()
            if entry.is_symlink():
                raise OutOfReach(f"it contains a link: {entry}")
            if name in files:
                measured = Measured(measured.files + 1, measured.bytes + status.st_size)
    return measured


def _raise(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError):
        raise OutOfReach(f"it cannot be read: {classify(error).summary}") from error


def _child(folder: Location, file: FoundFile) -> Location:
    child = folder.below(file.name)
    try:
        same = parse_location(child.uri) == child
    except ValueError:
        same = False
    if not same:
        raise OutOfReach(f"it contains {file.name!r}, a name that servers interpret differently")
    return child
