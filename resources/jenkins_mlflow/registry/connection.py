"""The single way to open a registry: environment, address checks, door. Imports MLflow only if it is needed."""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from jenkins_mlflow.errors import ConnectionFailed, UsageError
from jenkins_mlflow.registry.choice import HTTP_SCHEMES as HTTP_SCHEMES, choose_door
from jenkins_mlflow.registry.doors import Door
from jenkins_mlflow.text import redact

DATABASE_SCHEMES = ("sqlite", "postgresql", "mysql", "mssql")
_DEFAULT_PORTS = {"http": "80", "https": "443"}
_REQUEST_TIMEOUT_SECONDS = "30"
# On a file store, stage transitions and updates of versions with linked metrics fail in these versions:
# measured on 3.0.1, 3.1.4, 3.3.2, 3.4.0; they work on 2.22.4 and from 3.5.1 on.
AFFECTED_SINCE, FIXED_IN = (3, 0, 0), (3, 5, 1)
AZURE_SCHEMES = ("abfs", "abfss", "wasb", "wasbs")
AZURE_HOST = re.compile(
    r"[a-z0-9.-]+\.(blob|dfs)\.(core\.(windows\.net|chinacloudapi\.cn|usgovcloudapi\.net|cloudapi\.de)"
    r"|storage\.azure\.net|fabric\.microsoft\.com)",
    re.IGNORECASE | re.ASCII,
)
"""Azure's storage hosts. MLflow's client sends the agent's token to any domain that an address names."""
_NAMES = ("databricks", "databricks-uc")
"""Addresses that MLflow reads as names of a server in Databricks' own config, not as folders."""
_NO_SCHEME = re.compile(r"(localhost|[\w-]+(\.[\w-]+)*):\d+(/[\w/.-]*)?$")
_LIKE_A_HOST = re.compile(r"[\w-]+(\.[\w-]+)+(/[\w/.-]*)?")  # a folder may have such a name, too


@dataclass(frozen=True)
class Connection:
    """A way to the registry at one address.

    Attributes:
        uri: The address.
        door: The door to use.
        why_client: Why that is MLflow's client; empty if it is not.
        alone: Whether it has its own login, so that MLflow's client, which has the environment's, must not be
            used.
    """

    uri: str
    door: Door
    why_client: str = ""
    alone: bool = False

    @property
    def over_http(self) -> bool:
        return urlsplit(self.uri).scheme in HTTP_SCHEMES

    @functools.cached_property
    def server_version(self) -> str | None:
        """The server's MLflow version, or the runner's for a store opened directly; None if it is not reported."""
        return self.door.server_version()


def is_setting(name: str) -> bool:
    """Whether an environment variable configures how MLflow's client reaches its server, including its login."""
    return name.startswith("MLFLOW_TRACKING_") or name in ("MLFLOW_REGISTRY_URI", "MLFLOW_WORKSPACE")


def is_affected(version: str | None) -> bool | None:
    """Whether this MLflow version cannot change stages in a file store; None if the version is unknown."""
    match = re.match(r"(\d+)\.(\d+)(?:\.(\d+))?", version or "")
    if not match:
        return None
    return AFFECTED_SINCE <= tuple(int(part or 0) for part in match.groups()) < FIXED_IN


def local_path(uri: str) -> Path | None:
    """The folder or database file of a store on this machine; None for a remote address."""
    parts = urlsplit(uri)
    if parts.scheme == "sqlite":
        return Path(unquote(uri.partition(":///")[2].partition("?")[0])) if ":///" in uri else None
    if parts.scheme == "file":
        return Path(unquote(parts.path))
    return Path(uri) if parts.scheme == "" else None


def address(uri: str) -> str:
    """A text that is the same for one registry in any folder, for any account and any spelling of its address.

    It is an absolute path, an address without login, default port and trailing slash, or a name such as databricks-uc.

    >>> address("https://ann:secret@MLflow.example:443/x/"), address("sqlite:////data/m.db")
    ('https://mlflow.example/x', '/data/m.db')
    """
    path = local_path(uri)
    if path is not None:
        return uri if uri in _NAMES else str(path.absolute())
    parts = urlsplit(redact(uri))
    host = host_of(parts.geturl()).lower().removesuffix(f":{_DEFAULT_PORTS.get(parts.scheme, '')}")
    return parts._replace(netloc=host, path=parts.path.rstrip("/")).geturl()


def host_of(uri: str) -> str:
    """The host of an address with its port, without a login."""
    return urlsplit(uri).netloc.rpartition("@")[2]


