"""The retention policy: a pure plan that gives a reason for every version. cleanup_apply.py carries it out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, Literal

from jenkins_mlflow.config.schema import Cleanup, Protect
from jenkins_mlflow.errors import Interrupted, JenkinsMlflowError
from jenkins_mlflow.registry.snapshot import PRODUCTION, STAGING, Model, Snapshot, Target, Version
from jenkins_mlflow.tags import INTENT_TAG, PREVIOUS_MODEL, PREVIOUS_VERSION
from jenkins_mlflow.text import plural

ACTIVE_STAGES = (PRODUCTION, STAGING)
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
    """Every version of the group with its fate, model by model, newest first."""

    items: tuple[Item, ...]

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


def plan_cleanup(snapshot: Snapshot, rules: Cleanup, target: Target, *, now: float) -> CleanupPlan:
    """Apply the retention policy to a snapshot. Pure.

    ``keep_last`` counts, for each model, the newest versions that are not in production; a protected version is kept
    whether or not it is among them.

    Args:
        snapshot: The group; read without runs.
        rules: The config's ``cleanup`` section.
        target: What marks production.
        now: Seconds since the epoch, for ``min_age``.
    """
    rollback = _rollback_targets(snapshot, target)
    items: list[Item] = []
    for model in snapshot.models:
        items += _plan_model(model, rules, target, rollback, now)
    return CleanupPlan(tuple(_defer(items, rules.max_deletions)))


def _plan_model(
    model: Model, rules: Cleanup, target: Target, rollback: set[tuple[str, int]], now: float
) -> Iterable[Item]:
    newest = 0
    unfinished = "an unfinished promotion of this model" if INTENT_TAG in model.tags else ""
    for version in model.versions:
        production = version.in_production(target)
        newest += not production
        reason = protection(version, rules.protect, target) or unfinished
        if not reason and (version.model, version.number) in rollback:
            reason = "rollback target of the version in production"
        if not reason and newest <= rules.keep_last:
            reason = f"among the {rules.keep_last} newest not in production"
        age = now - version.created / 1000
        if not reason and age < rules.min_age:
            reason = f"only {_age(age)} old (min_age {_age(rules.min_age)})"
        if reason:
            yield Item(version, "keep", reason)
        else:
            yield Item(version, "delete", f"not among the {rules.keep_last} newest, {_age(age)} old")


def protection(version: Version, protect: Protect, target: Target) -> str:
    """Why the version may never be deleted, from what it carries itself; empty when it may."""
    if version.in_production(target):
        return "in production"
    if version.stage in (ACTIVE_STAGES if protect.stages == "all" else protect.stages):
        return f"stage {version.stage}"
    aliases = [alias for alias in version.aliases if protect.aliases == "all" or alias in protect.aliases]
    if aliases:
        return f"alias {', '.join(aliases)}"
    tag = next((key for key, value in protect.tags.items() if version.tags.get(key) == value), None)
    return f"tag {tag}={protect.tags[tag]}" if tag else ""


def _rollback_targets(snapshot: Snapshot, target: Target) -> set[tuple[str, int]]:
    """The versions that were in production before the present ones, as promotion recorded them."""
    found = set()
    for version in snapshot.versions():
        number = version.tags.get(PREVIOUS_VERSION, "")
        if version.in_production(target) and number.isdecimal():
            found.add((version.tags.get(PREVIOUS_MODEL, version.model), int(number)))
    return found


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
