"""`history --adopt`: records versions that were put into production without this tool."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from jenkins_mlflow.commands.conflicts import keep_one
from jenkins_mlflow.commands.recorded import read_model, read_recorded
from jenkins_mlflow.commands.session import Session
from jenkins_mlflow.commands.settling import Purpose
from jenkins_mlflow.errors import Refused
from jenkins_mlflow.history.event import Event, Place as RecordedPlace, new_id
from jenkins_mlflow.history.timeline import drifts, production_at
from jenkins_mlflow.promotion.record import fresh, given, next_time, tags_over
from jenkins_mlflow.registry.client import Registry
from jenkins_mlflow.registry.snapshot import Model, Snapshot
from jenkins_mlflow.registry.version import Version
from jenkins_mlflow.results.base import Place, document
from jenkins_mlflow.results.history import HistoryResult
from jenkins_mlflow.tags import BUILD_URL, METHOD, PROMOTED_AT, PROMOTED_BY
from jenkins_mlflow.text import printable


def adopt(session: Session, model: str, reason: str) -> HistoryResult:
    """`history --adopt`: record what was put into production without this tool as if it had been promoted.

    Raises:
        NotFound: The model does not exist.
        Refused: More than one version is in production.
    """
    registry = session.registry()
    session = session.for_model(model)
    snapshot = read_model(session, registry, model, Purpose.CHANGE)
    target = session.target
    book = session.book(registry)
    with session.lock(registry, "adopt", session.scope.locked_with([model]), [model]) as lock:
        found = registry.find_model(model)
        live = Snapshot((found or Model(model),))
        known = read_recorded(session, registry, live)
        serving = live.models[0].production(target)
        if len(serving) > 1:
            labels = " and ".join(version.label for version in serving)
            raise Refused(
                f"{labels} are in production at once",
                state="nothing was recorded",
                next_step=f"keep one: {keep_one(serving)}",
            )
        if not list(drifts(known.events, live, target)) and model in production_at(known.events):
            return _adopted("nothing", f"{model}: what is in production is already recorded", serving)
        lock.check()
        time = lock.now()
        at = next_time(live.versions(), time)
        recorded = production_at(known.events).get(model, ())
        _tag(session, registry.under(lock), snapshot, serving, recorded, at)
        places = tuple(version.identity for version in serving)
        book.keep(
            Event(
                new_id(time),
                "adoption",
                model,
                serving[0].number if serving else None,
                time,
                at,
                places,
                tuple(place for place in recorded if place not in places),
                "adopted",
                session.build.user,
                build=session.build.url,
                reason=reason,
            ),
            registry.under(lock),
        )
    result = _adopted("adopted", _accepted(model, serving), serving)
    book.write(document(result))
    return result


def _tag(
    session: Session,
    registry: Registry,
    snapshot: Snapshot,
    serving: Sequence[Version],
    recorded: Sequence[RecordedPlace],
    at: str,
) -> None:
    """Give each adopted version its own promotion record, so that a rollback knows it."""
    old = {version.identity: version for version in snapshot.versions()}
    replaced = next((old[place] for place in recorded if place in old), None)
    tags = {
        PROMOTED_AT: at,
        PROMOTED_BY: session.build.user,
        METHOD: "adopted",
        BUILD_URL: session.build.url,
    }
    for version in serving:
        over = tags_over(replaced if replaced and replaced.identity != version.identity else None)
        complete = fresh(version, session.target, {**given(tags), **over})
        registry.retrying(
            f"tagging {version.label}",
            lambda version=version, complete=complete: registry.record(  # type: ignore[misc]
                version.model, version.number, complete
            ),
        )


def _accepted(model: str, serving: Sequence[Version]) -> str:
    labels = ", ".join(version.label for version in serving)
    return f"{labels} is recorded as in production" if labels else f"{model}: recorded as not in production"


def _adopted(
    status: Literal["adopted", "nothing"], message: str, serving: Sequence[Version]
) -> HistoryResult:
    return HistoryResult(status=status, message=printable(message), production=tuple(map(Place.of, serving)))
