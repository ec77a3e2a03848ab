"""What an account may not do at the end of a promotion, found out before its beginning and before the lock."""

from __future__ import annotations

from dataclasses import dataclass

from jenkins_mlflow.parallel import WORKERS, side_by_side
from jenkins_mlflow.promotion.changes import Table
from jenkins_mlflow.registry.client import Registry

FEW = 8  # models that are asked about, or leave production, one after the other: threads would gain nothing


@dataclass(frozen=True)
class Forbidden:
    """What an account may not do, and how the server said so."""

    what: str
    why: str


def forbidden(registry: Registry, table: Table) -> Forbidden | None:
    """What this account may not do; None if it may do everything. One request for each alias that is to be taken away.

    MLflow's basic-auth lets an account with EDIT set an alias and not take one away. So it could neither retire
    another model of an exclusive group, nor undo what it had done until then.

    Raises:
        ConnectionFailed, RegistryError: the registry does not answer.
    """
    taken = [change for change in table.pending if not change.is_stage and change.wanted is None]
    workers = WORKERS if len(taken) > FEW else 1
    refused = registry.why_no_alias_can_be_deleted
    reasons = side_by_side(lambda change: refused(change.model), taken, workers=workers)
    for change, why in zip(taken, reasons, strict=True):
        if why:
            return Forbidden(f"this account may not take alias {change.mark} away from {change.model}", why)
    return None
