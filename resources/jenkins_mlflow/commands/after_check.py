"""The check after a promotion: a command of the team's, with a deadline; when it fails, the promotion is rolled back.

A version that is promoted under a check carries the tag CHECK_TAG: pending, passed or failed. So a check that was
killed is not forgotten: `doctor` tells of it, and the next promotion of that version runs it again. And one that failed
is not selected again.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from jenkins_mlflow import errors
from jenkins_mlflow.bounded import run_bounded
from jenkins_mlflow.commands.carrying_out import carry_out, rollback_tags
from jenkins_mlflow.commands.session import Document, Session
from jenkins_mlflow.config.schema import Check
from jenkins_mlflow.errors import NotFound
from jenkins_mlflow.promotion.intent import Intent
from jenkins_mlflow.promotion.plan import Plan, plan_promotion
from jenkins_mlflow.promotion.recovery import Recovery
from jenkins_mlflow.promotion.rollback import recorded
from jenkins_mlflow.promotion.smoke_test import Checked
from jenkins_mlflow.registry.client import Registry
from jenkins_mlflow.registry.faults import classify
from jenkins_mlflow.registry.snapshot import Model, Target, Version
from jenkins_mlflow.tags import CHECK_TAG, FAILED, PASSED, PENDING
from jenkins_mlflow.text import printable

LOG = "check.log"


def check_afterwards(session: Session, registry: Registry, plan: Plan, document: Document) -> Document:
    """Run the check that follows a promotion; when it fails, roll the promotion back and report that.

    A version that was in production already is checked if the check of its promotion did not come to an end.

    Args:
        session: Configuration and connection.
        registry: The registry that the promotion was made in.
        plan: What was carried out.
        document: The promotion's own.

    Returns:
        What the check adds to that document, or replaces in it; nothing where no check is due.
    """
    rules, again = session.config.promote.check, document["status"] == "already"
    if rules is None or document["status"] not in ("promoted", "already"):
        return {}
    serving = [registry.version(place["model"], place["version"]) for place in document["production"]]
    if len(serving) != 1 or (again and serving[0].tags.get(CHECK_TAG) != PENDING):
        return {}
    promoted = serving[0]
    copied = promoted.model != plan.candidate.model
    target = replace(plan.target, stage=None, exclusive=False) if copied else plan.target
    checked = after_check(rules, promoted, target, session.uri, session.report)
    if checked.passed:
        session.terminal.say(f"check: {checked.reason}")
        _note(session, registry, plan, promoted, PASSED)
        return {"check": vars(checked)}
    label = plan.candidate.label
    session.terminal.insist(printable(f"{label} failed its check: {checked.reason}; rolling back"))
    before = recorded(promoted) if copied or again else _place(plan.replaces) if plan.replaces else None
    if again and before is None:
        undone = _kept(
            "what was in production before is not recorded; `jenkins-mlflow rollback --to` goes back"
        )
    else:
        undone = _roll_back(session, registry, promoted, before, plan if not copied else None, target)
    _note(session, registry, plan, promoted, FAILED)
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


def _roll_back(
    session: Session,
    registry: Registry,
    promoted: Version,
    before: tuple[str, int] | None,
    plan: Plan | None,
    target: Target,
) -> Document:
    """Return to what was in production before; if that was nothing, take the version out again."""
    name = promoted.model
    group: Sequence[str] = session.config.models if target.exclusive else ()
    snapshot = session.settled(registry, [name, *group], "promote")
    if not _alone_in_production(snapshot.require(name), promoted, target):
        return _someone_else()
    if before is None:
        return _take_out(session, registry, promoted, plan, target)
    try:
        back = plan_promotion(snapshot, *before, target)
    except NotFound as gone:
        return _kept(gone.message)
    document = carry_out(session, registry, back, "rollback", rollback_tags(session, promoted))
    if document["status"] != "promoted":
        code = document["exit_code"] or errors.FAILED
        return {**document, **_failed(document["message"]), "exit_code": code}
    message = f"was rolled back: {back.candidate.label} is in production again"
    return {**_told("rolled_back", message), "production": document["production"]}


def _take_out(
    session: Session, registry: Registry, promoted: Version, plan: Plan | None, target: Target
) -> Document:
    """Leave production empty, as it was."""
    name = promoted.model
    with session.lock(registry, "rollback", (name,), (name,)) as lock:
        if not _alone_in_production(registry.model(name), promoted, target):
            return _someone_else()
        recovery = Recovery(registry, session.methods(registry), session.writer(lock))
        copy = Intent(promoted.number, promoted.stage, None, target.alias, False, (), (), None, {})
        left = recovery.undo(name, Intent.of(plan, (), {}) if plan else copy)
    if left:
        return _failed("; ".join(left))
    message = "was rolled back: nothing is in production, as before"
    return {**_told("rolled_back", message), "production": []}


def _alone_in_production(model: Model, promoted: Version, target: Target) -> bool:
    serving = model.production(target)
    return [version.number for version in serving] == [promoted.number]


def _note(session: Session, registry: Registry, plan: Plan, promoted: Version, end: str) -> None:
    """Tag the version, and what it is a copy of, with the end of its check; failing to is worth a warning."""
    for name, number in dict.fromkeys([(promoted.model, promoted.number), _place(plan.candidate)]):
        try:
            registry.tag_version(name, number, {CHECK_TAG: end})
        except Exception as error:  # noqa: BLE001  whatever it is, the check has ended
            why = classify(error).summary
            session.warn(
                f"{name} version {number} could not be tagged with the end of its check ({end}): {why}"
            )


def _place(version: Version) -> tuple[str, int]:
    return version.model, version.number


def _told(status: str, message: str) -> Document:
    return {"status": status, "exit_code": errors.FAILED, "message": message}


def _failed(why: str) -> Document:
    return _told("check_failed", f"could not be rolled back: {why}")


def _kept(why: str) -> Document:
    return _told("check_failed", f"was not rolled back: {why}")


def _someone_else() -> Document:
    return _kept("someone else has changed what is in production meanwhile")
