"""Classifies MLflow failures: whether to retry, and whether the request may have taken effect."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Collection
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING

from jenkins_mlflow.errors import Interrupted, JenkinsMlflowError, chain
from jenkins_mlflow.text import one_line, parsed_json

if TYPE_CHECKING:
    from collections.abc import Mapping

TRANSIENT_STATUS = frozenset({408, 429, 502, 503, 504})
OPEN_STATUS = frozenset({408, 502, 504})
TRANSIENT_CODES = frozenset({"TEMPORARILY_UNAVAILABLE", "REQUEST_LIMIT_EXCEEDED"})
PERMANENT_CODES = frozenset({"INVALID_STATE"})
CHECK_PROXY = "correct HTTP_PROXY or HTTPS_PROXY, or name the server in NO_PROXY if it needs no proxy"
_CHECK_ADDRESS = (
    "check the address and its path: that of the page that MLflow shows in a browser, up to its #"
)
_HIDDEN_STATUS = re.compile(r"too many (\d{3}) error responses")
# A file store lists its models folder by folder. If one is removed during that (a flag of lock.py, say), the whole
# list fails (MLflow 2.22 to 3.17). The next try succeeds.
_GONE_WHILE_LISTED = re.compile(
    r"Cannot read '[^']*'\. Parent dir '.*' does not exist|^Invalid parent directory '"
)
_NOT_MLFLOWS = re.compile(
    r"API request to endpoint \S+ failed with error code (\d{3}) != \d+\. Response body: '(.*)'", re.DOTALL
)
"""What MLflow's client says of an answer that is not in MLflow's form; it guesses a code from the status."""
_NO_JSON = "response body was not in a valid JSON format"


@dataclass(frozen=True)
class Fault:
    """A failed request, classified.

    ``status`` is the HTTP status if one was received. A 500 is worth exactly one more try: MLflow answers 500
    both for temporary trouble and for its own bugs, and a bug gives the same answer again. INVALID_STATE is
    also a 500, but means that the request can never succeed. ``retry_after`` is the server's request in
    seconds.
    ``sent`` is false if the request certainly never left this machine; ``advice`` is the next step, if one is known.
    """

    transient: bool
    summary: str
    status: int | None = None
    connection: bool = False
    not_found: bool = False
    exists: bool = False
    retry_after: float = 0.0
    code: str = ""
    sent: bool = True
    advice: str = ""

    @property
    def open_ended(self) -> bool:
        """Whether the request may still take effect: it was sent, and whoever handles it has not answered.

        408, 502 and 504 come from a gateway; the server behind it may still be working on the request.
        """
        return self.status in OPEN_STATUS or (self.connection and self.sent)

    @property
    def retry_once(self) -> bool:
        return self.status == 500 and self.code not in PERMANENT_CODES


def is_too_large(error: JenkinsMlflowError, statuses: Collection[int] = (413,)) -> bool:
    """Whether a smaller request may succeed where this one failed.

    Args:
        error: What reading ended with.
        statuses: The HTTP statuses that say so.
    """
    cause = error.__cause__
    return cause is not None and (isinstance(cause, AnswerTooLarge) or classify(cause).status in statuses)


def may_take_effect(error: BaseException) -> bool:
    """Whether the request that ended with this error may still take effect: it got no answer or was interrupted."""
    return isinstance(error, Interrupted) or (isinstance(error, Exception) and classify(error).open_ended)


class ErrorAnswer(Exception):
    """The server answered with a status that is not a success."""

    def __init__(self, status: int, body: bytes, headers: Mapping[str, str]) -> None:
        super().__init__(f"HTTP {status}")
        self.status = status
        self.body = body
        self.headers = headers


class UnusableAnswer(Exception):
    """The server answered with status 200, but not as MLflow does.

    Args:
        reason: What is wrong with the answer.
        transient: Whether the next answer may be different.
    """

    def __init__(self, reason: str, *, transient: bool = False) -> None:
        super().__init__(reason)
        self.transient = transient


class AnswerTooLarge(UnusableAnswer):
    """An answer that would fill the memory if it were read completely."""


def classify(error: BaseException) -> Fault:
    """Classify an error, in particular as temporary or permanent.

    Args:
        error: The error raised by a call of MLflow's client (3.x, measured against servers 2.22 to 3.17).
    """
    found = next((fault for link in chain(error) if (fault := _classify_transport(link))), None)
    if found:
        return found
    if isinstance(error, json.JSONDecodeError) or _NO_JSON in str(error):
        return Fault(True, "the answer was not JSON (is this address an MLflow server?)", connection=True)
    return _classify_answer(error)


def _classify_transport(link: BaseException) -> Fault | None:
    """Classify a failure below MLflow's own errors; None if this link of the chain is not one."""
    import requests

    from jenkins_mlflow.registry.causes import cause_of

    fault: Fault | None = None
    if isinstance(link, ErrorAnswer):
        fault = _classify_response(link.status, link.body, link.headers)
    elif isinstance(link, UnusableAnswer):
        fault = Fault(link.transient, one_line(str(link)), connection=True)
    elif isinstance(link, requests.exceptions.HTTPError) and link.response is not None:
        answer = link.response
        fault = _classify_response(answer.status_code, answer.content, answer.headers)
    elif isinstance(link, requests.exceptions.RetryError) and (hidden := _HIDDEN_STATUS.search(str(link))):
        status = int(hidden.group(1))
        fault = Fault(status in TRANSIENT_STATUS, f"HTTP {status} from the server", status)
    elif isinstance(link, requests.exceptions.Timeout):
        fault = Fault(True, "the server did not answer in time", connection=True)
    elif isinstance(link, requests.exceptions.ConnectionError | requests.exceptions.ChunkedEncodingError):
        cause = cause_of(link)
        fault = Fault(cause.transient, cause.text, connection=True, sent=cause.sent, advice=cause.advice)
    return fault


