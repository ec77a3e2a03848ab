"""MLflow's settings for a client, with the same meaning as in MLflow's own: login, workspace, certificates, time-out.

They come from the environment; a login may also come from the file that a user keeps for MLflow's clients.
"""

from __future__ import annotations

import base64
import configparser
import os
import re
import socket
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

import requests
from requests.auth import HTTPBasicAuth
from requests.utils import get_auth_from_url, get_netrc_auth

from jenkins_mlflow import VERSION
from jenkins_mlflow.errors import UsageError
from jenkins_mlflow.text import printable

_KEEP_ALIVE = (  # of each its default in MLflow, and what Linux takes
    ("IDLE", "30", 32767, "TCP_KEEPIDLE"),
    ("INTERVAL", "10", 32767, "TCP_KEEPINTVL"),
    ("COUNT", "3", 127, "TCP_KEEPCNT"),
)
_LONGEST = 1_000_000  # seconds; the system's own limit is 2,147,483


def request_headers(environ: Mapping[str, str], home: Path | None) -> dict[str, str]:
    """The headers of every request. A password in the address takes precedence over them, as in MLflow.

    A .netrc takes precedence over a login that the user has saved, as in MLflow, but not over one that was
    given for this command: if the home directory is the workspace, anybody who commits to the repository can
    write the .netrc.
    """
    headers = {"User-Agent": f"jenkins-mlflow/{VERSION}"}
    user, password = _user_and_password(environ, home)
    token = environ.get("MLFLOW_TRACKING_TOKEN")
    if user:
        headers["Authorization"] = f"Basic {_basic(user, password)}"
    elif token:
        headers["Authorization"] = f"Bearer {_fit_for_header('MLFLOW_TRACKING_TOKEN', token)}"
    if workspace := environ.get("MLFLOW_WORKSPACE", "").strip():
        headers["X-MLFLOW-WORKSPACE"] = _fit_for_header("MLFLOW_WORKSPACE", workspace)
    return headers


def _basic(user: str, password: str) -> str:
    try:
        return base64.b64encode(f"{user}:{password}".encode()).decode()
    except UnicodeEncodeError:  # its text has the character
        raise UsageError(
            "MLFLOW_TRACKING_USERNAME or MLFLOW_TRACKING_PASSWORD is not in UTF-8",
            state="nothing was read or written",
            next_step="set both again, in UTF-8",
        ) from None


def user_of(uri: str, environ: Mapping[str, str], home: Path | None) -> str:
    """The user whose login is sent; empty where that is a token, or there is none."""
    if any(account := get_auth_from_url(uri)):
        return account[0]
    if home and not has_login(uri, environ) and (account_of_netrc := get_netrc_auth(uri)):
        return account_of_netrc[0]
    return _user_and_password(environ, home)[0]


def _user_and_password(environ: Mapping[str, str], home: Path | None) -> tuple[str, str]:
    """The login that was given or else saved; nothing where a part of it is missing."""
    saved = _saved_credentials(home / ".mlflow" / "credentials") if home else {}
    user = environ.get("MLFLOW_TRACKING_USERNAME") or saved.get("mlflow_tracking_username")
    password = environ.get("MLFLOW_TRACKING_PASSWORD") or saved.get("mlflow_tracking_password")
    return (user, password) if user and password else ("", "")


def has_login(uri: str, environ: Mapping[str, str]) -> bool:
    """Whether a login was given in the address or in the environment."""
    both = all(environ.get(f"MLFLOW_TRACKING_{part}") for part in ("USERNAME", "PASSWORD"))
    return both or bool(environ.get("MLFLOW_TRACKING_TOKEN")) or "@" in urlsplit(uri).netloc


