"""Which failures are retried, how often, and that no test or command waits longer than the policy says."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime

import pytest
import requests
from jenkins_mlflow.registry.faults import classify
from jenkins_mlflow.registry.retries import RetryPolicy, call_with_retries
from mlflow.exceptions import MissingConfigException, MlflowException, RestException
from mlflow.protos.databricks_pb2 import ENDPOINT_NOT_FOUND, PERMISSION_DENIED
from urllib3.exceptions import MaxRetryError, ResponseError


def hidden(status: int) -> MlflowException:
    """A failing HTTP status as client 3.17.2 raises it with its own retries off: the status only in __context__."""
    reason = ResponseError(f"too many {status} error responses")
    pool = "HTTPConnectionPool(host='localhost', port=5000)"
    return from_context(requests.exceptions.RetryError(MaxRetryError(pool, "/api", reason)))  # type: ignore[arg-type]


def from_context(cause: Exception) -> MlflowException:
    try:
        try:
            raise cause
        except type(cause) as error:
            raise MlflowException(f"API request failed with exception {error}")  # noqa: B904
    except MlflowException as error:
        return error


def answered(code: str) -> RestException:
    return RestException({"error_code": code, "message": "words"})


def in_another_form(status: int, body: str, code: int) -> MlflowException:
    """An answer that is not in MLflow's form, as client 3.17.2 raises it: with a code that it guesses."""
    text = (
        f"API request to endpoint /api/2.0/x failed with error code {status} != 200. Response body: '{body}'"
    )
    return MlflowException(text, error_code=code)


def test_a_code_that_mlflows_client_has_guessed_counts_for_nothing() -> None:
    """A page that a gateway does not have is no missing version: a deletion of it would count as done."""
    missing = classify(in_another_form(404, "<html>\n'no' such page</html>", ENDPOINT_NOT_FOUND))
    assert (missing.status, missing.not_found, missing.code) == (404, False, "")
    assert missing.summary == "HTTP 404 from the server (is this address an MLflow server?)"
    refused = classify(in_another_form(403, "Permission denied", PERMISSION_DENIED))
    assert (refused.status, refused.code) == (403, "")
    assert refused.summary == "HTTP 403 from the server: Permission denied"


@pytest.mark.parametrize(
    ("error", "transient", "status"),
    [
        *((hidden(status), True, status) for status in (408, 429, 502, 503, 504)),
        (hidden(500), False, 500),
        (from_context(requests.exceptions.ConnectionError("Connection refused")), True, None),
        (from_context(requests.exceptions.ReadTimeout("timed out")), True, None),
        (from_context(requests.exceptions.SSLError("bad certificate")), False, None),
        (json.JSONDecodeError("no", "<html>", 0), True, None),
        (answered("TEMPORARILY_UNAVAILABLE"), True, 503),
        (answered("RESOURCE_DOES_NOT_EXIST"), False, 404),
        (answered("INVALID_PARAMETER_VALUE"), False, 400),
        (answered("PERMISSION_DENIED"), False, 403),
        (answered("INVALID_STATE"), False, 500),
        (ValueError("anything else"), False, None),
    ],
)
def test_faults_are_told_apart(error: Exception, transient: bool, status: int | None) -> None:
    """Passing trouble is transient, answers that will not change are not."""
    fault = classify(error)
    assert (fault.transient, fault.status) == (transient, status)


def test_a_password_in_an_address_never_reaches_the_summary() -> None:
    """The client's own message quotes the address; ours hides its password."""
    error = from_context(requests.exceptions.ConnectionError("http://me:hunter2@mlflow:5000 reset"))
    assert "hunter2" not in classify(error).summary