def foreign_host(where: str, tracking_uri: str) -> str:
    """The host to which MLflow would send the login for these files, if that is not the server; otherwise empty.

    The scheme is included if only that differs, because a login for https must not be sent over http. A token
    for Azure's storage may go only to Azure. promotion/smoke_runner.py, which a team's own Python runs, has
    the same function.
    """
    try:
        storage, server = urlsplit(where), urlsplit(tracking_uri)
    except ValueError:
        return where
    if "\\" in where:  # some parsers read it as part of the login, others as the end of the host
        return where
    host, over_http = host_of(where), storage.scheme in HTTP_SCHEMES
    if storage.scheme in AZURE_SCHEMES and not AZURE_HOST.fullmatch(host):
        return host or where
    if host and (over_http or storage.scheme == "mlflow-artifacts"):
        if host != host_of(tracking_uri):
            return host
        if over_http and storage.scheme != server.scheme:
            return f"{storage.scheme}://{host}"
    return ""


def check_uri(uri: str, *, may_create: bool) -> None:
    """Refuse an address that cannot work, before MLflow is imported or anything is created.

    Args:
        uri: The tracking URI.
        may_create: Whether a new local store may be created, as in training. All other commands need an
            existing one, because MLflow would create an empty store and report an empty registry.

    Raises:
        UsageError: The scheme is unknown or the host is missing.
        ConnectionFailed: The local store does not exist.
    """
    try:
        parts = urlsplit(uri)
        host, _ = parts.hostname, parts.port if parts.scheme in HTTP_SCHEMES else None
    except ValueError:  # its text may contain part of the password
        raise UsageError(
            f"tracking URI {redact(uri)!r}: not a valid address",
            next_step="for example http://mlflow.example:5000; in a password write %2F for / and %40 for @",
        ) from None
    scheme = parts.scheme.split("+")[0]
    if _NO_SCHEME.match(uri):
        raise UsageError(f"tracking URI {uri!r}: no scheme", next_step=f"did you mean http://{uri}?")
    if scheme not in (*HTTP_SCHEMES, *DATABASE_SCHEMES, "file", ""):
        raise UsageError(
            f"tracking URI: scheme {scheme!r} is not supported",
            next_step="use http(s)://, sqlite:///, postgresql://, mysql://, mssql:// or the path of a file store",
        )
    if scheme in HTTP_SCHEMES and (" " in uri or not uri.isprintable()):
        raise UsageError(
            f"tracking URI {redact(uri)!r}: it contains a space, a line break or another such character",
            next_step="for example http://mlflow.example:5000; in a password write %20 for a space",
        )
    if scheme in HTTP_SCHEMES and not host:
        raise UsageError(
            f"tracking URI {redact(uri)!r}: no host", next_step="for example http://mlflow.example:5000"
        )
    path = local_path(uri)
    if path is not None and not may_create and not path.exists():
        raise ConnectionFailed(
            f"there is no MLflow store at {path}",
            state="nothing was created",
            next_step=f"did you mean http://{uri}? A store in a folder is made by the first training"
            if _LIKE_A_HOST.fullmatch(uri)
            else "check --tracking-uri or MLFLOW_TRACKING_URI, or train first",
        )


def connect(uri: str, *, may_create: bool = False, account: Mapping[str, str] | None = None) -> Connection:
    """Open the door to an address.

    This switches off MLflow's own hidden retries, because retries.py owns retries. It also allows file
    stores, which MLflow 3.17 refuses by default but many users still have. Both settings also apply to
    programs started by this one.

    Args:
        uri: http(s), database or file store address.
        may_create: Whether a missing local store may be created.
        account: MLflow's settings for this server, instead of the environment's. Then no other server's login
            can reach it, neither from the environment nor from a file.

    Raises:
        UsageError, ConnectionFailed: see ``check_uri``, ``choose_door`` and the doors.
    """
    check_uri(uri, may_create=may_create)
    os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] = "0"
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", _REQUEST_TIMEOUT_SECONDS)
    os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")
    if account is not None:
        from jenkins_mlflow.registry.http import HttpDoor

        return Connection(uri, HttpDoor(uri, account, None), alone=True)
    choice = choose_door(uri, os.environ)
    if choice.door == "http":
        from jenkins_mlflow.registry.http import HttpDoor

        home = Path(os.path.expanduser("~"))  # noqa: PTH111  Path.home() fails where the user is in no list of users
        return Connection(uri, HttpDoor(uri, os.environ, home))
    from jenkins_mlflow.registry.store import StoreDoor

    return Connection(uri, StoreDoor(uri), choice.why)
