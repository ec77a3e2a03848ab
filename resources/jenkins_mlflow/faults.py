"""Which failures of MLflow are worth a retry, and the one retry policy that everything uses.

MLflow's client repeats a failing request up to 7 times on its own: 246 s for one call to a server that answers
500 (measured, client 3.17.2). The connection switches that off, so that tenacity alone decides.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

import tenacity

from jenkins_mlflow.text import one_line

T = TypeVar("T")

TRANSIENT_STATUS = frozenset({408, 429, 502, 503, 504})
TRANSIENT_CODES = frozenset({"TEMPORARILY_UNAVAILABLE", "REQUEST_LIMIT_EXCEEDED"})
_HIDDEN_STATUS = re.compile(r"too many (\d{3}) error responses")
_NO_JSON = "response body was not in a valid JSON format"
_FIRST_WAIT = 0.25


@dataclass(frozen=True)
class Fault:
    """A failed request, classified.

    ``status`` is the HTTP status where one was received. A 500 is worth exactly one more try: MLflow answers
    500 both for passing trouble and for its own bugs, and a bug answers the same again.
    """

    transient: bool
    summary: str
    status: int | None = None
    connection: bool = False
    not_found: bool = False

    @property
    def retry_once(self) -> bool:
        return self.status == 500


@dataclass(frozen=True)
class RetryPolicy:
    """How often and how long to try: at most ``attempts``, waits of at most ``max_wait`` seconds, all within
    ``deadline`` seconds."""

    attempts: int = 3
    max_wait: float = 10.0
    deadline: float = 60.0


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The error and what led to it. MLflow hides the cause of an HTTP failure in ``__context__``."""
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        yield current
        current = current.__cause__ or current.__context__


def classify(error: BaseException) -> Fault:
    """Tell a passing fault from a lasting one.

    Args:
        error: What an MLflow client call raised (client 3.x; shapes measured against servers 2.22 to 3.17).
    """
    import requests

    for link in _chain(error):
        hidden = (
            _HIDDEN_STATUS.search(str(link)) if isinstance(link, requests.exceptions.RetryError) else None
        )
        if hidden:
            status = int(hidden.group(1))
            return Fault(status in TRANSIENT_STATUS, f"HTTP {status} from the server", status)
        if isinstance(link, requests.exceptions.SSLError):
            return Fault(False, f"TLS failed: {one_line(str(link))}", connection=True)
        if isinstance(link, requests.exceptions.Timeout):
            return Fault(True, "the server did not answer in time", connection=True)
        if isinstance(link, requests.exceptions.ConnectionError | requests.exceptions.ChunkedEncodingError):
            refused = "refused" in str(link)
            what = "connection refused" if refused else f"connection lost: {one_line(str(link), 120)}"
            return Fault(True, what, connection=True)
    if isinstance(error, json.JSONDecodeError) or _NO_JSON in str(error):
        return Fault(True, "the answer was no JSON (is this address an MLflow server?)", connection=True)
    return _classify_answer(error)


def _classify_answer(error: BaseException) -> Fault:
    """Classify an error that MLflow itself reported, over HTTP or from a store opened directly."""
    from mlflow.exceptions import MlflowException

    if not isinstance(error, MlflowException):
        return Fault(False, f"{type(error).__name__}: {one_line(str(error))}")
    code = str(error.error_code)
    status = int(error.get_http_status_code())
    text = one_line(str(error))
    summary = text if text.startswith(code) or status == 500 else f"{code}: {text}"
    transient = code in TRANSIENT_CODES or status in TRANSIENT_STATUS
    return Fault(transient, summary, status, not_found=status == 404 or code == "RESOURCE_DOES_NOT_EXIST")


class _WorthRetrying(tenacity.retry_base):
    """Retry transient faults always, and a 500 once: the second in a row is the server's last word."""

    def __init__(self) -> None:
        self._previous: Fault | None = None

    def __call__(self, retry_state: tenacity.RetryCallState) -> bool:
        error = retry_state.outcome.exception() if retry_state.outcome else None
        if not isinstance(error, Exception):
            return False
        fault, previous = classify(error), self._previous
        self._previous = fault
        return fault.transient or (fault.retry_once and not (previous and previous.retry_once))


def call_with_retries(
    call: Callable[[], T],
    policy: RetryPolicy,
    *,
    on_failure: Callable[[int, float, Exception], None] | None = None,
    sleep: Callable[[float], None] = time.sleep,
) -> T:
    """Run ``call`` until it succeeds, fails for good, or the policy is used up.

    Args:
        call: The request; must be safe to repeat.
        policy: How often and how long.
        on_failure: Told of each failed attempt: its number, its seconds, its error.
        sleep: Replaced in tests, which never wait.

    Raises:
        Exception: the last attempt's own error.
    """
    attempt = 0

    def counted() -> T:
        nonlocal attempt
        attempt += 1
        started = time.monotonic()
        try:
            return call()
        except Exception as error:
            if on_failure:
                on_failure(attempt, time.monotonic() - started, error)
            raise

    return tenacity.Retrying(
        stop=tenacity.stop_after_attempt(policy.attempts) | tenacity.stop_before_delay(policy.deadline),
        wait=tenacity.wait_exponential_jitter(
            multiplier=_FIRST_WAIT, max=policy.max_wait, jitter=_FIRST_WAIT
        ),
        retry=_WorthRetrying(),
        sleep=sleep,
        reraise=True,
    )(counted)
