"""The outcome of a promotion."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

from jenkins_mlflow.promotion.changes import Table
from jenkins_mlflow.promotion.plan import Plan
from jenkins_mlflow.registry.version import Version
from jenkins_mlflow.registry.writer import Attempt

Status = Literal["promoted", "already", "partial", "manual", "overtaken"]


@dataclass(frozen=True)
class Outcome:
    """The outcome of a promotion.

    Attributes:
        status: ``overtaken`` means that somebody else changed production during the promotion.
        message: The outcome in words.
        method: The method that set the stage, or the alias alone; None if nothing was promoted.
        attempts: Each try of each method.
        production: The versions in production now.
        table: The planned changes, with the number of the copy if there is one.
        missing: In words, what a person still has to do.
        warnings: Anything else worth knowing.
        lock_seconds: How long the lock was held.
        at: The time in the promotion record.
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
    at: str = ""

    @property
    def by_hand(self) -> bool:
        """Whether a person has to finish the promotion."""
        return self.status in ("partial", "manual")


class Keeper(Protocol):
    """Records how a promotion ended before its intent is removed, so that a kill cannot lose the record."""

    def done(self, outcome: Outcome) -> None:
        """Production was changed."""

    def undone(self) -> None:
        """Production was changed back: what was recorded no longer counts."""


class _NoKeeper:
    def done(self, outcome: Outcome) -> None: ...

    def undone(self) -> None: ...


NO_KEEPER: Keeper = _NoKeeper()


def already(plan: Plan) -> Outcome:
    """The outcome when there is nothing to do."""
    message = f"{plan.candidate.label} is in production already; nothing was written"
    where = Version(plan.table.model, plan.table.number) if plan.copies else plan.candidate
    return Outcome("already", message, None, (), (where,), plan.table)
