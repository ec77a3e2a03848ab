"""`doctor`: finds problems of server, store, rights, locks and models, and says how to fix them.

It only reads; with ``--probe`` it also tests a scratch model, see probe.py.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace

from jenkins_mlflow.commands.doctor.models import examine
from jenkins_mlflow.commands.doctor.probe import probe as run_probe
from jenkins_mlflow.commands.doctor.server import clock, door, file_store, login, server
from jenkins_mlflow.commands.doctor.storage import StorageWish, examine_storage
from jenkins_mlflow.commands.recorded import gone_from, read_recorded, recorded_version
from jenkins_mlflow.commands.select import direction_doubt
from jenkins_mlflow.commands.session import Session
from jenkins_mlflow.config.select import Select
from jenkins_mlflow.errors import JenkinsMlflowError, Refused
from jenkins_mlflow.history.event import Event
from jenkins_mlflow.history.timeline import Drift, drifts
from jenkins_mlflow.methods.known_faults import keeps_files
from jenkins_mlflow.promotion.intent import is_unfinished
from jenkins_mlflow.registry.client import Registry
from jenkins_mlflow.registry.faults import classify
from jenkins_mlflow.registry.holder import LONGEST_LEASE, Holder
from jenkins_mlflow.registry.records import Records
from jenkins_mlflow.registry.snapshot import Snapshot
from jenkins_mlflow.registry.version import Target
from jenkins_mlflow.results.doctor import DoctorResult, Finding, Status
from jenkins_mlflow.tags import HOLDER_TAG, TAG_PREFIX
from jenkins_mlflow.text import argument, listed, plural, redact

_MOST_ASKED = 20
_NO_SUCH_VERSION = 2**31 - 1


def doctor(session: Session, *, probe: bool, storage: StorageWish | None = None) -> DoctorResult:
    """`doctor`: find problems, and say how to fix them.

    Args:
        session: Configuration and connection.
        probe: Whether to test write access on a scratch model.
        storage: How to check the files of versions; None not to.

    Raises:
        ConnectionFailed, RegistryError: The registry cannot be read at all.
    """
    findings = diagnose(session, probe=probe)
    findings += examine_storage(session, session.registry(), storage) if storage else []
    problems = [finding for finding in findings if finding.status == "problem"]
    drifted = [finding for finding in problems if finding.drift]
    status: Status = "fine" if not problems else "drift" if problems == drifted else "problems"
    message = f"{plural(len(problems), 'problem')} found" if problems else "no problem found"
    if problems:
        message += f": {'; '.join(f'{finding.what}: {finding.message}' for finding in problems)}"
    return DoctorResult(status=status, message=message, findings=tuple(findings))


def diagnose(session: Session, *, probe: bool = False) -> list[Finding]:
    """Check the server, its store, the account's rights, the locks, the models, and their records."""
    registry = session.registry()
    connection = registry.connection
    with session.unwritten():
        snapshot = registry.snapshot(session.scope.patterns)
    files = keeps_files(connection)
    drifted = drifts_of(session, registry, snapshot)
    return [
        server(connection, files=files),
        door(connection),
        *login(session.uri, os.environ),
        *clock(connection, registry.now(), time.time()),
        *direction(session.config.select),
        *file_store(session.config.promote.file_store, connection, files=files),
        *rights(registry, snapshot),
        *locks(registry),
        *leftovers(registry),
        *journal(registry),
        *examine(snapshot, session.target, [one.model for one in drifted], session.uri, session.scope.models),
        *(changed_outside(one, session.target) for one in drifted),
        *(run_probe(registry) if probe else ()),
    ]


def direction(rules: Select) -> Iterator[Finding]:
    """Whether selections rank in the direction that the metric's name suggests."""
    if found := direction_doubt(rules):
        yield Finding("direction", "note", *found)


