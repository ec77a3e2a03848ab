"""`promote`, `promote --recover` and `rollback`: from a loaded configuration to the result document."""

from __future__ import annotations

from collections.abc import Mapping

from jenkins_mlflow import errors
from jenkins_mlflow.commands.after_check import check_afterwards
from jenkins_mlflow.commands.carrying_out import carry_out, given_tags, now, rollback_tags
from jenkins_mlflow.commands.select import choose, selection_document
from jenkins_mlflow.commands.session import Document, Purpose, Session
from jenkins_mlflow.errors import NotFound, Refused
from jenkins_mlflow.promotion.apply import previous_tags
from jenkins_mlflow.promotion.plan import Plan, plan_promotion
from jenkins_mlflow.promotion.rollback import plan_return
from jenkins_mlflow.promotion.smoke_test import Checked, smoke_test
from jenkins_mlflow.registry.client import FilesUnknown, Registry, matches
from jenkins_mlflow.registry.snapshot import READY, Snapshot, Version
from jenkins_mlflow.tags import INTENT_TAG, PENDING
from jenkins_mlflow.text import plural, printable

NOTHING = "nothing"


def promote(
    session: Session,
    *,
    model: str | None,
    version: int | None,
    plan_only: bool,
    approved_by: str = "",
    over: str | None = None,
) -> Document:
    """`promote`: a named version, a model's newest version, or whatever `select` chooses.

    Args:
        session: Configuration and connection.
        model, version: What to promote; None for what ``select`` says, and for the newest version.
        plan_only: Change nothing.
        approved_by: Who approved it; goes into the version's tags.
        over: What it may replace, as ``MODEL/VERSION`` or NOTHING; None for whatever is there.

    Raises:
        Refused: something else than ``over`` would be replaced; nothing was written.
    """
    if model is not None:
        session = session.for_model(model, in_group=matches(model, session.config.models))
    registry, target, group = session.registry(), session.target, session.config.models
    alone = model is not None and not target.exclusive
    patterns = [str(model)] if alone else group
    purpose: Purpose = "look" if plan_only else "promote"
    snapshot = session.settled(registry, patterns, purpose, with_runs=True)
    selection: Document | None = None
    if model is not None:
        number = version if version is not None else _newest(snapshot, model).number
    else:
        choice = choose(session, snapshot)
        selection = selection_document(choice)
        if choice.selected is None:
            return {
                "command": "promote",
                "status": choice.status,
                "message": choice.message,
                "exit_code": selection["exit_code"],
                "selection": selection,
                "model": None,
                "version": None,
                "attempts": [],
                "notice": None,
                "production": [v.place for v in snapshot.production(target)],
            }
        session.terminal.say(choice.message)
        model, number = choice.selected.model, choice.selected.number
    plan = plan_promotion(snapshot, model, number, target)
    _refuse_over_another(plan, over)
    extra: Document = {"command": "promote", "selection": selection}
    if plan_only:
        return {**extra, **_planned(plan)}
    if not plan.nothing_to_do and session.config.promote.smoke_test:
        checked = smoke_test(session.config.promote.smoke_test, plan.candidate, session.uri, session.report)
        extra["smoke_test"] = vars(checked)
        if not checked.passed:
            return {**extra, **_smoke_test_failed(plan, checked)}
        session.terminal.say(f"smoke test: {checked.reason}")
    document = carry_out(session, registry, plan, "promote", _promotion_tags(session, plan, approved_by))
    return {**extra, **document, **check_afterwards(session, registry, plan, document)}


def _refuse_over_another(plan: Plan, over: str | None) -> None:
    """Hold a promotion to what its approval was about; one that is complete already replaces nothing any more."""
    there = f"{plan.replaces.model}/{plan.replaces.number}" if plan.replaces else NOTHING
    if over in (None, there) or plan.nothing_to_do:
        return
    raise Refused(
        f"{plan.candidate.label} was to replace {over}, but it would replace {there} now",
        state="nothing was written",
        next_step="look at what is in production, then select and approve again",
    )


def _smoke_test_failed(plan: Plan, checked: Checked) -> Document:
    label = printable(plan.candidate.label)
    return {
        "status": "smoke_test_failed",
        "exit_code": errors.NO_CANDIDATE,
        "message": f"{label} failed its smoke test: {printable(checked.reason)}; nothing was written",
        "model": plan.candidate.model,
        "version": plan.candidate.number,
        "attempts": [],
        "notice": None,
        "production": [version.place for version in (*plan.previous, *plan.others)],
    }


def recover(session: Session) -> Document:
    """`promote --recover`: finish or undo what earlier commands left half done, and nothing else."""
    registry = session.registry()
    snapshot = session.settled(registry, session.config.models, "change")
    left = [model.name for model in snapshot.models if INTENT_TAG in model.tags]
    done = session.recovered
    message = "; ".join(item.message for item in done) or "no promotion was left unfinished"
    status, code = ("recovered" if done else "nothing"), errors.DONE
    if left:
        status, code = "failed", errors.FAILED
        message = (
            f"{plural(len(left), 'promotion')} could not be recovered: {', '.join(left)}; see the warnings"
        )
    return {
        "command": "promote",
        "status": status,
        "message": message,
        "exit_code": code,
        "attempts": [],
        "notice": None,
    }


def rollback(session: Session, *, model: str, to: int | None, plan_only: bool) -> Document:
    """`rollback`: back to the version that was in production before, by the same safe path as a promotion.

    Raises:
        NotFound: the model or the version to return to does not exist (any more).
        Refused: it is not known what was before, or that version's files are gone; nothing was written.
    """
    session = session.for_model(model, in_group=matches(model, session.config.models))
    registry, target = session.registry(), session.target
    patterns = session.config.models if target.exclusive else (model,)
    snapshot = session.settled(registry, patterns, "look" if plan_only else "promote")
    way = plan_return(snapshot, model, to, target)
    plan = plan_promotion(snapshot, way.model, way.number, target)
    extra: Document = {"command": "rollback", "from": way.current.place if way.current else None}
    if plan_only:
        return {**extra, **_planned(plan)}
    _refuse_without_files(session, registry, plan)
    document = carry_out(session, registry, plan, "rollback", rollback_tags(session, way.current))
    if document["status"] == "promoted":
        left = f" from {way.current.label}" if way.current else ""
        document |= {
            "status": "rolled_back",
            "message": f"rolled back{left} to {plan.candidate.label} by {document['method']}; verified in the registry",
        }
    return {**extra, **document}


def _planned(plan: Plan) -> Document:
    return {
        "status": "planned",
        "message": "; ".join(plan.steps()),
        "model": plan.candidate.model,
        "version": plan.candidate.number,
        "plan": plan.steps(),
        "attempts": [],
        "notice": None,
    }


def _promotion_tags(session: Session, plan: Plan, approved_by: str) -> Mapping[str, str]:
    """What the promoted version is tagged with: when, by whom, in which build, on what metric, and over what."""
    metric = session.config.select.metric
    value = plan.candidate.metric(metric)
    tags = {
        "promoted_at": now(),
        "promoted_by": session.build.user,
        "approved_by": approved_by,
        "build_url": session.build.url,
        "metric": f"{metric}={value!r}" if value is not None else "",
        "check": PENDING if session.config.promote.check else "",
    }
    return {**given_tags(tags), **previous_tags(plan)}


def _newest(snapshot: Snapshot, name: str) -> Version:
    for version in snapshot.require(name).versions:
        if version.status == READY:
            return version
    raise NotFound(
        f"{name} has no version that is {READY}", state="nothing was changed", next_step="train one first"
    )


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
