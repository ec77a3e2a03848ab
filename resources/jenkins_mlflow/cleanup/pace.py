"""How fast versions or files are deleted: how many at once, and at most how many a second."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from jenkins_mlflow.parallel import WORKERS


@dataclass(frozen=True)
class Pace:
    """The pace of deletions.

    Attributes:
        workers: Deletions at once.
        rate: The most deletions that begin in a second; None for no limit.
    """

    workers: int = WORKERS
    rate: float | None = None

    def batch(self, most: int) -> int:
        """How many deletions go under one lock: at most ten minutes of them, so that no reading is old."""
        return most if self.rate is None else min(most, max(1, int(self.rate * 600)))

    def limiter(self, clock: Callable[[], float] = time.monotonic) -> Callable[[], float]:
        """A function that returns the seconds a deletion has to wait for its turn; threads can share it.

        Args:
            clock: Replaced in tests.
        """
        rate = self.rate
        if rate is None:
            return lambda: 0.0
        turn, lock = clock(), threading.Lock()

        def delay() -> float:
            nonlocal turn
            with lock:
                now = clock()
                mine = max(turn, now)
                turn = mine + 1 / rate
            return mine - now

        return delay