def no_other_account(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Use only the account of the address and headers. In a session without one, requests would read ~/.netrc."""
    if any(account := get_auth_from_url(request.url or "")):
        # In UTF-8, as a server reads it: requests has Latin-1 for text, which not every password can be written in.
        HTTPBasicAuth(*(part.encode() for part in account))(request)
    return request


def _saved_credentials(path: Path) -> Mapping[str, str]:
    """Read the login that a user keeps in a file for MLflow's clients."""
    parser = configparser.ConfigParser()
    try:
        parser.read(path, encoding="utf-8")
        return dict(parser["mlflow"]) if "mlflow" in parser else {}
    except (configparser.Error, UnicodeDecodeError, OSError) as error:
        # The error's own text quotes lines of the file.
        raise UsageError(
            f"{path} cannot be read: {type(error).__name__}",
            state="nothing was read or written",
            next_step="fix it: section [mlflow], keys mlflow_tracking_username and mlflow_tracking_password, %% for %",
        ) from None


def _fit_for_header(name: str, value: str) -> str:
    """Return the value, or refuse one that a header cannot contain, because requests' own error would show it."""
    if value.isascii() and value.isprintable() and value == value.strip():
        return value
    raise UsageError(
        f"{name} has a line break or another character that an HTTP header cannot contain",
        state="nothing was read or written",
        next_step=f"set {name} again, without it",
    )


def verification(environ: Mapping[str, str], uri: str) -> bool | str:
    """How to check the server's certificate: with a CA file, with the system's CAs, or not at all."""
    insecure, path = "MLFLOW_TRACKING_INSECURE_TLS", environ.get("MLFLOW_TRACKING_SERVER_CERT_PATH")
    word = environ.get(insecure, "false").lower()
    if word not in ("true", "1", "false", "0"):
        raise UsageError(
            f"{insecure} is {word!r}",
            state="nothing was read or written",
            next_step="set it to true or false",
        )
    if path and word in ("true", "1"):
        raise UsageError(
            f"{insecure} and MLFLOW_TRACKING_SERVER_CERT_PATH exclude each other",
            state="nothing was read or written",
            next_step="unset one of them",
        )
    if path or word in ("true", "1"):
        return certificate(environ, "MLFLOW_TRACKING_SERVER_CERT_PATH") or False
    bundles = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE") if uri.startswith("https:") else ()
    return next(filter(None, (certificate(os.environ, name) for name in bundles)), True)


def certificate(environ: Mapping[str, str], name: str, *, folder: bool = True) -> str | None:
    """The file (or folder, if allowed) that a variable names; None if it names none."""
    path = environ.get(name) or None
    try:
        if path and not (folder and Path(path).is_dir()):
            Path(path).open("rb").close()
    except OSError as error:
        raise UsageError(
            f"{name}: cannot read {printable(path or '')}: {error.strerror}",
            state="nothing was read or written",
            next_step=f"set {name} to a file that exists and that you may read",
        ) from None
    return path


def time_out(environ: Mapping[str, str], name: str) -> float:
    """The time-out in seconds from the variable of this name."""
    value = environ.get(name, "30")
    if value.isdecimal() and len(value) <= len(str(_LONGEST)) and 0 < int(value) <= _LONGEST:
        return float(value)
    raise UsageError(
        f"{name} is {value!r}",
        state="nothing was read or written",
        next_step=f"set it to a number of seconds, at most {_LONGEST}",
    )


def keep_alive(environ: Mapping[str, str]) -> list[tuple[int, int, int]]:
    """How sockets keep a connection alive on which nothing is sent: by default as MLflow's client has it."""
    name = "MLFLOW_HTTP_TCP_KEEPALIVE"
    if environ.get(name, "true").lower() not in ("true", "1"):
        return []
    options = [(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)]
    for part, usual, most, option in _KEEP_ALIVE:
        value = environ.get(f"{name}_{part}", usual)
        if not re.fullmatch("[0-9]{1,5}", value) or not 0 < int(value) <= most:
            raise UsageError(
                f"{name}_{part} is {value!r}",
                state="nothing was read or written",
                next_step=f"set it to a number from 1 to {most}",
            )
        if hasattr(socket, option):
            options.append((socket.IPPROTO_TCP, getattr(socket, option), int(value)))
    return options
