"""Reads the runs behind versions, as far as a command needs them.

A search accepts 4,500 run ids, not 6,000 (MLflow 2.22 to 3.17). Most of the time is spent in the server, so
two requests at once, handled by two of its workers, are twice as fast.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from jenkins_mlflow.errors import JenkinsMlflowError
from jenkins_mlflow.parallel import side_by_side
from jenkins_mlflow.registry.faults import is_too_large
from jenkins_mlflow.registry.version import NOTHING, Run, Version

RUNS_PER_REQUEST = 4500
AT_ONCE = 2
"""Parallel requests. A server usually has at least two workers, and more requests would need more memory."""
FEW = 200
"""Up to this many runs are read in one request, because two would gain nothing."""
_TOO_MUCH = frozenset({400, 413, 414, 431})


@dataclass(frozen=True)
class RunsOf:
    """Which runs a command needs, by version and by tag, and what it needs of them.

    Attributes:
        versions: Whether to read a version's run by its id.
        tag: The key and value of a tag; runs with it are also read, except those in the trash.
        keep: Reduces each run on arrival to what is needed, because 100,000 complete runs would fill the
            memory.
    """

    versions: Callable[[Version], bool] = lambda version: True
    tag: tuple[str, str] | None = None
    keep: Callable[[Run], Run] = lambda run: run

    @classmethod
    def every_version(
        cls, *metrics: str, tags: Callable[[Run], Mapping[str, str]] = lambda run: NOTHING
    ) -> RunsOf:
        """The runs of all versions, with these metrics (all if none are named) and the tags that ``tags`` returns."""
        return cls(keep=lambda run: _only(run, metrics, tags(run)))


EVERY_RUN = RunsOf()


def by_ids(ids: Sequence[str], read: Callable[[Sequence[str]], Iterable[Run]]) -> Iterator[Run]:
    """The runs with these ids, read by two requests in parallel, each with as many ids as the server accepts.

    Args:
        ids: The ids.
        read: Reads some of them in one request; called from threads.
    """
    start, most = 0, min(RUNS_PER_REQUEST // AT_ONCE, max(FEW, -(-len(ids) // AT_ONCE)))
    while start < len(ids):
        end = min(start + most * AT_ONCE, len(ids))
        pieces = [ids[first : min(first + most, end)] for first in range(start, end, most)]
        try:
            answers = side_by_side(lambda piece: list(read(piece)), pieces)
        except JenkinsMlflowError as error:
            if most == 1 or not is_too_large(error, _TOO_MUCH):
                raise
            most = -(-len(pieces[0]) // 2)
            continue
        for runs in answers:
            yield from runs
        start = end


def _only(run: Run, metrics: Sequence[str], tags: Mapping[str, str]) -> Run:
    kept = {name: run.metrics[name] for name in metrics if name in run.metrics} if metrics else run.metrics
    return replace(run, metrics=kept, tags=tags)
