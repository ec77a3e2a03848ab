"""The check after a promotion: the team's own command, with a deadline; if it fails, the promotion is undone.

A version that is promoted with a check has the tag CHECK_TAG: pending, passed or failed. So a killed check is
not forgotten: `doctor` names it, and the next promotion of that version runs it again. A version that failed
is not selected again.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from jenkins_mlflow import errors
from jenkins_mlflow.commands.promote.carry_out import carry_out, promotion, rollback_tags
from jenkins_mlflow.commands.session import Session
from jenkins_mlflow.commands.settling import Purpose, settled
from jenkins_mlflow.config.promote import Check
from jenkins_mlflow.deadline import run_bounded
from jenkins_mlflow.errors import NotFound, Refused
from jenkins_mlflow.history.book import Book
from jenkins_mlflow.history.event import Event, new_id
from jenkins_mlflow.promotion.apply import Begun
from jenkins_mlflow.promotion.changes import in_scope, is_done
from jenkins_mlflow.promotion.outcome import Outcome
from jenkins_mlflow.promotion.plan import Plan, plan_promotion
from jenkins_mlflow.promotion.record import before_tags, continued, next_time
from jenkins_mlflow.promotion.rollback import plan_return
from jenkins_mlflow.promotion.smoke_test import Checked
from jenkins_mlflow.registry.client import Registry
from jenkins_mlflow.registry.faults import classify
from jenkins_mlflow.registry.promotion_records import noted, record_for
from jenkins_mlflow.registry.snapshot import Snapshot
from jenkins_mlflow.registry.version import Target, Version
from jenkins_mlflow.results.base import Place
from jenkins_mlflow.results.promote import CheckPart, PromoteResult
from jenkins_mlflow.tags import CHECK_TAG, FAILED, PASSED, PENDING
from jenkins_mlflow.text import printable

LOG = "check.log"


def check_afterwards(
    session: Session, registry: Registry, plan: Plan, outcome: Outcome, result: PromoteResult
) -> PromoteResult:
    """Run the check that follows a promotion; if it fails, undo the promotion and report that.

    A version that was already in production is checked if the check of its promotion never ended.

    Args:
        session: Configuration and connection.
        registry: The registry of the promotion.
        plan: The plan of the promotion.
        outcome: The outcome of the plan.
        result: The promotion's result.

    Returns:
        The result with the outcome of the check and of undoing the promotion; unchanged if no check is due.
    """
    rules, again = session.config.promote.check, outcome.status == "already"
    if rules is None or outcome.status not in ("promoted", "already"):
        return result
    promoted = registry.version(outcome.table.model, outcome.table.number)
    if again and record_for(promoted.tags, plan.target).get(CHECK_TAG) != PENDING:
        return result
    checked = after_check(rules, promoted, plan.target, session.uri, session.report, session.environ)
    result = replace(result, check=CheckPart(**vars(checked)))
    label = plan.candidate.label
    if checked.passed:
        session.terminal.say(f"check: {checked.reason}")
        _note(session, registry, plan, promoted, PASSED)
        return _look_again(session, registry, plan, outcome, result)
    session.terminal.alert(printable(f"{label} failed its check: {checked.reason}; rolling back"))
    _note(session, registry, plan, promoted, FAILED)
    if again:
        result = _roll_back(session, registry, promoted, result)
    else:
        result = _take_back(session, registry, plan, outcome, result)
    message = f"{label} was promoted, failed its check ({checked.reason}), and {result.message}"
    return replace(result, message=printable(message))


def after_check(
    rules: Check, version: Version, target: Target, uri: str, folder: Path, environ: Mapping[str, str]
) -> Checked:
    """Run the command; it passes with exit code 0 within the deadline.

    Its environment has MLFLOW_TRACKING_URI, JENKINS_MLFLOW_MODEL, _VERSION, _STAGE and _ALIAS.

    Args:
        rules: The config's ``promote.check`` section.
        version: The version in production now; for the method ``copy``, the copy.
        target: The stage and alias of production.
        uri: The tracking URI.
        folder: The report folder, for the log.
        environ: The rest of the environment.

    Raises:
        Interrupted: A signal arrived; the command was ended first.
    """
    environ = {
        **environ,
        "MLFLOW_TRACKING_URI": uri,
        "JENKINS_MLFLOW_MODEL": version.model,
        "JENKINS_MLFLOW_VERSION": str(version.number),
        "JENKINS_MLFLOW_STAGE": target.stage or "",
        "JENKINS_MLFLOW_ALIAS": target.alias or "",
    }
    ended = run_bounded(rules.command, environ, folder / LOG, rules.timeout)
    return Checked(not ended.failure, ended.failure or "the check passed", round(ended.seconds, 3))


def _look_again(
    session: Session, registry: Registry, plan: Plan, outcome: Outcome, result: PromoteResult
) -> PromoteResult:
    """Look again at what is in production, which may have changed while the check was running."""
    live = _live(session, registry, plan)
    if is_done(outcome.table, live, plan.target):
        return result
    serving = ", ".join(version.label for version in in_scope(outcome.table, live, plan.target)) or "NOTHING"
    message = (
        f"{plan.candidate.label} was promoted and passed its check, but then someone else changed production; "
        f"in production now: {serving}"
    )
    return replace(result, status="overtaken", message=message)


def _live(session: Session, registry: Registry, plan: Plan) -> Snapshot:
    group = session.scope.models if plan.target.exclusive else ()
    return registry.snapshot([plan.table.model, *group])


def _take_back(
    session: Session, registry: Registry, plan: Plan, outcome: Outcome, result: PromoteResult
) -> PromoteResult:
    """Undo this command's promotion: every mark gets the value that it had before."""
    begun = Begun("promotion", by=session.build.user, url=session.build.url)
    book = session.book(registry)
    with session.lock_for(registry, "rollback", outcome.table) as lock:
        undone = promotion(session, registry, plan, lock).take_back(begun, outcome.table)
        if undone.failed:
            return _failed(result, "; ".join(undone.failed))
        if undone.kept:
            return _kept(result, undone.kept)
        live = _live(session, registry, plan)
        serving, now = in_scope(outcome.table, live, plan.target), lock.now()
        at = next_time(live.versions(), now)
        _keep(session, plan, outcome, at, serving, book, now, registry.under(lock))
        tags = rollback_tags(session, plan.candidate, at)
        held = registry.under(lock)
        for version in serving:
            complete = continued(version, plan.target, tags)
            registry.retrying(
                f"tagging {version.label}",
                functools.partial(held.record, version.model, version.number, complete),
            )
    book.write()
    if not serving:
        message = "was rolled back: nothing is in production, as before"
    else:
        labels = ", ".join(version.label for version in serving)
        message = f"was rolled back: {labels} is in production again"
    return replace(result, status="rolled_back", message=message, production=tuple(map(Place.of, serving)))


