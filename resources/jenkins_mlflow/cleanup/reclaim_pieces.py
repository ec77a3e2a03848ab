"""The pieces that a reclaim decides about, with their outcomes, and its result. Plain values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from jenkins_mlflow.errors import Interrupted, JenkinsMlflowError
from jenkins_mlflow.registry.journal_entry import Entry
from jenkins_mlflow.registry.locations import Location

PieceOutcome = Literal[
    "", "reclaimed", "kept: changed since the plan", "kept: in use", "failed", "not reached"
]


@dataclass(frozen=True)
class Piece:
    """Files that are deleted together, with their fate in the plan, its reason, and the outcome.

    Attributes:
        locations: Where they are; empty if that is unknown.
        entries: The deleted versions that they belong to.
        action: ``reclaim``; ``wait`` while they can be restored; ``keep`` if something refers to them;
            ``leave`` if they are unknown or must not be touched.
        reason: Why.
        run_id: The run that is deleted with them; empty if none is.
        orphan: The run whose files they are, if no deleted version is the reason.
        until: Until when the versions can be restored, in seconds since the epoch; 0 if that is not the
            reason.
        bytes, files: How much there is; None if it was not measured.
        outcome, error: What happened to it.
        freed: The bytes that were freed.
    """

    locations: tuple[Location, ...]
    entries: tuple[Entry, ...]
    action: Literal["reclaim", "wait", "keep", "leave"]
    reason: str
    run_id: str = ""
    orphan: str = ""
    until: float = 0.0
    bytes: int | None = None
    files: int | None = None
    outcome: PieceOutcome = ""
    error: str = ""
    freed: int = 0

    @property
    def key(self) -> tuple[object, ...]:
        """Unique key of this piece."""
        return (self.locations, self.run_id, self.orphan, tuple(e.version.identity for e in self.entries))

    @property
    def models(self) -> list[str]:
        return sorted({entry.version.model for entry in self.entries})

    @property
    def runs(self) -> list[str]:
        """The runs that these files come from."""
        named = {self.run_id, self.orphan, *(entry.version.run_id for entry in self.entries)}
        return sorted(run_id for run_id in named if run_id)


@dataclass(frozen=True)
class Freed:
    """The pieces with outcomes. ``stopped`` names the error that ended the work early."""

    pieces: tuple[Piece, ...]
    stopped: JenkinsMlflowError | Interrupted | None = None

    @property
    def freed(self) -> int:
        return sum(piece.freed for piece in self.pieces)
