"""An event: one stored change of production. A frozen value, which is data and not an authority for anything."""

from __future__ import annotations

import functools
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter, ValidationError

from jenkins_mlflow.metrics import comparable
from jenkins_mlflow.text import printable
from jenkins_mlflow.times import LATEST, shown

_Number = Annotated[int, Field(ge=0, le=2**31)]
_Value = Annotated[float, Field(allow_inf_nan=False)]

Place = tuple[str, _Number, Annotated[int, Field(ge=0, le=2**63)]]
"""Model, number and creation time of a version, which distinguish it from a later one with the same number."""

Work = Literal["promotion", "rollback", "check", "recovery", "adoption"]
Source = Literal["run", "unwritten", "tags"]

_Text = Annotated[str, Field(max_length=2000)]
_TITLES = {
    "promotion": "promotion of {what}",
    "rollback": "rollback to {what}",
    "check": "rollback to {what}, after a check that failed",
    "recovery": "recovery of {what}",
    "adoption": "adoption of {what}",
}


@dataclass(frozen=True)
class Event:
    """One change of production.

    Attributes:
        id: A unique id.
        work: The kind of change. ``check``: a promotion was undone because its check failed; ``recovery``: a
            later command finished or undid an interrupted one; ``adoption``: somebody accepted a change made
            without this tool.
        model: The model that it is about.
        version: The version that it put into production; None if nothing is in production.
        time: When, in milliseconds of the store's clock.
        at: When the work started, by its agent's clock; the version's tags say the same.
        production: The versions in production in the models concerned since then.
        left: The versions that left production.
        method, by, approved_by, build: How, by whom and in which build.
        metric, value, before: The metric it was chosen by, its value, and the value of the version that it
            replaced.
        gates: The gates that it passed, with its values.
        reason: The reason in words, if a person gave one.
        marks: What production meant, see ``Target.marks``; empty in events written by version 0.2.
        source: Where it was read; not stored.
    """

    id: str
    work: Work
    model: _Text
    version: _Number | None
    time: Annotated[int, Field(ge=0, le=LATEST)]
    at: _Text = ""
    production: tuple[Place, ...] = ()
    left: tuple[Place, ...] = ()
    method: _Text = ""
    by: _Text = ""
    approved_by: _Text = ""
    build: _Text = ""
    metric: _Text = ""
    value: _Value | None = None
    before: _Value | None = None
    gates: Mapping[str, str] = field(default_factory=dict)
    reason: _Text = ""
    marks: _Text = ""
    source: Source = field(default="run", compare=False)

    @property
    def title(self) -> str:
        """`promotion of churn version 2`."""
        what = (
            f"{self.model} version {self.version}"
            if self.version
            else f"{self.model} with nothing in production"
        )
        return printable(_TITLES[self.work].format(what=what))

    @property
    def models(self) -> tuple[str, ...]:
        """Every model whose production it describes."""
        return tuple(dict.fromkeys((self.model, *(place[0] for place in (*self.production, *self.left)))))

    @property
    def explanation(self) -> str:
        """One sentence for people about who did it, by which method and why."""
        parts = [
            f"by {self.by}" if self.by else "",
            f"approved by {self.approved_by}" if self.approved_by else "",
            f"method {self.method}" if self.method else "",
            self.reason,
        ]
        return printable(", ".join(part for part in parts if part))

    def to_json(self) -> str:
        """The event as ASCII JSON, without empty values."""
        cut = {
            name: value[:2000]
            for name in ("method", "by", "approved_by", "build", "metric", "reason")
            if len(value := getattr(self, name)) > 2000
        }
        odd = {name: None for name in ("value", "before") if not _finite(getattr(self, name))}
        plain = replace(self, **cut, **odd)  # type: ignore[arg-type]
        return (
            _adapter().dump_json(plain, exclude_defaults=True, exclude={"source"}, ensure_ascii=True).decode()
        )


def new_id(time: int) -> str:
    """A new id. The ids of later events sort after it."""
    return f"{time:013d}-{uuid.uuid4().hex[:8]}"


def read_event(text: str, source: Source = "run") -> Event | None:
    """Read an event written by ``to_json``; None for anything else, because anybody may write tags."""
    try:
        return replace(_adapter().validate_json(text), source=source)
    except (ValidationError, ValueError):
        return None


def in_order(events: Sequence[Event]) -> list[Event]:
    """Each event once, oldest first. If an event was read in several places, the run's version counts."""
    found: dict[str, Event] = {}
    for event in events:
        if event.id not in found or event.source == "run":
            found[event.id] = event
    return sorted(found.values(), key=lambda event: (event.time, event.id))


def moment(milliseconds: int) -> str:
    """A time in milliseconds, formatted for people in UTC."""
    return shown(milliseconds, "%Y-%m-%d %H:%M:%S")


def _finite(value: float | None) -> bool:
    return value is None or comparable(value)


@functools.cache
def _adapter() -> TypeAdapter[Event]:
    return TypeAdapter(Event)
