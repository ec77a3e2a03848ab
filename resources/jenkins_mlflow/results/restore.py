"""The result of `restore`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

from jenkins_mlflow import errors
from jenkins_mlflow.results.base import Meaning, Part, RegistryResult, Table, day


@dataclass(frozen=True, kw_only=True)
class RestoredPart(Part):
    """A deleted version, and the outcome of restoring it."""

    model: str
    version: int
    """The number that the version had."""
    outcome: Literal[
        "to restore", "restored", "restored already", "still there", "cannot come back", "failed"
    ]
    number: int | None
    """The number that it has now; null if it is not registered."""
    note: str
    """What was not restored with it, or why it failed."""
    deleted: float
    """When it was deleted, in seconds since 1970."""
    build: str
    """The address of the build that deleted it; may be empty."""


@dataclass(frozen=True, kw_only=True)
class RestoreResult(RegistryResult):
    """The result of `restore`."""

    statuses: ClassVar[Mapping[str, Meaning]] = {
        "restored": Meaning((errors.DONE,), "every requested version is restored", None),
        "planned": Meaning((errors.DONE,), "dry run; nothing was changed", None),
        "failed": Meaning(
            (errors.FAILED,), "at least one version could not be registered, or none can be restored", None
        ),
    }
    in_table: ClassVar[bool] = True

    command: Literal["restore"] = "restore"
    status: Literal["restored", "planned", "failed"]
    items: tuple[RestoredPart, ...]
    """The outcome for each deleted version."""

    def table(self) -> Table:
        return Table(
            ("model", "version", "deleted", "outcome", "now", "note", "build"),
            [
                (i.model, i.version, day(int(i.deleted * 1000)), i.outcome, i.number, i.note, i.build)
                for i in self.items
            ],
        )
