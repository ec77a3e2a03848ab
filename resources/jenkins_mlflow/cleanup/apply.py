"""Carries out a cleanup, batch by batch under a lock; each version is read again right before its deletion.

Deleting a version removes its record; its run, logged model and files stay (MLflow 3.17.2). reclaim.py
deletes those.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from typing import Protocol

from jenkins_mlflow.cleanup.batch_journal import Written
from jenkins_mlflow.cleanup.deletion import Deletion
from jenkins_mlflow.cleanup.fresh_reads import Looks
from jenkins_mlflow.cleanup.plan import CleanupPlan, CleanupResult, Item, ItemOutcome, oldest_first
from jenkins_mlflow.cleanup.protection import Key
from jenkins_mlflow.errors import Busy, Interrupted, JenkinsMlflowError
from jenkins_mlflow.parallel import WORKERS, until_stopped
from jenkins_mlflow.registry.client import Registry
from jenkins_mlflow.registry.doors import Send
from jenkins_mlflow.registry.journal import Journal
from jenkins_mlflow.text import plural

# A lock covers about this many deletions, a few seconds, so that no promotion has to wait for the whole
# cleanup.
BATCH = 200
BATCH_NAMES = 1500  # characters of model names, which must fit into the lock's tag twice


class Held(Protocol):
    """A lock while it is held."""

    def check(self) -> None: ...

    @property
    def send(self) -> Send: ...


def apply_cleanup(
    registry: Registry,
    plan: CleanupPlan,
    locked: Callable[[Sequence[str]], AbstractContextManager[Held]],
    *,
    journal: Journal | None = None,
    progress: Callable[[], None] = lambda: None,
    pace: Callable[[], float] = lambda: 0.0,
    workers: int = WORKERS,
) -> CleanupResult:
    """Delete exactly the versions that the plan names, the oldest of each model first.

    The records of promotions and their intents are read again under each lock, because none can be added
    while it is held. Right before its deletion each version is read once more, alone or with those that are
    deleted next, and so is every version whose rollback target it is. It is kept if something protects it
    now, if its stage, aliases or tags have changed, or if it was created again under the same number. A
    version that is already gone counts as done. Models that other commands are working on are left for the
    next run. The first unexpected error stops the rest, and so does a signal (errors.Interrupted), after the
    deletions that were sent. The result lists the deletions so far.

    Args:
        locked: Returns the lock for some models.
        journal: Where each version is recorded before it is deleted; None for the registry's journal.
        progress: Called after each version.
        pace: Delays each deletion, see ``Pace.limiter``.
        workers: Deletions at once.
    """
    work = _Work(registry, plan, locked, journal or Journal(registry), progress, pace, workers)
    stopped: JenkinsMlflowError | Interrupted | None = None
    try:
        # journals a batch while the next one is being deleted
        with ThreadPoolExecutor(max_workers=1) as behind:
            for batch in batches(oldest_first(plan.deletions)):
                stopped = work.delete(batch, behind)
                if stopped:
                    break
        for closed in work.closing:
            closed.result()
    except Interrupted as signal:
        stopped = stopped or signal
    work.leave(plan.deletions, "not reached")
    result = _result(tuple(work.outcomes.get(_key(item), item) for item in plan.items), stopped)
    return replace(result, policy=plan.policy)


def batches(items: Sequence[Item]) -> Iterator[list[Item]]:
    """The deletions in batches of whole models, each small enough for one lock. Pure."""
    of_model: dict[str, list[Item]] = defaultdict(list)
    for item in items:
        of_model[item.version.model].append(item)
    batch: list[Item] = []
    names = 0
    for name, deletions in of_model.items():
        if batch and (len(batch) + len(deletions) > BATCH or names + len(name) > BATCH_NAMES):
            yield batch
            batch, names = [], 0
        batch += deletions
        names += len(name)
    if batch:
        yield batch


@dataclass
class _Work:
    """A cleanup in progress: the outcome of each version, and the journal's entries that are being closed."""

    registry: Registry
    plan: CleanupPlan
    locked: Callable[[Sequence[str]], AbstractContextManager[Held]]
    journal: Journal
    progress: Callable[[], None]
    pace: Callable[[], float]
    workers: int
    outcomes: dict[Key, Item] = field(default_factory=dict)
    closing: list[Future[None]] = field(default_factory=list)

    def delete(self, batch: Sequence[Item], behind: Executor) -> JenkinsMlflowError | Interrupted | None:
        """Delete one batch under its lock; return what stopped it, or None."""
        try:
            with self.locked(sorted({item.version.model for item in batch})) as lock:
                held = self.registry.under(lock)
                looks = Looks(held, [_key(item) for item in batch])
                deletion = Deletion(held, self.plan.protection, looks)
                lock.check()
                written = Written(self.journal, batch, self.workers)
                stopped = until_stopped(
                    deletion.delete,
                    batch,
                    failed=lambda item, error: replace(item, outcome="failed", error=error.message),
                    unreached=lambda item: replace(item, outcome="not reached"),
                    ended=self._ended,
                    delay=self.pace,
                    workers=self.workers,
                )
                ended = [self.outcomes[_key(item)] for item in batch]
                self.closing.append(behind.submit(written.close, ended))
                return stopped
        except Busy as busy:
            self.leave(batch, "kept: in use", busy.message)
            return None
        except (JenkinsMlflowError, Interrupted) as error:
            return error

    def leave(self, items: Sequence[Item], outcome: ItemOutcome, why: str = "") -> None:
        """Record why items that have no outcome yet stay."""
        for item in items:
            self.outcomes.setdefault(_key(item), replace(item, outcome=outcome, error=why))

    def _ended(self, item: Item) -> None:
        self.outcomes[_key(item)] = item
        self.progress()


def _key(item: Item) -> Key:
    return (item.version.model, item.version.number)


def _result(items: tuple[Item, ...], stopped: JenkinsMlflowError | Interrupted | None) -> CleanupResult:
    doomed = [item for item in items if item.action == "delete"]
    gone = sum(item.outcome in ("deleted", "already gone") for item in doomed)
    models = plural(len({item.version.model for item in items}), "model")
    if stopped:
        message = f"stopped after {gone} of {plural(len(doomed), 'deletion')}: {stopped.message}"
        return CleanupResult("stopped", message, items, stopped=stopped)
    changed = sum(item.outcome == "kept: changed since the plan" for item in doomed)
    in_use = [item for item in doomed if item.outcome == "kept: in use"]
    deleted = sum(item.outcome == "deleted" for item in doomed)
    message = f"deleted {plural(deleted, 'version')} of {models}"
    message += f"; {plural(gone - deleted, 'version')} had already been deleted" if gone > deleted else ""
    message += f"; kept {changed} that changed since the plan was made" if changed else ""
    message += f"; left {len(in_use)} for the next run: {in_use[0].error}" if in_use else ""
    return CleanupResult("deleted" if deleted else "nothing", message, items)
