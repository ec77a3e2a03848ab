"""What a promotion came to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

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
    """

    status: Status
    message: str
    method: str | None
    attempts: tuple[Attempt, ...]
    production: tuple[Version, ...]
    table: Table
    missing: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    def document(self, plan: Plan) -> dict[str, Any]:
        """The outcome as the JSON document's own part."""
        return {
            "status": self.status,
            "message": self.message,
            "model": plan.candidate.model,
            "version": plan.candidate.number,
            "method": self.method,
            "previous": plan.replaces.place if plan.replaces else None,
            "attempts": [vars(attempt) for attempt in self.attempts],
            "production": [version.place for version in self.production],
            "missing": list(self.missing),
            "warnings": list(self.warnings),
        }


def already(plan: Plan) -> Outcome:
    """The outcome where nothing is to do."""
    message = f"{plan.candidate.label} is in production already; nothing was written"
    where = Version(plan.table.model, plan.table.number) if plan.copies else plan.candidate
    return Outcome("already", message, None, (), (where,), plan.table)
