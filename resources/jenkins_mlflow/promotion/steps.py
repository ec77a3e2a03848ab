"""The steps of a promotion: each makes some changes of the table, and what counts afterwards is the registry."""

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
from jenkins_mlflow.promotion.undo import Undo, Undone
from jenkins_mlflow.registry.change import Change
from jenkins_mlflow.registry.client import Registry
from jenkins_mlflow.registry.snapshot import ARCHIVED, Model, Snapshot, Target, Version
from jenkins_mlflow.registry.writer import Attempt, Writer


class Overtaken(Exception):
    """Someone else has changed what this promotion changes, too. It never leaves the promotion."""


class Steps:
    """Makes the changes of one table; its caller holds the lock and has written the intent.

    Args:
        registry: The registry to change.
        table: What to change.
        target: What marks production.
        methods: The ways to change a stage, in order.
        writer: Guards, retries and records every write.
        read: Reads the promoted version's model; for an exclusive target the whole group.
        first: What there was before the first write.

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
        """What undoing came to, the last time."""

    def needs_no_stage(self) -> bool:
        """Whether the alias alone brings the version into production, so that it comes before anything leaves."""
        return all(change.mark != self._table.number for change in self.stage_changes())

    def is_staged(self, live: Snapshot) -> bool:
        """Whether no stage of the promoted version's model has to be changed (any more)."""
        return not any(change.is_stage and change.model == self._table.model for change in self.pending(live))

    def set_stage(self) -> str | None:
        """Try the methods in order until the registry shows what is wanted; the name of the one that worked."""
        changes = self.stage_changes()
        if not changes:
            return None
        for method in self._methods:
            transitions = self._transitions(
                changes
            )  # none, if somebody else has made them: then a look shows it
            obstacle = self._obstacle(method, transitions) if transitions else ""
            if obstacle:
                self._writer.record(Attempt(method.name, 0, "skipped", error=obstacle))
                continue
            if self._try(method.name, functools.partial(self._move, method, changes), changes):
                return method.name
            if self.undo(changes).failed:
                break
            self._look()
        return None

    def set_own_alias(self) -> bool:
        model_table = self._table.of(self._table.model)
        return all(self._move_alias(change) for change in model_table.pending if not change.is_stage)

    def retire_others(self) -> bool:
        """Take the other models of an exclusive group out of production, as long as the promoted version is in it.

        All are changed between two looks, side by side if there are many. Those still unsettled follow one by one.
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
        """Whether nothing is in production again that was taken out: somebody else wants it there."""
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
        """Take one model out of production; each write with its label and whether it was accepted.

        Its versions are read right before: what somebody else has moved meanwhile stays where it is.
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
        """Whether nothing has to be done any more about a mark that was this version's."""
        versions = (version,) if version else ()
        aliases = dict.fromkeys(version.aliases, version.number) if version else {}
        live = Snapshot((Model(change.model, versions, aliases),))
        return is_settled(change, state(change, self._table, live))

    def _require_promoted(self, seen: Mapping[Change, State]) -> None:
        if any(row.model == self._table.model and not is_settled(row, how) for row, how in seen.items()):
            raise Overtaken(f"someone else took {self._table.label} out of production")

    def undo(self, changes: Sequence[Change] | None = None) -> Undone:
        """Take these changes back, by default all of the table; what was undone is kept in ``undone``."""
        undo = Undo(self._registry, self._methods, self._writer, self._target, self._read)
        self.undone = undo.run(self._table, only=changes)
        return self.undone

    def pending(self, live: Snapshot) -> list[Change]:
        return [change for change, seen in states(self._table, live).items() if not is_settled(change, seen)]

    def swept(self) -> list[str]:
        """The versions that MLflow archived though no row says so: someone put them into production at the last moment.

        Archiving in one request takes all that is in the stage (method ``stage-archive``).
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
        """Why a method is not tried; that it cannot find out is a reason too."""
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
        """Make stage changes; what somebody else has moved since the last look stays where it is."""
        transitions = self._transitions(changes)
        if transitions:
            method.carry_out(transitions)

    def _transitions(self, changes: Sequence[Change]) -> list[Transition]:
        """The stage changes that are still to be made, with the versions as they were at the last look."""
        found = [
            (self._live.require(change.model).version(int(change.mark)), str(change.wanted))
            for change in changes
            if not self._is_settled(change)
        ]
        return [Transition(version, stage) for version, stage in found if version is not None]

    def _is_settled(self, change: Change) -> bool:
        """By the last look."""
        return is_settled(change, state(change, self._table, self._live))

    def _move_alias(self, change: Change) -> bool:
        return self._try(ALIAS, functools.partial(self._point, change), [change])

    def _point(self, change: Change) -> None:
        number = change.wanted if isinstance(change.wanted, int) else None
        point(self._registry, change.model, str(change.mark), number)

    def _try(self, label: str, call: Callable[[], None], changes: Sequence[Change]) -> bool:
        """One write with retries; what counts afterwards is the registry, not the answer."""

        def took_effect() -> bool:
            seen = self._look()
            return all(is_settled(change, seen[change]) for change in changes)

        accepted = self._writer.write(label, call, took_effect)
        shown = took_effect()
        self._note(label, accepted=accepted, shown=shown)
        return shown

    def _note(self, label: str, *, accepted: bool, shown: bool) -> None:
        """Record where the registry shows something else than a write's answer said."""
        if accepted and not shown:
            note = "reported success, but the registry does not show it"
            self._writer.record(Attempt(label, 0, "not verified", error=note))
        elif shown and not accepted:
            self._writer.record(Attempt(label, 0, "done", error="took effect although its answer was lost"))

    def _look(self) -> dict[Change, State]:
        """Read again: how the table compares with what is there now.

        Raises:
            Overtaken: the promoted version or its alias was moved or deleted, or something else is in production.
        """
        self._live = self._read()
        seen = states(self._table, self._live)
        moved = any(how in ("foreign", "gone") and not change.leaves for change, how in seen.items())
        if moved or strangers(self._table, self._live, self._target) or self.swept():
            raise Overtaken("someone else changed production at the same time")
        return seen


def _number_of(change: Change) -> int:
    """The version whose mark is to go."""
    number = change.mark if change.is_stage else change.found
    assert isinstance(number, int), "only what a version has can be taken from it"
    return number
