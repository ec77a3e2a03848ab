"""One batch of a cleanup in the journal: written before the first deletion, closed after the last."""

from __future__ import annotations

import contextlib
from collections import Counter, defaultdict
from collections.abc import Sequence

from jenkins_mlflow.cleanup.plan import Item
from jenkins_mlflow.errors import JenkinsMlflowError
from jenkins_mlflow.parallel import side_by_side
from jenkins_mlflow.registry.journal import Journal


class Written:
    """A batch as it stands in the journal: a run for each model, several models at a time.

    Args:
        journal: Where it is written.
        batch: What is about to be deleted.
        workers: Models at once.

    Raises (when made): what writing the journal raises.
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
        """Write down what came of each item."""

        def end(model: str) -> None:
            attempted, run = [item for item in batch if item.version.model == model], self._runs[model]
            # A failed deletion may have taken effect: only what was kept is sure to be there.
            kept = [item.version for item in attempted if item.outcome == "kept: changed meanwhile"]
            counts = Counter(item.outcome.partition(":")[0] for item in attempted)
            with contextlib.suppress(JenkinsMlflowError):  # it is written; that it looks open does no harm
                self._journal.withdraw(run, kept)
                self._journal.close(run, model, counts)

        side_by_side(end, list(self._runs), workers=self._workers)
