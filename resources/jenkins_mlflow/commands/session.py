"""The session of a command: configuration, connection, lock, methods."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from jenkins_mlflow.build import BuildContext
from jenkins_mlflow.commands.scope import Scope
from jenkins_mlflow.config.schema import Config
from jenkins_mlflow.errors import ConnectionFailed, Interrupted, JenkinsMlflowError, RegistryError
from jenkins_mlflow.history.book import Book
from jenkins_mlflow.methods.alias import NAME as ALIAS
from jenkins_mlflow.methods.base import Method
from jenkins_mlflow.methods.choice import load_methods
from jenkins_mlflow.promotion.changes import Table
from jenkins_mlflow.promotion.recovery import Recovered
from jenkins_mlflow.registry.client import Registry
from jenkins_mlflow.registry.connection import connect, is_setting
from jenkins_mlflow.registry.holder import Holder
from jenkins_mlflow.registry.journal import Journal
from jenkins_mlflow.registry.lock import Lock
from jenkins_mlflow.registry.names import may_be_name
from jenkins_mlflow.registry.reading import NO_KEYS
from jenkins_mlflow.registry.retries import RetryPolicy
from jenkins_mlflow.registry.runs import RunsOf
from jenkins_mlflow.registry.signing import Keys
from jenkins_mlflow.registry.version import Target, Version
from jenkins_mlflow.registry.writer import Attempt, Writer
from jenkins_mlflow.tags import BUILD_TAG
from jenkins_mlflow.terminal import Terminal
from jenkins_mlflow.text import printable


@dataclass(frozen=True)
class Session:
    """The session of a command.

    Attributes:
        config: The loaded and validated configuration; on another server, what of it applies there.
        uri: The tracking URI in effect.
        terminal: For messages and questions.
        report: The folder for logs and notices; created when something is written.
        build: Who runs the command, and in which build.
        keys: The keys that sign the registry's tags.
        account: MLflow's settings for a server other than the environment's, see ``connect``; None for the
            latter.
        notify_urls: Apprise's addresses, which are secrets.
        warnings: The warnings, which the result has besides the command's own outcome.
        recovered: Unfinished promotions that this command has finished or undone.
        looks_only: Whether this is a dry run, whose failure is no news.
        locked: The purposes of the locks taken; nothing is written to the registry before the first.
        changed_scope: What the command works on, if that is not what the config says, see ``scope``.
        are_names: Whether entries of the group that look like patterns are names of registered models, as far as asked.
        waited: The models whose lock others kept for all of the configured wait; it is not waited for again.
    """

    config: Config
    uri: str
    terminal: Terminal
    report: Path
    build: BuildContext
    keys: Keys = NO_KEYS
    account: Mapping[str, str] | None = None
    notify_urls: tuple[str, ...] = field(default=(), repr=False)
    warnings: list[str] = field(default_factory=list)
    recovered: list[Recovered] = field(default_factory=list)
    looks_only: bool = False
    locked: list[str] = field(default_factory=list)
    waited: set[str] = field(default_factory=set)
    changed_scope: Scope | None = None
    are_names: dict[str, bool] = field(default_factory=dict)

    @property
    def scope(self) -> Scope:
        scope = self.changed_scope or Scope.of(self.config)
        return scope.exactly([entry for entry, is_name in self.are_names.items() if is_name])

    @property
    def target(self) -> Target:
        return self.scope.target

    @property
    def retry(self) -> RetryPolicy:
        rules = self.config.promote.retry
        return RetryPolicy(rules.attempts, rules.max_wait, rules.deadline)

    @property
    def alias_fallback(self) -> bool:
        return ALIAS in self.config.promote.methods

    def registry(self, *, may_create: bool = False) -> Registry:
        """Open the registry. Entries of the group that look like patterns may be names: 1 request for each."""
        connection = connect(self.uri, may_create=may_create, account=self.account)
        registry = Registry(connection, self.retry, self.keys, self.target)
        for entry in self.scope.models:
            if may_be_name(entry) and entry not in self.are_names:
                with self.unwritten():
                    self.are_names[entry] = registry.find_model(entry) is not None
        return registry

    @property
    def environ(self) -> Mapping[str, str]:
        """The environment of programs that use this session's server: its login, no other server's."""
        if self.account is None:
            return os.environ
        return {**{name: text for name, text in os.environ.items() if not is_setting(name)}, **self.account}

    def book(self, registry: Registry) -> Book:
        """The history, for reading and writing."""
        return Book(registry, self.warn)

    def journal(self, registry: Registry, now: float | None = None) -> Journal:
        """The journal of deletions; a run of it that cannot be read is skipped with a warning.

        Args:
            registry: The registry that has it.
            now: Seconds since the epoch by the store's clock, for new entries; by default, this machine's
                time.
        """
        return Journal(registry, self.build.url, time.time() if now is None else now, self._pass_over)

    def _pass_over(self, error: RegistryError) -> None:
        text = f"{error.message}: it is skipped, so what it names cannot be restored; next: {error.next_step}"
        self.warn_once(text)

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
        waiting: Callable[[], None] = lambda: None,
    ) -> Lock:
        """The lock for changing these models.

        Args:
            work: Its purpose: promote, rollback, cleanup, recover, ...
            scope: Names or patterns of all models that may change.
            writes: Names of the models that certainly change.
            wait: The longest wait in seconds; None for the config's.
            waiting: See ``Lock``.
        """
        rules = self.config.promote.lock
        self.locked.append(work)
        if wait is None:
            wait = 0.0 if self.waited.intersection(writes) else rules.wait
        return Lock(
            registry,
            Holder.this_process(work, tuple(scope), tuple(writes), self.build, rules.lease),
            wait=wait,
            retry=self.retry,
            say=self.terminal.say,
            waiting=waiting,
        )

    def writer(self) -> Writer:
        """A writer that shows each attempt."""

        def show(attempt: Attempt) -> None:
            tries = f" (try {attempt.attempt})" if attempt.attempt else ""
            detail = f": {attempt.error}" if attempt.error else ""
            took = f" after {attempt.seconds:.2f} s" if attempt.seconds else ""
            self.terminal.say(printable(f"  {attempt.method}{tries}: {attempt.outcome}{took}{detail}"))

        return Writer(self.retry, show=show)

    @contextmanager
    def unwritten(self) -> Iterator[None]:
        """Until the first lock is taken, errors of an unreachable server say that nothing was written."""
        try:
            yield
        except ConnectionFailed as error:
            error.state = error.state or ("" if self.locked else "nothing was written")
            raise

    def warn(self, text: str) -> None:
        """Show a warning, and keep it for the result."""
        self.warnings.append(text)
        self.terminal.alert(f"warning: {printable(text)}")

    def warn_once(self, text: str) -> None:
        """The same, unless this warning was given before."""
        if text not in self.warnings:
            self.warn(text)

    def tell_stop(self, error: JenkinsMlflowError | Interrupted, message: str = "") -> None:
        """Report what stopped a command of many steps, and the next step, which is added to the error.

        Args:
            error: The error that stopped it.
            message: The command's result so far; by default, the error's own message.
        """
        error.next_step = error.next_step or "run the command again: it continues with what is left"
        self.terminal.alert_error(error, message)

    def lock_for(
        self, registry: Registry, work: str, table: Table, waiting: Callable[[], None] = lambda: None
    ) -> Lock:
        """The lock for the changes of a table; ``waiting`` as in ``Lock``."""
        return self.lock(registry, work, self.scope.locked_with(table.models), table.models, waiting=waiting)

    def runs_to_select(self, champion: Callable[[Version], bool] | None = None) -> bool | RunsOf:
        """The runs that a selection needs: all, or with scope ``build`` those of the build and of champions.

        Args:
            champion: Whether a version is a champion; by default, those in production are.
        """
        build = self.build.id
        if self.config.select.scope == "group" or not build:
            return True
        return RunsOf(champion or (lambda version: version.in_production(self.target)), (BUILD_TAG, build))

    def runs_to_promote(self, model: str, number: int | None) -> RunsOf:
        """The runs that the promotion of a version needs: its own, and those of versions in production."""
        return RunsOf(
            lambda version: (
                version.in_production(self.target)
                or (version.model == model and number in (None, version.number))
            )
        )

    def for_model(self, name: str) -> Session:
        """This session for one model, see ``Scope.for_model``."""
        return replace(self, changed_scope=self.scope.for_model(name))
