"""The deleted versions that can still be restored: how many, and until when. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from jenkins_mlflow.cleanup.lease import minute
from jenkins_mlflow.config.cleanup import Reclaim
from jenkins_mlflow.registry.journal_entry import Entry
from jenkins_mlflow.results.cleanup import HeldPart
from jenkins_mlflow.text import plural, size


@dataclass(frozen=True)
class HeldBack:
    """Deleted versions that can be restored.

    Attributes:
        versions: How many.
        bytes: The total size of those whose files were measured.
        uncounted: How many were not measured.
        first, last: When the first and the last of them may be reclaimed; None if nothing reclaims them.
    """

    versions: int
    bytes: int
    uncounted: int
    first: float | None
    last: float | None

    @property
    def part(self) -> HeldPart:
        return HeldPart(**vars(self))

    @property
    def description(self) -> str:
        """The end of a sentence; empty if there are none."""
        if not self.versions:
            return ""
        counted = f" ({size(self.bytes)})" if self.uncounted < self.versions else ""
        if counted and self.uncounted:
            counted = f" (those that were measured take {size(self.bytes)})"
        if self.first is None or self.last is None:
            until = "; their files stay"
        elif minute(self.first) == minute(self.last):
            until = f" until {minute(self.last)}"
        else:
            until = f", the first until {minute(self.first)}, the last until {minute(self.last)}"
        return f"; {plural(self.versions, 'deleted version')}{counted} can be restored{until}"


def what_is_held(entries: Sequence[Entry], rules: Reclaim, now: float) -> HeldBack:
    """The open entries of the journal that can be restored.

    Args:
        entries: See ``reclaim_facts.open_entries``.
        rules: The config's ``cleanup.reclaim``.
        now: Seconds since the epoch by the store's clock.
    """
    reclaims = rules.mode != "none"
    held = [
        entry
        for entry in entries
        if not entry.reclaimed and (not reclaims or now < entry.deleted + rules.grace)
    ]
    ends = [entry.deleted + rules.grace for entry in held] if reclaims else []
    return HeldBack(
        len(held),
        sum(entry.bytes or 0 for entry in held),
        sum(entry.bytes is None for entry in held),
        min(ends, default=None),
        max(ends, default=None),
    )
