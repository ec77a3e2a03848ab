"""What every command works with: configuration, connection, lock, methods; and what it finds unfinished."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from jenkins_mlflow.build import BuildContext
from jenkins_mlflow.config.schema import Config
from jenkins_mlflow.errors import Busy, JenkinsMlflowError
from jenkins_mlflow.methods.base import Method, load_methods
from jenkins_mlflow.promotion.apply import ALIAS_METHOD
from jenkins_mlflow.promotion.recovery import Recovered, Recovery
from jenkins_mlflow.registry.client import Registry
from jenkins_mlflow.registry.connection import connect
from jenkins_mlflow.registry.faults import RetryPolicy
from jenkins_mlflow.registry.holder import Holder
from jenkins_mlflow.registry.lock import Lock
from jenkins_mlflow.registry.snapshot import Model, Snapshot, Target
from jenkins_mlflow.registry.writer import Attempt, Writer
from jenkins_mlflow.tags import INTENT_TAG
from jenkins_mlflow.terminal import Terminal
from jenkins_mlflow.text import printable

Document = dict[str, Any]
Purpose = Literal["look", "read", "change", "promote"]


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
        return Target(rules.stage, rules.alias, rules.exclusive)

    @property
    def retry(self) -> RetryPolicy:
        rules = self.config.promote.retry
        return RetryPolicy(rules.attempts, rules.max_wait, rules.deadline)

    @property
    def alias_fallback(self) -> bool:
        return ALIAS_METHOD in self.config.promote.methods

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
        """Read the group; what an earlier command left half done is finished or undone first.

        Args:
            patterns: The group.
            purpose: ``look`` (a dry run) only says what it found. ``read`` recovers, but waits for nobody. ``change``
                waits for whoever is at work, and so does ``promote``, which then goes on with what it saw before: if
                the other one has promoted, this promotion lost, and is told so when it comes to write.
            with_runs: As for ``Registry.snapshot``.
        """
        snapshot = registry.snapshot(patterns, with_runs=with_runs)
        unfinished = [model for model in snapshot.models if INTENT_TAG in model.tags]
        if purpose == "look":
            for model in unfinished:
                self.warn(
                    f"{model.name} has a promotion that is not finished; "
                    f"`jenkins-mlflow promote --recover --models {model.name}` finishes or undoes it"
                )
        else:
            changed = [self._recover(registry, model, purpose) for model in unfinished]
            if any(changed):
                snapshot = registry.snapshot(patterns, with_runs=with_runs)
        self._name_surplus(snapshot)
        return snapshot

    def _recover(self, registry: Registry, model: Model, purpose: Purpose) -> bool:
        """Finish or undo one model's promotion; whether the registry has to be read again.

        What cannot be recovered is a warning: the command at hand may have to do with other models.
        """
        wait = 0.0 if purpose == "read" else None
        try:
            with self.lock(registry, "recover", self._scope(model.name), (model.name,), wait=wait) as lock:
                recovery = Recovery(
                    registry, self.methods(registry), self.writer(lock), alias_fallback=self.alias_fallback
                )
                done = recovery.run(model.name)
        except Busy as busy:
            self.warn(f"{busy.message}; what it has not finished may show")
            return False
        except JenkinsMlflowError as error:
            self.warn(f"{error.message}; {error.state}; next: {error.next_step}")
            return False
        if done is None:  # whoever was waited for has finished
            return purpose != "promote"
        self.recovered.append(done)
        self.terminal.insist(printable(f"recovered: {done.message}"))
        return True

    def _scope(self, name: str) -> tuple[str, ...]:
        return (name, *self.config.models) if self.config.promote.exclusive else (name,)

    def _name_surplus(self, snapshot: Snapshot) -> None:
        """Name models with more than one version in production: only a foreign writer leaves them."""
        stage = self.target.stage
        for model in snapshot.models:
            serving = model.staged(stage)
            if len(serving) > 1 and INTENT_TAG not in model.tags:
                numbers = " and ".join(str(version.number) for version in reversed(serving))
                self.warn(
                    f"{model.name} has {len(serving)} versions in {stage}: {numbers}; keep one: "
                    f"`jenkins-mlflow promote --model {model.name} --version {serving[0].number}`"
                )

    def for_model(self, name: str, *, in_group: bool) -> Session:
        """This session for one model; a model outside of the group has no say in it."""
        if in_group or not self.config.promote.exclusive:
            return self
        promote = self.config.promote.model_copy(update={"exclusive": False})
        return replace(self, config=self.config.model_copy(update={"promote": promote}))
