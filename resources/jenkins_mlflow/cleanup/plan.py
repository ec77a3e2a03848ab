"""The retention policy: a pure plan that gives a reason for every version. apply.py carries it out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, Literal

from jenkins_mlflow.cleanup.protection import Protection, has_record, unfinished
from jenkins_mlflow.config.schema import Cleanup
from jenkins_mlflow.errors import Interrupted, JenkinsMlflowError
from jenkins_mlflow.registry.snapshot import Snapshot, Target, Version
from jenkins_mlflow.text import plural

_UNITS = ((86_400.0, "d"), (3_600.0, "h"), (60.0, "min"))


ItemOutcome = Literal[
    "", "deleted", "already gone", "kept: changed meanwhile", "kept: in use", "failed", "not reached"
]


@dataclass(frozen=True)
class Item:
    """One version, what the plan does with it and why, and what came of it."""

    version: Version
    action: Literal["keep", "delete", "defer"]
    reason: str
    outcome: ItemOutcome = ""
    error: str = ""


@dataclass(frozen=True)
class CleanupPlan:
    """Every version of the group with its fate, model by model, newest first; and what protects versions anyway."""

    items: tuple[Item, ...]
    protection: Protection

    @property
    def deletions(self) -> tuple[Item, ...]:
        return tuple(item for item in self.items if item.action == "delete")


@dataclass(frozen=True)
class CleanupResult:
    """The plan with outcomes. ``stopped`` names the error that ended the work early."""

    status: Literal["deleted", "planned", "nothing", "stopped"]
    message: str
    items: tuple[Item, ...]
    stopped: JenkinsMlflowError | Interrupted | None = None

    def document(self) -> dict[str, Any]:
        """The result as the JSON document's own part."""
        return {
            "status": self.status,
            "message": self.message,
            "items": [
                {
                    "model": item.version.model,
                    "version": item.version.number,
                    "stage": item.version.stage,
                    "aliases": list(item.version.aliases),
                    "created": item.version.created,
                    "action": item.action,
                    "reason": item.reason,
                    "outcome": item.outcome,
                    "error": item.error,
                }
                for item in self.items
            ],
        }


def plan_cleanup(
    group: Snapshot, world: Snapshot, rules: Cleanup, target: Target, *, now: float
) -> CleanupPlan:
    """Apply the retention policy to a snapshot. Pure.

    ``keep_last`` counts, for each model, the newest versions that are not in production; a protected version is kept
    whether or not it is among them.

    Args:
        group: What is cleaned; read without runs.
        world: The whole registry: any part of it may need a version of the group.
        rules: The config's ``cleanup`` section.
        target: What marks production.
        now: Seconds since the epoch by the store's clock, for ``min_age``.
    """
    protection = Protection(rules.protect, target, rules.rollback_depth)
    naming = protection.rollback_targets(version for version in world.versions() if has_record(version))
    at_work = unfinished({model.name: model.tags for model in (*world.models, *group.models)})
    items: list[Item] = []
    for model in group.models:
        newest = 0
        for version in model.versions:
            newest += not version.in_production(target)
            reason = protection.reason(
                version, naming.get((version.model, version.number), ()), at_work
            ) or _kept(version, rules, newest, now)
            if reason:
                items.append(Item(version, "keep", reason))
            else:
                age = _age(now - version.created / 1000)
                items.append(Item(version, "delete", f"not among the {rules.keep_last} newest, {age} old"))
    return CleanupPlan(tuple(_defer(items, rules.max_deletions)), protection)


def _kept(version: Version, rules: Cleanup, newest: int, now: float) -> str:
    """The rule that keeps a version; empty when none does."""
    if newest <= rules.keep_last:
        return f"among the {rules.keep_last} newest not in production"
    age = now - version.created / 1000
    return f"only {_age(age)} old (min_age {_age(rules.min_age)})" if age < rules.min_age else ""


def _defer(items: Iterable[Item], limit: int) -> list[Item]:
    """Keep the deletions to ``limit``, oldest versions first; the rest waits for the next run."""
    listed = list(items)
    doomed = sorted(
        (i for i in listed if i.action == "delete"), key=lambda i: (i.version.created, i.version.number)
    )
    late = {(item.version.model, item.version.number) for item in doomed[limit:]}
    why = f"left for the next run (max_deletions {limit})"
    return [
        replace(item, action="defer", reason=why)
        if (item.version.model, item.version.number) in late
        else item
        for item in listed
    ]


def _age(seconds: float) -> str:
    """An age in the unit that fits: `3 min`, `5 h`, `12 d`."""
    size, unit = next(((size, unit) for size, unit in _UNITS if seconds >= size), (1.0, "s"))
    return f"{int(max(seconds, 0) / size)} {unit}"


def dry_run(plan: CleanupPlan) -> CleanupResult:
    """The result of a cleanup that changes nothing: the plan itself."""
    models = plural(len({item.version.model for item in plan.items}), "model")
    count = len(plan.deletions)
    message = f"would delete {plural(count, 'version')} of {models}; nothing was changed"
    return CleanupResult("planned" if count else "nothing", message, plan.items)
