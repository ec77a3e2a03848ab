"""Carrying out a cleanup: under the lock, batch by batch, each version looked at again right before its deletion.

Deleting a version removes its record; its run, logged model and files stay (MLflow 3.17.2).
"""

from __future__ import annotations

import contextlib
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Protocol

from jenkins_mlflow.cleanup.plan import CleanupPlan, CleanupResult, Item, ItemOutcome
from jenkins_mlflow.cleanup.protection import INTENT_TAGS, RECORD_TAGS, Key, Protection, unfinished
from jenkins_mlflow.errors import Busy, Interrupted, JenkinsMlflowError, NotFound
from jenkins_mlflow.registry.client import Registry
from jenkins_mlflow.registry.journal import Journal
from jenkins_mlflow.registry.snapshot import NO_STAGE, Version
from jenkins_mlflow.text import plural

WORKERS = 8
# One lock for about this many deletions: few seconds at a time, so that no promotion waits for a whole night's cleanup.
BATCH = 40
BATCH_NAMES = 1500  # characters of model names; they have to fit into the lock's tag, twice


class Held(Protocol):
    """A lock while it is held."""

    def check(self) -> None: ...


def apply_cleanup(
    registry: Registry,
    plan: CleanupPlan,
    locked: Callable[[Sequence[str]], AbstractContextManager[Held]],
    *,
    journal: Journal | None = None,
    progress: Callable[[], None] = lambda: None,
    workers: int = WORKERS,
) -> CleanupResult:
    """Delete what the plan names and nothing else.

    The records of promotions and their intents are read again under each lock: none can be added while it is held.
    Right before its deletion each version is read once more, with every version that it is a rollback target of. It is
    kept if something protects it now, if its stage, aliases or tags changed, or if it was made again under the same
    number. A version that is gone already counts as done. Models that others are at work on are left for the next
    run. The first unexpected error stops the rest, and so does a signal (errors.Interrupted), after the deletions under
    way; the result says what was deleted until then.

    Args:
        locked: Gives the lock for some models.
        journal: Where each version is written down before it is deleted; None for the registry's.
        progress: Called after each version.
        workers: Deletions at once.
    """
    journal = journal or Journal(registry)
    outcomes: dict[Key, Item] = {}
    stopped: JenkinsMlflowError | Interrupted | None = None
    for batch in batches(plan.deletions):
        try:
            with locked(sorted({item.version.model for item in batch})) as lock:
                deletion = _Deletion(registry, plan.protection, lock)
                lock.check()
                runs = [journal.write(model, versions) for model, versions in _of_models(batch).items()]
                stopped = _delete_all(deletion, batch, outcomes, progress, workers)
                for run in runs:
                    with contextlib.suppress(
                        JenkinsMlflowError
                    ):  # it is written; that it looks open does no harm
                        journal.close(run)
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


def _of_models(items: Sequence[Item]) -> dict[str, list[Version]]:
    """The versions by model."""
    found: dict[str, list[Version]] = defaultdict(list)
    for item in items:
        found[item.version.model].append(item.version)
    return found


class _Deletion:
    """Deletes single versions under one lock.

    Raises (when made): what reading the registry raises.
    """

    def __init__(self, registry: Registry, protection: Protection, lock: Held) -> None:
        self._registry = registry
        self._protection = protection
        self._lock = lock
        recorded = [version for key in RECORD_TAGS for version in registry.versions_with_tag(key)]
        self._naming = protection.rollback_targets(recorded)
        self._unfinished = unfinished(
            {name: tags for key in INTENT_TAGS for name, tags in registry.models_with_tag(key).items()}
        )

    def delete(self, item: Item) -> Item:
        """Delete one version if nothing speaks against it now; each try looks again."""
        registry, planned = self._registry, item.version

        def attempt() -> str:
            reason = self._against(planned, registry.version(planned.model, planned.number))
            if not reason:
                self._lock.check()
                registry.delete_version(planned.model, planned.number)
            return reason

        try:
            reason = registry.retrying(f"deleting {planned.label}", attempt)
        except NotFound:
            return replace(item, outcome="already gone")
        return replace(item, outcome="kept: changed meanwhile" if reason else "deleted", error=reason)

    def _against(self, planned: Version, live: Version) -> str:
        """What speaks against deleting a planned version, as the registry is now; empty if nothing does."""
        if (live.created, live.run_id) != (planned.created, planned.run_id):
            return "it was deleted and made again under the same number"
        naming = self._naming.get(_key_of(planned), ())
        reason = self._protection.reason(live, (self._live(version) for version in naming), self._unfinished)
        changed = (live.stage, live.aliases, live.tags) != (planned.stage, planned.aliases, planned.tags)
        return reason or ("its stage, aliases or tags changed" if changed else "")

    def _live(self, version: Version) -> Version:
        """A version as it is now; one that is gone keeps nothing."""
        try:
            return self._registry.version(version.model, version.number)
        except NotFound:
            return replace(version, stage=NO_STAGE, aliases=())


def _delete_all(
    deletion: _Deletion,
    batch: Sequence[Item],
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
            return deletion.delete(item)
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
    return _key_of(item.version)


def _key_of(version: Version) -> Key:
    return (version.model, version.number)


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
    message = f"deleted {plural(gone, 'version')} of {models}"
    message += f"; kept {changed} that changed since the plan was made" if changed else ""
    message += f"; left {len(in_use)} for the next run: {in_use[0].error}" if in_use else ""
    return CleanupResult("deleted" if gone else "nothing", message, items)
