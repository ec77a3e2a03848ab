"""Applying a plan under the lock: what `promote` and `rollback` have in common; the notice if a person must go on."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime, timezone

from jenkins_mlflow import errors
from jenkins_mlflow.commands.session import Document, Session
from jenkins_mlflow.errors import JenkinsMlflowError
from jenkins_mlflow.methods.known_faults import keeps_files, looks_like_file_store
from jenkins_mlflow.promotion.apply import Outcome, Promotion
from jenkins_mlflow.promotion.notice import Facts, markdown_notice, text_notice
from jenkins_mlflow.promotion.plan import Plan
from jenkins_mlflow.registry.client import Registry
from jenkins_mlflow.registry.snapshot import Version
from jenkins_mlflow.tags import TAG_PREFIX
from jenkins_mlflow.text import printable


def carry_out(
    session: Session, registry: Registry, plan: Plan, work: str, tags: Mapping[str, str]
) -> Document:
    """Apply a plan under the lock, and give the notice if a person has to go on."""
    outcome = _apply(session, registry, plan, work, tags)
    document: Document = {**outcome.document(plan), "notice": None, "exit_code": errors.DONE}
    for warning in document.pop("warnings"):
        session.warn(warning)
    if outcome.status in ("partial", "manual"):
        document |= {"exit_code": errors.BY_HAND, "notice": _notice(session, registry, plan, outcome)}
    return document


def _apply(session: Session, registry: Registry, plan: Plan, work: str, tags: Mapping[str, str]) -> Outcome:
    name, group = plan.candidate.model, session.config.models
    session.terminal.say(f"{work}: {printable(plan.candidate.label)}")
    writes = tuple(dict.fromkeys(filter(None, (name, session.config.promote.copy_to))))
    lock = session.lock(registry, work, (*writes, *group) if plan.target.exclusive else writes, writes)
    promotion = Promotion(
        registry,
        plan,
        session.methods(registry),
        session.writer(lock),
        group=group,
        alias_fallback=session.alias_fallback,
    )
    if done := promotion.already():
        return done
    with lock:
        return promotion.apply(tags)


def given_tags(tags: Mapping[str, str]) -> dict[str, str]:
    return {TAG_PREFIX + key: value for key, value in tags.items() if value}


def rollback_tags(session: Session, left: Version | None) -> dict[str, str]:
    """What the version that a rollback returns to is tagged with: when, by whom, in which build, from what."""
    return given_tags(
        {
            "rolled_back_at": now(),
            "rolled_back_by": session.build.user,
            "rolled_back_from": f"{left.model}/{left.number}" if left else "",
            "build_url": session.build.url,
        }
    )


def now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="seconds")


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
    session.report.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (session.report / name).write_text(content, encoding="utf-8")
    return {"text": text, "files": [str(session.report / name) for name in files]}
