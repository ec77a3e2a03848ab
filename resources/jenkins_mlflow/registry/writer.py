"""Makes repeatable writes to the registry: each is guarded by the lock, retried, recorded and shown."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from jenkins_mlflow.errors import Interrupted, LockLost
from jenkins_mlflow.registry.faults import classify, may_take_effect
from jenkins_mlflow.registry.retries import RetryPolicy, call_with_retries


@dataclass(frozen=True)
class Attempt:
    """One try of one method, for display and reports; ``seconds`` is how long it took."""

    method: str
    attempt: int
    outcome: Literal["done", "failed", "skipped", "undone", "not undone", "not verified"]
    seconds: float = 0.0
    error: str = ""


class Writer:
    """Writes under one retry policy and records every attempt.

    Args:
        retry: The retry policy for each write.
        show: Called with every attempt as it happens.
        sleep: Replaced in tests.
    """

    def __init__(
        self,
        retry: RetryPolicy | None = None,
        *,
        show: Callable[[Attempt], None] = lambda attempt: None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.retry = retry or RetryPolicy()
        self._show = show
        self._sleep = sleep
        self.attempts: list[Attempt] = []
        self._one_at_a_time = threading.Lock()  # writes may be made in parallel
        self.open_ended = False
        """Whether a write got no answer, so that it may take effect after everything else has ended."""

    def record(self, attempt: Attempt) -> None:
        with self._one_at_a_time:
            self.attempts.append(attempt)
            self._show(attempt)

    def run(
        self, call: Callable[[], None], on_failure: Callable[[int, float, Exception], None] | None = None
    ) -> None:
        """Make one write; raises the last try's own error, or LockLost."""

        def sent() -> None:
            try:
                call()
            except (Interrupted, Exception) as error:
                if may_take_effect(error):
                    self.open_ended = True
                raise

        call_with_retries(sent, self.retry, on_failure=on_failure, sleep=self._sleep)

    def write(
        self, label: str, call: Callable[[], None], took_effect: Callable[[], bool] = lambda: False
    ) -> bool:
        """Make one write under a label. In the end, the registry's state counts.

        Args:
            label: The name of the write in the record.
            call: The write.
            took_effect: Called before a failed write is retried; reads back whether it took effect after all.

        Returns:
            Whether the write was accepted.

        Raises:
            LockLost: this process must not write any more.
        """
        count, started, note = 0, time.monotonic(), ""

        def once() -> None:
            nonlocal note
            if count and took_effect():
                note = "had taken effect although its answer was lost"
            else:
                call()

        def failed(attempt: int, seconds: float, error: Exception) -> None:
            nonlocal count, started
            count, started = attempt, time.monotonic()
            self.record(Attempt(label, attempt, "failed", round(seconds, 3), classify(error).summary))

        try:
            self.run(once, failed)
        except LockLost:
            raise
        except Exception:  # noqa: BLE001  recorded above; the registry's state decides
            return False
        self.record(Attempt(label, count + 1, "done", round(time.monotonic() - started, 3), note))
        return True

    def undo(self, label: str, call: Callable[[], None], note: str) -> str:
        """Make one write that undoes something, recorded with ``note``. Return why it failed; empty if it worked.

        Raises:
            LockLost: this process must not write any more.
        """
        started = time.monotonic()
        try:
            self.run(call)
        except LockLost:
            raise
        except Exception as error:  # noqa: BLE001  the caller tries another way
            return classify(error).summary
        self.record(Attempt(label, 0, "undone", round(time.monotonic() - started, 3), note))
        return ""
