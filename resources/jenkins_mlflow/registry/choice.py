"""Chooses the door to a registry for an address."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

from jenkins_mlflow.errors import UsageError

DoorName = Literal["http", "store"]

FORCED = "JENKINS_MLFLOW_DOOR"
HTTP_SCHEMES = ("http", "https")
# For these addresses, MLflow's client asks a server, using the environment's login.
SERVED_SCHEMES = (*HTTP_SCHEMES, "mlflow-artifacts", "runs", "models")
_HEADER_PLUGINS = "mlflow.request_header_provider"
_DATABRICKS = (
    ".databricks.com",
    ".databricks.us",
    ".azuredatabricks.net",
    ".azuredatabricks.us",
    ".databricks.azure.cn",
)


@dataclass(frozen=True)
class Choice:
    """The door for an address; ``why`` completes the sentence "MLflow's client is used because ..."."""

    door: DoorName
    why: str = ""


def choose_door(uri: str, environ: Mapping[str, str]) -> Choice:
    """Choose the door for an address.

    Args:
        uri: The tracking URI.
        environ: The environment variables; JENKINS_MLFLOW_DOOR forces a door to a server. It does not concern
            databases and folders: the method `file-store` opens the folder behind a server.

    Raises:
        UsageError: JENKINS_MLFLOW_DOOR names an unknown door.
    """
    forced = environ.get(FORCED, "")
    if forced not in ("", "http", "store"):
        raise UsageError(
            f"{FORCED} is {forced!r}, which is not a way to open a registry",
            state="nothing was read or written",
            next_step=f"set {FORCED} to http or to store, or unset it",
        )
    parts = urlsplit(uri)
    if parts.scheme not in HTTP_SCHEMES:
        return Choice("store", "a database or a folder is opened directly")
    if forced:
        return Choice("http") if forced == "http" else Choice("store", f"{FORCED} is store")
    unusual = _unusual(parts.hostname or "", environ)
    return Choice("store", unusual) if unusual else Choice("http")


def _unusual(host: str, environ: Mapping[str, str]) -> str:
    """Why only MLflow's client can reach this server; empty if the door ``http`` can."""
    if environ.get("MLFLOW_TRACKING_AWS_SIGV4", "").lower() in ("true", "1"):
        return "MLFLOW_TRACKING_AWS_SIGV4 is set"
    if environ.get("MLFLOW_TRACKING_AUTH"):
        return "MLFLOW_TRACKING_AUTH names a plugin"
    if host.endswith(_DATABRICKS):
        return f"{host} is Databricks"
    plugins = importlib.metadata.entry_points(group=_HEADER_PLUGINS)
    return f"the plugin {next(iter(plugins)).name} adds headers to requests" if plugins else ""
