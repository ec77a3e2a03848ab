"""`promote`: promotes a given version, or the one that `select` chooses; `promote --recover`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from jenkins_mlflow.commands.group import require_model
from jenkins_mlflow.commands.promote.after_check import check_afterwards
from jenkins_mlflow.commands.promote.carry_out import carry_out, planned, reported
from jenkins_mlflow.commands.promote.wish import PromoteWish
from jenkins_mlflow.commands.select import choose, selection_result
from jenkins_mlflow.commands.session import Session
from jenkins_mlflow.commands.settling import Purpose, settled
from jenkins_mlflow.errors import NotFound, Refused
from jenkins_mlflow.promotion.apply import Begun
from jenkins_mlflow.promotion.intent import is_unfinished
from jenkins_mlflow.promotion.plan import Plan, plan_promotion
from jenkins_mlflow.promotion.record import fresh, given, next_time, tags_over
from jenkins_mlflow.promotion.smoke_test import Checked, smoke_test
from jenkins_mlflow.registry.snapshot import Model
from jenkins_mlflow.registry.version import READY, Version
from jenkins_mlflow.results.base import Place
from jenkins_mlflow.results.promote import CheckPart, PromoteResult
from jenkins_mlflow.results.select import SelectResult
from jenkins_mlflow.selection.candidates import doubt
from jenkins_mlflow.tags import APPROVED_BY, BUILD_URL, CHECK_TAG, METRIC, PENDING, PROMOTED_AT, PROMOTED_BY
from jenkins_mlflow.text import plural, printable


def promote(session: Session, wish: PromoteWish) -> PromoteResult:
    """`promote`: a given version, a model's newest version, or the one that `select` chooses.

    Raises:
        Refused: Something other than ``wish.over`` would be replaced, or the version comes from another run; nothing
            was written.
    """
    model = wish.model
    registry = session.registry()
    if model is not None:
        session = session.for_model(model)
    target = session.target
    alone = model is not None and not target.exclusive
    patterns = session.scope.with_production([str(model)]) if alone else session.scope.patterns
    purpose = Purpose.LOOK if wish.plan_only else Purpose.PROMOTE
    runs = session.runs_to_select() if model is None else session.runs_to_promote(model, wish.version)
    snapshot = settled(session, registry, patterns, purpose, with_runs=runs)
    selection: SelectResult | None = None
    if model is not None:
        number = named(require_model(registry, snapshot, model), wish.version, session.build.id)
    else:
        choice = choose(session, snapshot)
        selection = selection_result(choice)
        if choice.selected is None:
            assert choice.status != "selected"
            serving = snapshot.production(target)
            wish.refuse_over_another("a promotion", serving)
            return PromoteResult(
                status=choice.status,
                message=choice.message,
                selection=selection,
                production=tuple(map(Place.of, serving)),
            )
        session.terminal.say(choice.message)
        model, number = choice.selected.model, choice.selected.number
    plan = plan_promotion(snapshot, model, number, target)
    wish.refuse_another_run(plan.candidate)
    wish.refuse_plan_over_another(plan)
    result = PromoteResult(status="planned", message="", selection=selection)
    if wish.plan_only:
        return planned(result, plan)
    if not plan.done and session.config.promote.smoke_test:
        checked = smoke_test(session.config.promote.smoke_test, plan.candidate, session.uri, session.report)
        result = replace(result, smoke_test=CheckPart(**vars(checked)))
        if not checked.passed:
            return _smoke_test_failed(result, plan, checked)
        session.terminal.say(f"smoke test: {checked.reason}")
    begun = Begun("promotion", next_time(snapshot.versions()), session.build.user, session.build.url)
    recorded = (snapshot if target.exclusive else snapshot.only(plan.table.model)).recorded
    tags = _record(session, plan, begun, wish.approved_by, recorded)
    outcome, notice = carry_out(session, registry, plan, begun, tags)
    result = replace(result, status=outcome.status, message=outcome.message)
    return check_afterwards(session, registry, plan, outcome, reported(result, plan, outcome, notice))


def _smoke_test_failed(result: PromoteResult, plan: Plan, checked: Checked) -> PromoteResult:
    label = printable(plan.candidate.label)
    return replace(
        result,
        status="smoke_test_failed",
        message=f"{label} failed its smoke test: {printable(checked.reason)}; nothing was written",
        model=plan.candidate.model,
        version=plan.candidate.number,
        production=tuple(map(Place.of, plan.leaving)),
    )


def recover(session: Session) -> PromoteResult:
    """`promote --recover`: finish or undo unfinished promotions of other commands, and nothing else."""
    registry = session.registry()
    snapshot = settled(session, registry, session.scope.patterns, Purpose.RECOVER)
    unfinished = [model.name for model in snapshot.models if is_unfinished(model)]
    done = session.recovered
    if unfinished:
        count = plural(len(unfinished), "promotion")
        message = f"{count} could not be recovered: {', '.join(unfinished)}; see the warnings"
        return PromoteResult(status="failed", message=message)
    if not done:
        return PromoteResult(status="nothing", message="no promotion was left unfinished")
    return PromoteResult(status="recovered", message="; ".join(item.message for item in done))


def _record(
    session: Session, plan: Plan, begun: Begun, approved_by: str, recorded: Version | None
) -> Mapping[str, str]:
    """The promotion record, as tags: when, by whom, in which build, with what metric, what it replaced."""
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
    over = tags_over(plan.replaces, recorded, plan.promoted)
    return fresh(plan.promoted, plan.target, {**given(tags), **over})


def named(model: Model, number: int | None, build: str | None) -> int:
    """The given version; without a number the newest that is READY.

    Raises:
        NotFound: no version of the model is READY.
        Refused: the newest was not trained to a good end, or it is not known which model it is.
    """
    if number is not None:
        return number
    ready = [version for version in model.versions if version.status == READY]
    if not ready:
        raise NotFound(
            f"{model.name} has no version that is {READY}",
            state="nothing was changed",
            next_step="train one first",
        )
    newest = max(ready, key=lambda version: (version.first_created, version.number))
    if why := doubt(newest, build):
        raise Refused(
            f"{printable(newest.label)} is the newest version, but {why}",
            state="nothing was changed",
            next_step="name the version to promote",
        )
    return newest.number
