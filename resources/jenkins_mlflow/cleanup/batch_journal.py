"""Journals one batch of a cleanup: written before its first deletion, closed after the last."""

from __future__ import annotations

import contextlib
from collections import Counter, defaultdict
from collections.abc import Sequence

from jenkins_mlflow.cleanup.plan import Item
from jenkins_mlflow.errors import JenkinsMlflowError
from jenkins_mlflow.parallel import side_by_side
from jenkins_mlflow.registry.journal import Journal


class Written:
    """A batch in the journal: one run for each model, several models at a time.

    Args:
        journal: The journal to write to.
        batch: The items that are about to be deleted.
        workers: How many models are written at once.

    Raises (when made): as writing the journal raises.
    """

    def __init__(self, journal: Journal, batch: Sequence[Item], workers: int) -> None:
        self._journal = journal
        self._workers = workers
        of_model: dict[str, list[Item]] = defaultdict(list)
        for item in batch:
            of_model[item.version.model].append(item)

        def write(model: str) -> str:
            to_delete = of_model[model]
            sizes = {item.version.number: item.bytes for item in to_delete}
            return journal.write(model, [item.version for item in to_delete], sizes)

        self._runs = dict(zip(of_model, side_by_side(write, list(of_model), workers=workers), strict=True))

    def close(self, batch: Sequence[Item]) -> None:
        """Record the outcome of each item."""

        def end(model: str) -> None:
            attempted, run = [item for item in batch if item.version.model == model], self._runs[model]
            # A failed deletion may have taken effect: only versions that were kept are sure to exist.
            kept = [item.version for item in attempted if item.outcome == "kept: changed since the plan"]
            counts = Counter(item.outcome.partition(":")[0] for item in attempted)
            # the entry is written; if it still looks open, that does no harm
            with contextlib.suppress(JenkinsMlflowError):
                self._journal.withdraw(run, kept)
                self._journal.close(run, model, counts)

        side_by_side(end, list(self._runs), workers=self._workers)
