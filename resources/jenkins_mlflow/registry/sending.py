"""Sends requests to an MLflow server as MLflow's client does, with the same settings; imports nothing of MLflow.

Unlike the client it follows no redirect, so that credentials and writes reach the configured server only; it reads at
most ``LARGEST_ANSWER`` bytes; and an answer that does not fit is an error that says where.
"""

from __future__ import annotations

import base64
import configparser
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar
from urllib.parse import urlsplit

import msgspec
import requests
from requests.auth import HTTPBasicAuth
from requests.utils import get_auth_from_url
from urllib3.exceptions import HTTPError

from jenkins_mlflow import VERSION
from jenkins_mlflow.errors import UsageError
from jenkins_mlflow.registry.faults import AnswerTooLarge, ErrorAnswer, UnusableAnswer
from jenkins_mlflow.registry.quick_connections import QuickAdapter
from jenkins_mlflow.text import size

T = TypeVar("T")

LARGEST_ANSWER = 64 * 1024 * 1024
CONNECTIONS = 16  # a cleanup has 8 workers, the lock's renewal comes on top
_CHUNK = 256 * 1024
_TRANSFER_SECONDS = 600.0  # a server answers an upload when the file lies in its storage


@dataclass(frozen=True)
class Endpoint(Generic[T]):
    """One row of the table of endpoints: method, path below the server's address, and the type of its answer."""

    method: str
    path: str
    answer: type[T]


class Sender:
    """Sends requests to one server; may be shared by threads.

    Args:
        uri: The server's address, with a path where the server is behind one.
        environ: Where MLflow's settings are read from.
        home: Folder with ``.mlflow/credentials``; None for no login but the environment's, of a .netrc neither.
    """

    def __init__(self, uri: str, environ: Mapping[str, str], home: Path | None) -> None:
        self._base = uri.rstrip("/")
        self._timeout = _seconds(environ, "MLFLOW_HTTP_REQUEST_TIMEOUT")
        self._transfer = max(self._timeout, _TRANSFER_SECONDS)
        self._verify = _verify(environ)
        self._cert = environ.get("MLFLOW_TRACKING_CLIENT_CERT_PATH") or None
        self._session = requests.Session()
        self._session.headers.update(_headers(environ, home))
        if home is None or _has_login(uri, environ):
            self._session.auth = _keep
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, QuickAdapter(pool_maxsize=CONNECTIONS))

    def send(self, endpoint: Endpoint[T], payload: Mapping[str, Any], *, in_path: str = "") -> T:
        """Make one request and decode its answer.

        Args:
            endpoint: Which.
            payload: Its parameters: the query of a GET, else the JSON body.
            in_path: What is appended to the endpoint's path.

        Raises:
            requests.RequestException: no answer.
            ErrorAnswer: an answer with another status than 200.
            UnusableAnswer: an answer that is no JSON, has other types than MLflow's, or is too large.
        """
        body, _ = self.exchange(
            endpoint.method,
            endpoint.path + in_path,
            **{"params" if endpoint.method == "GET" else "json": payload},
        )
        try:
            return msgspec.json.decode(body or b"{}", type=endpoint.answer, strict=False)
        except msgspec.ValidationError as error:
            raise UnusableAnswer(f"the answer does not fit MLflow's REST API: {error}") from error
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise UnusableAnswer(
                "the answer was no JSON (is this address an MLflow server?)", transient=True
            ) from error

    def download(self, path: str, into: Path, most: int | None = None) -> None:
        """Download a file as it is stored, of at most so many bytes if ``most`` is given; see ``send`` for errors."""
        headers = {"Accept-Encoding": "identity"}
        seconds = self._transfer if most is None else self._timeout
        with self._request("GET", path, seconds, headers=headers) as response:
            if response.status_code != requests.codes.ok:
                raise ErrorAnswer(response.status_code, _beginning(response), response.headers)
            try:
                with into.open("wb") as file:
                    for chunk in response.raw.stream(_CHUNK, decode_content=False):
                        file.write(chunk)
                        if most is not None and file.tell() > most:
                            raise AnswerTooLarge(f"the file is larger than {size(most)}")
            except HTTPError as error:  # urllib3's own: requests shows it where it reads itself
                raise requests.ConnectionError(error) from error

    def upload(self, path: str, source: Path) -> None:
        """Upload a file, however large; see ``send`` for errors."""
        with source.open("rb") as file:
            body = (
                file if source.stat().st_size else b""
            )  # an empty file would go as chunks, without a length
            with self._request("PUT", path, self._transfer, data=body) as response:
                if response.status_code != requests.codes.ok:
                    raise ErrorAnswer(response.status_code, _beginning(response), response.headers)

    def exchange(self, method: str, path: str, **arguments: Any) -> tuple[bytes, Mapping[str, str]]:
        """Make one request and read its answer's body and headers; see ``send`` for errors."""
        with self._request(method, path, self._timeout, **arguments) as response:
            body = bytearray()
            for chunk in response.iter_content(_CHUNK):
                body += chunk
                if len(body) > LARGEST_ANSWER:
                    raise AnswerTooLarge(f"the answer is larger than {LARGEST_ANSWER // 1024**2} MB")
            if response.status_code != requests.codes.ok:
                raise ErrorAnswer(response.status_code, bytes(body), response.headers)
            return bytes(body), response.headers

    def _request(self, method: str, path: str, timeout: float, **arguments: Any) -> requests.Response:
        return self._session.request(
            method,
            self._base + path,
            # Given here, not to the session: there REQUESTS_CA_BUNDLE would win over both.
            verify=self._verify,
            cert=self._cert,
            timeout=timeout,
            allow_redirects=False,
            stream=True,
            **arguments,
        )


