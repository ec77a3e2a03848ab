"""The result of `lease`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

from jenkins_mlflow import errors
from jenkins_mlflow.results.base import Meaning, Part, RegistryResult, Table


@dataclass(frozen=True, kw_only=True)
class LeasePart(Part):
    """Who runs a version, and until when."""

    model: str
    version: int
    holder: str
    until: str | None
    """When the lease ends, in UTC; null if it has no end."""
    runs: bool
    """Whether the lease is still running."""


@dataclass(frozen=True, kw_only=True)
class LeaseResult(RegistryResult):
    """The result of `lease`."""

    statuses: ClassVar[Mapping[str, Meaning]] = {
        "leased": Meaning((errors.DONE,), "the lease has begun or is renewed", None),
        "released": Meaning((errors.DONE,), "the lease has ended, or there was none", None),
        "listed": Meaning((errors.DONE,), "`leases` has every lease of the group", None),
    }
    in_table: ClassVar[bool] = True

    command: Literal["lease"] = "lease"
    status: Literal["leased", "released", "listed"]
    leases: tuple[LeasePart, ...] = ()
    """The leases."""

    def table(self) -> Table:
        return Table(
            ("model", "version", "holder", "until", "state"),
            [
                (e.model, e.version, e.holder, e.until or "forever", "runs" if e.runs else "ended")
                for e in self.leases
            ],
        )
