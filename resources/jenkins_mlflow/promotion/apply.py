"""Carries out a promotion: writes the intent, tries the methods in order, makes the other changes, and ends it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from jenkins_mlflow.errors import Interrupted, JenkinsMlflowError, Refused, RegistryError
from jenkins_mlflow.methods.alias import NAME as ALIAS
from jenkins_mlflow.methods.base import Method
from jenkins_mlflow.promotion.allowed import allowed_intent
from jenkins_mlflow.promotion.announce import announce, remove_intent
from jenkins_mlflow.promotion.changes import Table, is_done
from jenkins_mlflow.promotion.copying import later_than_the_copy, with_the_copy
from jenkins_mlflow.promotion.ending import Ending
from jenkins_mlflow.promotion.intent import Intent, is_unfinished
from jenkins_mlflow.promotion.outcome import NO_KEEPER, Keeper, Outcome, already
from jenkins_mlflow.promotion.plan import Plan, refuse_if_changed
from jenkins_mlflow.promotion.record import time_tag
from jenkins_mlflow.promotion.rights import Forbidden
from jenkins_mlflow.promotion.steps import Overtaken, Steps
from jenkins_mlflow.promotion.undo import Undone
from jenkins_mlflow.registry.change import NEW
from jenkins_mlflow.registry.client import Registry
from jenkins_mlflow.registry.snapshot import Model, Snapshot
from jenkins_mlflow.registry.writer import Attempt, Writer


@dataclass(frozen=True)
class Begun:
    """What was started when, by whom and in which build. The intent passes this on to its readers.

    ``at`` is the time in the record; until the lock is held, it is the earliest that this may be.
    """

    work: Literal["promotion", "rollback"] = "promotion"
    at: str = ""
    by: str = ""
    url: str = ""


class Promotion:
    """Carries out one plan against the live registry; its caller holds the lock.

    Args:
        registry: The registry to change.
        plan: What to do.
        methods: The ways to change a stage, in the order in which to try them.
        writer: Guards, retries and records every write.
        group: The group's name patterns.
        alias_fallback: Whether to set the alias alone when no method can set the stage.
        confirm: Reads the flags to confirm that the lock is held; called right before the first write.
        keeper: Records how the promotion ended.
        forbidden: What this account may not do. If given, nothing is tried.
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
        """Promote; the outcome is ``promoted`` only if reading the registry back confirms it.

        Args:
            tags: The promotion record: the promoted version's tags, except for the method and the time.
            begun: Details for the intent.

        Raises:
            Refused: the registry changed after the plan was made; nothing was written.
            ConnectionFailed, RegistryError: the registry stopped answering; the message says what to do next.
            LockLost: another process took over.
            Interrupted: stopped by a signal; changes made so far were undone first.
        """
        plan = self._plan
        live = self._read(with_candidate=plan.copies)
        for model in live.models:
            if model.name in plan.table.models and is_unfinished(model):
                raise self._other_unfinished(model)
        refuse_if_changed(plan, live)
        if is_done(plan.table, live, plan.target):
            return already(plan)
        self._confirm()
        if self._table.number == NEW:
            self._table = with_the_copy(self._registry, self._writer, plan)
            self._refuse_if_overtaken()
            begun = replace(begun, at=later_than_the_copy(begun.at, self._table))
        self._steps = self._steps_of(self._table, live)
        intent = Intent.of(self._table, begun.work, begun.at, begun.by, begun.url)
        marks = self._registry.intent_tags(intent.model, intent.tags())
        tags = {**tags, **({time_tag(begun.work): begun.at} if begun.at else {})}
        ending = Ending(
            self._registry,
            plan,
            self._table,
            self._steps,
            self._writer,
            self._keeper,
            self._read,
            [*marks],
            begun.at,
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

    def _other_unfinished(self, model: Model) -> Refused:
        """The refusal because of another promotion that did not finish, with what settles that one."""
        message, state = (
            f"another promotion in {model.name} started but did not finish",
            "this one wrote nothing",
        )
        try:
            allowed_intent(model, self._plan.target, self._group)
        except RegistryError as error:  # running the command again would not settle it
            return Refused(f"{message}: {error.message}", state=state, next_step=error.next_step)
        again = "run the command again: it first finishes or undoes the other one"
        return Refused(message, state=state, next_step=again)

    def _read(self, *, with_candidate: bool = False) -> Snapshot:
        """Read the current state of everything in the table: the promoted version's model, or the exclusive group.

        The model that will be written is read last, because a change that somebody makes after this read may
        be overwritten.
        """
        names = [*([self._plan.candidate.model] if with_candidate else []), self._table.model]
        return _read(self._registry, names, self._group if self._plan.target.exclusive else ())

    def _refuse_if_overtaken(self) -> None:
        """Check the plan again after copying, which takes a while and during which the model has no intent yet."""
        try:
            refuse_if_changed(self._plan, self._read(with_candidate=True))
        except Refused as refused:
            refused.state = (
                f"nothing in production was changed; {self._table.label}, the new copy, "
                "will be used next time"
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
        """Undo a complete promotion because its check failed.

        The intent holds the same table, so if this is interrupted, the next command finishes undoing them.

        Args:
            begun: Details for the intent.
            table: The changes that were made, with the number of the copy if there is one.

        Returns:
            What could not be undone. If somebody has changed production since, nothing is undone.
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
    """Check the plan while waiting for the lock: promotions finished by others may have made it obsolete.

    Unfinished changes do not count, since they may be undone.

    Raises:
        Refused, NotFound: as for ``refuse_if_changed``; nothing was written.
    """
    names = [plan.table.model, *([plan.candidate.model] if plan.copies else [])]
    live = _read(registry, names, group if plan.target.exclusive else ())
    if not any(is_unfinished(model) for model in live.models):
        refuse_if_changed(plan, live)


def _read(registry: Registry, names: Sequence[str], group: Sequence[str]) -> Snapshot:
    if group:
        return registry.snapshot([*names, *group])
    return Snapshot(tuple(model for name in names if (model := registry.find_model(name))))
