"""Carries out a reclaim, batch by batch under locks; each piece is checked again right before its deletion.

For each deleted version the journal records that its files are being deleted, before the first of them goes,
and that they are gone, after the last. An interrupted run is continued by the next one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace

from jenkins_mlflow.cleanup.apply import BATCH_NAMES, Held
from jenkins_mlflow.cleanup.reclaim_pieces import Freed, Piece
from jenkins_mlflow.cleanup.reclaim_reading import Look
from jenkins_mlflow.errors import Busy, Interrupted, JenkinsMlflowError
from jenkins_mlflow.parallel import WORKERS, side_by_side, until_stopped
from jenkins_mlflow.registry.journal_entry import Reclaimed
from jenkins_mlflow.registry.locations import Touched
from jenkins_mlflow.registry.storage import Measured, OutOfReach

BATCH = 100


@dataclass(frozen=True)
class Reclaim:
    """Deletes pieces of a registry.

    Attributes:
        look: Reads the registry.
        plan: Reads the registry and plans again.
        locked: Returns the lock for some models.
        now: Seconds since the epoch by the store's clock.
        progress: Called after each piece.
        pace: Delays each deletion, see ``Pace.limiter``.
        workers: Deletions at once.
        most: The most pieces under one lock.
    """

    look: Look
    plan: Callable[[], tuple[Piece, ...]]
    locked: Callable[[Sequence[str]], AbstractContextManager[Held]]
    now: float
    progress: Callable[[], None] = lambda: None
    pace: Callable[[], float] = lambda: 0.0
    workers: int = WORKERS
    most: int = BATCH

    def measured(self, pieces: Sequence[Piece]) -> tuple[Piece, ...]:
        """The pieces, with the bytes of those to be deleted; a piece out of reach becomes ``leave``."""

        def measure(piece: Piece) -> Piece:
            try:
                size = self._measure(piece)
            except OutOfReach as error:
                return replace(piece, action="leave", reason=str(error))
            return replace(piece, bytes=size.bytes, files=size.files)

        return tuple(
            side_by_side(lambda p: measure(p) if p.action == "reclaim" else p, pieces, workers=self.workers)
        )

    def run(self, pieces: Sequence[Piece]) -> Freed:
        """Delete the files of the pieces that the plan says, and nothing else.

        Models that other commands are working on are left for the next run. The first unexpected error stops
        the rest, and so does a signal, after the deletions that were sent. The result says what was freed so
        far.
        """
        outcomes: dict[tuple[object, ...], Piece] = {}
        stopped: JenkinsMlflowError | Interrupted | None = None
        doomed = [piece for piece in pieces if piece.action == "reclaim"]
        for batch in batches(doomed, self.most):
            try:
                with self.locked(sorted({name for piece in batch for name in piece.models})) as lock:
                    lock.check()
                    stopped = self._batch(batch, lock, outcomes)
            except Busy as busy:
                for piece in batch:
                    outcomes[piece.key] = replace(piece, outcome="kept: in use", error=busy.message)
            except (JenkinsMlflowError, Interrupted) as error:
                stopped = error
            if stopped:
                break
        for piece in doomed:
            outcomes.setdefault(piece.key, replace(piece, outcome="not reached"))
        return Freed(tuple(outcomes.get(piece.key, piece) for piece in pieces), stopped)

    def _batch(
        self, batch: Sequence[Piece], lock: Held, outcomes: dict[tuple[object, ...], Piece]
    ) -> JenkinsMlflowError | Interrupted | None:
        """Free one batch in parallel; return what stopped it, or None."""
        held = replace(self, look=self.look.under(lock))
        again = {piece.key: piece for piece in self.plan()}

        def free(piece: Piece) -> Piece:
            try:
                return held.free(piece, again.get(piece.key))
            except OutOfReach as error:
                return replace(piece, outcome="kept: changed since the plan", error=str(error))

        def ended(piece: Piece) -> None:
            outcomes[piece.key] = piece
            self.progress()

        return until_stopped(
            free,
            batch,
            failed=lambda piece, error: replace(piece, outcome="failed", error=error.message),
            unreached=lambda piece: replace(piece, outcome="not reached"),
            ended=ended,
            delay=self.pace,
            workers=self.workers,
        )

    def free(self, piece: Piece, again: Piece | None) -> Piece:
        """Free one piece if nothing prevents it now."""
        if again is None or again.action != "reclaim":
            why = again.reason if again else "its versions were restored, or others share its files now"
            return replace(piece, outcome="kept: changed since the plan", error=why)
        before = self._measure(piece)
        if why := self._claimed(piece):
            return replace(piece, outcome="kept: changed since the plan", error=why)
        was = max((entry.reclaimed.bytes for entry in piece.entries if entry.reclaimed), default=before.bytes)
        journal, storage = self.look.journal, self.look.storage
        journal.mark_reclaimed(piece.entries, Reclaimed(self.now, was, done=False))
        for location in piece.locations:
            storage.erase(location)
        after = self._measure(piece)
        freed = before.bytes - after.bytes
        if after.files:
            why = f"{after.files} of {before.files} files still exist"
            return replace(piece, outcome="failed", error=why, freed=freed)
        if piece.run_id:
            self.look.put_away(piece.run_id)
        journal.mark_reclaimed(piece.entries, Reclaimed(self.now, was, done=True))
        return replace(piece, outcome="reclaimed", freed=freed)

    def _measure(self, piece: Piece) -> Measured:
        sizes = [self.look.storage.measure(location) for location in piece.locations]
        return Measured(sum(size.files for size in sizes), sum(size.bytes for size in sizes))

    def _claimed(self, piece: Piece) -> str:
        """Who refers to a piece now. 1 request for each run, because no lock excludes new references."""
        registry = self.look.registry
        for run_id in piece.runs:
            versions = registry.versions_of_run(run_id)
            if versions and (piece.run_id or piece.orphan):
                return f"{versions[0].label} comes from its run"
            touched = Touched(self.look.claims(versions, []))
            if by := next(filter(None, map(touched.by, piece.locations)), ""):
                return f"{by} refers to it"
        return ""


def batches(pieces: Iterable[Piece], most: int) -> Iterator[list[Piece]]:
    """Pieces in batches that fit under one lock, at most ``most`` in each. Pure."""
    batch: list[Piece] = []
    names: set[str] = set()
    for piece in pieces:
        more = names | set(piece.models)
        if batch and (len(batch) == most or sum(map(len, more)) > BATCH_NAMES):
            yield batch
            batch, more = [], set(piece.models)
        batch.append(piece)
        names = more
    if batch:
        yield batch
