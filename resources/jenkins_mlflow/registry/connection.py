"""One way to open MLflow: environment, address checks, server version. Imports MLflow only when asked to connect."""

from __future__ import annotations

import functools
import inspect
import logging
import os
import re
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from jenkins_mlflow.errors import ConnectionFailed, UsageError
from jenkins_mlflow.text import one_line, redact

if TYPE_CHECKING:
    from mlflow import MlflowClient

HTTP_SCHEMES = ("http", "https")
DATABASE_SCHEMES = ("sqlite", "postgresql", "mysql", "mssql")
_REQUEST_TIMEOUT_SECONDS = "30"
# Stage transitions and updates of versions with linked metrics fail on these servers' file store:
# measured on 3.0.1, 3.1.4, 3.3.2, 3.4.0; they work on 2.22.4 and from 3.5.1 on.
AFFECTED_SINCE, FIXED_IN = (3, 0, 0), (3, 5, 1)
_NO_SCHEME = re.compile(r"(localhost|[\w-]+(\.[\w-]+)*):\d+(/[\w/.-]*)?$")


@dataclass(frozen=True)
class Connection:
    """An open MLflow client and the address it talks to."""

    uri: str
    client: MlflowClient

    @property
    def over_http(self) -> bool:
        return urlsplit(self.uri).scheme in HTTP_SCHEMES

    @functools.cached_property
    def server_version(self) -> str | None:
        """The server's MLflow version, the runner's own where a store is opened directly; None if it won't say."""
        import mlflow

        if not self.over_http:
            return str(mlflow.__version__)
        from mlflow.utils.credentials import get_default_host_creds
        from mlflow.utils.rest_utils import http_request

        try:
            answer = http_request(get_default_host_creds(self.uri), "/version", "GET", timeout=10)
        except Exception:  # noqa: BLE001  only ever used to word advice, no promotion depends on it
            return None
        text = answer.text.strip()
        return text if answer.status_code == 200 and re.fullmatch(r"\d+\.\d+[\w.+-]*", text) else None


def _show_error_answers() -> None:
    """Let the answers behind HTTP 429 and 5xx through, with their body and Retry-After header.

    MLflow's client (3.17.2) drops them: urllib3 raises without the answer once its retries, which are none here, are
    used up. There is no setting for it, so its one function that sends is wrapped; where a later MLflow has no such
    function, only the header and the body are missing.
    """
    import requests
    from mlflow.utils import rest_utils

    sender = "_get_http_response_with_retries"
    original = getattr(rest_utils, sender, None)
    if original is None or hasattr(original, "shows_error_answers"):
        return
    signature = inspect.signature(original)

    @functools.wraps(original)
    def send(*args: Any, **kwargs: Any) -> requests.Response:
        call = signature.bind(*args, **kwargs)
        raising = call.arguments.get("raise_on_status", True)
        call.arguments["raise_on_status"] = False
        answer: requests.Response = original(*call.args, **call.kwargs)
        if raising and answer.status_code in call.arguments.get("retry_codes", ()):
            raise requests.exceptions.HTTPError(f"HTTP {answer.status_code}", response=answer)
        return answer

    vars(send)["shows_error_answers"] = True
    setattr(rest_utils, sender, send)


def is_affected(version: str | None) -> bool | None:
    """Whether this MLflow version cannot change stages in a file store; None when the version is unknown."""
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


def check_uri(uri: str, *, may_create: bool) -> None:
    """Refuse an address that no command could work with, before MLflow is imported or anything is created.

    Args:
        uri: The tracking URI.
        may_create: Training may start a new local store; every other command needs one that exists, because
            MLflow would create an empty one and report an empty registry.

    Raises:
        UsageError: The scheme is unknown or the host is missing.
        ConnectionFailed: The local store does not exist.
    """
    try:
        parts = urlsplit(uri)
        host, _ = parts.hostname, parts.port if parts.scheme in HTTP_SCHEMES else None
    except ValueError:  # its text may hold a part of the password
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
    if scheme in HTTP_SCHEMES and not host:
        raise UsageError(
            f"tracking URI {redact(uri)!r}: no host", next_step="for example http://mlflow.example:5000"
        )
    path = local_path(uri)
    if path is not None and not may_create and not path.exists():
        raise ConnectionFailed(
            f"there is no MLflow store at {path}",
            state="nothing was created",
            next_step="check --tracking-uri or MLFLOW_TRACKING_URI, or train first",
        )


def connect(uri: str, *, may_create: bool = False) -> Connection:
    """Open MLflow's client on an address.

    MLflow's own hidden retries are switched off (faults.py owns retries), and file stores, which MLflow 3.17
    refuses by default, are allowed: they are what many of our users come from.

    Args:
        uri: http(s), database or file store address.
        may_create: Whether a missing local store may be created.

    Raises:
        UsageError, ConnectionFailed: see ``check_uri``; a database that refuses its own schema or login.
    """
    check_uri(uri, may_create=may_create)
    os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] = "0"
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", _REQUEST_TIMEOUT_SECONDS)
    os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")
    from mlflow import MlflowClient

    _show_error_answers()
    # Stages are deprecated but they are what this tool is asked to set: the warning tells our user nothing.
    warnings.filterwarnings("ignore", category=FutureWarning, module=r"mlflow\..*|jenkins_mlflow\..*")
    for noisy in ("mlflow", "alembic"):
        logging.getLogger(noisy).setLevel(logging.ERROR)
    try:
        return Connection(uri, MlflowClient(uri, uri))
    except (
        Exception
    ) as error:  # a database that is down, refuses the login or has another schema, a missing driver
        raise ConnectionFailed(
            f"cannot open the MLflow store {redact(uri)}: {one_line(str(error))}",
            next_step="check the address, the login and that the store's schema fits this MLflow version",
        ) from error
