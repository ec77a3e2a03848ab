"""Finishes or undoes a promotion that stopped in the middle, from the intent that it left in the registry.

If the registry shows the promotion to be complete, recovery finishes it by removing the intent. Otherwise it
undoes it. An intent is a hint and not an authority, so recovery never puts a version into production that was
not there. There is one exception, which the version's own record proves: a promotion that had ended and that
a late request spoiled.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from jenkins_mlflow.errors import RegistryError
from jenkins_mlflow.methods.base import Method
from jenkins_mlflow.promotion.allowed import allowed_intent
from jenkins_mlflow.promotion.announce import remove_intent
from jenkins_mlflow.promotion.changes import Table, in_scope, strangers
from jenkins_mlflow.promotion.decision import Decision, decide, has_ended, is_confirmed
from jenkins_mlflow.promotion.intent import Intent, is_unfinished, parts_of
from jenkins_mlflow.promotion.record import fresh, given, next_time, tags_over, time_tag
from jenkins_mlflow.promotion.steps import Overtaken, Steps
from jenkins_mlflow.promotion.undo import Undo, changes_back
from jenkins_mlflow.registry.client import Registry
from jenkins_mlflow.registry.promotion_records import record_for
from jenkins_mlflow.registry.snapshot import Snapshot
from jenkins_mlflow.registry.version import Target, Version
from jenkins_mlflow.registry.writer import Writer
from jenkins_mlflow.tags import (
    BUILD_URL,
    CHECK_TAG,
    METHOD,
    PENDING,
    PROMOTED_AT,
    PROMOTED_BY,
    RECOVERED,
    TARGET,
)

Outcome = Literal["finished", "undone", "left"]


@dataclass(frozen=True)
class Recovered:
    """The result of recovering one unfinished promotion."""

    model: str
    version: int
    outcome: Outcome
    message: str


@dataclass(frozen=True)
class Settled:
    """An unfinished promotion that was finished or undone, for the history.

    Attributes:
        intent: The unfinished promotion.
        at: The time in the version's record; empty if the promotion was undone.
        serving: The versions in production now.
    """

    intent: Intent
    at: str
    serving: tuple[Version, ...]


class Recovery:
    """Recovers one model; its caller holds the lock.

    Args:
        registry: The registry to change.
        methods: The ways to change a stage, in the order in which to try them.
        writer: Guards, retries and records every write.
        target: What marks production, by the reader's own config.
        group: The name patterns of the reader's own group.
        by, url: Who recovers, and in which build; for the record of a promotion that is finished.
        checked: Whether the config has a check after a promotion. A promotion finished here has not run it.
        confirm: Reads the flags to confirm that the lock is held; called right before the first write.
        keep: Called with the result before the intent is removed.
        now: The time in milliseconds by the store's clock.
    """

    def __init__(
        self,
        registry: Registry,
        methods: Sequence[Method],
        writer: Writer,
        target: Target,
        group: tuple[str, ...] = (),
        *,
        by: str = "",
        url: str = "",
        checked: bool = False,
        confirm: Callable[[], None] = lambda: None,
        keep: Callable[[Settled], None] = lambda settled: None,
        now: Callable[[], int] = lambda: 0,
    ) -> None:
        self._registry = registry
        self._methods = methods
        self._writer = writer
        self._target = target
        self._group = group
        self._by = by
        self._url = url
        self._checked = checked
        self._confirm = confirm
        self._keep = keep
        self._now = now

    def run(self, name: str) -> Recovered | None:
        """Finish or undo the model's unfinished promotion; None if there is none, or no longer.

        Raises:
            RegistryError: neither was possible, or the config does not allow it; the intent stays.
            ConnectionFailed: the registry does not answer.
        """
        live = self._reader(name)()
        model = live.require(name)
        if not is_unfinished(model):
            return None
        intent = allowed_intent(model, self._target, self._group)
        assert intent is not None, "an unfinished model has an intent or an error"
        self._confirm()
        decision = decide(intent, live, self._target)
        if decision.kind == "finish" and (not decision.repair or self._repair(intent.table, live)):
            note = self._record(intent, live.require(name).version(intent.number), live)
            return self._close(name, intent, "finished", f"is finished now: {decision.reason}{note}")
        return self._undo(name, intent, decision)

    def _reader(self, name: str) -> Callable[[], Snapshot]:
        if self._target.exclusive:
            return lambda: self._registry.snapshot([name, *self._group])
        return lambda: Snapshot((self._registry.model(name),))

    def _repair(self, table: Table, live: Snapshot) -> bool:
        """Make the model's changes once more; True if the registry then shows them."""
        model_table, read = table.of(table.model), self._reader(table.model)
        steps = Steps(self._registry, model_table, self._target, self._methods, self._writer, read, live)
        try:
            staged = steps.is_staged(live) or steps.set_stage() is not None
            return staged and steps.set_own_alias()
        except Overtaken:
            return False

    def _undo(self, name: str, intent: Intent, decision: Decision) -> Recovered:
        read = self._reader(name)
        live, table = read(), intent.table
        untouched = not changes_back(table, live, self._target)
        undone = Undo(self._registry, self._methods, self._writer, self._target, read).run(
            table, lambda change: change.model == name or is_confirmed(change, live, self._target)
        )
        if undone.failed:
            serving = in_scope(table, read(), self._target)
            in_production = ", ".join(version.label for version in serving) or "NOTHING"
            raise RegistryError(
                f"{intent.title} stopped in the middle and cannot be undone: {'; '.join(undone.failed)}",
                state=f"in production now: {in_production}",
                next_step="set stages and aliases by hand in MLflow; the next changing command removes the intent",
            )
        if undone.kept:
            return self._close(name, intent, "left", f"is given up: {undone.kept}")
        if untouched:
            return self._close(
                name, intent, "left", f"is given up, nothing had to be changed: {decision.reason}"
            )
        return self._close(name, intent, "undone", f"is undone: {decision.reason}")

    def _record(self, intent: Intent, version: Version | None, live: Snapshot) -> str:
        """Write the missing record of a promotion that is finished here, and mark it if its check has not run.

        The record is not signed, because anybody who may edit the model could have written an old intent
        again.

        Returns:
            A note for the message.
        """
        if version is None or has_ended(intent, version):
            return self._unchecked(version)
        found = _replaced(intent.table, live, self._target)
        tags = {
            PROMOTED_AT: next_time(live.versions(), self._now()),
            PROMOTED_BY: f"{self._by} (recovered)" if self._by else "recovered",
            BUILD_URL: self._url,
            METHOD: RECOVERED,
            TARGET: self._target.marks,
            CHECK_TAG: PENDING if self._checked else "",
        }
        try:
            complete = fresh(
                version, self._target, {**given(tags), **tags_over(found, live.recorded, version)}
            )
            self._writer.run(lambda: self._registry.tag_version(version.model, version.number, complete))
        except Exception as error:
            raise self._registry.translate(f"tagging {version.label}", error) from error
        missing = [
            *(["its record is not signed"] if self._registry.signs else []),
            *(["its check has not run"] if self._checked else []),
        ]
        return f"; {' and '.join(missing)}: promote the version again to fix that" if missing else ""

    def _unchecked(self, version: Version | None) -> str:
        pending = version is not None and record_for(version.tags, self._target).get(CHECK_TAG) == PENDING
        return "; its check has not run: promote the version again to fix that" if pending else ""

    def _close(self, name: str, intent: Intent, outcome: Outcome, message: str) -> Recovered:
        live = self._reader(name)()
        if not strangers(intent.table, live, self._target):  # changes by others are not recorded
            promoted = live.require(name).version(intent.number)
            at = promoted.tags.get(time_tag(intent.work), "") if promoted and outcome == "finished" else ""
            serving = in_scope(intent.table, live, self._target)
            self._keep(Settled(intent, at, serving))
        why = remove_intent(self._registry, self._writer, name, parts_of(live.require(name).tags))
        if why:
            raise RegistryError(
                f"{intent.title} {message}, but its intent could not be removed: {why}",
                state="everything else is done",
                next_step="remove the tag jenkins_mlflow.intent of the model in MLflow",
            )
        return Recovered(name, intent.number, outcome, f"{intent.title} {message}")


def _replaced(table: Table, live: Snapshot, target: Target) -> Version | None:
    """The version that the promoted one replaced, according to the changes in its own model."""
    model = live.model(table.model)
    for change in table.of(table.model).pending:
        number = change.mark if change.is_stage else change.found
        if change.is_stage and change.found != target.stage:
            continue
        version = model.version(number) if model and isinstance(number, int) else None
        if version is not None and version.number != table.number:
            return version
    return None
