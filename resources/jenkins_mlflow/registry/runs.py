"""The runs behind versions: which of them a command needs, and reading them by their ids.

A search takes 4,500 run ids, not 6,000 (MLflow 2.22 to 3.17). Most of that time is the
server's own work, so two requests at once, for two of its workers, are twice as fast.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from jenkins_mlflow.errors import JenkinsMlflowError
from jenkins_mlflow.parallel import side_by_side
from jenkins_mlflow.registry.faults import AnswerTooLarge, classify
from jenkins_mlflow.registry.snapshot import NOTHING, Run, Version

RUNS_PER_REQUEST = 4500
AT_ONCE = 2
"""Requests side by side. A server has at least two workers as a rule, and more would hold more in memory at once."""
FEW = 200
"""So many runs are read in one request: two would gain nothing."""
_TOO_MUCH = frozenset({400, 413, 414, 431})


@dataclass(frozen=True)
class RunsOf:
    """Whose runs a command needs, and what of them: those of some versions, and those that carry a tag.

    Attributes:
        versions: Whether a version's run is read by its id.
        tag: Key and value that other runs have which are read, too; the trash is not searched for them.
        keep: What is kept of a run as it arrives: of a hundred thousand, all would fill the memory.
    """

    versions: Callable[[Version], bool] = lambda version: True
    tag: tuple[str, str] | None = None
    keep: Callable[[Run], Run] = lambda run: run

    @classmethod
    def every_version(cls, *metrics: str) -> RunsOf:
        """Those of all versions, with these metrics (all, if none is named) and without tags."""
        return cls(keep=lambda run: _without_tags(run, metrics))


EVERY_RUN = RunsOf()


def by_ids(ids: Sequence[str], read: Callable[[Sequence[str]], Iterable[Run]]) -> Iterator[Run]:
    """The runs with these ids: two requests side by side, each with as many ids as pay off and the server accepts.

    Args:
        ids: The ids.
        read: Reads some of them in one request; threads call it.
    """
    start, most = 0, min(RUNS_PER_REQUEST // AT_ONCE, max(FEW, -(-len(ids) // AT_ONCE)))
    while start < len(ids):
        end = min(start + most * AT_ONCE, len(ids))
        pieces = [ids[first : min(first + most, end)] for first in range(start, end, most)]
        try:
            answers = side_by_side(lambda piece: list(read(piece)), pieces)
        except JenkinsMlflowError as error:
            if most == 1 or not _too_much(error):
                raise
            most = -(-len(pieces[0]) // 2)
            continue
        for runs in answers:
            yield from runs
        start = end


def _without_tags(run: Run, metrics: Sequence[str]) -> Run:
    kept = {name: run.metrics[name] for name in metrics if name in run.metrics} if metrics else run.metrics
    return Run(run.run_id, kept, NOTHING, run.started, run.running)


def _too_much(error: JenkinsMlflowError) -> bool:
    """Whether a smaller request may succeed where this one failed."""
    cause = error.__cause__
    return cause is not None and (classify(cause).status in _TOO_MUCH or isinstance(cause, AnswerTooLarge))
