"""The result of `history`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

from jenkins_mlflow import errors
from jenkins_mlflow.results.base import Meaning, Part, Place, RegistryResult, Table
from jenkins_mlflow.text import span


@dataclass(frozen=True, kw_only=True)
class StayPart(Part):
    """A version's time in production."""

    model: str
    version: int
    created: int
    """When the version was created, in milliseconds since 1970."""
    since: str | None
    """When it went into production; null if that was before the first recorded change."""
    until: str | None
    """When it left production; null if it is still there, according to the record."""
    seconds: float | None
    """How long it stayed, or has stayed so far; null if its start is not known."""
    work: Literal["promotion", "rollback", "check", "recovery", "adoption"] | None
    """What put it into production; `check` is a rollback after a failed check."""
    by: str
    approved_by: str
    method: str
    why: str
    """Why it went into production, in words."""
    metric: str
    """The metric by which it was chosen; may be empty."""
    value: float | None
    """The metric's value."""
    before: float | None
    """The value of the version that it replaced."""
    gates: Mapping[str, str]
    """The gates that it passed."""
    build: str
    reason: str
    """The reason that a person gave; may be empty."""
    ended_by: str
    """What ended its stay; may be empty."""
    source: Literal["run", "unwritten", "tags", ""]
    """Where this was read: a run in MLflow, a tag of the model that is not a run yet, or the version's own tags."""


@dataclass(frozen=True, kw_only=True)
class DriftPart(Part):
    """A model whose production differs from the last record."""

    model: str
    message: str


@dataclass(frozen=True, kw_only=True)
class HistoryResult(RegistryResult):
    """The result of `history`."""

    statuses: ClassVar[Mapping[str, Meaning]] = {
        "listed": Meaning((errors.DONE,), "`items` lists what was in production", None),
        "adopted": Meaning((errors.DONE,), "what is in production is now recorded", None),
        "nothing": Meaning((errors.DONE,), "nothing had to be adopted", None),
    }
    in_table: ClassVar[bool] = True

    command: Literal["history"] = "history"
    status: Literal["listed", "adopted", "nothing"]
    at: str | None = None
    """The requested time, or null."""
    items: tuple[StayPart, ...] = ()
    """Each version's times in production, in the order in which they began."""
    recorded_since: str | None = None
    """When the written history begins, or null."""
    from_tags: int = 0
    """The number of changes known only from the tags of versions."""
    drift: tuple[DriftPart, ...] = ()
    """Changes without this tool since the last record."""
    production: tuple[Place, ...] = ()
    """After `--adopt`: what is in production."""

    def table(self) -> Table:
        columns = (
            "model",
            "version",
            "from",
            "until",
            "for",
            "kind",
            "by",
            "approved by",
            "method",
            "why",
            "build",
        )
        return Table(
            columns,
            [
                (
                    i.model,
                    i.version,
                    _second(i.since, "unknown"),
                    _second(i.until, "still there"),
                    span(i.seconds),
                    i.work,
                    i.by,
                    i.approved_by,
                    i.method,
                    i.why,
                    i.build,
                )
                for i in self.items
            ],
        )


def _second(time: str | None, otherwise: str) -> str:
    """A time to the second, in UTC."""
    return time[:19].replace("T", " ") if time else otherwise
