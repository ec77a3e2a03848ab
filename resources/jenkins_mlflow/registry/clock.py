"""The clocks for locks and ages: this machine's for durations, and the store's for points in time.

Over HTTP, the server stamps what it writes. If a database or a folder is opened directly, MLflow uses the
agent's clock (MLflow 3.17.2), which may be wrong. In that case, a database is asked for its time, and a file
system for the time that it gives a new file, so that the clocks of two agents are never compared.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

from jenkins_mlflow.errors import RegistryError
from jenkins_mlflow.registry.choice import HTTP_SCHEMES
from jenkins_mlflow.registry.connection import local_path
from jenkins_mlflow.text import redact

_DATABASE_NOW = {
    "postgresql": "SELECT extract(epoch FROM clock_timestamp())",
    "mysql": "SELECT unix_timestamp(sysdate(3))",
    "mssql": "SELECT datediff_big(millisecond, '1970-01-01', sysutcdatetime()) / 1000.0",
}


def server_time(headers: Mapping[str, str], uri: str) -> float:
    """The time in the headers of a server's answer, in seconds since 1970.

    Raises:
        RegistryError: there is none.
    """
    try:
        return parsedate_to_datetime(headers["Date"]).timestamp()
    except (KeyError, ValueError, OverflowError) as error:
        raise RegistryError(
            f"{redact(uri)} does not say what time it is: its answer has no valid Date header",
            next_step="configure the proxy in front of the MLflow server to pass that header on",
        ) from error


def steady() -> float:
    """A clock that also counts time in suspend, when Linux stops ``time.monotonic``; in seconds."""
    boot_time = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if boot_time is None else time.clock_gettime(boot_time)


class StoreClock(Protocol):
    """The clock of one kind of store."""

    def now(self) -> float:
        """The store's present time, in seconds since 1970."""

    def stamp(self, name: str, description: str) -> int:
        """Write the store's present time into a registered model. Return that time in milliseconds."""


def store_clock(uri: str, store: Any) -> StoreClock:
    """Create the clock for a store that MLflow's client has opened.

    Args:
        uri: Its address.
        store: MLflow's registry store behind its client.
    """
    if urlsplit(uri).scheme in HTTP_SCHEMES:
        return _Server(uri, store)
    path = local_path(uri)
    if hasattr(store, "ManagedSessionMaker"):
        return _Database(store, path and path.parent)
    return _Folder(store, path or Path())


class _Server:
    def __init__(self, uri: str, store: Any) -> None:
        self._uri = uri
        self._store = store

    def now(self) -> float:
        from mlflow.utils.credentials import get_default_host_creds
        from mlflow.utils.rest_utils import http_request

        answer = http_request(get_default_host_creds(self._uri), "/version", "GET", timeout=10)
        return server_time(answer.headers, self._uri)

    def stamp(self, name: str, description: str) -> int:
        return int(self._store.update_registered_model(name, description).last_updated_timestamp or 0)


class _Database:
    """Stamps in one statement, so that nobody sees the time that MLflow would write. SQLite uses its file system's."""

    def __init__(self, store: Any, folder: Path | None) -> None:
        self._store = store
        self._folder = folder

    def now(self) -> float:
        from sqlalchemy import text

        question = _DATABASE_NOW.get(self._store.engine.dialect.name)
        if question is None:
            return _file_system_time(self._folder or Path())
        with self._store.ManagedSessionMaker() as session:
            return float(session.execute(text(question)).scalar_one())

    def stamp(self, name: str, description: str) -> int:
        from mlflow.exceptions import MlflowException
        from mlflow.protos.databricks_pb2 import RESOURCE_DOES_NOT_EXIST
        from sqlalchemy import text

        now = int(self.now() * 1000)
        update = text("UPDATE registered_models SET last_updated_time = :now WHERE name = :name")
        with self._store.ManagedSessionMaker(read_only=False) as session:
            if not session.execute(update, {"now": now, "name": name}).rowcount:
                raise MlflowException(f"Registered Model with name={name} not found", RESOURCE_DOES_NOT_EXIST)
        return now


class _Folder:
    def __init__(self, store: Any, folder: Path) -> None:
        self._store = store
        self._folder = folder

    def now(self) -> float:
        return _file_system_time(self._folder)

    def stamp(self, name: str, description: str) -> int:
        model = self._store.get_registered_model(name)
        model.last_updated_timestamp = now = int(self.now() * 1000)
        self._store._save_registered_model_as_meta_file(model)  # noqa: SLF001  there is no public method
        return now


def _file_system_time(folder: Path) -> float:
    """The time that the file system gives a new file; this machine's time if nothing can be written there."""
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            return os.fstat(file.fileno()).st_mtime
    except OSError:
        return time.time()