def _keep(
    session: Session,
    plan: Plan,
    outcome: Outcome,
    at: str,
    serving: Sequence[Version],
    book: Book,
    time: int,
    held: Registry,
) -> None:
    """Record in the history that a promotion was undone."""
    restored = next((version for version in serving if version.model == outcome.table.model), None)
    taken = (outcome.table.model, outcome.table.number)
    book.keep(
        Event(
            new_id(time),
            "check",
            outcome.table.model,
            restored.number if restored else None,
            time,
            at,
            tuple(version.identity for version in serving),
            ((*taken, outcome.table.created.get(taken, 0)),),
            by=session.build.user,
            build=session.build.url,
            reason=f"{plan.candidate.label} failed its check",
        ),
        held,
    )


def _roll_back(
    session: Session, registry: Registry, promoted: Version, result: PromoteResult
) -> PromoteResult:
    """Return to the version that an earlier command's promotion recorded as the previous one."""
    target = session.target
    patterns = session.scope.patterns if target.exclusive else (promoted.model,)
    snapshot = settled(session, registry, patterns, Purpose.PROMOTE)
    try:
        returning = plan_return(snapshot, promoted.model, None, target, unrecorded=True)
        if returning.current is None or returning.current.identity != promoted.identity:
            return _kept(result, "someone else has changed what is in production")
        back = plan_promotion(snapshot, returning.model, returning.number, target)
    except (NotFound, Refused) as unknown:
        return _kept(result, f"{unknown.message}; `jenkins-mlflow rollback --to` goes back")
    begun = Begun("rollback", next_time(snapshot.versions()), session.build.user, session.build.url)
    tags = {**rollback_tags(session, promoted, begun.at), **before_tags(returning.before)}
    tags = continued(back.candidate, target, tags)
    outcome, notice = carry_out(session, registry, back, begun, tags)
    result = replace(
        result, production=tuple(map(Place.of, outcome.production)), lock_seconds=outcome.lock_seconds
    )
    if outcome.status != "promoted":
        code = errors.BY_HAND if outcome.by_hand else errors.FAILED
        result = replace(result, code=code, missing=outcome.missing, notice=notice)
        return _failed(result, outcome.message)
    message = f"was rolled back: {back.candidate.label} is in production again"
    return replace(result, status="rolled_back", message=message)


def _note(session: Session, registry: Registry, plan: Plan, promoted: Version, end: str) -> None:
    """Tag the version, and a copy's original, with the result of its check; a failure is only a warning."""
    for version in (promoted, *((plan.candidate,) if plan.copies else ())):
        try:
            current = registry.version(version.model, version.number)  # the check may have taken hours
            registry.record(version.model, version.number, noted(current, plan.target, {CHECK_TAG: end}))
        except Exception as error:  # noqa: BLE001  whatever the error, the check has ended
            why = classify(error).summary
            session.warn(f"{version.label} could not be tagged with the result of its check ({end}): {why}")


def _failed(result: PromoteResult, why: str) -> PromoteResult:
    return replace(result, status="check_failed", message=f"could not be rolled back: {why}")


def _kept(result: PromoteResult, why: str) -> PromoteResult:
    return replace(result, status="check_failed", message=f"was not rolled back: {why}")
