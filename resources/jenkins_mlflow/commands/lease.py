"""`lease`: records who runs a version, so that no cleanup deletes it; ends a lease; lists all leases."""

from __future__ import annotations

import re
from datetime import datetime, timezone

from jenkins_mlflow.cleanup.lease import Lease, lease_tag, leases
from jenkins_mlflow.commands.group import no_such_model
from jenkins_mlflow.commands.session import Session
from jenkins_mlflow.errors import NotFound, UsageError
from jenkins_mlflow.registry.client import Registry
from jenkins_mlflow.registry.version import Version
from jenkins_mlflow.results.lease import LeasePart, LeaseResult
from jenkins_mlflow.tags import LEASE_TAG
from jenkins_mlflow.text import plural

_HOLDER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


def take_lease(session: Session, model: str, number: int, holder: str, seconds: float) -> LeaseResult:
    """`lease --for`: begin or renew a lease, from now on.

    Waits for a cleanup that is working on the model. A leased version is no longer deleted.

    Raises:
        UsageError: The holder's name cannot be part of a tag.
        NotFound: The version does not exist.
    """
    _check_holder(holder)
    registry = session.registry()
    _require_version(session, registry, model, number)
    with session.lock(registry, "lease", [model], [model]) as lock:
        registry.version(model, number)
        key, value = lease_tag(holder, registry.now() + seconds)
        held = registry.under(lock)
        registry.retrying("writing the lease", lambda: held.tag_version(model, number, {key: value}))
    version = registry.version(model, number)
    (lease,) = [lease for lease in leases(version.tags) if lease.holder == holder]
    return LeaseResult(
        status="leased",
        message=f"{version.label}: {lease.description}",
        leases=(_shown(version, lease, 0.0),),
    )


def release_lease(session: Session, model: str, number: int, holder: str) -> LeaseResult:
    """`lease --release`: end a lease; it need not exist.

    Raises:
        UsageError: The holder's name cannot be part of a tag.
        NotFound: The version does not exist.
    """
    _check_holder(holder)
    registry = session.registry()
    _require_version(session, registry, model, number)
    with session.lock(registry, "lease", [model], [model]) as lock:
        version = registry.version(model, number)
        held = registry.under(lock)
        registry.retrying("ending the lease", lambda: held.untag_version(model, number, LEASE_TAG + holder))
    return LeaseResult(status="released", message=f"{version.label} is no longer leased by {holder}")


def list_leases(session: Session) -> LeaseResult:
    """`lease` alone: every lease in the group, including expired ones."""
    registry = session.registry()
    with session.unwritten():
        now, group = registry.now(), registry.snapshot(session.scope.models)
    found = tuple(
        _shown(version, lease, now) for version in group.versions() for lease in leases(version.tags)
    )
    return LeaseResult(status="listed", message=plural(len(found), "lease"), leases=found)


def _check_holder(holder: str) -> None:
    if not _HOLDER.fullmatch(holder):
        raise UsageError(
            "--holder must be at most 100 letters, digits, dots, dashes and underscores",
            state="nothing was written",
            next_step="write, for example, --holder eu-cluster-1",
        )


def _require_version(session: Session, registry: Registry, model: str, number: int) -> None:
    """Look for the version before locking it: a mistyped model has nothing to lock."""
    try:
        with session.unwritten():
            registry.version(model, number)
    except NotFound as missing:
        if model in registry.names():
            raise
        raise no_such_model(registry, model) from missing


def _shown(version: Version, lease: Lease, now: float) -> LeasePart:
    until = None if lease.end is None else datetime.fromtimestamp(lease.end, timezone.utc).isoformat()
    return LeasePart(
        model=version.model, version=version.number, holder=lease.holder, until=until, runs=lease.runs(now)
    )
