"""The table of changes: everything that a promotion, a rollback or a copy changes. A frozen value with pure functions.

A change is one mark, with the value that was found and the value that is wanted. There are two kinds of
marks: the stage of a version, and the holder of an alias in a model. This table is the basis for refusing,
applying, verifying, undoing, recovering and locking, and for the intent, the dry run and the notice.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from jenkins_mlflow.registry.change import NEW, Change
from jenkins_mlflow.registry.snapshot import Model, Snapshot
from jenkins_mlflow.registry.version import Target, Version

State = Literal["as found", "as wanted", "foreign", "gone"]


@dataclass(frozen=True)
class Table:
    """All changes of one promotion, in the order in which they are made.

    Attributes:
        model, number: The version that goes into production; ``NEW`` for a copy that has not been made yet.
        changes: One for each mark, starting with those in the promoted version's own model.
        created: When each version in the table was created, by model and number. A version that was deleted
            and created again under the same number is a different version.
    """

    model: str
    number: int
    changes: tuple[Change, ...]
    created: Mapping[tuple[str, int], int]

    @property
    def label(self) -> str:
        return f"{self.model} version {self.number}" if self.number != NEW else f"the copy in {self.model}"

    @property
    def models(self) -> tuple[str, ...]:
        """Every model in which something may change; the promoted version's own comes first."""
        return tuple(dict.fromkeys((self.model, *(change.model for change in self.changes))))

    @property
    def pending(self) -> tuple[Change, ...]:
        return tuple(change for change in self.changes if change.found != change.wanted)

    def found_in_production(self, target: Target) -> tuple[tuple[str, int, int], ...]:
        """The versions in the table's changes that were in production at the start: model, number, creation time."""
        found = [
            (change.model, int(change.mark if change.is_stage else change.found or 0))
            for change in self.changes
            if (change.found == target.stage if change.is_stage else change.found is not None)
        ]
        return tuple((*place, self.created.get(place, 0)) for place in dict.fromkeys(found))

    def of(self, model: str) -> Table:
        """The part of the table that concerns one model."""
        return replace(self, changes=tuple(change for change in self.changes if change.model == model))

    def with_copy(self, copy: Version) -> Table:
        """The same table with the number of the copy, now that it has been made."""
        changes = tuple(
            replace(change, wanted=copy.number)
            if change.model == self.model and change.wanted == NEW and not change.is_stage
            else change
            for change in self.changes
        )
        return Table(
            self.model, copy.number, changes, {**self.created, (self.model, copy.number): copy.created}
        )


def state(change: Change, table: Table, live: Snapshot) -> State:
    """Compare a mark with the value that was found and the value that is wanted.

    Returns:
        ``gone`` if the version that would get its stage or alias back no longer exists.
    """
    model = live.model(change.model)
    if model is None:
        return "as found" if change.found is None else "gone"
    if isinstance(change.mark, int) and not _is_there(table, model, change.mark):
        return "gone"
    now = change.value(model)
    if isinstance(now, int) and (change.model, now) in table.created and not _is_there(table, model, now):
        return "foreign"  # the same number, but a different version
    if now == change.wanted:
        return "as wanted"
    if now == change.found:
        return "as found"
    lost = isinstance(change.found, int) and not _is_there(table, model, change.found)
    return "gone" if now is None and lost else "foreign"


def states(table: Table, live: Snapshot) -> dict[Change, State]:
    """Compare every mark of the table with the live registry."""
    return {change: state(change, table, live) for change in table.changes}


def in_scope(table: Table, live: Snapshot, target: Target) -> tuple[Version, ...]:
    """The versions now in production in the table's model or, for an exclusive target, in the whole group."""
    return tuple(v for v in live.production(target) if target.exclusive or v.model == table.model)


def strangers(table: Table, live: Snapshot, target: Target) -> tuple[Version, ...]:
    """The versions now in production that are not in the table: somebody else put them there.

    Args:
        table: The changes.
        live: The promoted version's model or, for an exclusive target, the whole group.
        target: What marks production.
    """
    known = {(table.model, table.number)}
    for change in table.changes:
        numbers = (change.mark,) if change.is_stage else (change.found, change.wanted)
        known |= {(change.model, number) for number in numbers if isinstance(number, int)}
    return tuple(
        v for v in in_scope(table, live, target) if (v.model, v.number) not in known or not _same(table, v)
    )


def is_done(table: Table, live: Snapshot, target: Target) -> bool:
    """Whether every mark is settled and nothing else is in production, which is what "promoted" means."""
    serving = [(version.model, version.number) for version in in_scope(table, live, target)]
    settled = all(is_settled(change, seen) for change, seen in states(table, live).items())
    return settled and serving == [(table.model, table.number)]


def is_settled(change: Change, seen: State) -> bool:
    """Whether a mark needs no further change.

    Either it has the wanted value, or it was to leave production and somebody else has already moved or
    deleted it.
    """
    return seen == "as wanted" or (change.leaves and seen in ("foreign", "gone"))


def is_there(table: Table, live: Snapshot, model: str, number: str | int) -> bool:
    """Whether the version still exists and is the one that the table refers to."""
    found = live.model(model)
    return found is not None and _is_there(table, found, int(number))


def _is_there(table: Table, model: Model, number: int) -> bool:
    version = model.version(number)
    return version is not None and _same(table, version)


def _same(table: Table, version: Version) -> bool:
    return table.created.get((version.model, version.number), version.created) == version.created