def _beginning(response: requests.Response) -> bytes:
    """The beginning of an answer that is an error."""
    return next(response.iter_content(_CHUNK), b"")


def _headers(environ: Mapping[str, str], home: Path | None) -> dict[str, str]:
    """The headers of every request. A password in the address wins over them, as with MLflow.

    A .netrc wins over a login that the user has saved, as with MLflow, but not over one that was given for this
    command: where the home is the workspace, whoever commits to the repository writes the .netrc.
    """
    headers = {"User-Agent": f"jenkins-mlflow/{VERSION}"}
    saved = _saved_credentials(home / ".mlflow" / "credentials") if home else {}
    user = environ.get("MLFLOW_TRACKING_USERNAME") or saved.get("mlflow_tracking_username")
    password = environ.get("MLFLOW_TRACKING_PASSWORD") or saved.get("mlflow_tracking_password")
    token = environ.get("MLFLOW_TRACKING_TOKEN")
    if user and password:
        headers["Authorization"] = "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
    elif token:
        headers["Authorization"] = f"Bearer {_fit_for_header('MLFLOW_TRACKING_TOKEN', token)}"
    if workspace := environ.get("MLFLOW_WORKSPACE", "").strip():
        headers["X-MLFLOW-WORKSPACE"] = _fit_for_header("MLFLOW_WORKSPACE", workspace)
    return headers


def _has_login(uri: str, environ: Mapping[str, str]) -> bool:
    """Whether a login was given: in the address, or in the environment."""
    both = all(environ.get(f"MLFLOW_TRACKING_{part}") for part in ("USERNAME", "PASSWORD"))
    return both or bool(environ.get("MLFLOW_TRACKING_TOKEN")) or "@" in urlsplit(uri).netloc


def _keep(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """No account but that of address and headers. Where a session has none at all, requests looks into ~/.netrc."""
    if any(account := get_auth_from_url(request.url or "")):
        HTTPBasicAuth(*account)(request)
    return request


def _saved_credentials(path: Path) -> Mapping[str, str]:
    """The login that a user keeps in a file for MLflow's clients."""
    parser = configparser.ConfigParser()
    try:
        parser.read(path, encoding="utf-8")
        return dict(parser["mlflow"]) if "mlflow" in parser else {}
    except (configparser.Error, UnicodeDecodeError, OSError) as error:
        # The error itself quotes lines of the file.
        raise UsageError(
            f"{path} cannot be read: {type(error).__name__}",
            state="nothing was read or written",
            next_step="mend it: section [mlflow], keys mlflow_tracking_username and mlflow_tracking_password, %% for %",
        ) from None


def _fit_for_header(name: str, value: str) -> str:
    """The value, unless no header can carry it: requests' own error would show it."""
    if value.isascii() and value.isprintable() and value == value.strip():
        return value
    raise UsageError(
        f"{name} has a line break or another character that no HTTP header can carry",
        state="nothing was read or written",
        next_step=f"set {name} again, without it",
    )


def _verify(environ: Mapping[str, str]) -> bool | str:
    """How the server's certificate is checked: by a CA file, by the known CAs, or not at all."""
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
    return path or word in ("false", "0")


def _seconds(environ: Mapping[str, str], name: str) -> float:
    value = environ.get(name, "30")
    if value.isdecimal() and int(value):
        return float(value)
    raise UsageError(
        f"{name} is {value!r}", state="nothing was read or written", next_step="set it to a number of seconds"
    )
