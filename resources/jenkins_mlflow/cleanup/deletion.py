"""Deleting versions under one lock, each looked at right before."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeVar

from jenkins_mlflow.cleanup.looks import Looks
from jenkins_mlflow.cleanup.plan import Item
from jenkins_mlflow.cleanup.protection import (
    INTENT_TAGS,
    RECORD_TAGS,
    Protection,
    recorded_champions,
    unfinished,
)
from jenkins_mlflow.errors import NotFound
from jenkins_mlflow.parallel import side_by_side
from jenkins_mlflow.registry.client import Registry
from jenkins_mlflow.registry.snapshot import NO_STAGE, Version

T = TypeVar("T")


class Deletion:
    """Deletes single versions of a registry under one lock; threads may share it.

    Args:
        registry: Where they are.
        protection: What keeps a version.
        pace: Called before each deletion.
        looks: Shows versions as they were a moment ago.

    Raises (when made): what reading the registry raises.
    """

    def __init__(
        self, registry: Registry, protection: Protection, pace: Callable[[], None], looks: Looks
    ) -> None:
        self._registry = registry
        self._protection = protection
        self._pace = pace
        self._looks = looks
        records = [functools.partial(registry.versions_with_tag, key) for key in RECORD_TAGS]
        intents = [functools.partial(registry.models_with_tag, key) for key in INTENT_TAGS]
        # Side by side: each goes through the whole registry.
        recorded, found = _answers(records), _answers(intents)
        told = list(itertools.chain.from_iterable(recorded))
        self._naming = protection.rollback_targets(told)
        self._recorded = recorded_champions(told)
        models = {name: tags for one in found for name, tags in one.items()}
        unsigned = {name for name, tags in models.items() if not registry.counts_intent(name, tags)}
        self._unfinished = unfinished(models, unsigned)

    def delete(self, item: Item) -> Item:
        """Delete one version if nothing speaks against it now; each further try reads it again."""
        registry, planned = self._registry, item.version
        self._pace()
        sent, seen = False, self._looks.at(planned.model, planned.number)

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
        named = (self._live(version) for version in self._naming.of(live))
        reason = self._protection.reason(live, named, self._unfinished, self._recorded)
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
