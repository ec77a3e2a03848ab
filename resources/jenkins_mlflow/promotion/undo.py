"""Undoes changes: every mark that is as wanted gets back the value that was found, production's marks first."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from jenkins_mlflow.methods.alias import NAME as ALIAS, point
from jenkins_mlflow.methods.base import Method, Transition
from jenkins_mlflow.promotion.changes import Table, in_scope, is_there, states, strangers
from jenkins_mlflow.registry.change import Change
from jenkins_mlflow.registry.client import Registry
from jenkins_mlflow.registry.snapshot import Snapshot
from jenkins_mlflow.registry.version import Target
from jenkins_mlflow.registry.writer import Attempt, Writer


@dataclass(frozen=True)
class Undone:
    """The result of undoing.

    Attributes:
        failed: In words, the changes that could not be undone because a write failed.
        kept: Why a change was kept on purpose; empty if none was.
    """

    failed: tuple[str, ...] = ()
    kept: str = ""


def changes_back(table: Table, live: Snapshot, target: Target) -> list[Change]:
    """The changes to undo, in order. Pure.

    Marks with a foreign value stay. A version that left production does not return next to one that somebody
    else put there; in an exclusive group, that applies across all its models.

    Args:
        table: The changes that were made.
        live: The registry now.
        target: What marks production.
    """
    taken = bool(strangers(table, live, target))
    back = [
        change
        for change, seen in states(table, live).items()
        if seen == "as wanted"
        and change.found != change.wanted
        and not (change.leaves and taken)
        and (change.is_stage or change.found is None or is_there(table, live, change.model, change.found))
    ]
    return sorted(back, key=lambda change: not restores(change, target))


def restores(change: Change, target: Target) -> bool:
    """Whether undoing the change puts a version back into production."""
    return change.found == target.stage if change.is_stage else change.found is not None


class Undo:
    """Undoes a table of changes; its caller holds the lock.

    Args:
        registry: The registry to change.
        methods: The ways to change a stage, best first.
        writer: Guards, retries and records every write.
        target: What marks production.
        read: Reads the promoted version's model or, for an exclusive target, the whole group.
    """

    def __init__(
        self,
        registry: Registry,
        methods: Sequence[Method],
        writer: Writer,
        target: Target,
        read: Callable[[], Snapshot],
    ) -> None:
        self._registry = registry
        self._methods = methods
        self._writer = writer
        self._target = target
        self._read = read

    def run(
        self,
        table: Table,
        allowed: Callable[[Change], bool] = lambda change: True,
        only: Sequence[Change] | None = None,
    ) -> Undone:
        """Undo every change that is as wanted and allowed.

        If the version that was in production cannot return, the promoted one stays: undoing never leaves
        production empty.

        Args:
            table: The whole table, which shows what the promotion found in production and what others put
                there.
            allowed: Whether a change that restores production may be undone.
            only: The changes to undo; None for all.

        Raises:
            LockLost: this process must not write any more.
        """
        live = self._read()
        chosen = set(table.changes if only is None else only)
        back = [change for change in changes_back(table, live, self._target) if change in chosen]
        first = [change for change in back if restores(change, self._target)]
        failed = [text for change in first if allowed(change) and (text := self._take_back(change, live))]
        failed += [
            f"{change.describe(backwards=True)}: no promotion record confirms it"
            for change in first
            if not allowed(change)
        ]
        rest = [change for change in back if not restores(change, self._target)]
        if rest and (why := self._would_empty(table, live)):
            return Undone(tuple(failed), "" if failed else why)
        failed += [text for change in rest if (text := self._take_back(change, live))]
        return Undone(tuple(failed))

    def _would_empty(self, table: Table, live: Snapshot) -> str:
        """Why undoing would leave production empty although it was not empty before; empty if it would not."""
        found = [change for change in table.changes if restores(change, self._target)]
        if not found or any(_is_own(change, table) for change in found):
            return ""
        now = in_scope(table, self._read(), self._target)
        if any((version.model, version.number) != (table.model, table.number) for version in now):
            return ""
        gone = [change for change, seen in states(table, live).items() if seen == "gone"]
        reason = (
            f"{gone[0].model} version {gone[0].mark if gone[0].is_stage else gone[0].found} was deleted"
            if gone
            else ""
        )
        return f"{table.label} stays in production: {reason or 'the version before it could not be put back'}"

    def _take_back(self, change: Change, live: Snapshot) -> str:
        """Undo one change. Return in words why that failed; empty if it worked."""
        note = f"{change.describe(backwards=True)} (taken back)"
        if not change.is_stage:
            move = functools.partial(
                point, self._registry, change.model, str(change.mark), _number(change.found)
            )
            failure = self._writer.undo(ALIAS, move, note)
            return f"{change.describe(backwards=True)} failed: {failure}" if failure else ""
        model = live.require(change.model)
        version = model.version(int(change.mark))
        assert version is not None, "a change of a version that is gone is not as wanted"
        transition = [Transition(version, str(change.found))]
        why = "no method can be used here"
        for method in self._methods:
            why = method.obstacle(transition) or self._writer.undo(
                method.name, functools.partial(method.carry_out, transition), note
            )
            if not why:
                return ""
        text = f"{version.label} stayed in stage {version.stage}, it was in {change.found}: {why}"
        self._writer.record(Attempt("undo", 0, "not undone", error=text))
        return text


def _is_own(change: Change, table: Table) -> bool:
    """Whether the promoted version itself had this mark before, so that it stays in production."""
    marked_before = change.mark if change.is_stage else change.found
    return (change.model, marked_before) == (table.model, table.number)


def _number(holder: str | int | None) -> int | None:
    return holder if isinstance(holder, int) else None
