"""Plans what a promotion will change, from a snapshot of the group. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from jenkins_mlflow.config.promote import DEFAULT_ALIASES
from jenkins_mlflow.errors import NotFound, Refused
from jenkins_mlflow.methods.copy import find_copy
from jenkins_mlflow.promotion.changes import Table, is_done, states, strangers
from jenkins_mlflow.registry.change import NEW, Change
from jenkins_mlflow.registry.promotion_records import records
from jenkins_mlflow.registry.snapshot import Model, Snapshot
from jenkins_mlflow.registry.version import ARCHIVED, PRODUCTION, READY, STAGING, Target, Version
from jenkins_mlflow.tags import BUILD_URL, PROMOTED_BY, TARGET

MOST_NAMED = 3


@dataclass(frozen=True)
class Plan:
    """What a promotion will change.

    Attributes:
        candidate: The version that was chosen.
        target: What marks production.
        table: Every change; if the target copies, these concern the copy in the production model.
        leaving: The versions that it replaces in production: its own model's first, then the exclusive
            group's.
        done: Whether everything already is as wanted.
        promoted: The version that goes into production, in its current state; None for a copy not made yet.
    """

    candidate: Version
    target: Target
    table: Table
    leaving: tuple[Version, ...]
    done: bool
    promoted: Version | None

    @property
    def copies(self) -> bool:
        """Whether a copy of the candidate goes into production instead of the candidate itself."""
        return self.table.model != self.candidate.model

    @property
    def previous(self) -> tuple[Version, ...]:
        """The versions replaced in the promoted version's own model."""
        return tuple(version for version in self.leaving if version.model == self.table.model)

    @property
    def others(self) -> tuple[Version, ...]:
        """The versions replaced in other models of an exclusive group."""
        return tuple(version for version in self.leaving if version.model != self.table.model)

    @property
    def needs_stage(self) -> bool:
        return any(change.is_stage for change in self.table.of(self.table.model).pending)

    @property
    def needs_alias(self) -> bool:
        return any(not change.is_stage for change in self.table.of(self.table.model).pending)

    @property
    def replaces(self) -> Version | None:
        """The version that this one replaces: from its own model or, failing that, from the exclusive group."""
        return next(iter(self.leaving), None)

    @property
    def replacing(self) -> str:
        """All versions that it replaces, in words; with their marks if there are several."""
        if len(self.leaving) < 2:
            return "".join(version.label for version in self.leaving)
        *first, last = [
            *(f"{version.label} ({self._marks(version)})" for version in self.leaving[:MOST_NAMED]),
            *([f"{len(self.leaving) - MOST_NAMED} more"] if len(self.leaving) > MOST_NAMED else []),
        ]
        return f"{', '.join(first)} and {last}"

    def _marks(self, version: Version) -> str:
        """The marks by which a version is in production."""
        stage = [version.stage] if version.stage == self.target.stage else []
        alias = [f"alias {self.target.alias}"] if self.target.alias in version.aliases else []
        return ", ".join([*stage, *alias])

    def steps(self) -> list[str]:
        """The plan in words, for a dry run; empty if there is nothing to do."""
        if self.done:
            return []
        copy = f"{self.candidate.label}: is copied to {self.table.model}"
        head = [copy] if self.table.number == NEW else []
        return head + [change.describe() for change in self.table.pending]

    def describe(self, steps: Sequence[str]) -> str:
        """Describe these steps in one sentence, which says so if there are none."""
        return "; ".join(steps) or f"{self.candidate.label} is in production already, nothing to do"


def plan_promotion(snapshot: Snapshot, model: str, number: int, target: Target) -> Plan:
    """Work out what a promotion has to change. Pure.

    Args:
        snapshot: The candidate's model, the production model if the target copies, and the whole group if the target
            is exclusive.
        model, number: The version to promote. A version of the production model is promoted itself, not copied.
        target: What marks production.

    Raises:
        NotFound: the model or version is not in the registry, or was deleted.
        Refused: the version is not READY, or the target is Staging and would take production's version or
            alias.
    """
    candidate = require_version(snapshot.require(model), number)
    copies = target.copy_to is not None and target.copy_to != model
    place = (
        (snapshot.model(str(target.copy_to)) or Model(str(target.copy_to)))
        if copies
        else snapshot.require(model)
    )
    promoted = find_copy(place, candidate) if copies else number
    if promoted is None:
        promoted = NEW
    in_model = place.production(target)
    others = [
        v for v in snapshot.production(target) if target.exclusive and v.model not in (model, place.name)
    ]
    if target.exclusive and copies:  # the development model is a member of the group like any other
        others += snapshot.require(model).production(target)
    _refuse_to_empty_production(candidate, (*in_model, *others), target)
    leaving = [v for v in in_model if v.number != promoted and not target.is_beside(v)]
    changes = (*_own(place, promoted, leaving, target), *(c for v in others for c in _retire(v, target)))
    table = Table(place.name, promoted, changes, _created(snapshot, place, candidate, changes))
    return Plan(
        candidate,
        target,
        table,
        (*leaving, *others),
        is_done(table, snapshot, target),
        place.version(promoted),
    )


