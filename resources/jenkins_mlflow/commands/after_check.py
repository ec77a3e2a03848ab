"""The check after a promotion: a command of the team's, with a deadline; when it fails, the promotion is undone.

A version that is promoted under a check carries the tag CHECK_TAG: pending, passed or failed. So a check that was
killed is not forgotten: `doctor` names it, and the next promotion of that version runs it again. A version that failed
is not selected again.
"""

from __future__ import annotations

import functools
import os
from pathlib import Path

from jenkins_mlflow import errors
from jenkins_mlflow.bounded import run_bounded
from jenkins_mlflow.commands.carry_out import carry_out, promotion, rollback_tags
from jenkins_mlflow.commands.session import Document, Purpose, Session
from jenkins_mlflow.config.schema import Check
from jenkins_mlflow.errors import NotFound, Refused
from jenkins_mlflow.promotion.apply import Begun
from jenkins_mlflow.promotion.changes import in_scope, is_done
from jenkins_mlflow.promotion.outcome import Outcome
from jenkins_mlflow.promotion.plan import Plan, plan_promotion
from jenkins_mlflow.promotion.record import before_tags, now
from jenkins_mlflow.promotion.rollback import plan_return
from jenkins_mlflow.promotion.smoke_test import Checked
from jenkins_mlflow.registry.client import Registry
from jenkins_mlflow.registry.faults import classify
from jenkins_mlflow.registry.snapshot import Snapshot, Target, Version
from jenkins_mlflow.tags import CHECK_TAG, FAILED, PASSED, PENDING
from jenkins_mlflow.text import printable

LOG = "check.log"


def check_afterwards(session: Session, registry: Registry, plan: Plan, outcome: Outcome) -> Document:
    """Run the check that follows a promotion; when it fails, undo the promotion and report that.

    A version that was in production already is checked if the check of its promotion did not come to an end.

    Args:
        session: Configuration and connection.
        registry: The registry that the promotion was made in.
        plan: What was planned.
        outcome: What came of it.

    Returns:
        What the check adds to the promotion's document, or replaces in it; nothing where no check is due.
    """
    rules, again = session.config.promote.check, outcome.status == "already"
    if rules is None or outcome.status not in ("promoted", "already"):
        return {}
    promoted = registry.version(outcome.table.model, outcome.table.number)
    if again and promoted.tags.get(CHECK_TAG) != PENDING:
        return {}
    checked = after_check(rules, promoted, plan.target, session.uri, session.report)
    label = plan.candidate.label
    if checked.passed:
        session.terminal.say(f"check: {checked.reason}")
        _note(session, registry, plan, promoted, PASSED)
        return {"check": vars(checked), **_look_again(session, registry, plan, outcome)}
    session.terminal.insist(printable(f"{label} failed its check: {checked.reason}; rolling back"))
    _note(session, registry, plan, promoted, FAILED)
    undone = (
        _roll_back(session, registry, promoted) if again else _take_back(session, registry, plan, outcome)
    )
    told = f"{label} was promoted, failed its check ({checked.reason}), and {undone['message']}"
    return {**undone, "check": vars(checked), "message": printable(told)}


def after_check(rules: Check, version: Version, target: Target, uri: str, folder: Path) -> Checked:
    """Run the command; exit code 0 within the deadline passes.

    It finds in its environment MLFLOW_TRACKING_URI, JENKINS_MLFLOW_MODEL, _VERSION, _STAGE and _ALIAS.

    Args:
        rules: The config's ``promote.check`` section.
        version: What is in production now; for the method ``copy`` that is the copy.
        target: What marks it.
        uri: The tracking URI.
        folder: The report folder, for the log.

    Raises:
        Interrupted: a signal arrived; the command was ended first.
    """
    environ = {
        **os.environ,
        "MLFLOW_TRACKING_URI": uri,
        "JENKINS_MLFLOW_MODEL": version.model,
        "JENKINS_MLFLOW_VERSION": str(version.number),
        "JENKINS_MLFLOW_STAGE": target.stage or "",
        "JENKINS_MLFLOW_ALIAS": target.alias or "",
    }
    ended = run_bounded(rules.command, environ, folder / LOG, rules.timeout)
    return Checked(not ended.failure, ended.failure or "the check passed", round(ended.seconds, 3))


