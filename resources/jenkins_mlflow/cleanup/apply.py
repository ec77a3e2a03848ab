"""Carrying out a cleanup: under the lock, batch by batch, each version looked at again right before its deletion.

Deleting a version removes its record; its run, logged model and files stay (MLflow 3.17.2). reclaim.py frees those.
"""

from __future__ import annotations

import contextlib
import functools
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Protocol

from jenkins_mlflow.cleanup.deletion import Deletion
from jenkins_mlflow.cleanup.plan import CleanupPlan, CleanupResult, Item, ItemOutcome
from jenkins_mlflow.cleanup.protection import Key
from jenkins_mlflow.errors import Busy, Interrupted, JenkinsMlflowError
from jenkins_mlflow.parallel import WORKERS, side_by_side, until_stopped
from jenkins_mlflow.registry.client import Registry
from jenkins_mlflow.registry.doors import Send
from jenkins_mlflow.registry.journal import Journal
from jenkins_mlflow.text import plural

# One lock for about this many deletions: few seconds at a time, so that no promotion waits for a whole night's cleanup.
BATCH = 80
BATCH_NAMES = 1500  # characters of model names; they have to fit into the lock's tag, twice


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
    pace: Callable[[], None] = lambda: None,
    workers: int = WORKERS,
) -> CleanupResult:
    """Delete what the plan names and nothing else.

    The records of promotions and their intents are read again under each lock: none can be added while it is held.
    Right before its deletion each version is read once more, alone or with those that are deleted beside it, and with
    every version that it is a rollback target of. It is
    kept if something protects it now, if its stage, aliases or tags changed, or if it was made again under the same
    number. A version that is gone already counts as done. Models that others are at work on are left for the next
    run. The first unexpected error stops the rest, and so does a signal (errors.Interrupted), after the deletions under
    way; the result says what was deleted until then.

    Args:
        locked: Gives the lock for some models.
        journal: Where each version is written down before it is deleted; None for the registry's.
        progress: Called after each version.
        pace: Called before each deletion; waits where the server is to be spared.
        workers: Deletions at once.
    """
    journal = journal or Journal(registry)
    outcomes: dict[Key, Item] = {}
    stopped: JenkinsMlflowError | Interrupted | None = None
    for batch in batches(plan.deletions):
        try:
            with locked(sorted({item.version.model for item in batch})) as lock:
                deletion = Deletion(registry.under(lock), plan.protection, pace)
                lock.check()
                written = _Written(journal, batch, workers)
                stopped = _delete_all(deletion, batch, outcomes, progress, workers)
                written.close([outcomes[_key(item)] for item in batch])
        except Busy as busy:
            _leave(batch, outcomes, "kept: in use", busy.message)
        except (JenkinsMlflowError, Interrupted) as error:
            stopped = error
        if stopped:
            break
    _leave(plan.deletions, outcomes, "not reached")
    result = _result(tuple(outcomes.get(_key(item), item) for item in plan.items), stopped)
    return replace(result, policy=plan.policy)


def batches(items: Sequence[Item]) -> Iterator[list[Item]]:
    """The deletions in batches of whole models, so that each batch fits under one lock. Pure."""
    of_model: dict[str, list[Item]] = defaultdict(list)
    for item in items:
        of_model[item.version.model].append(item)
    batch: list[Item] = []
    names = 0
    for name, own in of_model.items():
        if batch and (len(batch) + len(own) > BATCH or names + len(name) > BATCH_NAMES):
            yield batch
            batch, names = [], 0
        batch += own
        names += len(name)
    if batch:
        yield batch


class _Written:
    """A batch as it stands in the journal: a run for each model, several models at a time.

    Raises (when made): what writing the journal raises.
    """

    def __init__(self, journal: Journal, batch: Sequence[Item], workers: int) -> None:
        self._journal = journal
        self._workers = workers
        of_model: dict[str, list[Item]] = defaultdict(list)
        for item in batch:
            of_model[item.version.model].append(item)

        def write(model: str) -> str:
            own = of_model[model]
            sizes = {item.version.number: item.bytes for item in own}
            return journal.write(model, [item.version for item in own], sizes)

        self._runs = dict(zip(of_model, side_by_side(write, list(of_model), workers=workers), strict=True))

    def close(self, batch: Sequence[Item]) -> None:
        """Write down what came of each item."""

        def end(model: str) -> None:
            own, run = [item for item in batch if item.version.model == model], self._runs[model]
            # A failed deletion may have taken effect: only what was kept is sure to be there.
            kept = [item.version for item in own if item.outcome == "kept: changed meanwhile"]
            counts = Counter(item.outcome.partition(":")[0] for item in own)
            with contextlib.suppress(JenkinsMlflowError):  # it is written; that it looks open does no harm
                self._journal.withdraw(run, kept)
                self._journal.close(run, model, counts)

        side_by_side(end, list(self._runs), workers=self._workers)


def _delete_all(
    deletion: Deletion,
    batch: Sequence[Item],
    outcomes: dict[Key, Item],
    progress: Callable[[], None],
    workers: int,
) -> JenkinsMlflowError | Interrupted | None:
    """Delete one batch, wave by wave, each wave side by side; what stopped it, if anything did."""

    def ended(item: Item) -> None:
        outcomes[_key(item)] = item
        progress()

    stopped: JenkinsMlflowError | Interrupted | None = None
    for start in range(0, len(batch), workers):
        wave = batch[start : start + workers]
        try:
            looked = deletion.look(wave)
        except (JenkinsMlflowError, Interrupted) as error:
            stopped = error
        else:
            stopped = until_stopped(
                functools.partial(deletion.delete, looked=looked),
                wave,
                failed=lambda item, error: replace(item, outcome="failed", error=error.message),
                unreached=lambda item: replace(item, outcome="not reached"),
                ended=ended,
                workers=workers,
            )
        if stopped:
            break
    _leave(batch, outcomes, "not reached")
    return stopped


def _key(item: Item) -> Key:
    return (item.version.model, item.version.number)


def _leave(items: Sequence[Item], outcomes: dict[Key, Item], outcome: ItemOutcome, why: str = "") -> None:
    for item in items:
        outcomes.setdefault(_key(item), replace(item, outcome=outcome, error=why))


def _result(items: tuple[Item, ...], stopped: JenkinsMlflowError | Interrupted | None) -> CleanupResult:
    doomed = [item for item in items if item.action == "delete"]
    gone = sum(item.outcome in ("deleted", "already gone") for item in doomed)
    models = plural(len({item.version.model for item in items}), "model")
    if stopped:
        message = f"stopped after {gone} of {plural(len(doomed), 'deletion')}: {stopped.message}"
        return CleanupResult("stopped", message, items, stopped=stopped)
    changed = sum(item.outcome == "kept: changed meanwhile" for item in doomed)
    in_use = [item for item in doomed if item.outcome == "kept: in use"]
    deleted = sum(item.outcome == "deleted" for item in doomed)
    message = f"deleted {plural(deleted, 'version')} of {models}"
    message += f"; {plural(gone - deleted, 'version')} had gone already" if gone > deleted else ""
    message += f"; kept {changed} that changed since the plan was made" if changed else ""
    message += f"; left {len(in_use)} for the next run: {in_use[0].error}" if in_use else ""
    return CleanupResult("deleted" if deleted else "nothing", message, items)
