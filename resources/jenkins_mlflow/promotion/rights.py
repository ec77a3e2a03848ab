"""Finds out before the lock is taken what the account may not do at the end of the promotion."""

from __future__ import annotations

from dataclasses import dataclass

from jenkins_mlflow.parallel import WORKERS, side_by_side
from jenkins_mlflow.promotion.changes import Table
from jenkins_mlflow.registry.client import Registry

FEW = 8  # up to this many models are queried or retired one after the other: threads would gain nothing


@dataclass(frozen=True)
class Forbidden:
    """What an account may not do, and the server's answer that says so."""

    what: str
    why: str


def forbidden(registry: Registry, table: Table) -> Forbidden | None:
    """Find out what this account may not do, with one request for each alias to remove; None if it may do everything.

    MLflow's basic-auth lets an account with EDIT set an alias but not remove one. So such an account could
    neither retire another model of an exclusive group nor undo the changes that it had made by then.

    Raises:
        ConnectionFailed, RegistryError: the registry does not answer.
    """
    taken = [change for change in table.pending if not change.is_stage and change.wanted is None]
    workers = WORKERS if len(taken) > FEW else 1
    refused = registry.why_no_alias_can_be_deleted
    reasons = side_by_side(lambda change: refused(change.model), taken, workers=workers)
    for change, why in zip(taken, reasons, strict=True):
        if why:
            return Forbidden(f"this account may not remove alias {change.mark} from {change.model}", why)
    return None
