"""Leases: who runs a version, and until when it must not be deleted. Each is a tag of the version. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone

from jenkins_mlflow.tags import LEASE_TAG
from jenkins_mlflow.times import shown


@dataclass(frozen=True)
class Lease:
    """One holder's claim on a version.

    Attributes:
        holder: Who runs the version.
        end: Seconds since the epoch; None if the tag cannot be read: such a lease never ends.
    """

    holder: str
    end: float | None

    def runs(self, now: float) -> bool:
        return self.end is None or now < self.end

    @property
    def description(self) -> str:
        until = "forever: its end cannot be read" if self.end is None else f"until {minute(self.end)}"
        return f"lease {self.holder} {until}"


def leases(tags: Mapping[str, str]) -> list[Lease]:
    """Every lease of a version, including expired ones, sorted by holder."""
    return [
        Lease(key.removeprefix(LEASE_TAG), _end(value))
        for key, value in sorted(tags.items())
        if key.startswith(LEASE_TAG)
    ]


def lease_tag(holder: str, end: float) -> tuple[str, str]:
    """The key and value of the tag which says that a holder runs the version until ``end``."""
    moment = datetime.fromtimestamp(end, timezone.utc)
    return LEASE_TAG + holder, moment.isoformat(timespec="seconds")


def _end(value: str) -> float | None:
    try:
        moment = datetime.fromisoformat(value)
        return moment.astimezone(timezone.utc).timestamp() if moment.tzinfo else None
    except (ValueError, OverflowError):  # OverflowError: before year 1 or after year 9999
        return None


def minute(moment: float) -> str:
    """A time for people, or "an unknown time": anyone who can write the journal's run sets its start."""
    return shown(moment * 1000, "%Y-%m-%d %H:%M UTC")
