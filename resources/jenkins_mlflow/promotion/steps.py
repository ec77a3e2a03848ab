"""Each step makes some of the table's changes; success is judged by reading the registry back."""

from __future__ import annotations

import functools
import itertools
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence

from jenkins_mlflow.errors import NotFound, RegistryError
from jenkins_mlflow.methods.alias import NAME as ALIAS, point
from jenkins_mlflow.methods.base import Method, Transition
from jenkins_mlflow.parallel import WORKERS, side_by_side
from jenkins_mlflow.promotion.changes import State, Table, is_settled, state, states, strangers
from jenkins_mlflow.promotion.rights import FEW
from jenkins_mlflow.promotion.undo import Undo, Undone, changes_back
from jenkins_mlflow.registry.change import Change
from jenkins_mlflow.registry.client import Registry
from jenkins_mlflow.registry.snapshot import Model, Snapshot
from jenkins_mlflow.registry.version import ARCHIVED, Target, Version
from jenkins_mlflow.registry.writer import Attempt, Writer


class Overtaken(Exception):
    """Somebody else has changed something that this promotion changes. Never raised out of the promotion."""


class Steps:
    """Makes the changes of one table; its caller holds the lock and has written the intent.

    Args:
        registry: The registry to change.
        table: What to change.
        target: What marks production.
        methods: The ways to change a stage, in the order in which to try them.
        writer: Guards, retries and records every write.
        read: Reads the promoted version's model or, for an exclusive target, the whole group.
        first: The registry before the first write.

    Raises (every step):
        Overtaken: someone else changed production at the same time.
        ConnectionFailed, RegistryError: the registry cannot be read.
        LockLost: this process must not write any more.
    """

    def __init__(
        self,
        registry: Registry,
        table: Table,
        target: Target,
        methods: Sequence[Method],
        writer: Writer,
        read: Callable[[], Snapshot],
        first: Snapshot,
    ) -> None:
        self._registry = registry
        self._table = table
        self._target = target
        self._methods = methods
        self._writer = writer
        self._read = read
        self._first = self._live = first
        self.undone = Undone()
        """The result of the last ``undo``."""

    def needs_no_stage(self) -> bool:
        """Whether the alias alone puts the version into production, so that it is set before anything leaves."""
        return all(change.mark != self._table.number for change in self.stage_changes())

    def is_staged(self, live: Snapshot) -> bool:
        """Whether no stage in the promoted version's model has to change any more."""
        return not any(change.is_stage and change.model == self._table.model for change in self.pending(live))

    def set_stage(self) -> str | None:
        """Try the methods in order until the registry shows the wanted stages.

        Returns:
            The name of the method that worked; None if none did, or if no stage has to change.
        """
        changes = self.stage_changes()
        if not changes:
            return None
        for method in self._methods:
            # None are left if somebody else has already made these changes; reading back then confirms them.
            transitions = self._transitions(changes)
            obstacle = self._obstacle(method, transitions) if transitions else ""
            if obstacle:
                self._writer.record(Attempt(method.name, 0, "skipped", error=obstacle))
                continue
            if self._try(method.name, functools.partial(self._move, method, changes), changes):
                return method.name
            if self._may_have_changed(changes):
                if self.undo(changes).failed:
                    break
                self._look()
        return None

    def _may_have_changed(self, changes: Sequence[Change]) -> bool:
        """Whether a method that failed may have made some of these changes.

        If all of its requests were answered, the read after the last one shows that. Otherwise one may take effect
        after that read, so the registry has to be read again.
        """
        made = set(changes_back(self._table, self._live, self._target))
        return self._writer.open_ended or not made.isdisjoint(changes)

    def set_own_alias(self) -> bool:
        model_table = self._table.of(self._table.model)
        return all(self._move_alias(change) for change in model_table.pending if not change.is_stage)

    def retire_others(self) -> bool:
        """Take an exclusive group's other models out of production, while the promoted version is in production.

        All are changed between two reads of the registry, in parallel if there are many. Any that are still
        unsettled then follow one by one.
        """
        if not self._retire_at_once():
            return False
        for change in self._table.pending:
            if change.model == self._table.model or self._is_settled(change):
                continue
            self._require_promoted(states(self._table, self._live))
            if not (self._retire(change) if change.is_stage else self._move_alias(change)):
                return False
        return True

    def _retire_at_once(self) -> bool:
        """Return False if somebody has put back a version that this step took out."""
        seen = states(self._table, self._live)
        others: dict[str, list[Change]] = defaultdict(list)
        for change in self._table.pending:
            if change.model != self._table.model and not is_settled(change, seen[change]):
                others[change.model].append(change)
        if not others:
            return True
        self._require_promoted(seen)
        workers = WORKERS if len(others) > FEW else 1
        made = side_by_side(self._retire_model, list(others.values()), workers=workers)
        seen, back = self._look(), False
        for change, label, accepted in itertools.chain.from_iterable(made):
            shown = is_settled(change, seen[change])
            back |= accepted and not shown
            self._note(label, accepted=accepted, shown=shown)
        return not back

    def _retire_model(self, changes: Sequence[Change]) -> list[tuple[Change, str, bool]]:
        """Take one model out of production.

        Its versions are read right before, so that a version that somebody else has just moved stays where it
        is.

        Returns:
            Each write's change, its label, and whether it was accepted.
        """
        made: list[tuple[Change, str, bool]] = []
        now = {number: self._version(changes[0].model, number) for number in set(map(_number_of, changes))}
        for change in changes:
            label, call = ALIAS, functools.partial(self._point, change)
            if self._has_left(change, now[_number_of(change)]):
                continue
            if change.is_stage:
                method = self._usable_method(change)
                if method is None:
                    break
                label, call = (
                    f"{method.name}: {change.model}",
                    functools.partial(self._move, method, [change]),
                )
            accepted = self._writer.write(label, call, functools.partial(self._has_left_now, change))
            made.append((change, label, accepted))
            if not accepted:
                break
        return made

    def _usable_method(self, change: Change) -> Method | None:
        transitions = self._transitions([change])
        return next((method for method in self._methods if not self._obstacle(method, transitions)), None)

    def _version(self, model: str, number: int) -> Version | None:
        try:
            return self._registry.version(model, number)
        except NotFound:
            return None

    def _has_left_now(self, change: Change) -> bool:
        return self._has_left(change, self._version(change.model, _number_of(change)))

    def _has_left(self, change: Change, version: Version | None) -> bool:
        """Whether a mark that this version had needs no further change."""
        versions = (version,) if version else ()
        aliases = dict.fromkeys(version.aliases, version.number) if version else {}
        live = Snapshot((Model(change.model, versions, aliases),))
        return is_settled(change, state(change, self._table, live))

    def _require_promoted(self, seen: Mapping[Change, State]) -> None:
        if any(row.model == self._table.model and not is_settled(row, how) for row, how in seen.items()):
            raise Overtaken(f"someone else took {self._table.label} out of production")

    def undo(self, changes: Sequence[Change] | None = None) -> Undone:
        """Undo these changes, by default the whole table. The result is also kept in ``undone``."""
        undo = Undo(self._registry, self._methods, self._writer, self._target, self._read)
        self.undone = undo.run(self._table, only=changes)
        return self.undone

    def pending(self, live: Snapshot) -> list[Change]:
        return [change for change, seen in states(self._table, live).items() if not is_settled(change, seen)]

    def swept(self) -> list[str]:
        """Versions archived by MLflow that are not in the table: somebody promoted them at the last moment.

        Archiving in one request takes every version out of the stage (method ``stage-archive``).
        """
        rows = {(change.model, change.mark) for change in self._table.changes}
        live_model = self._live.model(self._table.model)
        before = self._first.model(self._table.model)
        known = {v.identity for v in before.versions if v.stage == ARCHIVED} if before else set()
        return [
            version.label
            for version in (live_model.versions if live_model else ())
            if version.stage == ARCHIVED
            and (version.model, version.number) not in rows
            and version.identity not in known
        ]

    def stage_changes(self) -> list[Change]:
        model_table = self._table.of(self._table.model)
        return [change for change in model_table.pending if change.is_stage]

    def _obstacle(self, method: Method, transitions: Sequence[Transition]) -> str:
        """Why a method is skipped; failing to find out also counts."""
        try:
            return method.obstacle(transitions)
        except RegistryError as error:
            return error.message

    def _retire(self, change: Change) -> bool:
        return any(
            self._try(
                f"{method.name}: {change.model}", functools.partial(self._move, method, [change]), [change]
            )
            for method in self._methods
            if not self._obstacle(method, self._transitions([change]))
        )

    def _move(self, method: Method, changes: Sequence[Change]) -> None:
        """Make stage changes; a version that somebody else has moved since the last read stays where it is."""
        transitions = self._transitions(changes)
        if transitions:
            method.carry_out(transitions)

    def _transitions(self, changes: Sequence[Change]) -> list[Transition]:
        """The stage changes that are still to be made, with the versions as last read."""
        found = [
            (self._live.require(change.model).version(int(change.mark)), str(change.wanted))
            for change in changes
            if not self._is_settled(change)
        ]
        return [Transition(version, stage) for version, stage in found if version is not None]

    def _is_settled(self, change: Change) -> bool:
        """Whether a change was settled when the registry was last read."""
        return is_settled(change, state(change, self._table, self._live))

    def _move_alias(self, change: Change) -> bool:
        return self._try(ALIAS, functools.partial(self._point, change), [change])

    def _point(self, change: Change) -> None:
        number = change.wanted if isinstance(change.wanted, int) else None
        point(self._registry, change.model, str(change.mark), number)

    def _try(self, label: str, call: Callable[[], None], changes: Sequence[Change]) -> bool:
        """Make one write with retries; success is judged by reading the registry back, not by the answer."""

        def took_effect() -> bool:
            seen = self._look()
            return all(is_settled(change, seen[change]) for change in changes)

        accepted = self._writer.write(label, call, took_effect)
        shown = took_effect()
        self._note(label, accepted=accepted, shown=shown)
        return shown

    def _note(self, label: str, *, accepted: bool, shown: bool) -> None:
        """Record a write whose answer the registry contradicts."""
        if accepted and not shown:
            note = "reported success, but the registry does not show it"
            self._writer.record(Attempt(label, 0, "not verified", error=note))
        elif shown and not accepted:
            self._writer.record(Attempt(label, 0, "done", error="took effect although its answer was lost"))

    def _look(self) -> dict[Change, State]:
        """Read the registry again and compare the table with it.

        Raises:
            Overtaken: the promoted version or its alias was moved or deleted, or another version is in
                production.
        """
        self._live = self._read()
        seen = states(self._table, self._live)
        moved = any(how in ("foreign", "gone") and not change.leaves for change, how in seen.items())
        if moved or strangers(self._table, self._live, self._target) or self.swept():
            raise Overtaken("someone else changed production at the same time")
        return seen


def _number_of(change: Change) -> int:
    """The version that is to lose its mark."""
    number = change.mark if change.is_stage else change.found
    assert isinstance(number, int), "only what a version has can be taken from it"
    return number
