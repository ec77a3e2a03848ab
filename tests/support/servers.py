"""Real MLflow servers of several versions on several stores."""

from __future__ import annotations

import os
import signal
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from support.databases import lay_database
from support.environments import OWN_VERSION, mlflow_python
from support.postgres import Postgres
from support.processes import Background, free_port

START_SECONDS = 120

Store = Literal["sqlite", "postgresql", "file"]
Artifacts = Literal["served", "local"]


@dataclass
class Server:
    """A running MLflow server.

    Attributes:
        url: Address for clients.
        version: Version of MLflow that the server runs.
        store: Kind of its store.
        store_uri: The store itself, for a client of the same version.
        folder: Where its database, files and log are.
    """

    url: str
    version: str
    store: Store
    store_uri: str
    folder: Path
    process: Background = field(repr=False)

    @property
    def log(self) -> str:
        """What the server has written so far."""
        return self.process.log.read_text(errors="replace")

    def stop(self) -> None:
        """End the server with all its helper processes; nothing in a test's store is worth a gentle end."""
        self.process.stop(signal.SIGKILL)


def clean_environ(**more: str) -> dict[str, str]:
    """The environment without anything that MLflow, Jenkins or a config would take from it."""
    ours = ("MLFLOW_", "_MLFLOW_", "MLOPS_", "JENKINS_", "BUILD_", "JOB_", "GIT_", "PYTHON")
    return {key: value for key, value in os.environ.items() if not key.startswith(ours)} | more


def start_server(
    folder: Path,
    *,
    version: str = OWN_VERSION,
    store: Store = "sqlite",
    artifacts: Artifacts = "served",
    postgres: Postgres | None = None,
    database: str = "",
    workers: int = 1,
    options: Sequence[str] = (),
    environ: Mapping[str, str] | None = None,
) -> Server:
    """Start a server and wait until it answers.

    Args:
        folder: An empty folder for all that it keeps.
        version: Version of MLflow that the server runs.
        store: Kind of its store.
        artifacts: Whether models' files go through the server, or are written by clients to its folder.
        postgres: Where the database is made for the store ``postgresql``.
        database: The URI of a database that is there already, instead.
        workers: How many processes answer requests.
        options: More options of ``mlflow server``.
        environ: More of its environment.
    """
    folder.mkdir(parents=True, exist_ok=True)
    store_uri = database or _store_uri(folder, store, postgres, version)
    files = folder / "mlruns" if store == "file" else folder / "artifacts"
    where = (
        ["--artifacts-destination", str(files)]
        if artifacts == "served"
        else ["--no-serve-artifacts", "--default-artifact-root", str(files)]
    )
    port = free_port()
    command = [
        str(mlflow_python(version)),
        "-m",
        "mlflow",
        "server",
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
    ]
    process = Background(
        [*command, "--workers", str(workers), "--backend-store-uri", store_uri, *where, *options],
        folder / "server.log",
        clean_environ(
            MLFLOW_SERVER_ENABLE_JOB_EXECUTION="false",
            MLFLOW_ALLOW_FILE_STORE="true",
            MLFLOW_DISABLE_TELEMETRY="true",
            PYTHONUNBUFFERED="1",
            **(environ or {}),
        ),
    )
    url = f"http://127.0.0.1:{port}"
    process.wait_until(lambda: _answers(url), START_SECONDS)
    return Server(url, version, store, store_uri, folder, process)


def _store_uri(folder: Path, store: Store, postgres: Postgres | None, version: str) -> str:
    if store == "file":
        return str(folder / "mlruns")
    if store == "sqlite":
        path = folder / "mlflow.db"
        if not path.exists():  # a test may have copied another server's folder
            lay_database(path, version)
        return f"sqlite:///{path}"
    assert postgres is not None, "a PostgreSQL store needs a PostgreSQL"
    return postgres.create_database()


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/health", timeout=5) as response:
            return bool(response.status == 200)
    except OSError:
        return False
