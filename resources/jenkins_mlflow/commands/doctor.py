"""`doctor`: what is wrong with server, store and models, and what to do about it. Reads only."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from jenkins_mlflow import errors
from jenkins_mlflow.commands.session import Document, Session
from jenkins_mlflow.errors import JenkinsMlflowError
from jenkins_mlflow.methods.known_faults import keeps_files
from jenkins_mlflow.promotion.intent import is_unfinished, read_intent
from jenkins_mlflow.registry.client import Registry
from jenkins_mlflow.registry.connection import FIXED_IN, Connection, is_affected
from jenkins_mlflow.registry.holder import LONGEST_LEASE, Holder
from jenkins_mlflow.registry.snapshot import Model, Snapshot, Target
from jenkins_mlflow.tags import CHECK_TAG, HOLDER_TAG, PENDING, TAG_PREFIX
from jenkins_mlflow.text import argument, plural, redact


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at. ``fix`` says what to do; empty if all is well."""

    what: str
    status: Literal["fine", "problem", "note"]
    message: str
    fix: str = ""

    def document(self) -> dict[str, Any]:
        return vars(self)


def diagnose(registry: Registry, patterns: Sequence[str], target: Target) -> list[Finding]:
    """Look at the server, its store, the locks and the models.

    Raises:
        ConnectionFailed, RegistryError: the registry cannot be read at all.
    """
    snapshot = registry.snapshot(patterns)
    return [
        _server(registry),
        _door(registry.connection),
        *_locks(registry),
        *examine(snapshot, target),
    ]


def _server(registry: Registry) -> Finding:
    connection = registry.connection
    version, where = connection.server_version, redact(connection.uri)
    files = keeps_files(connection)
    store = {True: "a file store", False: "a database", None: "an unknown kind of store"}[files]
    text = f"{where}: MLflow {version or 'of unknown version'} with {store}"
    fixed = ".".join(str(part) for part in FIXED_IN)
    if files is not False and is_affected(version):
        return Finding(
            "server",
            "problem" if files else "note",
            f"{text}: changing the stage of a version with linked metrics fails there (RepresentationError)",
            f"upgrade the server to MLflow {fixed} or later, or move the registry into a database",
        )
    if files:
        return Finding(
            "server", "note", f"{text}, which MLflow keeps for old data only", "plan to move to a database"
        )
    return Finding("server", "fine", text)


def _door(connection: Connection) -> Finding:
    if not connection.why_client:
        return Finding("door", "fine", "the server is asked by HTTP, without MLflow's client")
    return Finding("door", "fine", f"MLflow's client is used, because {connection.why_client}")


def _locks(registry: Registry) -> Iterator[Finding]:
    for name, _, tags in registry.flags():
        holder = Holder.from_tag(tags.get(HOLDER_TAG, ""))
        if not holder.readable:
            yield Finding(
                "lock",
                "note",
                f"the flag {name} cannot be read: it holds up every command for {holder.lease:g} s",
                f"if it comes back, find out which account makes it; if it stays, delete the registered model {name}",
            )
            continue
        yield Finding(
            "lock",
            "note",
            f"{holder.what} is being worked on: {holder.words}",
            f"nothing; if that has ended, the next command goes on without it, at the latest "
            f"{min(holder.lease, LONGEST_LEASE):g} s after it ended, and removes the registered model {name} if it may",
        )


def examine(snapshot: Snapshot, target: Target) -> list[Finding]:
    """What is wrong with the models. Pure."""
    found = [finding for model in snapshot.models for finding in _examine(model, target)]
    if target.exclusive:
        found += _several_champions(snapshot, target)
    count = (
        f"{plural(len(snapshot.models), 'model')}, {plural(sum(1 for _ in snapshot.versions()), 'version')}"
    )
    return found or [Finding("models", "fine", f"{count}: each has at most one version in production")]


def _examine(model: Model, target: Target) -> Iterator[Finding]:
    if is_unfinished(model):
        try:
            intent = read_intent(model)
            text = intent.title if intent else ""
            fix = f"jenkins-mlflow promote --recover --models {argument(model.name)}"
        except JenkinsMlflowError as error:
            text, fix = error.message, error.next_step
        yield Finding("unfinished promotion", "problem", f"{text} has not ended", fix)
        return
    stage, alias = target.stage, target.alias
    serving = model.staged(stage)
    if len(serving) > 1:
        numbers = " and ".join(str(version.number) for version in reversed(serving))
        yield Finding(
            "two in production",
            "problem",
            f"{model.name} has {len(serving)} versions in {stage}: {numbers}",
            f"jenkins-mlflow promote --model {argument(model.name)} --version {serving[0].number}",
        )
    for version in model.production(target):
        if version.tags.get(CHECK_TAG) == PENDING:
            origin = version.tags.get(TAG_PREFIX + "build_url") or version.tags.get(
                TAG_PREFIX + "promoted_at", ""
            )
            yield Finding(
                "check not ended",
                "problem",
                f"{version.label} is in production, but the check after its promotion has not ended ({origin})",
                "if nothing runs it any more: "
                f"jenkins-mlflow promote --model {argument(model.name)} --version {version.number}",
            )
    holder = model.aliases.get(alias) if alias else None
    if len(serving) == 1 and holder is not None and holder != serving[0].number:
        yield Finding(
            "stage and alias differ",
            "problem",
            f"{model.name}: version {serving[0].number} is in {stage}, but alias {alias} is on version {holder}",
            f"jenkins-mlflow promote --model {argument(model.name)} --version {serving[0].number}",
        )


def _several_champions(snapshot: Snapshot, target: Target) -> Iterator[Finding]:
    serving = [model.name for model in snapshot.models if model.production(target)]
    if len(serving) > 1:
        yield Finding(
            "several champions",
            "problem",
            f"the group is exclusive, but {len(serving)} of its models are in production: {', '.join(serving)}",
            f"jenkins-mlflow promote --model {argument(serving[0])} (or the one that is to stay)",
        )


def doctor(session: Session) -> Document:
    """`doctor`: what is wrong, and what to do about it; changes nothing."""
    findings = diagnose(session.registry(), session.config.models, session.target)
    problems = sum(finding.status == "problem" for finding in findings)
    return {
        "command": "doctor",
        "status": "problems" if problems else "fine",
        "exit_code": errors.FAILED if problems else errors.DONE,
        "message": f"{plural(problems, 'problem')} found" if problems else "no problem found",
        "findings": [finding.document() for finding in findings],
    }