class Calls:
    """A call that raises the given errors one after another, then succeeds; and the sleep that is asked for."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.made = 0
        self.slept: list[float] = []

    def __call__(self) -> str:
        self.made += 1
        if self.errors:
            raise self.errors.pop(0)
        return "answer"


@pytest.mark.parametrize(
    ("errors", "made", "succeeds"),
    [
        ([], 1, True),
        ([hidden(503)], 2, True),
        ([hidden(503), hidden(503)], 3, True),
        ([hidden(503)] * 3, 3, False),
        ([hidden(500)], 2, True),
        ([hidden(500), hidden(500)], 2, False),
        ([hidden(500), hidden(503), hidden(500)], 3, False),
        ([answered("INVALID_PARAMETER_VALUE")], 1, False),
    ],
)
def test_retries_by_the_policy(errors: list[Exception], made: int, succeeds: bool) -> None:
    """Transient errors up to 3 attempts, a 500 once more, a permanent error not at all."""
    calls = Calls(*errors)
    failures: list[int] = []
    policy = RetryPolicy(attempts=3)
    if succeeds:
        assert (
            call_with_retries(
                calls, policy, on_failure=lambda n, s, e: failures.append(n), sleep=calls.slept.append
            )
            == "answer"
        )
    else:
        with pytest.raises(Exception, match=r"\w"):
            call_with_retries(
                calls, policy, on_failure=lambda n, s, e: failures.append(n), sleep=calls.slept.append
            )
    assert calls.made == made
    assert failures == list(range(1, len(failures) + 1))
    assert len(failures) == made - succeeds


def test_waits_grow_and_stay_below_the_limit() -> None:
    """Exponential back-off with jitter: each wait at most max_wait."""
    calls = Calls(*[hidden(503)] * 7)
    call_with_retries(calls, RetryPolicy(attempts=8, max_wait=2.0), sleep=calls.slept.append)
    assert len(calls.slept) == 7
    assert all(wait <= 2.0 for wait in calls.slept)
    assert calls.slept[3] > 2 * calls.slept[0]


def test_the_deadline_ends_the_retries() -> None:
    """No attempt starts that would end after the deadline."""
    calls = Calls(*[hidden(503)] * 9)
    with pytest.raises(MlflowException):
        call_with_retries(calls, RetryPolicy(attempts=9, deadline=0.0), sleep=calls.slept.append)
    assert calls.made == 1


GONE = "Cannot read 'meta.yaml'. Parent dir '/srv/mlruns/models/x' does not exist."


def refused(status: int, body: str = "", retry_after: str | None = None) -> Exception:
    """What the client raises when the server's answer came through, see connection.py."""
    response = requests.Response()
    response.status_code = status
    response._content = body.encode()
    if retry_after is not None:
        response.headers["Retry-After"] = retry_after
    return from_context(requests.exceptions.HTTPError(f"HTTP {status}", response=response))


@pytest.mark.parametrize(
    ("error", "transient", "once", "summary"),
    [
        (refused(503), True, False, "HTTP 503 from the server"),
        (
            refused(429, '{"error_code": "REQUEST_LIMIT_EXCEEDED", "message": "slow"}'),
            True,
            False,
            "HTTP 429 from the server: slow",
        ),
        (refused(408), True, False, "HTTP 408 from the server"),
        (refused(500, "<html>"), False, True, "HTTP 500 from the server"),
        (refused(500, "[1]"), False, True, "HTTP 500 from the server"),
        (
            refused(500, '{"error_code": "INTERNAL_ERROR", "message": "x"}'),
            False,
            True,
            "HTTP 500 from the server: x",
        ),
        (refused(500, '{"error_code": "TEMPORARILY_UNAVAILABLE"}'), True, True, "HTTP 500 from the server"),
        (
            refused(500, '{"error_code": "INVALID_STATE", "message": "no"}'),
            False,
            False,
            "HTTP 500 from the server: no",
        ),
        (
            refused(500, json.dumps({"error_code": "INTERNAL_ERROR", "message": GONE})),
            True,
            True,
            f"HTTP 500 from the server: {GONE}",
        ),
        (MissingConfigException(GONE), True, True, GONE),
        (
            Exception("Invalid parent directory '/srv/x'"),
            True,
            False,
            "Exception: Invalid parent directory '/srv/x'",
        ),
        (
            Exception("no Invalid parent directory '/srv/x'"),
            False,
            False,
            "Exception: no Invalid parent directory '/srv/x'",
        ),
    ],
)
def test_answers_that_came_through(error: Exception, transient: bool, once: bool, summary: str) -> None:
    fault = classify(error)
    assert (fault.transient, fault.retry_once, fault.summary) == (transient, once, summary)


def test_an_invalid_state_is_not_asked_for_twice() -> None:
    calls = Calls(refused(500, '{"error_code": "INVALID_STATE"}'))
    with pytest.raises(MlflowException):
        call_with_retries(calls, RetryPolicy(), sleep=calls.slept.append)
    assert calls.made == 1


def test_retry_after_is_obeyed() -> None:
    """In seconds or as a date, longer than max_wait too; nonsense counts as none."""
    soon = format_datetime(datetime.now(timezone.utc) + timedelta(seconds=30), usegmt=True)
    calls = Calls(
        refused(429, retry_after="7"), refused(503, retry_after=soon), refused(429, retry_after="soon")
    )
    call_with_retries(calls, RetryPolicy(attempts=4, max_wait=0.5), sleep=calls.slept.append)
    assert calls.slept[0] == 7
    assert 28 <= calls.slept[1] <= 30
    assert calls.slept[2] <= 0.5


@pytest.mark.parametrize(
    "header", ["Fri, 31 Dec 99999 23:59:59 GMT", "9" * 5000, "-1", "\x00", "1e300", "inf"]
)
def test_retry_after_without_sense_is_no_wait(header: str) -> None:
    """A hostile or broken server does not end the command with a traceback."""
    assert classify(refused(503, retry_after=header)).retry_after == 0.0


def test_retry_after_beyond_the_deadline_is_not_waited_for() -> None:
    calls = Calls(refused(429, retry_after="3600"))
    with pytest.raises(MlflowException):
        call_with_retries(calls, RetryPolicy(deadline=60), sleep=calls.slept.append)
    assert (calls.made, calls.slept) == (1, [])
