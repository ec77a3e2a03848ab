"""The result of `reclaim`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

from jenkins_mlflow import errors
from jenkins_mlflow.results.base import Meaning, Part, Place, RegistryResult, Table
from jenkins_mlflow.text import printable, size

_WORDS = {
    "reclaim": "🗑️  free",
    "wait": "held",
    "keep": "keep",
    "leave": "LEFT",
    "reclaimed": "🗑️  freed",
    "kept: changed since the plan": "kept",
    "kept: in use": "kept",
    "failed": "FAILED",
    "not reached": "not reached",
}


@dataclass(frozen=True, kw_only=True)
class PiecePart(Part):
    """Files that are deleted or kept together, the reason, and the outcome."""

    versions: tuple[Place, ...]
    """The deleted versions that the files belong to; none for orphans."""
    locations: tuple[str, ...]
    """Where the files are; empty if that is not known."""
    run: str
    """The run that is deleted with them, or whose files they are; may be empty."""
    action: Literal["reclaim", "wait", "keep", "leave"]
    """`wait` while they can be restored, `keep` if something refers to the files, `leave` if that is uncertain."""
    reason: str
    until: float | None
    """Until when the versions can be restored, in seconds since 1970; null if that is not the reason."""
    bytes: int | None
    """The size of the files in bytes; null if it was not measured."""
    files: int | None
    outcome: Literal["", "reclaimed", "kept: changed since the plan", "kept: in use", "failed", "not reached"]
    error: str
    freed: int
    """How many bytes were freed."""

    @property
    def whose(self) -> str:
        return ", ".join(f"{each.model} v{each.version}" for each in self.versions) or f"run {self.run}"

    @property
    def lines(self) -> list[str]:
        """Its lines in the text output."""
        takes = [] if self.bytes is None else [size(self.bytes)]
        details = "  ".join([self.whose, *takes, self.error or self.reason])
        lines = [f"{_WORDS[self.outcome or self.action]:<12} {printable(details)}"]
        if self.action == "reclaim":
            lines += [printable(f"                {place}") for place in self.locations]
        return lines


@dataclass(frozen=True, kw_only=True)
class ReclaimResult(RegistryResult):
    """The result of `reclaim`; [Freeing disk space](retention.md#freeing-disk-space) explains it."""

    statuses: ClassVar[Mapping[str, Meaning]] = {
        "reclaimed": Meaning((errors.DONE, errors.PARTLY), "files were deleted", None),
        "planned": Meaning((errors.DONE,), "dry run; nothing was changed", None),
        "nothing": Meaning(
            (errors.DONE, errors.BUSY, errors.PARTLY),
            "nothing was freed: there is nothing to free, the answer was no, other commands hold the lock (5), "
            "or deleting failed (6)",
            None,
        ),
        "stopped": Meaning(
            (errors.PARTLY, errors.FAILED, 130, 143),
            "an error or a signal ended it early; `error` says which",
            None,
        ),
    }
    command: Literal["reclaim"] = "reclaim"
    status: Literal["reclaimed", "planned", "nothing", "stopped"]
    mode: Literal["artifacts", "runs"]
    """Whether the runs are deleted, too."""
    grace: float
    """How long a deleted version can be restored, in seconds."""
    bytes: int
    """How many bytes the plan would free."""
    freed: int
    """How many bytes were freed."""
    items: tuple[PiecePart, ...]
    """All files that the plan decided about."""

    @property
    def next_step(self) -> str:
        return "run it without --dry-run" if self.status == "planned" else ""

    def table(self) -> Table:
        return Table(
            ("files of", "where", "action", "reason", "bytes", "freed", "outcome"),
            [
                (
                    item.whose,
                    " ".join(item.locations),
                    item.action,
                    item.reason,
                    item.bytes,
                    item.freed,
                    ": ".join(part for part in (item.outcome, item.error) if part),
                )
                for item in self.items
            ],
        )

    def lines(self) -> list[str]:
        """What is deleted or kept, its locations, and the reason."""
        return [line for item in self.items for line in item.lines]
