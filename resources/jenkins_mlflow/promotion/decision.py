"""Decides whether to finish or to undo a promotion that stopped in the middle. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from jenkins_mlflow.promotion.changes import is_done, states, strangers
from jenkins_mlflow.promotion.intent import Intent
from jenkins_mlflow.promotion.record import is_recorded, time_tag
from jenkins_mlflow.promotion.undo import restores
from jenkins_mlflow.registry.change import Change
from jenkins_mlflow.registry.snapshot import Snapshot
from jenkins_mlflow.registry.version import Target, Version
from jenkins_mlflow.tags import CHECK_TAG, FAILED, METHOD


@dataclass(frozen=True)
class Decision:
    """What to do about an intent, and why.

    ``repair``: a late request reverted some changes after the promotion had ended.
    """

    kind: Literal["finish", "undo"]
    reason: str
    repair: bool = False


def decide(intent: Intent, live: Snapshot, target: Target) -> Decision:
    """Decide whether to finish or to undo an unfinished promotion. Pure.

    Args:
        intent: The unfinished promotion; the reader's own config allows all of it.
        live: The model now or, for an exclusive target, the whole group.
        target: What marks production.
    """
    table = intent.table
    label = f"version {table.number}"
    model = live.model(table.model)
    promoted = model.version(table.number) if model else None
    failed = promoted is not None and promoted.record.get(CHECK_TAG) == FAILED
    if is_done(table, live, target) and not failed:
        return Decision("finish", f"{label} is in production")
    if failed:
        return Decision("undo", f"{label} failed its check")
    foreign = strangers(table, live, target)
    if foreign:
        return Decision("undo", f"someone else has put {foreign[0].label} into production")
    if promoted is None:
        return Decision("undo", f"{label} was deleted")
    seen = states(table.of(table.model), live)
    if has_ended(intent, promoted) and set(seen.values()) <= {"as found", "as wanted"}:
        return Decision("finish", f"{label} was promoted, and a late request changed that", repair=True)
    return Decision("undo", f"{label} did not get all of production")


def has_ended(intent: Intent, promoted: Version) -> bool:
    """Whether the version's own record says that this particular promotion made all its changes."""
    return (
        bool(intent.at)
        and promoted.record.get(time_tag(intent.work)) == intent.at
        and bool(promoted.record.get(METHOD))
    )


def is_confirmed(change: Change, live: Snapshot, target: Target) -> bool:
    """Whether another model's version may go back into production because its own record says that it was there."""
    if not restores(change, target):
        return True
    number = change.mark if change.is_stage else change.found
    model = live.model(change.model)
    version = model.version(number) if model and isinstance(number, int) else None
    serving = model.production(target) if model else ()
    alone = all(other.number == number for other in serving)
    return version is not None and is_recorded(version) and alone
