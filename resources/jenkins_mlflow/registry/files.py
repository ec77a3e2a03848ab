"""Reads and writes whole files of versions and runs: through the server, on this machine, or with MLflow's client."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

from jenkins_mlflow.registry.choice import SERVED_SCHEMES
from jenkins_mlflow.registry.client import Registry
from jenkins_mlflow.registry.connection import foreign_host, host_of, local_path
from jenkins_mlflow.registry.door_types import FoundFile
from jenkins_mlflow.registry.locations import PROXIED, Location, parse_location
from jenkins_mlflow.registry.storage import OutOfReach, by_client
from jenkins_mlflow.text import size

T = TypeVar("T")

_CHUNK = 1024 * 1024


class Files:
    """The files behind one registry.

    Raises (every method):
        OutOfReach: this process cannot or may not touch the files.
        ConnectionFailed, RegistryError: the server refused the request or does not answer.
    """

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._connection = registry.connection

    def tree(self, uri: str) -> dict[str, int]:
        """The size of every file below a location, by its relative path; empty if there is no such location."""
        if (folder := self._folder(uri)) is not None:
            return _local_tree(folder)
        found: dict[str, int] = {}
        start = _parsed(uri)
        waiting: list[tuple[str, ...]] = [()]
        while waiting:
            names = waiting.pop()
            for file in self._list(start.below(*names)):
                path = (*names, file.name)
                _parsed(start.below(*path).uri)
                if file.is_dir:
                    waiting.append(path)
                else:
                    found["/".join(path)] = file.size
        return found

    def at_hand(self, uri: str) -> bool:
        """Whether its files can be read without MLflow's client, or from a store opened with it anyway."""
        return not self._connection.over_http or bool(self._own(uri)) or local_path(uri) is not None

    def listing(self, uri: str) -> dict[str, int]:
        """The size of every file directly in a folder, by its name; empty if there is no such folder."""
        folder = self._folder(uri)
        if folder is None:
            return {file.name: file.size for file in self._list(_parsed(uri)) if not file.is_dir}
        try:
            files = [path for path in folder.iterdir() if path.is_file() and not path.is_symlink()]
            return {path.name: path.stat().st_size for path in files}
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise OutOfReach(f"{folder} cannot be read: {error.strerror}") from error

    def read(self, uri: str, path: str, most: int) -> bytes:
        """The bytes of one file; also raises OutOfReach if there are more than ``most``."""
        try:
            with tempfile.TemporaryDirectory() as folder:
                into = Path(folder, "file")
                self.fetch(uri, path, into, most)
                if into.stat().st_size > most:
                    raise OutOfReach(f"{path} is larger than {size(most)}")
                return into.read_bytes()
        except OSError as error:
            raise OutOfReach(f"{path} cannot be stored on this machine: {error.strerror}") from error

    def fetch(self, uri: str, path: str, into: Path, most: int | None = None) -> str:
        """Download one file (see ``Door.fetch_file``) and return the SHA-256 of its bytes."""
        what = f"reading {path} of {uri}"
        if (folder := self._folder(uri)) is not None:
            try:
                shutil.copyfile(folder / path, into, follow_symlinks=False)
            except OSError as error:
                raise OutOfReach(f"{folder / path} cannot be read: {error.strerror}") from error
        elif served_path := self._own(uri):
            self._registry.retrying(
                what, lambda: self._connection.door.fetch_file(f"{served_path}/{path}", into, most)
            )
        else:
            from jenkins_mlflow.registry.mlflow_client import fetch_file

            self._client(what, lambda: fetch_file(f"{uri}/{path}", self._connection.uri, into), uri)
        return sha256(into)

    def digest(self, uri: str, path: str) -> str:
        """Read a file now and return the SHA-256 of its bytes."""
        with tempfile.TemporaryDirectory() as folder:
            return self.fetch(uri, path, Path(folder, "file"))

    def store(self, uri: str, path: str, source: Path) -> None:
        """Upload one file; under a lock, only while it is held."""
        served_path = self._own(uri)
        if not served_path:
            raise OutOfReach(
                f"its artifacts are in {uri}; only a server that serves them itself (--serve-artifacts) accepts copies"
            )
        door = self._connection.door
        self._registry.writing(
            f"writing {path} to {uri}", lambda: door.store_file(f"{served_path}/{path}", source)
        )

    def _own(self, uri: str) -> str:
        """The path of a location in the server's own artifacts; empty if it is elsewhere."""
        place = _parsed(uri)
        served = place.scheme == PROXIED and place.host in ("", host_of(self._connection.uri))
        return "/".join(place.parts) if served and self._connection.over_http else ""

    def _folder(self, uri: str) -> Path | None:
        """The folder on this machine; None if it is elsewhere."""
        folder = local_path(uri)
        if folder is None:
            return None
        if not folder.is_absolute() or (self._connection.over_http and not folder.exists()):
            raise OutOfReach(f"there is no {folder} on this machine")
        if (
            self._connection.over_http and not _parsed(uri).ids
        ):  # a server's word opens no other folder of this machine
            raise OutOfReach(f"{folder} is not the folder of a run or a logged model")
        return folder

    def _list(self, folder: Location) -> list[FoundFile]:
        what = f"listing {folder.uri}"
        if served_path := self._own(folder.uri):
            return self._registry.retrying(what, lambda: self._connection.door.files(served_path))
        from jenkins_mlflow.registry.mlflow_client import list_files

        return self._client(what, lambda: list_files(folder.uri, self._connection.uri), folder.uri)

    def _client(self, what: str, call: Callable[[], T], uri: str) -> T:
        if host := foreign_host(uri, self._connection.uri):
            raise OutOfReach(f"they are on another host, {host}, and the login is not sent there")
        if self._connection.alone and urlsplit(uri).scheme in SERVED_SCHEMES:
            raise OutOfReach(f"only MLflow's client can read {uri}, and it has the login of another server")
        return by_client(self._registry, what, call)


def sha256(path: Path) -> str:
    """The SHA-256 of a file's bytes."""
    seen = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            seen.update(chunk)
    return seen.hexdigest()


def _parsed(uri: str) -> Location:
    try:
        return parse_location(uri)
    except ValueError as error:
        raise OutOfReach(f"{uri}: {error}") from error


def _local_tree(folder: Path) -> dict[str, int]:
    found: dict[str, int] = {}
    for path in sorted(folder.rglob("*")):
        if path.is_symlink():
            raise OutOfReach(f"it contains a link: {path}")
        if path.is_file():
            found[path.relative_to(folder).as_posix()] = path.stat().st_size
    return found
