"""Carrying out a promotion: intent, methods in order, the rest of the table, tags, the last look, undoing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from jenkins_mlflow.errors import Interrupted, JenkinsMlflowError, Refused
from jenkins_mlflow.methods.alias import NAME as ALIAS
from jenkins_mlflow.methods.base import Method
from jenkins_mlflow.methods.copy import NAME as COPY
from jenkins_mlflow.promotion.announce import announce, remove_intent
from jenkins_mlflow.promotion.changes import Table, in_scope, is_done
from jenkins_mlflow.promotion.copying import with_the_copy
from jenkins_mlflow.promotion.intent import Intent, is_unfinished
from jenkins_mlflow.promotion.outcome import NO_KEEPER, Keeper, Outcome, Status, already
from jenkins_mlflow.promotion.plan import Plan, refuse_if_changed
from jenkins_mlflow.promotion.rights import Forbidden
from jenkins_mlflow.promotion.steps import Overtaken, Steps
from jenkins_mlflow.promotion.undo import Undone
from jenkins_mlflow.registry.change import NEW, Change
from jenkins_mlflow.registry.client import Registry
from jenkins_mlflow.registry.faults import classify
from jenkins_mlflow.registry.snapshot import Snapshot, Version
from jenkins_mlflow.registry.writer import Attempt, Writer
from jenkins_mlflow.tags import METHOD


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
        self._intent_tags: tuple[str, ...] = ()

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
        try:
            self._announce(intent)
            return self._carry_out(tags)
        except Interrupted as stop:
            self._stop(stop)
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

    def _announce(self, intent: Intent) -> None:
        self._intent_tags = announce(self._registry, self._writer, intent)

    def _carry_out(self, tags: Mapping[str, str]) -> Outcome:
        steps = self._steps
        if self._forbidden:
            self._writer.record(Attempt(ALIAS, 0, "skipped", error=self._forbidden.why))
            return self._by_hand()
        try:
            by_alias = steps.needs_no_stage()
            aliased = by_alias and steps.set_own_alias()
            method = steps.set_stage() if aliased or not by_alias else None
            staged = method is not None or not steps.stage_changes()
            if not by_alias:
                aliased = (staged or self._alias_fallback) and steps.set_own_alias()
            retired = staged and aliased and steps.retire_others()
        except Overtaken:
            return self._overtaken()
        if staged and aliased and retired:
            return self._finish(tags, method or self._other_method())
        if not staged and aliased and self._plan.needs_alias and not by_alias:
            return self._partly(tags)
        return self._by_hand()

    def _finish(self, tags: Mapping[str, str], method: str) -> Outcome:
        """Tag, look once more, and remove the intent."""
        plan, table = self._plan, self._table
        warnings = self._tag(tags, method)
        live = self._read()
        serving = in_scope(table, live, plan.target)
        if not is_done(table, live, plan.target):
            there = ", ".join(version.label for version in serving) or "NOTHING"
            message = (
                f"{plan.candidate.label} was promoted by {method}, but then someone else changed production; "
                f"in production now: {there}"
            )
            return self._close(self._told("overtaken", message, method, serving, warnings=warnings))
        where = f" as {table.label}" if plan.copies else ""
        replaced = f", replacing {plan.replacing}" if plan.leaving else ""
        message = f"promoted {plan.candidate.label} by {method}{where}{replaced}; verified in the registry"
        outcome = self._told("promoted", message, method, serving, warnings=warnings)
        self._keeper.done(outcome)
        undone = any(attempt.outcome == "undone" for attempt in outcome.attempts)
        if undone and self._writer.open_ended:
            return self._left_open(outcome)
        return self._close(outcome)

    def _partly(self, tags: Mapping[str, str]) -> Outcome:
        """The alias alone: no method can set the stage, and the config lists ``alias`` for that."""
        plan = self._plan
        warnings = self._tag(tags, ALIAS)
        missing = (f"stage {plan.target.stage} for {plan.candidate.label}",)
        message = f"{plan.candidate.label} got the alias {plan.target.alias}; missing: {missing[0]}"
        live = self._read()
        serving = in_scope(self._table, live, plan.target)
        outcome = self._told("partial", message, ALIAS, serving, missing, warnings)
        self._keeper.done(outcome)
        return self._not_undone(outcome) if self._steps.undone.failed else self._close(outcome)

    def _by_hand(self) -> Outcome:
        """Nothing was promoted: everything goes back, and a person is asked."""
        blocked = self._steps.pending(self._read())
        failed = bool(self._steps.undo().failed)
        undone = "not all of it could be undone" if failed else "all was undone"
        if self._forbidden:
            why = f"{self._forbidden.what}; nothing in production was changed"
        elif any(change.is_stage and change.model == self._table.model for change in blocked):
            why = "every method failed; a person must promote it by hand"
        elif blocked:
            why = f"{self._missing(blocked[0])} could not be set; {undone}"
        else:
            why = f"a write failed, and took effect late; {undone}"
        live = self._read()  # what is missing is what is missing now, after all was undone
        pending = self._steps.pending(live)
        missing = tuple(self._missing(change) for change in pending if self._for_a_person(change))
        serving = in_scope(self._table, live, self._plan.target)
        message = f"{self._plan.candidate.label} could not be promoted: {why}"
        return self._after_undoing(self._told("manual", message, None, serving, missing))

    def _overtaken(self) -> Outcome:
        """Someone else changed production in the middle: what this promotion did is undone, theirs stays."""
        plan = self._plan
        self._steps.undo()
        serving = in_scope(self._table, self._read(), plan.target)
        there = ", ".join(version.label for version in serving) or "NOTHING"
        swept = "".join(
            f"; {label} was archived at that moment: promote it again if it is wanted"
            for label in self._steps.swept()
        )
        message = (
            f"{plan.candidate.label} was not promoted: someone else changed production at the same time; "
            f"in production now: {there}{swept}"
        )
        return self._after_undoing(self._told("overtaken", message, None, serving))

    def _after_undoing(self, outcome: Outcome) -> Outcome:
        """Remove the intent, unless something is still to be undone or may take effect late."""
        if self._steps.undone.failed or self._steps.undone.kept:
            return self._not_undone(outcome)
        return self._left_open(outcome) if self._writer.open_ended else self._close(outcome)

    def _stop(self, stop: Interrupted) -> None:
        """A signal arrived: undo, and remove the intent if nothing can be half done any more."""
        self._steps.undo()
        if self._steps.undone.failed or self._steps.undone.kept or self._writer.open_ended:
            return
        self._keeper.undone()
        unremoved = self._remove_intent()
        if not unremoved:
            stop.state = stop.state or f"{self._table.model} is as it was before the promotion"

    def _for_a_person(self, change: Change) -> bool:
        """Whether a person has to make this change: archiving the model's own old version comes with the promotion."""
        return change.model != self._table.model or not change.is_stage or change.mark == self._table.number

    def _missing(self, change: Change) -> str:
        if change.model != self._table.model:
            return f"{change.describe()} (this group has one champion)"
        if change.is_stage:
            return f"stage {change.wanted} for {change.model} version {change.mark}"
        return f"alias {change.mark} for {self._table.label}"

    def _other_method(self) -> str:
        """How it was promoted where no stage of its own model had to be changed."""
        if self._plan.copies:
            return COPY
        return ALIAS if self._plan.needs_alias else "retiring the others"

    def _tag(self, tags: Mapping[str, str], method: str) -> tuple[str, ...]:
        """Write the promotion record; failing to is worth a warning, not a failed promotion."""
        model, number = self._table.model, self._table.number
        complete = {**tags, METHOD: method}
        try:
            self._writer.run(lambda: self._registry.record(model, number, complete))
        except JenkinsMlflowError:
            raise
        except Exception as error:  # noqa: BLE001  whatever it is, the promotion stands
            return (f"{self._table.label} could not be tagged with its promotion: {classify(error).summary}",)
        return ()

    def _close(self, outcome: Outcome) -> Outcome:
        """Remove the intent; where that fails, the next command does it."""
        why = self._remove_intent()
        if not why:
            return outcome
        warning = f"the intent of {self._table.model} could not be removed, the next command does it: {why}"
        return replace(outcome, warnings=(*outcome.warnings, warning))

    def _remove_intent(self) -> str:
        return remove_intent(self._registry, self._writer, self._table.model, self._intent_tags)

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
        self._announce(Intent.of(self._table, begun.work, "", begun.by, begun.url))
        undone = self._steps.undo()
        if not undone.failed:
            self._remove_intent()
        return undone

    def _not_undone(self, outcome: Outcome) -> Outcome:
        """Keep the intent: the next command goes on with what could not be undone."""
        left = "; ".join(self._steps.undone.failed) or self._steps.undone.kept
        return replace(outcome, warnings=(*outcome.warnings, f"not everything could be undone: {left}"))

    def _left_open(self, outcome: Outcome) -> Outcome:
        """Keep the intent: a request that got no answer could still spoil this outcome."""
        late = "a request got no answer and may take effect late; the next command looks and repairs that"
        return replace(outcome, warnings=(*outcome.warnings, late))

    def _told(
        self,
        status: Status,
        message: str,
        method: str | None,
        serving: tuple[Version, ...],
        missing: Sequence[str] = (),
        warnings: tuple[str, ...] = (),
    ) -> Outcome:
        attempts = tuple(self._writer.attempts)
        return Outcome(status, message, method, attempts, serving, self._table, tuple(missing), warnings)


def refuse_if_overtaken(registry: Registry, plan: Plan, group: Sequence[str]) -> None:
    """Look while others hold the lock: what they have finished may make the plan useless, whenever they let go of it.

    What is half done says nothing yet: it may be undone.

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