def _refuse_to_empty_production(candidate: Version, marked: Sequence[Version], target: Target) -> None:
    """Refuse a promotion to another stage that would affect the stage Production."""
    if target.is_beside(candidate):
        raise Refused(
            f"{candidate.label} is in {PRODUCTION}, and a version has one stage: in {target.stage} "
            "it would be out of production",
            state="nothing was changed",
            next_step=f"name another version for {target.stage}",
        )
    holder = next((v for v in marked if target.is_beside(v) and _is_known_by(v, target)), None)
    if holder:
        raise Refused(
            f"{candidate.label} would take the alias {target.alias} from {holder.label}, which is in {PRODUCTION}",
            state="nothing was changed",
            next_step=f"give {target.stage} an alias of its own, such as `--alias {DEFAULT_ALIASES[STAGING]}`",
        )


def _is_known_by(version: Version, target: Target) -> bool:
    """Whether clients load this Production version by the target's alias.

    The version's promotion records say which aliases it got. A record of this target does not count here: the
    version has been moved on since. Without a record, the answer is yes if the version has no other alias,
    because a version that was promoted from Staging keeps the alias of Staging beside that of production.
    """
    recorded = [marks for record in records(version.tags) if (marks := record.get(TARGET))]
    if recorded:
        return any(marks != target.marks and f"@{target.alias}" in marks.split() for marks in recorded)
    return version.aliases == (target.alias,)


def require_version(found: Model, number: int) -> Version:
    """Find the version of a model that is to be promoted.

    Raises:
        NotFound: the model has no such version, or it was deleted.
        Refused: it is not READY.
    """
    candidate = found.version(number)
    if candidate is None:
        known_numbers = ", ".join(str(version.number) for version in found.versions[:10]) or "none"
        raise NotFound(
            f"{found.name} has no version {number}: it never had one, or it was deleted (existing: {known_numbers})",
            state="nothing was changed",
            next_step="name one of the existing versions",
        )
    if candidate.status != READY:
        raise Refused(
            f"{candidate.label} is {candidate.status}, not {READY}",
            state="nothing was changed",
            next_step="wait until its registration is complete, or register it again",
        )
    return candidate


def _own(place: Model, promoted: int, leaving: list[Version], target: Target) -> Iterator[Change]:
    """The changes in the promoted version's model: the version goes into production before any other leaves."""
    if target.stage and target.copy_to != place.name:
        version = place.version(promoted)
        yield Change(place.name, promoted, version.stage if version else None, target.stage)
    for old in leaving:
        if target.stage and old.stage == target.stage:
            yield Change(place.name, old.number, old.stage, ARCHIVED)
    if target.alias:
        yield Change(place.name, target.alias, place.aliases.get(target.alias), promoted)


def _retire(version: Version, target: Target) -> Iterator[Change]:
    """The changes that take a version of another model out of production."""
    if target.stage and version.stage == target.stage:
        yield Change(version.model, version.number, version.stage, ARCHIVED)
    if target.alias in version.aliases:
        yield Change(version.model, str(target.alias), version.number, None)


def _created(
    snapshot: Snapshot, place: Model, candidate: Version, changes: tuple[Change, ...]
) -> dict[tuple[str, int], int]:
    named = {(candidate.model, candidate.number)}
    for change in changes:
        numbers = (change.mark,) if change.is_stage else (change.found, change.wanted)
        named |= {(change.model, number) for number in numbers if isinstance(number, int)}
    creation_times = {(v.model, v.number): v.created for v in (*snapshot.versions(), *place.versions)}
    return {key: creation_times[key] for key in sorted(named) if key in creation_times}


def refuse_if_changed(plan: Plan, live: Snapshot) -> None:
    """Refuse if anything that a promotion relies on has changed since it was planned. Pure.

    A version that somebody has registered or staged since then does not matter; one that went into production
    does.

    Args:
        plan: The plan to check.
        live: The same models now.

    Raises:
        NotFound: the candidate's model is gone.
        Refused: a mark is not as it was found, or something else is in production. The message says who was
            faster.
    """
    table, candidate = plan.table, plan.candidate
    now = live.require(candidate.model).version(candidate.number)
    if (
        now is None
        or now.status != READY
        or now.identity != candidate.identity
        or now.run_id != candidate.run_id
    ):
        raise _changed(f"{candidate.label} was deleted after this promotion was planned")
    if is_done(table, live, plan.target):
        return
    moved = [change for change, seen in states(table, live).items() if seen != _expected(change)]
    faster = [*strangers(table, live, plan.target), *_holders(moved, table, live)]
    if faster:
        known = (faster[0].tags.get(tag) for tag in (PROMOTED_BY, BUILD_URL))
        who = ", ".join(text for text in known if text)
        raise _changed(
            f"{candidate.label} lost: {faster[0].label} went into production while this promotion was prepared"
            + (f" (by {who})" if who else "")
        )
    if moved:
        raise _changed(f"{_what(moved[0])} was changed by someone else after this promotion was planned")


def _holders(moved: list[Change], table: Table, live: Snapshot) -> Iterator[Version]:
    """The versions that have received one of the table's aliases since the table was made."""
    for change in moved:
        model = live.model(change.model)
        now = change.value(model) if model and not change.is_stage else None
        version = model.version(now) if model and isinstance(now, int) else None
        if version and (version.model, version.number) != (table.model, table.number):
            yield version


def _expected(change: Change) -> str:
    return "as wanted" if change.found == change.wanted else "as found"


def _what(change: Change) -> str:
    return (
        f"{change.model} version {change.mark}"
        if change.is_stage
        else f"alias {change.mark} of {change.model}"
    )


def _changed(what: str) -> Refused:
    return Refused(
        what,
        state="nothing was written",
        next_step="run the command again: it makes a new plan",
    )
