"""`rollback`: returns to the version that was in production before, as safely as a promotion."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from jenkins_mlflow.cleanup.lease import leases
from jenkins_mlflow.commands.carry_out import carry_out, planned, reported, rollback_tags
from jenkins_mlflow.commands.group import require_model
from jenkins_mlflow.commands.recorded import read_recorded
from jenkins_mlflow.commands.session import Session
from jenkins_mlflow.commands.settling import Purpose, settled
from jenkins_mlflow.errors import Refused
from jenkins_mlflow.history.event import Event, in_order
from jenkins_mlflow.history.timeline import production_at
from jenkins_mlflow.promotion.apply import Begun
from jenkins_mlflow.promotion.plan import Plan, plan_promotion
from jenkins_mlflow.promotion.record import before_tags, is_recorded, next_time
from jenkins_mlflow.promotion.rollback import plan_return
from jenkins_mlflow.registry.client import Registry
from jenkins_mlflow.registry.names import matches
from jenkins_mlflow.registry.reading import FilesUnknown
from jenkins_mlflow.registry.snapshot import Model, Snapshot, Version
from jenkins_mlflow.results.base import Place
from jenkins_mlflow.results.promote import LeasedPart, RollbackResult
from jenkins_mlflow.text import printable


def rollback(
    session: Session, *, model: str, to: int | None, plan_only: bool, recorded: bool = False
) -> RollbackResult:
    """Return a model to the version that was in production before, to a given one, or to that recorded last.

    If promotions copy into a production model, that model is rolled back, even if a model of the group is
    named.

    Raises:
        NotFound: The model or the version to return to does not exist, or no longer.
        Refused: The previous version is not known, or its files are gone; nothing was written.
    """
    session = session.for_model(model)
    registry, target = session.registry(), session.target
    if target.copy_to and matches(model, session.config.models):
        model = target.copy_to
    patterns = session.patterns if target.exclusive else (model,)
    snapshot = settled(session, registry, patterns, Purpose.LOOK if plan_only else Purpose.PROMOTE)
    found = require_model(registry, snapshot, model)
    if recorded:
        to = recorded_version(snapshot, model, read_recorded(session, registry, snapshot).events)
    back = plan_return(snapshot, model, to, target)
    plan = plan_promotion(snapshot, back.model, back.number, target)
    result = RollbackResult(
        status="planned", message="", from_=Place.of(back.current) if back.current else None
    )
    result = replace(result, leases=_leases(session, registry, found, plan.candidate))
    if plan_only:
        return planned(result, plan)
    _refuse_without_files(session, registry, plan)
    begun = Begun("rollback", next_time(snapshot.versions()), session.build.user, session.build.url)
    tags = {**rollback_tags(session, back.current, begun.at), **before_tags(back.before)}
    outcome, notice = carry_out(session, registry, plan, begun, tags)
    result = reported(result, plan, outcome, notice)
    if outcome.status != "promoted":
        return replace(result, status=outcome.status, message=outcome.message)
    source = f" from {back.current.label}" if back.current else ""
    message = f"rolled back{source} to {plan.candidate.label} by {outcome.method}; verified in the registry"
    return replace(result, status="rolled_back", message=message)


def _leases(session: Session, registry: Registry, model: Model, candidate: Version) -> tuple[LeasedPart, ...]:
    """Report who still runs another version of the model: a rollback does not reach them."""
    leased = [(v, lease) for v in model.versions if v != candidate for lease in leases(v.tags)]
    now = registry.now() if leased else 0.0
    running = [(version, lease) for version, lease in leased if lease.runs(now)]
    for version, lease in running:
        session.terminal.alert(printable(f"{lease.holder} still runs {version.label} ({lease.description})"))
    return tuple(
        LeasedPart(model=v.model, version=v.number, holder=lease.holder, until=lease.end)
        for v, lease in running
    )


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


def _refuse_without_files(session: Session, registry: Registry, plan: Plan) -> None:
    """Refuse to return to a version whose files are gone; warn if that cannot be determined."""
    version = plan.candidate
    try:
        has_files = registry.has_files(version.model, version.number)
    except FilesUnknown as unknown:
        session.warn(
            f"it could not be checked from this machine whether the files of {version.label} still exist: {unknown}"
        )
    else:
        if not has_files:
            raise Refused(
                f"{version.label} cannot be returned to: its files are gone from the artifact store",
                state="nothing was changed",
                next_step="choose another version with --to",
            )