def _classify_response(status: int, content: bytes, headers: Mapping[str, str]) -> Fault:
    """Classify an answer with an error status. MLflow's own has a JSON body; a proxy's or gunicorn's does not."""
    try:
        body = parsed_json(content)
        code, message = str(body.get("error_code", "")), str(body.get("message", ""))
    except (ValueError, AttributeError):
        code, message = "", _plain_text(content)
    if (
        code
        and HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR
        and status not in TRANSIENT_STATUS
    ):
        summary = one_line(f"{code}: {message}")
    else:
        who = "proxy" if status == HTTPStatus.PROXY_AUTHENTICATION_REQUIRED else "server"
        summary = f"HTTP {status} from the {who}" + (f": {one_line(message)}" if message else "")
    advice = CHECK_PROXY if status == HTTPStatus.PROXY_AUTHENTICATION_REQUIRED else ""
    if status == HTTPStatus.NOT_FOUND and not code:
        summary, advice = f"{summary} (is this address an MLflow server?)", _CHECK_ADDRESS
    if location := headers.get("Location"):
        summary += f", which redirects to {one_line(location.partition('?')[0])}"
    return Fault(
        transient=status in TRANSIENT_STATUS or code in TRANSIENT_CODES or _gone_while_listed(message),
        summary=summary,
        status=status,
        not_found=code == "RESOURCE_DOES_NOT_EXIST",
        exists=code == "RESOURCE_ALREADY_EXISTS",
        retry_after=_retry_after(headers),
        code=code,
        advice=advice,
    )


def _plain_text(content: bytes) -> str:
    """The text of an answer such as that of MLflow's login; empty for a page of HTML."""
    text = content[:1000].decode(errors="replace").strip()
    return "" if text.startswith(("<", "{", "[")) else text


def _gone_while_listed(message: str) -> bool:
    return _GONE_WHILE_LISTED.search(message) is not None


def _retry_after(headers: Mapping[str, str]) -> float:
    """The seconds in a Retry-After header, a number or a date (RFC 9110, 10.2.3); 0 without a valid one."""
    from urllib3.exceptions import InvalidHeader
    from urllib3.util import Retry

    try:
        return float(Retry().parse_retry_after(headers.get("Retry-After", "0")))
    except (InvalidHeader, ArithmeticError, ValueError):  # a date in the year 10000, a number of 400 digits
        return 0.0


def _classify_answer(error: BaseException) -> Fault:
    """Classify an error that MLflow itself reported, over HTTP or from a store opened directly."""
    mlflow = sys.modules.get("mlflow.exceptions")  # if it was never imported, no error can be MLflow's own
    if mlflow is None or not isinstance(error, mlflow.MlflowException):
        return Fault(_gone_while_listed(str(error)), f"{type(error).__name__}: {one_line(str(error))}")
    if foreign := _NOT_MLFLOWS.fullmatch(str(error)):
        return _classify_response(int(foreign.group(1)), foreign.group(2).encode(), {})
    code = str(error.error_code)
    status = int(error.get_http_status_code())
    text = one_line(str(error))
    summary = text if text.startswith(code) or status == 500 else f"{code}: {text}"
    transient = code in TRANSIENT_CODES or status in TRANSIENT_STATUS or _gone_while_listed(str(error))
    return Fault(
        transient,
        summary,
        status,
        not_found=code == "RESOURCE_DOES_NOT_EXIST",
        exists=code == "RESOURCE_ALREADY_EXISTS",
        code=code,
    )


def unless_there(create: Callable[[], object]) -> None:
    """Create something; it is not an error if another command or an earlier try has already created it."""
    try:
        create()
    except Exception as error:
        if not classify(error).exists:
            raise
