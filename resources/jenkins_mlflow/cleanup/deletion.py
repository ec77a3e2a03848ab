"""Deleting versions under one lock, each looked at right before.

As many as are deleted side by side are looked at together. So a look is a request or two old when it is acted on, as it
is where a single version is looked at; one that is older is taken again.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from jenkins_mlflow.cleanup.plan import Item
from jenkins_mlflow.cleanup.protection import INTENT_TAGS, RECORD_TAGS, Key, Protection, unfinished
from jenkins_mlflow.errors import NotFound, RegistryError
from jenkins_mlflow.parallel import side_by_side
from jenkins_mlflow.registry.client import Registry
from jenkins_mlflow.registry.snapshot import NO_STAGE, Version

FEW = 2
"""So many versions of a model are read one by one in as many requests as together."""
LOOK_LASTS = 0.25
"""Seconds from the beginning of a look at several versions to when each is read again instead.

Nobody can see what a person promotes in that time, so it is short; a server that is slower gets a look for each.
"""

T = TypeVar("T")


@dataclass(frozen=True)
class Seen:
    """Versions that were looked at together, and when that began, by a steady clock."""

    began: float
    versions: Mapping[Key, Version]


class Deletion:
    """Deletes single versions of a registry under one lock.

    Raises (when made): what reading the registry raises.
    """

    def __init__(
        self,
        registry: Registry,
        protection: Protection,
        pace: Callable[[], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._registry = registry
        self._protection = protection
        self._pace = pace
        self._clock = clock
        records = [functools.partial(registry.versions_with_tag, key) for key in RECORD_TAGS]
        intents = [functools.partial(registry.models_with_tag, key) for key in INTENT_TAGS]
        # Side by side: each goes through the whole registry.
        recorded, found = _answers(records), _answers(intents)
        self._naming = protection.rollback_targets(list(itertools.chain.from_iterable(recorded)))
        models = {name: tags for one in found for name, tags in one.items()}
        unsigned = {name for name, tags in models.items() if not registry.counts_intent(name, tags)}
        self._unfinished = unfinished(models, unsigned)

    def look(self, wave: Sequence[Item]) -> Seen:
        """Those of a wave that can be read together, which takes 2 requests a model. The others look for themselves."""
        numbers: dict[str, list[int]] = defaultdict(list)
        for item in wave:
            numbers[item.version.model].append(item.version.number)
        began, seen = self._clock(), dict[Key, Version]()
        for model, own in numbers.items():
            if len(own) > FEW:
                with contextlib.suppress(RegistryError):  # then each looks for itself
                    for version in self._registry.versions_between(model, min(own), max(own)):
                        seen[version.model, version.number] = version
        return Seen(began, seen)

    def delete(self, item: Item, looked: Seen) -> Item:
        """Delete one version if nothing speaks against it now; each try looks again."""
        registry, planned = self._registry, item.version
        self._pace()

        sent = False
        seen = (
            looked.versions.get((planned.model, planned.number))
            if self._clock() - looked.began < LOOK_LASTS
            else None
        )

        def attempt() -> str:
            nonlocal sent, seen
            live, seen = seen or registry.version(planned.model, planned.number), None
            reason = self._against(planned, live)
            if not reason:
                sent = True
                registry.delete_version(planned.model, planned.number)
            return reason

        try:
            reason = registry.retrying(f"deleting {planned.label}", attempt)
        except NotFound:
            return replace(
                item, outcome="deleted" if sent else "already gone"
            )  # an answer may have been lost
        return replace(item, outcome="kept: changed meanwhile" if reason else "deleted", error=reason)

    def _against(self, planned: Version, live: Version) -> str:
        """What speaks against deleting a planned version, as the registry is now; empty if nothing does."""
        if (live.created, live.run_id) != (planned.created, planned.run_id):
            return "it was deleted and made again under the same number"
        naming = self._naming.get((planned.model, planned.number), ())
        reason = self._protection.reason(live, (self._live(version) for version in naming), self._unfinished)
        changed = (live.stage, live.aliases, live.tags) != (planned.stage, planned.aliases, planned.tags)
        return reason or ("its stage, aliases or tags changed" if changed else "")

    def _live(self, version: Version) -> Version:
        """A version as it is now; one that is gone keeps nothing."""
        try:
            return self._registry.version(version.model, version.number)
        except NotFound:
            return replace(version, stage=NO_STAGE, aliases=())


def _answers(calls: Sequence[Callable[[], T]]) -> list[T]:
    return side_by_side(lambda call: call(), calls)
