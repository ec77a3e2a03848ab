"""`rollback`: back to the version that was in production before, by the same safe path as a promotion."""

from __future__ import annotations

from jenkins_mlflow.commands.carry_out import carry_out, rollback_tags
from jenkins_mlflow.commands.promote import planned
from jenkins_mlflow.commands.session import Document, Purpose, Session
from jenkins_mlflow.errors import Refused
from jenkins_mlflow.promotion.apply import Begun
from jenkins_mlflow.promotion.plan import Plan, plan_promotion
from jenkins_mlflow.promotion.record import before_tags, now
from jenkins_mlflow.promotion.rollback import plan_return
from jenkins_mlflow.registry.client import FilesUnknown, Registry, matches


def rollback(session: Session, *, model: str, to: int | None, plan_only: bool) -> Document:
    """Return a model to the version that was in production before, or to a named one.

    Where promotions copy into a production model, that is the model which is rolled back, also if a model of the group
    is named.

    Raises:
        NotFound: the model or the version to return to does not exist (any more).
        Refused: it is not known what was before, or that version's files are gone; nothing was written.
    """
    session = session.for_model(model)
    registry, target = session.registry(), session.target
    if target.copy_to and matches(model, session.config.models):
        model = target.copy_to
    patterns = session.patterns if target.exclusive else (model,)
    snapshot = session.settled(registry, patterns, Purpose.LOOK if plan_only else Purpose.PROMOTE)
    way = plan_return(snapshot, model, to, target)
    plan = plan_promotion(snapshot, way.model, way.number, target)
    extra: Document = {"command": "rollback", "from": way.current.place if way.current else None}
    if plan_only:
        return {**extra, **planned(plan)}
    _refuse_without_files(session, registry, plan)
    begun = Begun("rollback", now(), session.build.user, session.build.url)
    tags = {**rollback_tags(session, way.current, begun.at), **before_tags(way.before)}
    outcome, document = carry_out(session, registry, plan, begun, tags)
    if outcome.status == "promoted":
        left = f" from {way.current.label}" if way.current else ""
        document |= {
            "status": "rolled_back",
            "message": f"rolled back{left} to {plan.candidate.label} by {outcome.method}; verified in the registry",
        }
    return {**extra, **document}


def _refuse_without_files(session: Session, registry: Registry, plan: Plan) -> None:
    """Refuse to put a version back whose files are gone; where that cannot be told, say so and go on."""
    version = plan.candidate
    try:
        there = registry.has_files(version.model, version.number)
    except FilesUnknown as unknown:
        session.warn(
            f"whether the files of {version.label} still are there cannot be told from this machine: {unknown}"
        )
    else:
        if not there:
            raise Refused(
                f"{version.label} cannot be returned to: its files are gone from the artifact store",
                state="nothing was changed",
                next_step="choose another version with --to",
            )
