"""`rollback`: returns to the version that was in production before, as safely as a promotion."""

from __future__ import annotations

from dataclasses import replace

from jenkins_mlflow.cleanup.lease import leases
from jenkins_mlflow.commands.group import require_model
from jenkins_mlflow.commands.promote.carry_out import carry_out, planned, reported, rollback_tags
from jenkins_mlflow.commands.recorded import read_recorded, recorded_version
from jenkins_mlflow.commands.session import Session
from jenkins_mlflow.commands.settling import Purpose, settled
from jenkins_mlflow.errors import Refused
from jenkins_mlflow.promotion.apply import Begun
from jenkins_mlflow.promotion.plan import Plan, plan_promotion
from jenkins_mlflow.promotion.record import before_tags, continued, next_time
from jenkins_mlflow.promotion.rollback import plan_return
from jenkins_mlflow.registry.client import Registry
from jenkins_mlflow.registry.names import matches
from jenkins_mlflow.registry.reading import FilesUnknown
from jenkins_mlflow.registry.snapshot import Model
from jenkins_mlflow.registry.version import Version
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
    registry = session.registry()
    session = session.for_model(model)
    target = session.target
    if target.copy_to and matches(model, session.scope.models):
        model = target.copy_to
    patterns = session.scope.patterns if target.exclusive else (model,)
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
    tags = continued(plan.candidate, target, tags)
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