def _look_again(session: Session, registry: Registry, plan: Plan, outcome: Outcome) -> Document:
    """What a check that took a while cannot have seen: whether the version still is the one in production."""
    live = _live(session, registry, plan)
    if is_done(outcome.table, live, plan.target):
        return {}
    there = ", ".join(version.label for version in in_scope(outcome.table, live, plan.target)) or "NOTHING"
    message = (
        f"{plan.candidate.label} was promoted and passed its check, but then someone else changed production; "
        f"in production now: {there}"
    )
    return {"status": "overtaken", "exit_code": errors.FAILED, "message": message}


def _live(session: Session, registry: Registry, plan: Plan) -> Snapshot:
    group = session.config.models if plan.target.exclusive else ()
    return registry.snapshot([plan.table.model, *group])


def _take_back(session: Session, registry: Registry, plan: Plan, outcome: Outcome) -> Document:
    """Undo the promotion that this command has made: every mark goes back to what it found."""
    begun = Begun("promotion", by=session.build.user, url=session.build.url)
    with session.lock_for(registry, "rollback", outcome.table) as lock:
        undone = promotion(session, registry, plan, lock).take_back(begun, outcome.table)
        if undone.failed:
            return _failed("; ".join(undone.failed))
        if undone.kept:
            return _kept(undone.kept)
        serving = in_scope(outcome.table, _live(session, registry, plan), plan.target)
        tags = rollback_tags(session, plan.candidate, now())
        for version in serving:
            registry.retrying(
                f"tagging {version.label}",
                functools.partial(registry.tag_version, version.model, version.number, tags),
            )
    if not serving:
        return {
            **_told("rolled_back", "was rolled back: nothing is in production, as before"),
            "production": [],
        }
    labels = ", ".join(version.label for version in serving)
    message = f"was rolled back: {labels} is in production again"
    return {**_told("rolled_back", message), "production": [version.place for version in serving]}


def _roll_back(session: Session, registry: Registry, promoted: Version) -> Document:
    """Return to what an earlier command's promotion recorded as in production before."""
    target = session.target
    patterns = session.patterns if target.exclusive else (promoted.model,)
    snapshot = session.settled(registry, patterns, Purpose.PROMOTE)
    try:
        way = plan_return(snapshot, promoted.model, None, target, unrecorded=True)
        if way.current is None or way.current.identity != promoted.identity:
            return _kept("someone else has changed what is in production")
        back = plan_promotion(snapshot, way.model, way.number, target)
    except (NotFound, Refused) as unknown:
        return _kept(f"{unknown.message}; `jenkins-mlflow rollback --to` goes back")
    begun = Begun("rollback", now(), session.build.user, session.build.url)
    tags = {**rollback_tags(session, promoted, begun.at), **before_tags(way.before)}
    outcome, document = carry_out(session, registry, back, begun, tags)
    if outcome.status != "promoted":
        code = document["exit_code"] or errors.FAILED
        return {**document, **_failed(outcome.message), "exit_code": code}
    message = f"was rolled back: {back.candidate.label} is in production again"
    return {**_told("rolled_back", message), "production": document["production"]}


def _note(session: Session, registry: Registry, plan: Plan, promoted: Version, end: str) -> None:
    """Tag the version, and what it is a copy of, with the end of its check; failing to is worth a warning."""
    for version in (promoted, *((plan.candidate,) if plan.copies else ())):
        try:
            registry.tag_version(version.model, version.number, {CHECK_TAG: end})
        except Exception as error:  # noqa: BLE001  whatever it is, the check has ended
            why = classify(error).summary
            session.warn(f"{version.label} could not be tagged with the end of its check ({end}): {why}")


def _told(status: str, message: str) -> Document:
    return {"status": status, "exit_code": errors.FAILED, "message": message}


def _failed(why: str) -> Document:
    return _told("check_failed", f"could not be rolled back: {why}")


def _kept(why: str) -> Document:
    return _told("check_failed", f"was not rolled back: {why}")
