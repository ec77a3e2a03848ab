"""Ends a promotion: verifies it, writes its record, builds the message, and removes the intent if that is safe."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from jenkins_mlflow.errors import Interrupted, JenkinsMlflowError
from jenkins_mlflow.methods.alias import NAME as ALIAS
from jenkins_mlflow.promotion.announce import remove_intent
from jenkins_mlflow.promotion.changes import Table, in_scope, is_done
from jenkins_mlflow.promotion.outcome import Keeper, Outcome, Status
from jenkins_mlflow.promotion.plan import Plan
from jenkins_mlflow.promotion.rights import Forbidden
from jenkins_mlflow.promotion.steps import Steps
from jenkins_mlflow.registry.change import Change
from jenkins_mlflow.registry.client import Registry
from jenkins_mlflow.registry.faults import classify
from jenkins_mlflow.registry.snapshot import Snapshot
from jenkins_mlflow.registry.version import Version
from jenkins_mlflow.registry.writer import Writer
from jenkins_mlflow.tags import COPY, METHOD


class Ending:
    """Ends one promotion by one of the methods below; its caller holds the lock.

    Args:
        registry: The registry that was changed.
        plan: What the promotion was to do.
        table: The planned changes, with the number of the copy if there is one.
        steps: The steps that were taken.
        writer: Guards, retries and records every write.
        keeper: Records how the promotion ended.
        read: Reads the promoted version's model or, for an exclusive target, the whole group.
        intent_tags: The tags that hold the intent, in the order in which they are written.
        at: The time in the record.

    Raises (every method): what ``Steps`` raises, except ``Overtaken``.
    """

    def __init__(
        self,
        registry: Registry,
        plan: Plan,
        table: Table,
        steps: Steps,
        writer: Writer,
        keeper: Keeper,
        read: Callable[[], Snapshot],
        intent_tags: Sequence[str],
        at: str = "",
    ) -> None:
        self._registry = registry
        self._plan = plan
        self._table = table
        self._steps = steps
        self._writer = writer
        self._keeper = keeper
        self._read = read
        self._intent_tags = intent_tags
        self._at = at

    def promoted(self, tags: Mapping[str, str], staged_by: str | None) -> Outcome:
        """Write the record, verify the result, and remove the intent.

        Args:
            tags: The promotion record: the promoted version's tags, except for the method.
            staged_by: The method that set the stage in its own model; None if no stage had to change.
        """
        plan, table = self._plan, self._table
        method = staged_by or self._other_method()
        warnings = self._tag(tags, method)
        live = self._read()
        serving = in_scope(table, live, plan.target)
        if not is_done(table, live, plan.target):
            in_production = ", ".join(version.label for version in serving) or "NOTHING"
            message = (
                f"{plan.candidate.label} was promoted by {method}, but then someone else changed production; "
                f"in production now: {in_production}"
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

    def partly(self, tags: Mapping[str, str]) -> Outcome:
        """Only the alias was set: no method can set the stage, and the config lists ``alias`` for that case."""
        plan = self._plan
        warnings = self._tag(tags, ALIAS)
        missing = (f"stage {plan.target.stage} for {plan.candidate.label}",)
        message = f"{plan.candidate.label} got the alias {plan.target.alias}; missing: {missing[0]}"
        live = self._read()
        serving = in_scope(self._table, live, plan.target)
        outcome = self._told("partial", message, ALIAS, serving, missing, warnings)
        self._keeper.done(outcome)
        return self._not_undone(outcome) if self._steps.undone.failed else self._close(outcome)

    def by_hand(self, forbidden: Forbidden | None) -> Outcome:
        """Nothing was promoted: undo everything, and ask a person to promote by hand."""
        blocked = self._steps.pending(self._read())
        failed = bool(self._steps.undo().failed)
        undone = "not everything could be undone" if failed else "everything was undone"
        if forbidden:
            why = f"{forbidden.what}; nothing in production was changed"
        elif any(change.is_stage and change.model == self._table.model for change in blocked):
            why = "every method failed; a person must promote it by hand"
        elif blocked:
            why = f"{self._missing(blocked[0])} could not be set; {undone}"
        else:
            why = f"a write failed but took effect late; {undone}"
        live = self._read()  # what is still missing after undoing
        pending = self._steps.pending(live)
        missing = tuple(self._missing(change) for change in pending if self._for_a_person(change))
        serving = in_scope(self._table, live, self._plan.target)
        message = f"{self._plan.candidate.label} could not be promoted: {why}"
        return self._after_undoing(self._told("manual", message, None, serving, missing))

    def overtaken(self) -> Outcome:
        """Somebody else changed production in the middle: undo this promotion's changes and keep theirs."""
        plan = self._plan
        self._steps.undo()
        serving = in_scope(self._table, self._read(), plan.target)
        in_production = ", ".join(version.label for version in serving) or "NOTHING"
        swept = "".join(
            f"; {label} was archived at that moment: promote it again if it is wanted"
            for label in self._steps.swept()
        )
        message = (
            f"{plan.candidate.label} was not promoted: someone else changed production at the same time; "
            f"in production now: {in_production}{swept}"
        )
        return self._after_undoing(self._told("overtaken", message, None, serving))

    def stopped(self, stop: Interrupted) -> None:
        """A signal arrived: undo, and remove the intent if nothing can be left half done."""
        self._steps.undo()
        if self._steps.undone.failed or self._steps.undone.kept or self._writer.open_ended:
            return
        self._keeper.undone()
        unremoved = self._remove_intent()
        if not unremoved:
            stop.state = stop.state or f"{self._table.model} is as it was before the promotion"

    def _after_undoing(self, outcome: Outcome) -> Outcome:
        """Remove the intent, unless something remains to be undone or may still take effect."""
        if self._steps.undone.failed or self._steps.undone.kept:
            return self._not_undone(outcome)
        return self._left_open(outcome) if self._writer.open_ended else self._close(outcome)

    def _for_a_person(self, change: Change) -> bool:
        """Whether a person has to make this change; the model's own old version is archived by the promotion itself."""
        return change.model != self._table.model or not change.is_stage or change.mark == self._table.number

    def _missing(self, change: Change) -> str:
        if change.model != self._table.model:
            return f"{change.describe()} (this group has one champion)"
        if change.is_stage:
            return f"stage {change.wanted} for {change.model} version {change.mark}"
        return f"alias {change.mark} for {self._table.label}"

    def _other_method(self) -> str:
        """What promoted the version if no stage in its own model had to change."""
        if self._plan.copies:
            return COPY
        return ALIAS if self._plan.needs_alias else "retiring the others"

    def _tag(self, tags: Mapping[str, str], method: str) -> tuple[str, ...]:
        """Write the promotion record. A failure to write it is a warning and does not fail the promotion."""
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
        """Remove the intent. If that fails, the next command does it."""
        why = self._remove_intent()
        if not why:
            return outcome
        warning = (
            f"the intent of {self._table.model} could not be removed; the next command will do it: {why}"
        )
        return replace(outcome, warnings=(*outcome.warnings, warning))

    def _remove_intent(self) -> str:
        tags = reversed(self._intent_tags)
        return remove_intent(self._registry, self._writer, self._table.model, tags)

    def _not_undone(self, outcome: Outcome) -> Outcome:
        """Keep the intent, so that the next command undoes what could not be undone now."""
        still_changed = "; ".join(self._steps.undone.failed) or self._steps.undone.kept
        return replace(
            outcome, warnings=(*outcome.warnings, f"not everything could be undone: {still_changed}")
        )

    def _left_open(self, outcome: Outcome) -> Outcome:
        """Keep the intent, because a request that got no answer could still spoil this outcome."""
        late = "a request got no answer and may take effect late; the next command checks for that and repairs it"
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
        missing = tuple(missing)
        return Outcome(
            status, message, method, attempts, serving, self._table, missing, warnings, at=self._at
        )
