"""`lease`: says who runs a version, so that no cleanup deletes it; gives that up; lists who runs what."""

from __future__ import annotations

import re
from datetime import datetime, timezone

from jenkins_mlflow.cleanup.lease import Lease, lease_tag, leases
from jenkins_mlflow.commands.session import Document, Session
from jenkins_mlflow.errors import UsageError
from jenkins_mlflow.registry.snapshot import Version
from jenkins_mlflow.tags import LEASE_TAG
from jenkins_mlflow.text import plural

_HOLDER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


def take_lease(session: Session, model: str, number: int, holder: str, seconds: float) -> Document:
    """`lease --for`: begin or renew a lease, from now on.

    It waits for a cleanup that is at work on the model: a version that is leased is not deleted any more.

    Raises:
        UsageError: the holder's name does not fit into a tag.
        NotFound: the version does not exist.
    """
    _check_holder(holder)
    registry = session.registry()
    with session.lock(registry, "lease", [model], [model]) as lock:
        registry.version(model, number)
        key, value = lease_tag(holder, registry.now() + seconds)
        lock.check()
        registry.retrying("writing the lease", lambda: registry.tag_version(model, number, {key: value}))
    version = registry.version(model, number)
    (lease,) = [lease for lease in leases(version.tags) if lease.holder == holder]
    return _document("leased", f"{version.label}: {lease.words}", [_entry(version, lease, 0.0)])


def release_lease(session: Session, model: str, number: int, holder: str) -> Document:
    """`lease --release`: end a lease; one that is not there is no error.

    Raises:
        UsageError: the holder's name does not fit into a tag.
        NotFound: the version does not exist.
    """
    _check_holder(holder)
    registry = session.registry()
    with session.lock(registry, "lease", [model], [model]) as lock:
        version = registry.version(model, number)
        lock.check()
        registry.retrying(
            "ending the lease", lambda: registry.untag_version(model, number, LEASE_TAG + holder)
        )
    return _document("released", f"{version.label} is not leased by {holder} any more", [])


def list_leases(session: Session) -> Document:
    """`lease` alone: every lease in the group, those that have ended included."""
    registry = session.registry()
    now = registry.now()
    entries = [
        _entry(version, lease, now)
        for version in registry.snapshot(session.config.models).versions()
        for lease in leases(version.tags)
    ]
    return _document("listed", plural(len(entries), "lease"), entries)


def _check_holder(holder: str) -> None:
    if not _HOLDER.fullmatch(holder):
        raise UsageError(
            "--holder must be at most 100 letters, digits, dots, dashes and underscores",
            state="nothing was written",
        )


def _entry(version: Version, lease: Lease, now: float) -> Document:
    until = None if lease.end is None else datetime.fromtimestamp(lease.end, timezone.utc).isoformat()
    return {**version.place, "holder": lease.holder, "until": until, "runs": lease.runs(now)}


def _document(status: str, message: str, entries: list[Document]) -> Document:
    return {"command": "lease", "status": status, "message": message, "leases": entries}
