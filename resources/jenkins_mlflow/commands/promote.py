"""`promote`: a named version, or the one that `select` chooses; `promote --recover`."""

from __future__ import annotations

from collections.abc import Mapping

from jenkins_mlflow import errors
from jenkins_mlflow.commands.after_check import check_afterwards
from jenkins_mlflow.commands.carry_out import carry_out
from jenkins_mlflow.commands.select import choose, selection_document
from jenkins_mlflow.commands.session import Document, Purpose, Session
from jenkins_mlflow.errors import NotFound, Refused
from jenkins_mlflow.promotion.apply import Begun
from jenkins_mlflow.promotion.intent import is_unfinished
from jenkins_mlflow.promotion.plan import Plan, plan_promotion
from jenkins_mlflow.promotion.record import given, now, tags_over
from jenkins_mlflow.promotion.smoke_test import Checked, smoke_test
from jenkins_mlflow.registry.snapshot import READY, Snapshot, Version
from jenkins_mlflow.tags import APPROVED_BY, BUILD_URL, CHECK_TAG, METRIC, PENDING, PROMOTED_AT, PROMOTED_BY
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
        session = session.for_model(model)
    registry, target = session.registry(), session.target
    alone = model is not None and not target.exclusive
    patterns = session.with_production([str(model)]) if alone else session.patterns
    purpose = Purpose.LOOK if plan_only else Purpose.PROMOTE
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
        return {**extra, **planned(plan)}
    if not plan.done and session.config.promote.smoke_test:
        checked = smoke_test(session.config.promote.smoke_test, plan.candidate, session.uri, session.report)
        extra["smoke_test"] = vars(checked)
        if not checked.passed:
            return {**extra, **_smoke_test_failed(plan, checked)}
        session.terminal.say(f"smoke test: {checked.reason}")
    begun = Begun("promotion", now(), session.build.user, session.build.url)
    tags = _record(session, plan, begun, approved_by)
    outcome, document = carry_out(session, registry, plan, begun, tags)
    return {**extra, **document, **check_afterwards(session, registry, plan, outcome)}


def _refuse_over_another(plan: Plan, over: str | None) -> None:
    """Hold a promotion to what its approval was about; one that is complete already replaces nothing any more."""
    there = f"{plan.replaces.model}/{plan.replaces.number}" if plan.replaces else NOTHING
    if over in (None, there) or plan.done:
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
        "production": [version.place for version in plan.leaving],
    }


def recover(session: Session) -> Document:
    """`promote --recover`: finish or undo what earlier commands left half done, and nothing else."""
    registry = session.registry()
    snapshot = session.settled(registry, session.patterns, Purpose.CHANGE)
    left = [model.name for model in snapshot.models if is_unfinished(model)]
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


def planned(plan: Plan) -> Document:
    return {
        "status": "planned",
        "message": "; ".join(plan.steps()),
        "model": plan.candidate.model,
        "version": plan.candidate.number,
        "plan": plan.steps(),
        "attempts": [],
        "notice": None,
    }


def _record(session: Session, plan: Plan, begun: Begun, approved_by: str) -> Mapping[str, str]:
    """What the promoted version is tagged with: when, by whom, in which build, on what metric, and over what."""
    metric = session.config.select.metric
    value = plan.candidate.metric(metric)
    tags = {
        PROMOTED_AT: begun.at,
        PROMOTED_BY: begun.by,
        APPROVED_BY: approved_by,
        BUILD_URL: begun.url,
        METRIC: f"{metric}={value!r}" if value is not None else "",
        CHECK_TAG: PENDING if session.config.promote.check else "",
    }
    return {**given(tags), **tags_over(plan.replaces)}


def _newest(snapshot: Snapshot, name: str) -> Version:
    for version in snapshot.require(name).versions:
        if version.status == READY:
            return version
    raise NotFound(
        f"{name} has no version that is {READY}", state="nothing was changed", next_step="train one first"
    )
