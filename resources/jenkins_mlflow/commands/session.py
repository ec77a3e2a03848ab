"""What every command works with: configuration, connection, lock, methods; and what it finds unfinished."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from jenkins_mlflow.build import BuildContext
from jenkins_mlflow.commands.group import require_models
from jenkins_mlflow.config.schema import Config
from jenkins_mlflow.errors import Busy, JenkinsMlflowError
from jenkins_mlflow.methods.alias import NAME as ALIAS
from jenkins_mlflow.methods.base import Method
from jenkins_mlflow.methods.choice import load_methods
from jenkins_mlflow.promotion.changes import Table
from jenkins_mlflow.promotion.intent import asks_for_more, is_unfinished, read_intent
from jenkins_mlflow.promotion.recovery import Recovered, Recovery
from jenkins_mlflow.registry.client import Registry, matches
from jenkins_mlflow.registry.connection import connect
from jenkins_mlflow.registry.faults import RetryPolicy
from jenkins_mlflow.registry.holder import Holder
from jenkins_mlflow.registry.lock import Lock
from jenkins_mlflow.registry.snapshot import Model, Snapshot, Target
from jenkins_mlflow.registry.writer import Attempt, Writer
from jenkins_mlflow.terminal import Terminal
from jenkins_mlflow.text import argument, printable

Document = dict[str, Any]


class Purpose(enum.Enum):
    """Why a command reads the registry."""

    LOOK = "look"
    """It changes nothing: it names what is unfinished."""
    CHANGE = "change"
    """It changes something: what is unfinished is finished or undone first."""
    PROMOTE = "promote"
    """As CHANGE, but it goes on with what it saw before it waited: if another promotion was faster, it lost."""


@dataclass(frozen=True)
class Session:
    """What a command works with.

    Attributes:
        config: Loaded and validated.
        uri: The tracking URI that applies.
        terminal: For messages and questions.
        report: The folder for logs and notices; made when something is written.
        build: Who runs this, and in which build.
        warnings: What the result tells beside the command's own outcome.
        recovered: Unfinished promotions that this command has finished or undone.
    """

    config: Config
    uri: str
    terminal: Terminal
    report: Path
    build: BuildContext
    warnings: list[str] = field(default_factory=list)
    recovered: list[Recovered] = field(default_factory=list)

    @property
    def target(self) -> Target:
        rules = self.config.promote
        return Target(rules.stage, rules.alias, rules.exclusive, rules.copy_to if rules.copies else None)

    @property
    def patterns(self) -> tuple[str, ...]:
        """Every model that a promotion of the group reads: the group, and the production model if there is one."""
        return self.with_production(self.config.models)

    def with_production(self, patterns: Sequence[str]) -> tuple[str, ...]:
        """These models, and the production model if promotions copy into one."""
        extra = [self.target.copy_to] if self.target.copy_to else []
        return tuple(dict.fromkeys([*patterns, *extra]))

    @property
    def retry(self) -> RetryPolicy:
        rules = self.config.promote.retry
        return RetryPolicy(rules.attempts, rules.max_wait, rules.deadline)

    @property
    def alias_fallback(self) -> bool:
        return ALIAS in self.config.promote.methods

    def registry(self, *, may_create: bool = False) -> Registry:
        return Registry(connect(self.uri, may_create=may_create), self.retry)

    def methods(self, registry: Registry) -> list[Method]:
        return load_methods(registry, self.config.promote)

    def lock(
        self,
        registry: Registry,
        work: str,
        scope: Sequence[str],
        writes: Sequence[str],
        *,
        wait: float | None = None,
    ) -> Lock:
        """The lock for changing these models.

        Args:
            work: What for: promote, rollback, cleanup, recover.
            scope: Names or patterns of all models that may change.
            writes: Names of the models that certainly change.
            wait: Longest wait in seconds; None for the config's.
        """
        rules = self.config.promote.lock
        return Lock(
            registry,
            Holder.this_process(work, tuple(scope), tuple(writes), self.build, rules.lease),
            wait=rules.wait if wait is None else wait,
            retry=self.retry,
            say=self.terminal.say,
        )

    def writer(self, lock: Lock) -> Writer:
        """A writer that shows each attempt and stops when the lock is lost."""

        def show(attempt: Attempt) -> None:
            tries = f" (try {attempt.attempt})" if attempt.attempt else ""
            detail = f": {attempt.error}" if attempt.error else ""
            took = f" after {attempt.seconds:.2f} s" if attempt.seconds else ""
            self.terminal.say(printable(f"  {attempt.method}{tries}: {attempt.outcome}{took}{detail}"))

        return Writer(self.retry, guard=lock.check, unanswered=lock.outlast, show=show)

    def warn(self, text: str) -> None:
        """Say something that must be seen, and keep it for the result."""
        self.warnings.append(text)
        self.terminal.insist(f"warning: {printable(text)}")

    def settled(
        self, registry: Registry, patterns: Sequence[str], purpose: Purpose, *, with_runs: bool = False
    ) -> Snapshot:
        """Read the group; unless the purpose is to look, what is half done is finished or undone first.

        Args:
            patterns: The group.
            purpose: Why.
            with_runs: As for ``Registry.snapshot``.

        Raises:
            UsageError: one of the config's patterns matches no registered model.
        """
        snapshot = registry.snapshot(patterns, with_runs=with_runs)
        require_models(registry, snapshot, [pattern for pattern in patterns if pattern in self.config.models])
        unfinished = [model for model in snapshot.models if is_unfinished(model)]
        if purpose is Purpose.LOOK:
            for model in unfinished:
                self.warn(self._unfinished(model))
        else:
            changed = [self._recover(registry, model, purpose) for model in unfinished]
            if any(changed):
                snapshot = registry.snapshot(patterns, with_runs=with_runs)
        self._name_conflicts(snapshot)
        return snapshot

    def _unfinished(self, model: Model) -> str:
        """What a command that only looks says about a model's intent."""
        try:
            intent = read_intent(model)
        except JenkinsMlflowError as error:
            return f"{error.message}; {error.next_step}"
        assert intent is not None, "an unfinished model has an intent or an error"
        why = asks_for_more(intent, self.target, self.config.models)
        if why:
            return f"{model.name} carries an unfinished promotion that this config does not allow: {why}"
        return (
            f"{model.name} has a promotion that is not finished; "
            f"`jenkins-mlflow promote --recover --models {argument(model.name)}` finishes or undoes it"
        )

    def _recover(self, registry: Registry, model: Model, purpose: Purpose) -> bool:
        """Finish or undo one model's promotion; whether the registry has to be read again.

        What cannot be recovered is a warning: the command at hand may have to do with other models.
        """
        rules = self.config.promote
        try:
            intent = read_intent(model)
            models = intent.table.models if intent else (model.name,)
            with self.lock(registry, "recover", self.scope(models), models) as lock:
                done = Recovery(
                    registry,
                    self.methods(registry),
                    self.writer(lock),
                    self.target,
                    self.config.models,
                    by=self.build.user,
                    url=self.build.url,
                    checked=rules.check is not None,
                    confirm=lock.confirm,
                ).run(model.name)
        except Busy as busy:
            self.warn(f"{busy.message}; what it has not finished may show")
            return False
        except JenkinsMlflowError as error:
            self.warn(f"{error.message}; {error.state}; next: {error.next_step}")
            return False
        if done is None:  # whoever was waited for has finished
            return purpose is not Purpose.PROMOTE
        self.recovered.append(done)
        self.terminal.insist(printable(f"recovered: {done.message}"))
        return True

    def scope(self, models: Sequence[str]) -> tuple[str, ...]:
        """What must stand still while these models change: the whole group, if it has one champion."""
        group = self.config.models if self.config.promote.exclusive else ()
        return tuple(dict.fromkeys([*models, *group]))

    def lock_for(self, registry: Registry, work: str, table: Table) -> Lock:
        """The lock for the changes of a table."""
        return self.lock(registry, work, self.scope(table.models), table.models)

    def _name_conflicts(self, snapshot: Snapshot) -> None:
        """Name models with more than one version in production, or whose stage and alias differ."""
        for model in snapshot.models:
            if is_unfinished(model) or not model.production(self.target):
                continue
            serving = model.staged(self.target.stage)
            if len(serving) > 1:
                numbers = " and ".join(str(version.number) for version in reversed(serving))
                self.warn(
                    f"{model.name} has {len(serving)} versions in {self.target.stage}: {numbers}; keep one: "
                    f"`jenkins-mlflow promote --model {argument(model.name)} --version {serving[0].number}`"
                )
            elif differ := model.disagreement(self.target):
                staged, holder = differ
                self.warn(
                    f"{model.name}: version {staged.number} is in {self.target.stage}, but alias {self.target.alias} "
                    f"is on version {holder.number}; settle it: `jenkins-mlflow promote --model {argument(model.name)} "
                    f"--version {staged.number}` or `--version {holder.number}`"
                )

    def for_model(self, name: str) -> Session:
        """This session for one model; one outside of an exclusive group makes no member leave production."""
        if not self.config.promote.exclusive or matches(name, self.patterns):
            return self
        promote = self.config.promote.model_copy(update={"exclusive": False})
        return replace(self, config=self.config.model_copy(update={"promote": promote}))
