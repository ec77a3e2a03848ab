"""How fast deletions follow each other: how many at once, and how many a second at most."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from jenkins_mlflow.parallel import WORKERS


@dataclass(frozen=True)
class Pace:
    """How fast versions or files are deleted.

    Attributes:
        workers: Deletions at once.
        rate: Most deletions that begin in a second; None for no limit.
    """

    workers: int = WORKERS
    rate: float | None = None

    def batch(self, most: int) -> int:
        """How many deletions go under one lock: no more than begin in ten minutes, so that what was seen is not old."""
        return most if self.rate is None else min(most, max(1, int(self.rate * 600)))

    def limiter(self, clock: Callable[[], float] = time.monotonic) -> Callable[[], float]:
        """A function that gives a deletion its turn: the seconds until it may begin; threads may share it.

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
