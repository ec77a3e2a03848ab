"""Reads versions in batches shortly before they are deleted, so that no reading is stale.

A batch is as many versions as can be deleted while its reading is fresh; its two requests are sent side by
side. When a reading is half as old as it may get, one deletion starts the next; the others go on using the
current one.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from jenkins_mlflow.cleanup.protection import Key
from jenkins_mlflow.errors import RegistryError
from jenkins_mlflow.registry.client import Registry
from jenkins_mlflow.registry.version import Version

FEW = 2
"""Up to so many versions of a model take as few requests when they are read one by one."""
TOGETHER = 32
"""The most versions in one reading: more than a server deletes while the reading is fresh."""
LASTS = 0.25
"""Seconds from the start of a reading until no version is deleted by it any more.

A promotion in that time would go unseen, so it is short; on a slower server each version is read separately.
"""


@dataclass(frozen=True)
class Seen:
    """Versions of a model that were read together, by number, and the start on a monotonic clock."""

    began: float
    versions: Mapping[int, Version | None]


NEVER = Seen(float("-inf"), {})


class Looks:
    """Readings of the versions of one batch; can be shared by threads.

    Args:
        registry: The registry that has them.
        batch: Model and number of each version, in the order of deletion.
        clock: Replaced in tests.
    """

    def __init__(
        self, registry: Registry, batch: Sequence[Key], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._registry = registry
        self._clock = clock
        self._numbers: dict[str, list[int]] = defaultdict(list)
        for model, number in batch:
            self._numbers[model].append(number)
        self._seen = dict.fromkeys(self._numbers, NEVER)
        self._looking = {model: threading.Lock() for model in self._numbers}

    def at(self, model: str, number: int) -> Version | None:
        """A version as it was less than ``LASTS`` ago; None if it has to be read separately.

        Raises:
            ConnectionFailed: The registry does not answer.
        """
        looking = self._looking[model]
        if self._needs_look(model, number, LASTS):
            with looking:
                # no other thread has read it while this one waited
                if self._needs_look(model, number, LASTS):
                    self._look(model, number)
        elif self._needs_look(model, number, LASTS / 2) and looking.acquire(blocking=False):
            try:
                self._look(model, number)
            finally:
                looking.release()
        return self._seen[model].versions.get(number)

    def _needs_look(self, model: str, number: int, lasts: float) -> bool:
        seen = self._seen[model]
        return number not in seen.versions or self._clock() - seen.began >= lasts

    def _look(self, model: str, number: int) -> None:
        """Read this version and those that are deleted after it."""
        numbers = self._numbers[model]
        place = numbers.index(number)
        asked = numbers[place : place + TOGETHER]
        began, found = self._clock(), list[Version]()
        if len(asked) > FEW:
            with contextlib.suppress(RegistryError):  # then each is read separately
                found = self._registry.versions_between(model, min(asked), max(asked))
        self._seen[model] = Seen(
            began, {**dict.fromkeys(asked), **{version.number: version for version in found}}
        )
