"""The single retry policy that everything uses.

MLflow's client itself repeats a failing request up to 7 times: one call to a server that answers 500 takes
246 s (measured, client 3.17.2). The connection switches that off, so that only tenacity decides.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import tenacity

from jenkins_mlflow.registry.faults import Fault, classify

T = TypeVar("T")


_FIRST_WAIT = 0.25


@dataclass(frozen=True)
class RetryPolicy:
    """How often and how long to try.

    At most ``attempts`` tries, with waits of at most ``max_wait`` seconds (longer if the server's Retry-After
    asks for it), all within ``deadline`` seconds.
    """

    attempts: int = 3
    max_wait: float = 10.0
    deadline: float = 60.0


class _WorthRetrying(tenacity.retry_base):
    """Always retry transient faults, and retry a 500 once: a second one in a row counts as final."""

    def __init__(self) -> None:
        self._previous: Fault | None = None

    def __call__(self, retry_state: tenacity.RetryCallState) -> bool:
        error = retry_state.outcome.exception() if retry_state.outcome else None
        if not isinstance(error, Exception):
            return False
        fault, previous = classify(error), self._previous
        self._previous = fault
        return fault.transient or (fault.retry_once and not (previous and previous.retry_once))


class _Wait(tenacity.wait.wait_base):
    """Exponential with jitter, but never shorter than the server's Retry-After."""

    def __init__(self, longest: float) -> None:
        self._own = tenacity.wait_exponential_jitter(multiplier=_FIRST_WAIT, max=longest, jitter=_FIRST_WAIT)

    def __call__(self, retry_state: tenacity.RetryCallState) -> float:
        error = retry_state.outcome.exception() if retry_state.outcome else None
        asked = classify(error).retry_after if error else 0.0
        return max(self._own(retry_state), asked)


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
        on_failure: Called with the number, the seconds and the error of each failed attempt.
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
        wait=_Wait(policy.max_wait),
        retry=_WorthRetrying(),
        sleep=sleep,
        reraise=True,
    )(counted)
