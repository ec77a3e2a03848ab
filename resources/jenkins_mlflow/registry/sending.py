"""Sends requests to an MLflow server with the same settings as MLflow's client, without importing MLflow.

Unlike the client, it follows no redirects, so that credentials and writes reach only the configured server.
It reads at most ``LARGEST_ANSWER`` bytes, and for an answer that does not match the API, the error says
where.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Generic, TypeVar

import msgspec
import requests
from requests.exceptions import InvalidSchema, InvalidURL
from requests.utils import get_environ_proxies, get_netrc_auth
from urllib3.exceptions import DecodeError, HTTPError, LocationValueError, ReadTimeoutError

from jenkins_mlflow.errors import UsageError
from jenkins_mlflow.registry.answers import Empty
from jenkins_mlflow.registry.client_settings import (
    certificate,
    has_login,
    keep_alive,
    no_other_account,
    request_headers,
    time_out,
    verification,
)
from jenkins_mlflow.registry.faults import AnswerTooLarge, ErrorAnswer, UnusableAnswer
from jenkins_mlflow.registry.quick_connections import QuickAdapter
from jenkins_mlflow.text import redact, size

T = TypeVar("T")

LARGEST_ANSWER = 64 * 1024 * 1024
_LARGEST_ERROR = 1024 * 1024  # the beginning of a longer error is enough
CONNECTIONS = 16  # a cleanup has 8 workers, plus the lock's renewal
_FINE = frozenset({requests.codes.ok, requests.codes.created, requests.codes.no_content})
_STORED = frozenset({b"", b"{}"})  # the answers to a file: MLflow 3.17, and earlier ones
_CHUNK = 256 * 1024
_SLOWEST = 100 * 1024  # bytes a second: an answer that comes more slowly is given up
_TRANSFER_SECONDS = 600.0  # a server answers an upload only once the file is in its storage


@dataclass(frozen=True)
class Endpoint(Generic[T]):
    """An endpoint: its method, its path below the server's address, and the type of its answer."""

    method: str
    path: str
    answer: type[T]


class _Session(requests.Session):
    """A session for which no answer is a redirect: requests would read its body to the end, and parse its target."""

    def get_redirect_target(self, resp: requests.Response) -> None:
        return None


