"""Files that a reclaim decides about together, what becomes of them and why; and the result of all. Plain values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from jenkins_mlflow.errors import Interrupted, JenkinsMlflowError
from jenkins_mlflow.registry.journal_entry import Entry
from jenkins_mlflow.registry.locations import Location

PieceOutcome = Literal["", "reclaimed", "kept: changed meanwhile", "kept: in use", "failed", "not reached"]


@dataclass(frozen=True)
class Piece:
    """Files that go together, what the plan does with them and why, and what came of it.

    Attributes:
        locations: Where they lie; none where that cannot be told.
        entries: The deleted versions that they belong to.
        action: ``reclaim``; ``wait`` while they can be restored; ``keep`` what is referred to; ``leave`` what cannot be
            told or must not be touched.
        reason: Why.
        run_id: The run that goes with them; empty if none does.
        orphan: The run whose files they are, where no deleted version is the reason.
        until: To when the versions can be restored, in seconds since the epoch; 0 where that is not the reason.
        bytes, files: How much there is; None where it was not counted.
        outcome, error: What came of it.
        freed: The bytes that went.
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
        """Tells it from other pieces."""
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
