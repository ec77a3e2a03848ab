"""Deletes versions under one lock, each of them read again right before."""

from __future__ import annotations

from dataclasses import replace

from jenkins_mlflow.cleanup.fresh_reads import Looks
from jenkins_mlflow.cleanup.plan import Item
from jenkins_mlflow.cleanup.promotions import as_it_is, read_promotions
from jenkins_mlflow.cleanup.protection import Protection, recorded_champions, unfinished
from jenkins_mlflow.errors import NotFound
from jenkins_mlflow.registry.client import Registry
from jenkins_mlflow.registry.version import Version
from jenkins_mlflow.tags import KEEP_TAG


class Deletion:
    """Deletes single versions of a registry under one lock; can be shared by threads.

    Args:
        registry: The registry that has them.
        protection: Decides what keeps a version.
        looks: Recent readings of the versions.

    Raises (when made): as reading the registry raises.
    """

    def __init__(self, registry: Registry, protection: Protection, looks: Looks) -> None:
        self._registry = registry
        self._protection = protection
        self._looks = looks
        found = read_promotions(registry)
        self._naming = protection.rollback_targets(found.recorded)
        self._recorded = recorded_champions(found.recorded)
        self._kept = registry.models_with_tag(KEEP_TAG)
        self._unfinished = unfinished(found.intents, found.unsigned)

    def delete(self, item: Item) -> Item:
        """Delete one version if nothing prevents it now; each retry reads the version again."""
        registry, planned = self._registry, item.version
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
            # NotFound after a request was sent: the answer may have been lost.
            return replace(item, outcome="deleted" if sent else "already gone")
        return replace(item, outcome="kept: changed since the plan" if reason else "deleted", error=reason)

    def _against(self, planned: Version, live: Version) -> str:
        """What now prevents the deletion of a planned version; empty if nothing does."""
        if (live.created, live.run_id) != (planned.created, planned.run_id):
            return "it was deleted and created again under the same number"
        named = (as_it_is(self._registry, version) for version in self._naming.of(live))
        reason = self._protection.reason(live, named, self._unfinished, self._recorded, self._kept)
        changed = (live.stage, live.aliases, live.tags) != (planned.stage, planned.aliases, planned.tags)
        return reason or ("its stage, aliases or tags changed" if changed else "")
