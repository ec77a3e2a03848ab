"""`history`: who put which version into production when, why, by which method, and for how long it stayed."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from jenkins_mlflow.commands.recorded import Recorded, gone_from, read_model, read_recorded
from jenkins_mlflow.commands.session import Session
from jenkins_mlflow.commands.settling import Purpose, settled
from jenkins_mlflow.history.event import Event, moment
from jenkins_mlflow.history.timeline import Drift, Reign, drifts, reigns
from jenkins_mlflow.registry.version import Target
from jenkins_mlflow.results.history import DriftPart, HistoryResult, StayPart
from jenkins_mlflow.text import number, plural, printable
from jenkins_mlflow.times import utc


@dataclass(frozen=True)
class Told:
    """The history of some models, as a result shows it.

    Attributes:
        items: The times in production, oldest first.
        recorded: The record that they come from.
        drifted: Changes without this tool.
        at: The requested time, in milliseconds; None for all times.
        now: The store's time, in milliseconds.
        target: Stage and alias of production.
    """

    items: tuple[Reign, ...]
    recorded: Recorded
    drifted: tuple[Drift, ...]
    at: int | None
    now: int
    target: Target

    def result(self) -> HistoryResult:
        return HistoryResult(
            status="listed",
            message=self._message(),
            at=_iso(self.at),
            items=tuple(map(self._item, self.items)),
            recorded_since=_iso(self.recorded.since),
            from_tags=len(self.recorded.by_tags),
            drift=tuple(
                DriftPart(model=drift.model, message=drift.describe(self.target)) for drift in self.drifted
            ),
        )

    def _item(self, reign: Reign) -> StayPart:
        began, ended = reign.began, reign.ended
        start = began.time if began else None
        model, version, created = reign.place
        return StayPart(
            model=model,
            version=version,
            created=created,
            since=_iso(start),
            until=_iso(ended.time if ended else None),
            seconds=((ended.time if ended else self.now) - start) / 1000 if start is not None else None,
            work=began.work if began else None,
            by=began.by if began else "",
            approved_by=began.approved_by if began else "",
            method=began.method if began else "",
            why=why(began) if began else "it was in production before the first change that is known",
            metric=began.metric if began else "",
            value=began.value if began else None,
            before=began.before if began else None,
            gates=dict(began.gates) if began else {},
            build=began.build if began else "",
            reason=began.reason if began else "",
            ended_by=ended.title if ended else "",
            source=began.source if began else "",
        )

    def _message(self) -> str:
        lines = [f"{plural(len(self.items), 'time')} in production"]
        if self.at is not None:
            lines = [f"{plural(len(self.items), 'version')} in production at {moment(self.at)} UTC"]
        since, tags = self.recorded.since, len(self.recorded.by_tags)
        if not self.items and since is None and self.recorded.written:
            lines = ["no promotion of these models is recorded yet"]
        elif since:
            lines.append(f"written history since {moment(since)} UTC")
        else:
            written = self.recorded.written
            lines.append("no history is written yet" if written else "the written history could not be read")
        if tags:
            lines.append(
                f"{plural(tags, 'change')} known from the tags of versions alone: each version that was not "
                f"deleted keeps its last promotion and its last rollback there"
            )
        return printable("; ".join([*lines, *(f"NOTE: {note}" for note in self._changed())]))

    def _changed(self) -> list[str]:
        return [
            f"{drift.model} has since been changed without this tool, see `jenkins-mlflow doctor`"
            for drift in self.drifted
        ]


def tell(session: Session, *, model: str | None, since: float | None, at: float | None) -> HistoryResult:
    """`history`: the times in production of the group, or of one model.

    Args:
        session: Configuration and connection.
        model: Only this model.
        since: Only stays that lasted until this time or longer, in seconds since the epoch.
        at: Only what was in production at this time.
    """
    registry = session.registry()
    patterns = (model,) if model else session.scope.patterns
    if model:
        snapshot = read_model(session, registry, model, Purpose.LOOK)
    else:
        snapshot = settled(session, registry, patterns, Purpose.LOOK)
    known = read_recorded(session, registry, snapshot, deleted=model is not None, gone=patterns)
    gone = gone_from(registry, known, snapshot, patterns)
    names = {*(one.name for one in snapshot.models), *gone, *([model] if model else [])}
    found = [reign for reign in reigns(known.events) if reign.place[0] in names]
    moment_asked = None if at is None else int(at * 1000)
    if moment_asked is not None:
        found = [reign for reign in found if _lasted(reign, moment_asked)]
    if since is not None:
        found = [reign for reign in found if reign.overlaps(int(since * 1000))]
    drifted = tuple(drifts(known.events, snapshot, session.target, gone))
    return Told(
        tuple(found), known, drifted, moment_asked, int(registry.now() * 1000), session.target
    ).result()


def past(session: Session, names: Collection[str]) -> HistoryResult:
    """The times in production of these models, for the report of a command that changed one of them."""
    registry = session.registry()
    snapshot = registry.snapshot(sorted(names))
    known = read_recorded(session, registry, snapshot)
    found = tuple(reign for reign in reigns(known.events) if reign.place[0] in names)
    return Told(found, known, (), None, int(registry.now() * 1000), session.target).result()


def why(event: Event) -> str:
    """Why a version was put into production, in words."""
    parts = []
    if event.metric and event.value is not None:
        text = f"{event.metric} {number(event.value, event.before)}"
        if event.before is not None:
            text += f", was {number(event.before, event.value)}"
        parts.append(text)
    if event.gates:
        parts.append("gates " + ", ".join(f"{name} {rule}" for name, rule in event.gates.items()))
    if event.work == "rollback" and event.left:
        parts.append(f"rolled back from version {event.left[0][1]}")
    parts += [event.reason] if event.reason else []
    return printable("; ".join(parts))


def _lasted(reign: Reign, time: int) -> bool:
    """Whether the version was in production at a time."""
    began = reign.began.time if reign.began else reign.place[2]
    return began <= time and (reign.ended is None or reign.ended.time > time)


def _iso(milliseconds: int | None) -> str | None:
    found = None if milliseconds is None else utc(milliseconds)
    return found.isoformat(timespec="milliseconds") if found else None
