"""The result of `jobs apply`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

from jenkins_mlflow import errors
from jenkins_mlflow.errors import JenkinsMlflowError
from jenkins_mlflow.jenkins_jobs.plan import Plan
from jenkins_mlflow.results.base import Meaning, Part, Result, Table, error_part


@dataclass(frozen=True, kw_only=True)
class JobPart(Part):
    """A folder or a job, its planned change, and the outcome."""

    job: str
    kind: str
    action: str
    outcome: str
    diff: str


@dataclass(frozen=True, kw_only=True)
class ApplyResult(Result):
    """The result of `jobs apply`."""

    statuses: ClassVar[Mapping[str, Meaning]] = {
        "applied": Meaning((errors.DONE,), "every change was made", None),
        "planned": Meaning((errors.DONE,), "dry run; `items` has the differences", None),
        "nothing": Meaning((errors.DONE,), "every job is up to date, or the answer was no", None),
        "error": Meaning((errors.FAILED,), "stopped in the middle; `items` has what was done", None),
    }
    in_table: ClassVar[bool] = True

    command: Literal["jobs"] = "jobs"
    action: Literal["apply"] = "apply"
    status: Literal["applied", "planned", "nothing", "error"]
    items: tuple[JobPart, ...]
    """Each folder and job."""

    def table(self) -> Table:
        rows = [(item.kind, item.job, item.action, item.outcome) for item in self.items]
        return Table(("kind", "job", "action", "outcome"), rows)


def plan_items(plan: Plan, outcomes: Mapping[str, str]) -> tuple[JobPart, ...]:
    """Each folder and job with its planned change and, by ``outcomes``, the outcome."""
    return tuple(
        JobPart(
            job=item.name,
            kind=item.kind,
            action=item.action,
            outcome=outcomes.get(item.name, "up to date" if item.action == "none" else ""),
            diff=item.diff,
        )
        for item in plan.items
    )


def stopped(result: ApplyResult, error: JenkinsMlflowError, message: str) -> ApplyResult:
    """The result of an apply that an error stopped in the middle."""
    return replace(
        result,
        status="error",
        message=f"{message}: {error.message}",
        code=error.exit_code,
        error=error_part(error),
    )
