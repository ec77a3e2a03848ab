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

    def limiter(
        self,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> Callable[[], None]:
        """A function that waits until the next deletion may begin; threads may share it.

        Args:
            clock, sleep: Replaced in tests.
        """
        rate = self.rate
        if rate is None:
            return lambda: None
        turn, lock = clock(), threading.Lock()

        def wait() -> None:
            nonlocal turn
            with lock:
                mine = max(turn, clock())
                turn = mine + 1 / rate
            sleep(max(mine - clock(), 0))

        return wait