class Sender:
    """Sends requests to one server; may be shared by threads.

    Args:
        uri: The server's address, including a path if the server is behind one.
        environ: The variables with MLflow's settings.
        home: The folder with ``.mlflow/credentials``; None to use only the environment's login, not even a
            .netrc.
    """

    def __init__(self, uri: str, environ: Mapping[str, str], home: Path | None) -> None:
        self._base = uri.rstrip("/")
        self._timeout = time_out(environ, "MLFLOW_HTTP_REQUEST_TIMEOUT")
        self._transfer = max(self._timeout, _TRANSFER_SECONDS)
        self._verify = verification(environ, uri)
        self._cert = certificate(environ, "MLFLOW_TRACKING_CLIENT_CERT_PATH", folder=False)
        self._session = _Session()
        self._headers = {**self._session.headers, **request_headers(environ, home)}
        self._proxies = get_environ_proxies(self._base)
        own_login = home is None or has_login(uri, environ)
        self._auth = no_other_account if own_login else get_netrc_auth(self._base)
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, QuickAdapter(CONNECTIONS, keep_alive(environ)))

    def send(self, endpoint: Endpoint[T], payload: Mapping[str, Any], *, in_path: str = "") -> T:
        """Make one request and decode its answer.

        Args:
            endpoint: The endpoint.
            payload: Its parameters, sent as the query of a GET, otherwise as the JSON body.
            in_path: Text to append to the endpoint's path.

        Raises:
            requests.RequestException: there was no answer.
            ErrorAnswer: the answer has a status that is not a success.
            UnusableAnswer: the answer is not JSON, has types other than MLflow's, or is too large.
        """
        arguments = {"params" if endpoint.method == "GET" else "json": payload}
        path = endpoint.path + in_path
        with self._answer(endpoint.method, path, self._timeout, **arguments) as response:
            body = _body(response, self._timeout)
        if response.status_code == requests.codes.no_content and endpoint.answer is Empty:
            body = b"{}"
        try:
            return _decoded(body, endpoint.answer)
        except msgspec.ValidationError as error:
            raise UnusableAnswer(f"the answer does not fit MLflow's REST API: {error}") from error
        except RecursionError as error:
            raise UnusableAnswer(
                "the answer does not fit MLflow's REST API: it is nested too deep"
            ) from error
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise UnusableAnswer(
                "the answer was not JSON (is this address an MLflow server?)", transient=True
            ) from error

    def download(self, path: str, into: Path, most: int | None = None) -> None:
        """Download a file as it is stored, of at most ``most`` bytes if that is given; see ``send`` for errors."""
        headers = {"Accept-Encoding": "identity"}
        seconds = self._transfer if most is None else self._timeout
        with self._answer("GET", path, seconds, headers=headers) as response:
            try:
                with into.open("wb") as file:
                    for chunk in response.raw.stream(_CHUNK, decode_content=False):
                        file.write(chunk)
                        if most is not None and file.tell() > most:
                            raise AnswerTooLarge(f"the file is larger than {size(most)}")
            except HTTPError as error:  # urllib3's own; requests translates it only when it reads itself
                raise requests.ConnectionError(error) from error

    def upload(self, path: str, source: Path) -> None:
        """Upload a file of any size; see ``send`` for errors."""
        with source.open("rb") as file:
            # An empty file would be sent in chunks, without a length.
            body = file if source.stat().st_size else b""
            self.put(path, body, self._transfer)

    def put(self, path: str, body: BinaryIO | bytes, seconds: float = 0.0) -> None:
        """Upload a small text, or a file for which the server has so many seconds; see ``send`` for errors."""
        with self._answer("PUT", path, seconds or self._timeout, data=body) as response:
            answer = _body(response, self._timeout)
        if answer.strip() not in _STORED:
            raise UnusableAnswer(
                "the answer to a file was not MLflow's (is this address an MLflow server?)", transient=True
            )

    def exchange(self, method: str, path: str, **arguments: Any) -> tuple[bytes, Mapping[str, str]]:
        """Make one request and read its answer's body and headers; see ``send`` for errors."""
        with self._answer(method, path, self._timeout, **arguments) as response:
            return _body(response, self._timeout), response.headers

    @contextlib.contextmanager
    def _answer(
        self, method: str, path: str, timeout: float, **arguments: Any
    ) -> Iterator[requests.Response]:
        """One answer, whose body is not read yet; ErrorAnswer if its status is not a success."""
        with self._request(method, path, timeout, **arguments) as response:
            if response.status_code not in _FINE:
                raise ErrorAnswer(response.status_code, _body(response, self._timeout), response.headers)
            yield response

    def _request(
        self, method: str, path: str, timeout: float, headers: Mapping[str, str] = {}, **arguments: Any
    ) -> requests.Response:
        """Send a request that is prepared here.

        ``Session.request`` would read the environment and the .netrc again for each request and merge them with
        the session's settings, which takes a third of the time of a request.
        """
        try:
            request = requests.PreparedRequest()
            request.prepare(
                method,
                self._base + path,
                headers={**self._headers, **headers},
                auth=self._auth,
                cookies=self._session.cookies,
                **arguments,
            )
            return self._session.send(
                request,
                proxies=self._proxies,
                verify=self._verify,
                cert=self._cert,
                timeout=timeout,
                allow_redirects=False,
                stream=True,
            )
        except (InvalidSchema, InvalidURL, LocationValueError, TypeError, UnicodeError) as error:
            raise self._unsendable(error) from None

    def _unsendable(self, error: Exception) -> Exception:
        """The error for a request that cannot be sent. The libraries' messages may show a part of a password."""
        if get_environ_proxies(self._base):
            return UsageError(
                "HTTP_PROXY, HTTPS_PROXY or ALL_PROXY names no proxy that can be used",
                state="nothing was read or written",
                next_step="for example http://proxy.example:3128; a SOCKS proxy (socks5h://) needs PySocks",
            )
        if isinstance(error, TypeError | UnicodeError):
            return error
        return UsageError(
            f"tracking URI {redact(self._base)!r}: not a valid address",
            state="nothing was read or written",
            next_step="for example http://mlflow.example:5000",
        )


def _decoded(body: bytes, answer: type[T]) -> T:
    """Decode an answer of MLflow; another program's must not be read as an empty list, or as a write that succeeded."""
    fields: tuple[str, ...] = answer.__struct_fields__  # type: ignore[attr-defined]
    required = len(fields) > len(answer.__struct_defaults__)  # type: ignore[attr-defined]
    if not body.strip():
        raise UnusableAnswer("the answer was empty (is this address an MLflow server?)", transient=True)
    keys = msgspec.json.decode(body, type=dict[str, msgspec.Raw]).keys()
    if keys.isdisjoint(fields) and (
        keys or required
    ):  # MLflow leaves out an empty list, so {} may be its own
        known = (
            f"has none of {', '.join(fields)}" if fields else f"should be empty, and has {', '.join(keys)}"
        )
        raise UnusableAnswer(f"the answer does not fit MLflow's REST API: it {known}", transient=True)
    return msgspec.json.decode(body, type=answer, strict=False)


def _body(response: requests.Response, seconds: float) -> bytes:
    """The body of an answer; the beginning of an error that is too large.

    The time-out applies to each piece. All of them together have as long again, plus what a slow line takes.
    """
    fine = response.status_code in _FINE
    body, started = bytearray(), time.monotonic()
    try:
        while chunk := response.raw.read1(_CHUNK, decode_content=True):
            body += chunk
            if fine and len(body) > LARGEST_ANSWER:
                raise AnswerTooLarge(f"the answer is larger than {LARGEST_ANSWER // 1024**2} MB")
            if not fine and len(body) > _LARGEST_ERROR:
                break
            if time.monotonic() - started > seconds + len(body) / _SLOWEST:
                raise requests.ReadTimeout
    except DecodeError as error:
        raise UnusableAnswer("the answer is not encoded as its header Content-Encoding says") from error
    except HTTPError as error:  # urllib3's own: requests shows it where it reads itself
        late = isinstance(error, ReadTimeoutError)
        raise (requests.ReadTimeout if late else requests.ConnectionError)(error) from error
    return bytes(body)
