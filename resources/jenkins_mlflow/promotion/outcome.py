"""What a promotion came to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

from jenkins_mlflow.promotion.changes import Table
from jenkins_mlflow.promotion.plan import Plan
from jenkins_mlflow.registry.snapshot import Version
from jenkins_mlflow.registry.writer import Attempt

Status = Literal["promoted", "already", "partial", "manual", "overtaken"]


@dataclass(frozen=True)
class Outcome:
    """What a promotion came to.

    Attributes:
        status: ``overtaken``: someone else changed what is in production while it worked.
        message: The same for people.
        method: What set the stage, or the alias alone; None if nothing was promoted.
        attempts: Each try of each method.
        production: What is in production now.
        table: What was to be changed; a copy has its number there.
        missing: In words, what a person still has to do.
        warnings: What else should be known.
        lock_seconds: For how many seconds the lock was held.
    """

    status: Status
    message: str
    method: str | None
    attempts: tuple[Attempt, ...]
    production: tuple[Version, ...]
    table: Table
    missing: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    lock_seconds: float = 0.0

    @property
    def by_hand(self) -> bool:
        """Whether a person has to go on."""
        return self.status in ("partial", "manual")


class Keeper(Protocol):
    """Records how a promotion ended while its intent is still there, so that a kill cannot lose it."""

    def done(self, outcome: Outcome) -> None:
        """Production was changed."""

    def undone(self) -> None:
        """Production was changed back: what was recorded does not count any more."""


class _NoKeeper:
    def done(self, outcome: Outcome) -> None: ...

    def undone(self) -> None: ...


NO_KEEPER: Keeper = _NoKeeper()


def already(plan: Plan) -> Outcome:
    """The outcome where nothing is to do."""
    message = f"{plan.candidate.label} is in production already; nothing was written"
    where = Version(plan.table.model, plan.table.number) if plan.copies else plan.candidate
    return Outcome("already", message, None, (), (where,), plan.table)
