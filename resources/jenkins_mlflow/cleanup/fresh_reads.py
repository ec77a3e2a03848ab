"""Looks at versions that are about to be deleted: several together, and none older than a moment.

As many versions as are deleted while a look lasts are read in its two requests, side by side. One deletion takes the
next look when the present one is half as old as it may get; the others go on with the present one.
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
from jenkins_mlflow.registry.snapshot import Version

FEW = 2
"""So many versions of a model are read one by one in as many requests as together."""
TOGETHER = 32
"""So many at most: more than a server deletes while a look lasts."""
LASTS = 0.25
"""Seconds from the beginning of a look to when nothing is deleted by it any more.

Nobody can see what a person promotes in that time, so it is short; a server that is slower gets a look for each.
"""


@dataclass(frozen=True)
class Seen:
    """Versions of a model that were looked at together, by their numbers, and when that began by a steady clock."""

    began: float
    versions: Mapping[int, Version | None]


NEVER = Seen(float("-inf"), {})


class Looks:
    """Looks at the versions of one batch; threads may share it.

    Args:
        registry: Where they are.
        batch: Model and number of each, in the order in which they are deleted.
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
        """A version as it was less than ``LASTS`` ago; None where it has to be read alone.

        Raises:
            ConnectionFailed: the registry does not answer.
        """
        looking = self._looking[model]
        if self._needs_look(model, number, LASTS):
            with looking:
                if self._needs_look(model, number, LASTS):  # nobody else took it while this one waited
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
        """Look at this version and at those that are deleted after it."""
        numbers = self._numbers[model]
        place = numbers.index(number)
        asked = numbers[place : place + TOGETHER]
        began, found = self._clock(), list[Version]()
        if len(asked) > FEW:
            with contextlib.suppress(RegistryError):  # then each is read alone
                found = self._registry.versions_between(model, min(asked), max(asked))
        self._seen[model] = Seen(
            began, {**dict.fromkeys(asked), **{version.number: version for version in found}}
        )
