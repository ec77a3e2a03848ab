"""Carrying out a plan under the lock, for `promote` and `rollback`; the notice if a person must go on."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress

from jenkins_mlflow import errors
from jenkins_mlflow.commands.session import Document, Session
from jenkins_mlflow.errors import JenkinsMlflowError
from jenkins_mlflow.methods.known_faults import keeps_files, looks_like_file_store
from jenkins_mlflow.promotion.apply import Begun, Promotion
from jenkins_mlflow.promotion.notice import Facts, markdown_notice, text_notice
from jenkins_mlflow.promotion.outcome import Outcome, already
from jenkins_mlflow.promotion.plan import Plan
from jenkins_mlflow.promotion.record import given
from jenkins_mlflow.registry.client import Registry
from jenkins_mlflow.registry.lock import Lock
from jenkins_mlflow.registry.snapshot import Version
from jenkins_mlflow.report import write_report
from jenkins_mlflow.tags import BUILD_URL, ROLLED_BACK_AT, ROLLED_BACK_BY, ROLLED_BACK_FROM
from jenkins_mlflow.text import printable

EXIT_CODES = {"partial": errors.BY_HAND, "manual": errors.BY_HAND, "overtaken": errors.FAILED}


def carry_out(
    session: Session, registry: Registry, plan: Plan, begun: Begun, tags: Mapping[str, str]
) -> tuple[Outcome, Document]:
    """Carry out a plan under the lock, and give the notice if a person has to go on.

    Returns:
        The outcome, and its part of the result document.
    """
    outcome = _apply(session, registry, plan, begun, tags)
    document: Document = {**outcome.document(plan), "notice": None}
    document["exit_code"] = EXIT_CODES.get(outcome.status, errors.DONE)
    for warning in document.pop("warnings"):
        session.warn(warning)
    if document["exit_code"] == errors.BY_HAND:
        document["notice"] = _notice(session, registry, plan, outcome)
    return outcome, document


def promotion(session: Session, registry: Registry, plan: Plan, lock: Lock) -> Promotion:
    """The promotion of a plan under a lock, by the config's methods."""
    return Promotion(
        registry,
        plan,
        session.methods(registry),
        session.writer(lock),
        group=session.config.models,
        alias_fallback=session.alias_fallback,
        confirm=lock.confirm,
    )


def _apply(
    session: Session, registry: Registry, plan: Plan, begun: Begun, tags: Mapping[str, str]
) -> Outcome:
    if plan.done:
        return already(plan)
    work = "rollback" if begun.work == "rollback" else "promote"
    session.terminal.say(f"{work}: {printable(plan.candidate.label)}")
    with session.lock_for(registry, work, plan.table) as lock:
        return promotion(session, registry, plan, lock).apply(tags, begun)


def rollback_tags(session: Session, left: Version | None, at: str) -> dict[str, str]:
    """What the version that a rollback returns to is tagged with: when, by whom, in which build, from what."""
    return given(
        {
            ROLLED_BACK_AT: at,
            ROLLED_BACK_BY: session.build.user,
            ROLLED_BACK_FROM: f"{left.model}/{left.number}" if left else "",
            BUILD_URL: session.build.url,
        }
    )


def _notice(session: Session, registry: Registry, plan: Plan, outcome: Outcome) -> Document:
    """Print the notice, write it to the report folder, and return it for the document."""
    ui, connection = session.config.ui, registry.connection
    file_store = keeps_files(connection)
    if file_store is None:
        with suppress(JenkinsMlflowError):  # it only helps to guess
            file_store = looks_like_file_store(
                registry.storage_uri(plan.candidate.model, plan.candidate.number)
            )
    facts = Facts(
        plan,
        outcome,
        session.uri,
        connection.server_version,
        file_store,
        ui.url,
        ui.tunnel,
    )
    text = text_notice(facts)
    session.terminal.insist(text)
    files = {"notice.txt": text, "notice.md": markdown_notice(facts)}
    for name, content in files.items():
        if warning := write_report(session.report, name, content):
            session.warn(warning)
    return {"text": text, "files": [str(session.report / name) for name in files]}
