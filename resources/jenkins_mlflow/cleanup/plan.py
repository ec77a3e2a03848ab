"""Plans a cleanup: the rule that keeps each version, and the outcome of each item. Pure.

apply.py carries it out.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from jenkins_mlflow.cleanup.policy import (
    UNKNOWN,
    Kept,
    describe,
    keep,
    made,
    newest_first,
    uncounted,
    unlogged,
)
from jenkins_mlflow.cleanup.protection import Protection, has_record, recorded_champions, unfinished
from jenkins_mlflow.config.cleanup import Cleanup
from jenkins_mlflow.config.select import Select
from jenkins_mlflow.errors import Interrupted, JenkinsMlflowError
from jenkins_mlflow.registry.names import matches
from jenkins_mlflow.registry.snapshot import Model, Snapshot
from jenkins_mlflow.registry.version import Target, Version
from jenkins_mlflow.tags import KEEP_TAG
from jenkins_mlflow.text import listed, plural, size, span

ItemOutcome = Literal[
    "", "deleted", "already gone", "kept: changed since the plan", "kept: in use", "failed", "not reached"
]

Policy = tuple[str | None, tuple[str, ...]]
"""Keep rules in words, and the pattern of the models that they are for; None for models without an override."""


@dataclass(frozen=True, slots=True)
class Item:
    """One version, its fate in the plan with the reason, and its outcome.

    Attributes:
        reason: Why it stays or goes, in words.
        rule: What keeps it: ``protected``, the name of a keep rule, or ``unknown`` if a metric is.
        rank: Its place under that rule, from 1; 0 where the rule has no places.
        error: Why it was kept after all, or could not be deleted.
        bytes: The size of its files; None if that was not determined or is unknown.
        storage: The location of its files, if their size was determined.
    """

    version: Version
    action: Literal["keep", "delete", "defer"]
    reason: str
    rule: str = ""
    rank: int = 0
    outcome: ItemOutcome = ""
    error: str = ""
    bytes: int | None = None
    storage: str = ""


@dataclass(frozen=True)
class Objection:
    """Why a model is better left alone; ``correct``: the key of the config that may be wrong, empty if none is."""

    why: str
    correct: str = ""


@dataclass(frozen=True)
class CleanupPlan:
    """What a cleanup would do.

    Attributes:
        items: Every version of the group with its fate, model by model, newest first.
        protection: What protects a version, whatever the plan says.
        policy: The rules in words: the general ones, then those of each override that applies to a model of
            the group.
        refusals: Why the plan must not be carried out; empty when it may be.
        alone: The models of a group that are better left alone: their policy keeps versions, but this plan
            would delete all of them, or depends on a metric that none of them has.
    """

    items: tuple[Item, ...]
    protection: Protection
    policy: tuple[Policy, ...] = ()
    refusals: tuple[str, ...] = ()
    alone: Mapping[str, Objection] = field(default_factory=dict)

    @property
    def deletions(self) -> tuple[Item, ...]:
        return tuple(item for item in self.items if item.action == "delete")

    @property
    def unknown(self) -> tuple[Item, ...]:
        """The versions that stay only because a metric is unknown."""
        return tuple(item for item in self.items if item.rule == UNKNOWN)


@dataclass(frozen=True)
class CleanupResult:
    """The plan with outcomes. ``stopped`` names the error that ended the work early."""

    status: Literal["deleted", "planned", "refused", "nothing", "stopped"]
    message: str
    items: tuple[Item, ...]
    policy: tuple[Policy, ...] = ()
    stopped: JenkinsMlflowError | Interrupted | None = None


def plan_cleanup(
    group: Snapshot,
    world: Snapshot,
    rules: Cleanup,
    target: Target,
    *,
    now: float,
    select: Select | None = None,
    allow_remove_all: bool = False,
) -> CleanupPlan:
    """Apply the retention policy to a snapshot. Pure.

    Args:
        group: The models to clean, read with their runs: gates, metrics and dates come from them.
        world: The whole registry, or what ``whole_world`` reads of it: any part of it may need a version of
            the group.
        rules: The config's ``cleanup`` section.
        target: What marks production.
        now: Seconds since the epoch by the store's clock.
        select: The gates, and the metric for ``keep_best``; None for the defaults.
        allow_remove_all: Whether to carry out even an empty policy, or a plan in which a model loses every
            version, and to count a metric that cannot be read as missing.
    """
    select = select or Select()
    protection = Protection(rules.protect, target, rules.rollback_depth, now)
    recorded_versions = [version for version in world.versions() if has_record(version)]
    naming, recorded = protection.rollback_targets(recorded_versions), recorded_champions(recorded_versions)
    all_models = (*world.models, *group.models)
    at_work = unfinished(
        {model.name: model.tags for model in all_models},
        {model.name for model in all_models if not model.signed},
    )
    kept_models = {model.name for model in group.models if KEEP_TAG in model.tags}
    items: list[Item] = []
    unknown: dict[str, Mapping[str, Sequence[str]]] = {}
    for model in group.models:
        if not is_covered(model.name, rules):
            continue
        others = [version for version in model.versions if not version.in_production(target)]
        of_model = rules.rules_for(model.name)
        kept = keep(others, of_model, select, now=now, unknown_stay=not allow_remove_all)
        unknown[model.name] = unlogged(others, of_model, select)
        for version in newest_first(model.versions):
            why = protection.reason(version, naming.of(version), at_work, recorded, kept_models)
            items.append(_item(version, why, kept.get(version.number), now, uncounted(version, select)))
    objections = {
        name: found for name, some in _by_model(items).items() if (found := _objection(some, unknown[name]))
    }
    refusals = tuple(_refusals(items, rules, select, objections, allow_remove_all=allow_remove_all))
    policy = tuple(_policy(rules, select, group.models))
    alone = {name: found for name, found in objections.items() if describe(rules.rules_for(name), select)}
    return CleanupPlan(tuple(_defer(items, rules.max_deletions)), protection, policy, refusals, alone)


def is_covered(model: str, rules: Cleanup) -> bool:
    """Whether cleanups apply to a model: include names it, and exclude does not."""
    return matches(model, rules.include) and not matches(model, rules.exclude)


def _objection(of_model: Sequence[Item], unknown: Mapping[str, Sequence[str]]) -> Objection | None:
    """The objection to a model's part of the plan; None if there is none."""
    doomed = sum(item.action == "delete" for item in of_model)
    if (
        doomed and unknown
    ):  # a wrong or mistyped metric: every version fails that gate, or that rule keeps none
        key, names = next(iter(unknown.items()))
        logged = f"has no version outside production that logged {listed(names, 3)}"
        return Objection(f"{logged}, which {key} asks for", correct=key)
    return (
        Objection(f"would lose every version: {plural(doomed, 'version')}")
        if doomed == len(of_model)
        else None
    )


