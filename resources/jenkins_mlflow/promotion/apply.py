"""Carrying out a promotion: intent, methods in order, the rest of the table, tags, the last look, undoing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from jenkins_mlflow.errors import Interrupted, JenkinsMlflowError, Refused
from jenkins_mlflow.methods.alias import NAME as ALIAS
from jenkins_mlflow.methods.base import Method
from jenkins_mlflow.promotion.announce import announce, remove_intent
from jenkins_mlflow.promotion.changes import Table, is_done
from jenkins_mlflow.promotion.copying import with_the_copy
from jenkins_mlflow.promotion.ending import Ending
from jenkins_mlflow.promotion.intent import Intent, is_unfinished
from jenkins_mlflow.promotion.outcome import NO_KEEPER, Keeper, Outcome, already
from jenkins_mlflow.promotion.plan import Plan, refuse_if_changed
from jenkins_mlflow.promotion.rights import Forbidden
from jenkins_mlflow.promotion.steps import Overtaken, Steps
from jenkins_mlflow.promotion.undo import Undone
from jenkins_mlflow.registry.change import NEW
from jenkins_mlflow.registry.client import Registry
from jenkins_mlflow.registry.snapshot import Snapshot
from jenkins_mlflow.registry.writer import Attempt, Writer


@dataclass(frozen=True)
class Begun:
    """What was begun when, by whom, in which build: the intent says so to people."""

    work: Literal["promotion", "rollback"] = "promotion"
    at: str = ""
    by: str = ""
    url: str = ""


class Promotion:
    """Carries out one plan against the live registry; its caller holds the lock.

    Args:
        registry: The registry to change.
        plan: What to do.
        methods: The ways to change a stage, in order.
        writer: Guards, retries and records every write.
        group: The patterns of the group, for an exclusive one.
        alias_fallback: Whether the alias alone may be set when no method can set the stage.
        confirm: Makes sure that the lock is held, by a look at the flags; called right before the first write.
        keeper: Keeps what became of it.
        forbidden: What this account may not do; nothing is tried then.
    """

    def __init__(
        self,
        registry: Registry,
        plan: Plan,
        methods: Sequence[Method],
        writer: Writer,
        *,
        group: Sequence[str] = (),
        alias_fallback: bool = True,
        confirm: Callable[[], None] = lambda: None,
        keeper: Keeper = NO_KEEPER,
        forbidden: Forbidden | None = None,
    ) -> None:
        self._registry = registry
        self._plan = plan
        self._table = plan.table
        self._methods = methods
        self._writer = writer
        self._group = tuple(group)
        self._alias_fallback = alias_fallback
        self._confirm = confirm
        self._keeper = keeper
        self._forbidden = forbidden
        self._steps = self._steps_of(plan.table, Snapshot())

    def apply(self, tags: Mapping[str, str], begun: Begun = Begun()) -> Outcome:
        """Promote, and say ``promoted`` only if the last look at the registry shows it.

        Args:
            tags: The promotion record: what the promoted version is tagged with, beside the method.
            begun: For the intent.

        Raises:
            Refused: the registry changed since the plan was made; nothing was written.
            ConnectionFailed, RegistryError: the registry stopped answering; the message says how to go on.
            LockLost: another process took over.
            Interrupted: stopped by a signal; what was half done was undone first.
        """
        plan = self._plan
        live = self._read(with_candidate=plan.copies)
        carrying = [
            model.name for model in live.models if model.name in plan.table.models and is_unfinished(model)
        ]
        if carrying:
            raise Refused(
                f"another promotion in {carrying[0]} began and did not finish",
                state="this one wrote nothing",
                next_step="run the command again: it first finishes or undoes the other one",
            )
        refuse_if_changed(plan, live)
        if is_done(plan.table, live, plan.target):
            return already(plan)
        self._confirm()
        if self._table.number == NEW:
            self._table = with_the_copy(self._registry, self._writer, plan)
            self._refuse_if_overtaken()
        self._steps = self._steps_of(self._table, live)
        intent = Intent.of(self._table, begun.work, begun.at, begun.by, begun.url)
        marks = self._registry.intent_tags(intent.model, intent.tags())
        ending = Ending(
            self._registry, plan, self._table, self._steps, self._writer, self._keeper, self._read, [*marks]
        )
        try:
            announce(self._registry, self._writer, intent.model, marks)
            return self._carry_out(tags, ending)
        except Interrupted as stop:
            ending.stopped(stop)
            raise
        except JenkinsMlflowError as error:
            if not error.state:
                error.state = f"the promotion of {plan.candidate.label} may be half done"
                error.next_step = (
                    "run the same command again, or `jenkins-mlflow promote --recover`: "
                    "it first finishes or undoes what is half done"
                )
            raise

    def _read(self, *, with_candidate: bool = False) -> Snapshot:
        """What there is now of all that the table is about: the promoted version's model, or the exclusive group.

        What will be written is read last: a change by somebody else after this look may be overwritten.
        """
        names = [*([self._plan.candidate.model] if with_candidate else []), self._table.model]
        return _read(self._registry, names, self._group if self._plan.target.exclusive else ())

    def _refuse_if_overtaken(self) -> None:
        """Look again after the copy was made: that takes a while, and nothing marks the model as being changed yet."""
        try:
            refuse_if_changed(self._plan, self._read(with_candidate=True))
        except Refused as refused:
            refused.state = (
                f"nothing in production was changed; {self._table.label} was made and is used next time"
            )
            raise

    def _steps_of(self, table: Table, first: Snapshot) -> Steps:
        target = self._plan.target
        return Steps(self._registry, table, target, self._methods, self._writer, self._read, first)

    def _carry_out(self, tags: Mapping[str, str], ending: Ending) -> Outcome:
        steps = self._steps
        if self._forbidden:
            self._writer.record(Attempt(ALIAS, 0, "skipped", error=self._forbidden.why))
            return ending.by_hand(self._forbidden)
        try:
            by_alias = steps.needs_no_stage()
            aliased = by_alias and steps.set_own_alias()
            method = steps.set_stage() if aliased or not by_alias else None
            staged = method is not None or not steps.stage_changes()
            if not by_alias:
                aliased = (staged or self._alias_fallback) and steps.set_own_alias()
            retired = staged and aliased and steps.retire_others()
        except Overtaken:
            return ending.overtaken()
        if staged and aliased and retired:
            return ending.promoted(tags, method)
        if not staged and aliased and self._plan.needs_alias and not by_alias:
            return ending.partly(tags)
        return ending.by_hand(self._forbidden)

    def take_back(self, begun: Begun, table: Table) -> Undone:
        """Undo a promotion that is complete: its check failed.

        The same table is the intent, so that a command which meets it half undone goes on.

        Args:
            begun: For the intent.
            table: What was changed; a copy has its number there.

        Returns:
            What could not be undone; all of it is left where someone else changed production since.
        """
        self._table = table
        live = self._read()
        if not is_done(table, live, self._plan.target):
            return Undone(kept="someone else has changed what is in production")
        self._confirm()
        self._steps = self._steps_of(table, live)
        intent = Intent.of(self._table, begun.work, "", begun.by, begun.url)
        marks = self._registry.intent_tags(intent.model, intent.tags())
        announce(self._registry, self._writer, intent.model, marks)
        undone = self._steps.undo()
        if not undone.failed:
            remove_intent(self._registry, self._writer, self._table.model, reversed(marks))
        return undone


def refuse_if_overtaken(registry: Registry, plan: Plan, group: Sequence[str]) -> None:
    """Check the plan while others hold the lock: what they have finished may have made it useless already.

    Changes that are half done do not count yet: they may be undone.

    Raises:
        Refused, NotFound: as ``refuse_if_changed``; nothing was written.
    """
    names = [plan.table.model, *([plan.candidate.model] if plan.copies else [])]
    live = _read(registry, names, group if plan.target.exclusive else ())
    if not any(is_unfinished(model) for model in live.models):
        refuse_if_changed(plan, live)


def _read(registry: Registry, names: Sequence[str], group: Sequence[str]) -> Snapshot:
    if group:
        return registry.snapshot([*names, *group])
    return Snapshot(tuple(model for name in names if (model := registry.find_model(name))))