def rights(registry: Registry, snapshot: Snapshot) -> Iterator[Finding]:
    """Whether this account may change the models, tested with a tag for a version that cannot exist.

    A server checks rights before it looks for the version. 1 request for each model, for the first of a large
    group.
    """
    refused = [model.name for model in snapshot.models[:_MOST_ASKED] if _is_refused(registry, model.name)]
    if refused:
        yield Finding(
            "rights",
            "problem",
            f"this account may not change {listed(refused, 5)}",
            f"an administrator gives it EDIT (MLflow 3.17): curl -u ADMIN -H 'Content-Type: application/json' "
            f"{redact(registry.connection.uri)}/api/3.0/mlflow/users/permissions/grant -d "
            + argument(
                '{"username": "USER", "resource_type": "registered_model", '
                f'"resource_id": {json.dumps(refused[0])}, "permission": "EDIT"}}'
            ),
        )


def _is_refused(registry: Registry, name: str) -> bool:
    key = TAG_PREFIX + "doctor"
    try:
        registry.connection.door.tag_version(name, _NO_SUCH_VERSION, key, "")
    except Exception as error:  # noqa: BLE001  the answer is the result
        return classify(error).status in (401, 403)
    return False


def locks(registry: Registry) -> Iterator[Finding]:
    """Locks that are held, and locks whose holder is gone."""
    now = registry.now() * 1000
    for name, renewed, tags, signed in registry.flags():
        holder = Holder.from_tag(tags.get(HOLDER_TAG, ""))
        lease = min(holder.lease, LONGEST_LEASE)
        age = (now - renewed) / 1000
        if not signed:
            yield Finding(
                "lock",
                "note",
                f"the flag {name} is not signed with this key: it is waited for as long as others, then passed over; "
                f"it says: {holder.summary}",
                "if nobody works without the key, find out which account makes it; "
                f"delete the registered model {name}",
            )
        elif not holder.readable:
            yield Finding(
                "lock",
                "note",
                f"the flag {name} cannot be read: it holds up every command for {holder.lease:g} s",
                f"if it comes back, find out which account makes it; if it stays, delete the registered model {name}",
            )
        elif age > lease + 1:
            yield Finding(
                "stale lock",
                "note",
                f"{holder.what} was being worked on ({holder.summary}), not renewed for {age:.0f} s: "
                "its holder is gone",
                f"nothing: it blocks no command, and the next one removes the registered model {name} if it may",
            )
        else:
            yield Finding(
                "lock",
                "note",
                f"{holder.what} is being worked on: {holder.summary}",
                f"nothing; if that has ended, the next command goes on without it, at the latest "
                f"{lease:g} s after it ended, and removes the registered model {name} if it may",
            )


def leftovers(registry: Registry) -> Iterator[Finding]:
    """Scratch models of a killed probe."""
    for name in registry.probes():
        yield Finding(
            "scratch model",
            "note",
            f"the registered model {name} was left by a killed `doctor --probe`, or one is running now",
            "`jenkins-mlflow doctor --probe` removes it when it is 10 minutes old",
        )


def journal(registry: Registry) -> Iterator[Finding]:
    """Whether the journal of deletions can be read, which restore, reclaim and cleanup need."""
    try:
        registry.retrying("reading the journal of deletions", lambda: Records(registry).home(anywhere=False))
    except JenkinsMlflowError as error:  # it is in MLflow's trash, or this account may not read it
        yield Finding(
            "journal", "problem" if isinstance(error, Refused) else "note", error.message, error.next_step
        )


def drifts_of(session: Session, registry: Registry, snapshot: Snapshot) -> list[Drift]:
    """Where production differs from the last record; a promotion in progress is not drift."""
    settled = Snapshot(tuple(model for model in snapshot.models if not is_unfinished(model)))
    known = read_recorded(session, registry, settled, gone=session.scope.patterns)
    gone = gone_from(registry, known, settled, session.scope.patterns)
    return [
        replace(drift, returns=not drift.gone and _returns(settled, drift.model, known.events))
        for drift in drifts(known.events, settled, session.target, gone)
    ]


def _returns(snapshot: Snapshot, model: str, events: Sequence[Event]) -> bool:
    try:
        recorded_version(snapshot, model, events)
    except Refused:
        return False
    return True


def changed_outside(found: Drift, target: Target) -> Finding:
    """A drift as a finding."""
    fixes = " or ".join(f"`{fix}`" for fix in found.fixes())
    return Finding("changed outside", "problem", found.describe(target), fixes, drift=True)
