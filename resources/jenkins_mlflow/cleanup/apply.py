"""Carrying out a cleanup: under the lock, batch by batch, each version looked at again right before its deletion.

Deleting a version removes its record; its run, logged model and files stay (MLflow 3.17.2).
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Protocol

from jenkins_mlflow.cleanup.plan import CleanupPlan, CleanupResult, Item, ItemOutcome
from jenkins_mlflow.errors import Busy, Interrupted, JenkinsMlflowError, NotFound
from jenkins_mlflow.registry.client import Registry
from jenkins_mlflow.registry.snapshot import Version
from jenkins_mlflow.text import plural

WORKERS = 8
# One lock for about this many deletions: few seconds at a time, so that no promotion waits for a whole night's cleanup.
BATCH = 40
BATCH_NAMES = 1500  # characters of model names; they have to fit into the lock's tag, twice

Key = tuple[str, int]


class Held(Protocol):
    """A lock while it is held."""

    def check(self) -> None: ...


def apply_cleanup(
    registry: Registry,
    plan: CleanupPlan,
    locked: Callable[[Sequence[str]], AbstractContextManager[Held]],
    *,
    progress: Callable[[], None] = lambda: None,
    workers: int = WORKERS,
) -> CleanupResult:
    """Delete what the plan names and nothing else.

    Each version is read again right before its deletion and kept if its stage, aliases or tags changed since the plan
    was made. A version that is gone already counts as done. Models that others are at work on are left for the next
    run. The first unexpected error stops the rest, and so does a signal (errors.Interrupted), after the deletions under
    way; the result says what was deleted until then.

    Args:
        locked: Gives the lock for some models.
        progress: Called after each version.
        workers: Deletions at once.
    """
    outcomes: dict[Key, Item] = {}
    stopped: JenkinsMlflowError | Interrupted | None = None
    for batch in batches(plan.deletions):
        try:
            with locked(sorted({item.version.model for item in batch})) as lock:
                stopped = _delete_all(registry, batch, lock, outcomes, progress, workers)
        except Busy as busy:
            _leave(batch, outcomes, "kept: in use", busy.message)
        except (JenkinsMlflowError, Interrupted) as error:
            stopped = error
        if stopped:
            break
    _leave(plan.deletions, outcomes, "not reached")
    return _result(tuple(outcomes.get(_key(item), item) for item in plan.items), stopped)


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


def _delete_all(
    registry: Registry,
    batch: Sequence[Item],
    lock: Held,
    outcomes: dict[Key, Item],
    progress: Callable[[], None],
    workers: int,
) -> JenkinsMlflowError | Interrupted | None:
    """Delete one batch in parallel; what stopped it, if anything did."""
    stop = threading.Event()
    first_error: list[JenkinsMlflowError] = []

    def work(item: Item) -> Item:
        if stop.is_set():
            return replace(item, outcome="not reached")
        try:
            lock.check()
            return replace(item, outcome=_delete(registry, item.version))
        except JenkinsMlflowError as error:
            stop.set()
            first_error.append(error)
            return replace(item, outcome="failed", error=error.message)

    pool = ThreadPoolExecutor(max_workers=workers, thread_name_prefix="delete")
    waiting: set[Future[Item]] = {pool.submit(work, item) for item in batch}
    interrupted: Interrupted | None = None
    while waiting:
        try:
            done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
            for future in done:
                item = future.result()
                outcomes[_key(item)] = item
                progress()
        except Interrupted as signal:
            stop.set()
            interrupted = signal
    pool.shutdown()
    return interrupted or next(iter(first_error), None)


def _key(item: Item) -> Key:
    return (item.version.model, item.version.number)


def _leave(items: Sequence[Item], outcomes: dict[Key, Item], outcome: ItemOutcome, why: str = "") -> None:
    for item in items:
        outcomes.setdefault(_key(item), replace(item, outcome=outcome, error=why))


def _delete(registry: Registry, planned: Version) -> ItemOutcome:
    """Delete one version if it still is what the plan saw."""
    try:
        live = registry.version(planned.model, planned.number)
        if (live.stage, live.aliases, live.tags) != (planned.stage, planned.aliases, planned.tags):
            return "kept: changed meanwhile"
        registry.retrying(
            f"deleting {planned.label}", lambda: registry.delete_version(planned.model, planned.number)
        )
    except NotFound:
        return "already gone"
    return "deleted"


def _result(items: tuple[Item, ...], stopped: JenkinsMlflowError | Interrupted | None) -> CleanupResult:
    doomed = [item for item in items if item.action == "delete"]
    gone = sum(item.outcome in ("deleted", "already gone") for item in doomed)
    models = plural(len({item.version.model for item in items}), "model")
    if stopped:
        message = f"stopped after {gone} of {plural(len(doomed), 'deletion')}: {stopped.message}"
        return CleanupResult("stopped", message, items, stopped)
    changed = sum(item.outcome == "kept: changed meanwhile" for item in doomed)
    in_use = [item for item in doomed if item.outcome == "kept: in use"]
    message = f"deleted {plural(gone, 'version')} of {models}"
    message += f"; kept {changed} that changed since the plan was made" if changed else ""
    message += f"; left {len(in_use)} for the next run: {in_use[0].error}" if in_use else ""
    return CleanupResult("deleted" if gone else "nothing", message, items)