def _item(version: Version, protected: str, kept: Kept | None, now: float, uncounted: str) -> Item:
    if protected:
        return Item(version, "keep", protected, "protected")
    if kept:
        return Item(version, "keep", kept.reason, kept.rule, kept.rank)
    verdict = f"no rule counts it{uncounted}" if uncounted else "no rule keeps it"
    why = f"{verdict}, {span(now - version.created / 1000)} old"
    return Item(version, "delete", sys.intern(why))  # of 100,000 versions, thousands share one reason


def _policy(rules: Cleanup, select: Select, models: Sequence[Model]) -> Iterator[Policy]:
    """The general rules, and those of each override that a model of the group has."""
    yield None, tuple(describe(rules.general, select))
    of_pattern = {rules.override_for(model.name): model.name for model in models}
    for pattern, model in of_pattern.items():
        if pattern is not None:
            yield pattern, tuple(describe(rules.rules_for(model), select))


def _by_model(items: Sequence[Item]) -> dict[str, list[Item]]:
    found: dict[str, list[Item]] = defaultdict(list)
    for item in items:
        found[item.version.model].append(item)
    return found


def _refusals(
    items: Sequence[Item],
    rules: Cleanup,
    select: Select,
    objections: Mapping[str, Objection],
    *,
    allow_remove_all: bool,
) -> Iterator[str]:
    """Why so much must not be deleted."""
    for model, of_model in _by_model(items).items():
        doomed = sum(item.action == "delete" for item in of_model)
        share = 100 * doomed / len(of_model)
        if not doomed:
            continue
        if not describe(rules.rules_for(model), select) and not allow_remove_all:
            yield f"no rule keeps any version of {model}: the policy is empty"
        elif model in objections and not allow_remove_all:
            yield f"{model} {objections[model].why}"
        elif rules.max_share is not None and share > rules.max_share:
            yield (
                f"{model} would lose {doomed} of {plural(len(of_model), 'version')}, "
                f"{share:.0f} %: more than max_share ({rules.max_share} %)"
            )


def _defer(items: Iterable[Item], limit: int) -> list[Item]:
    """Keep the deletions to ``limit``, oldest versions first; the others wait for the next run."""
    everything = list(items)
    doomed = oldest_first(i for i in everything if i.action == "delete")
    late = {(item.version.model, item.version.number) for item in doomed[limit:]}
    why = f"left for the next run (max_deletions {limit})"
    return [
        replace(item, action="defer", reason=why)
        if (item.version.model, item.version.number) in late
        else item
        for item in everything
    ]


def oldest_first(items: Iterable[Item]) -> list[Item]:
    """The order of deletion: wherever it stops, the versions that are left are newer than those deleted."""
    return sorted(items, key=lambda item: (made(item.version), item.version.number))


def total(items: Iterable[Item]) -> int | None:
    """The bytes of everything to be deleted, each location once; None if no size was determined."""
    places = {i.storage: i.bytes for i in items if i.action == "delete" and i.bytes is not None}
    return sum(places.values()) if places else None


def dry_run(plan: CleanupPlan) -> CleanupResult:
    """The result of a cleanup that changes nothing: the plan itself."""
    models = plural(len({item.version.model for item in plan.items}), "model")
    count = len(plan.deletions)
    if plan.refusals:
        return CleanupResult("refused", "; ".join(plan.refusals), plan.items, plan.policy)
    if not count:
        where = f" in {models}" if plan.items else ""
        return CleanupResult("nothing", f"nothing to delete{where}", plan.items, plan.policy)
    takes = total(plan.deletions)
    message = f"DRY RUN: would delete {plural(count, 'version')} of {models}"
    message += f", whose files take {size(takes)}" if takes is not None else ""
    message += "; nothing was changed"
    return CleanupResult("planned", message, plan.items, plan.policy)
