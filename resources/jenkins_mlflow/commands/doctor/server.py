"""The findings of `doctor` on the server and its access: version, store, client, login, clock, file store."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import urlsplit

from jenkins_mlflow.registry.connection import FIXED_IN, Connection, is_affected
from jenkins_mlflow.results.doctor import Finding
from jenkins_mlflow.text import argument, redact

_SKEW = 60.0
_HERE = ("localhost", "127.0.0.1", "::1")


def server(connection: Connection, *, files: bool | None) -> Finding:
    """The server's version, the client's, and the kind of store."""
    version, where = connection.server_version, redact(connection.uri)
    store = {True: "a file store", False: "a database", None: "an unknown kind of store"}[files]
    text = f"{where}: MLflow {version or 'of unknown version'} with {store}{_client(version)}"
    fixed = ".".join(str(part) for part in FIXED_IN)
    if files is not False and is_affected(version):
        return Finding(
            "server",
            "problem" if files else "note",
            f"{text}: changing the stage of a version with linked metrics fails there (RepresentationError)",
            f"upgrade the server to MLflow {fixed} or later, or move the registry into a database",
        )
    if files:
        return Finding(
            "server", "note", f"{text}, which MLflow keeps for old data only", "plan to move to a database"
        )
    return Finding("server", "fine", text)


def _client(version: str | None) -> str:
    """The client's version, if it differs from the server's."""
    try:
        client_version = importlib.metadata.version("mlflow-skinny")
    except importlib.metadata.PackageNotFoundError:
        return ""
    return f" (the client here is {client_version})" if version and version != client_version else ""


def door(connection: Connection) -> Finding:
    """How the server is accessed: over HTTP, or by MLflow's client."""
    if not connection.why_client:
        return Finding("access", "fine", "over HTTP, without MLflow's client")
    return Finding("access", "fine", f"by MLflow's client, because {connection.why_client}")


def login(uri: str, environ: Mapping[str, str]) -> Iterator[Finding]:
    """A login that others can read, and a certificate that is not verified. Pure."""
    parts = urlsplit(uri)
    secret = any(environ.get(f"MLFLOW_TRACKING_{name}") for name in ("PASSWORD", "TOKEN")) or parts.password
    if parts.scheme == "http" and secret and parts.hostname not in _HERE:
        yield Finding(
            "login without TLS",
            "note",
            f"the login for {redact(uri)} crosses the network unencrypted: the address begins with http",
            "put TLS in front of the server, and use its https address",
        )
    if environ.get("MLFLOW_TRACKING_INSECURE_TLS", "").lower() in ("true", "1"):
        yield Finding(
            "certificate not checked",
            "note",
            "MLFLOW_TRACKING_INSECURE_TLS is set: anybody on the way can pose as the server",
            "unset MLFLOW_TRACKING_INSECURE_TLS; "
            "export MLFLOW_TRACKING_SERVER_CERT_PATH=/path/of/the/server's/ca.pem",
        )


def clock(connection: Connection, store: float, here: float) -> Iterator[Finding]:
    """Clocks that differ. Locks and ages use only the store's clock. Pure.

    Args:
        connection: A store that is opened directly gets this machine's times.
        store, here: The two times, in seconds since 1970.
    """
    apart = here - store
    if abs(apart) > _SKEW:
        word = "ahead of" if apart > 0 else "behind"
        yield Finding(
            "clock",
            "note" if connection.over_http else "problem",
            f"this machine's clock is {abs(apart):.0f} s {word} the store's: records get wrong times"
            + ("" if connection.over_http else ", and MLflow dates new versions wrongly"),
            "set this machine's clock: timedatectl set-ntp true",
        )


def file_store(folder: str | None, connection: Connection, *, files: bool | None) -> Iterator[Finding]:
    """A configured file store that the server does not use (mlflow 23634). Pure but for the folder."""
    if folder and connection.over_http and files is False and Path(folder).is_dir():
        quoted = argument(folder)
        yield Finding(
            "file store not served",
            "problem",
            f"promote.file_store is {folder}, but the server keeps a database and does not serve that folder. "
            "A server that is started with MLFLOW_ALLOW_FILE_STORE and no --backend-store-uri creates its own "
            "database",
            f"MLFLOW_ALLOW_FILE_STORE=true mlflow server --backend-store-uri {quoted}; or remove promote.file_store",
        )
