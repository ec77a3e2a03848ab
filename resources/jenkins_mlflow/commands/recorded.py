"""All records of production: the written history, changes not written yet, and versions' own tags."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

from jenkins_mlflow.commands.group import require_model
from jenkins_mlflow.commands.session import Session
from jenkins_mlflow.commands.settling import Purpose, settled
from jenkins_mlflow.errors import JenkinsMlflowError, NotFound, NothingRegistered, Refused
from jenkins_mlflow.history.book import unwritten
from jenkins_mlflow.history.event import Event, in_order
from jenkins_mlflow.history.timeline import production_at
from jenkins_mlflow.metrics import comparable
from jenkins_mlflow.promotion.record import before, is_recorded, was_recorded
from jenkins_mlflow.registry.client import Registry
from jenkins_mlflow.registry.names import matches
from jenkins_mlflow.registry.snapshot import Snapshot
from jenkins_mlflow.registry.version import Version
from jenkins_mlflow.tags import (
    APPROVED_BY,
    BUILD_URL,
    METHOD,
    METRIC,
    PROMOTED_AT,
    PROMOTED_BY,
    ROLLED_BACK_AT,
    ROLLED_BACK_BY,
    ROLLED_BACK_FROM,
)


@dataclass(frozen=True)
class Recorded:
    """The recorded changes, and how far back they reach.

    Attributes:
        events: Every change of production, oldest first.
        written: Whether the written history could be read.
    """

    events: tuple[Event, ...]
    written: bool = True

    @property
    def since(self) -> int | None:
        """When the written history begins; None if nothing is written."""
        return next((event.time for event in self.events if event.source != "tags"), None)

    @property
    def by_tags(self) -> tuple[Event, ...]:
        """The changes known only from the tags of versions."""
        return tuple(event for event in self.events if event.source == "tags")


def read_recorded(
    session: Session,
    registry: Registry,
    snapshot: Snapshot,
    *,
    deleted: bool = False,
    gone: Collection[str] = (),
) -> Recorded:
    """Read every recorded change of production in these models: 2 requests, more for a long history.

    Args:
        session: Gets a warning if the history cannot be read; then only the tags are used.
        registry: The registry to read.
        snapshot: The models.
        deleted: Whether deleted versions count, too: 1 more request for each model.
        gone: Names or patterns of models that count even if they are no longer registered.
    """
    names = {model.name for model in snapshot.models}
    events, written = list(unwritten(snapshot.models)), True
    versions = list(snapshot.versions())
    try:
        events += [
            event
            for event in session.book(registry).read(anywhere=deleted or any(map(was_recorded, versions)))
            if names & {*event.models} or any(matches(model, gone) for model in event.models)
        ]
        if deleted:
            entries = [entry for name in sorted(names) for entry in session.journal(registry).read(name)]
            versions += [version for entry in entries for version in entry.versions]
    except JenkinsMlflowError as error:
        written = False
        todo = f"; next: {error.next_step}" if error.next_step else ""
        session.warn(
            f"the written history could not be read, the tags of versions are used: {error.message}{todo}"
        )
    known = {(event.model, event.version, event.at) for event in events}
    events = [event for event in events if session.target.counts(event.marks)]
    events += [event for event in from_tags(versions) if (event.model, event.version, event.at) not in known]
    return Recorded(tuple(in_order(events)), written)


def recorded_version(snapshot: Snapshot, model: str, events: Sequence[Event]) -> int:
    """The version in production according to the last record. Pure.

    Raises:
        Refused: That is none or more than one; it no longer exists; it has no promotion record, which alone
            proves that this tool put it into production, because more people can write the history than the
            model; or the event belongs to another model, and may have been written by somebody who may edit
            only that one.
    """
    places = production_at(events).get(model, ())
    last = next((event.model for event in reversed(in_order(events)) if model in event.models), model)
    found = snapshot.require(model).version(places[0][1]) if len(places) == 1 else None
    if last == model and found is not None and found.identity == places[0] and is_recorded(found):
        return found.number
    if not places:
        why = f"no version of {model} is recorded as in production"
    elif last != model:
        why = f"the last recorded event of {model} belongs to {last}, and does not count for {model}"
    elif len(places) > 1:
        why = f"{len(places)} versions of {model} are recorded as in production"
    elif found is None or found.identity != places[0]:
        why = f"{model} version {places[0][1]} was recorded as in production, and was deleted"
    else:
        why = f"{found.label} is recorded as in production, but it has no promotion record"
    raise Refused(
        why, state="nothing was changed", next_step="name the version to return to with --to instead"
    )


def gone_from(
    registry: Registry, known: Recorded, snapshot: Snapshot, patterns: Collection[str]
) -> tuple[str, ...]:
    """The models that are recorded as in production and are not registered any more. 1 request for each.

    Args:
        registry: Asked again: a model that this account may not read is in no snapshot, and not gone.
        known: What is recorded.
        snapshot: What is there.
        patterns: Only models of these names.
    """
    recorded = production_at(known.events)
    missing = [
        name for name in recorded if recorded[name] and not snapshot.model(name) and matches(name, patterns)
    ]
    return tuple(name for name in missing if _is_gone(registry, name))


def _is_gone(registry: Registry, name: str) -> bool:
    try:
        return registry.find_model(name) is None
    except JenkinsMlflowError:
        return False


def read_model(session: Session, registry: Registry, name: str, purpose: Purpose) -> Snapshot:
    """The model that a person named, settled; nothing if it is not registered any more, but recorded.

    Raises:
        NotFound: there is none of this name, and there was none.
    """
    try:
        snapshot = settled(session, registry, [name], purpose)
        return Snapshot((require_model(registry, snapshot, name),))
    except (NotFound, NothingRegistered):
        known = read_recorded(session, registry, Snapshot(), gone=[name])
        if not any(name in event.models for event in known.events):
            raise
        return Snapshot()


def from_tags(versions: Iterable[Version]) -> Iterator[Event]:
    """The last promotion and the last rollback of each version, from its own tags. Pure."""
    for version in versions:
        tags, steps = version.record, before(version)
        if time := version.record_time(PROMOTED_AT):
            metric, _, value = tags.get(METRIC, "").rpartition("=")
            yield _event(
                version,
                time,
                "promotion",
                at=tags[PROMOTED_AT],
                left=tuple(steps[-1:]),
                by=tags.get(PROMOTED_BY, ""),
                approved_by=tags.get(APPROVED_BY, ""),
                metric=metric,
                value=_number(value),
            )
        if time := version.record_time(ROLLED_BACK_AT):
            name, _, number = tags.get(ROLLED_BACK_FROM, "").rpartition("/")
            rolled_back_from = ((name, int(number), 0),) if number.isdecimal() and len(number) < 10 else ()
            by = tags.get(ROLLED_BACK_BY, "")
            yield _event(version, time, "rollback", at=tags[ROLLED_BACK_AT], left=rolled_back_from, by=by)


def _event(version: Version, time: int, work: str, **facts: object) -> Event:
    return Event(
        f"{time:013d}-tags-{version.model}-{version.number}-{work}",
        work,  # type: ignore[arg-type]
        version.model,
        version.number,
        time,
        production=(version.identity,),
        method=version.record.get(METHOD, ""),
        build=version.record.get(BUILD_URL, ""),
        source="tags",
        **facts,  # type: ignore[arg-type]
    )


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if comparable(value) else None
