"""Reads the logged models of runs."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from jenkins_mlflow.errors import NotFound, RegistryError
from jenkins_mlflow.parallel import side_by_side
from jenkins_mlflow.registry.asking import Asker
from jenkins_mlflow.registry.door_types import FoundLoggedModel
from jenkins_mlflow.registry.version import Run

_RUNS_PER_REQUEST = 100
_LOGGED_PER_PAGE = 500


def logged_models(asker: Asker, runs: Sequence[Run]) -> Iterator[FoundLoggedModel]:
    """The logged models of these runs; 1 request for every 100 runs, or for every run with some file stores."""
    ordered = sorted(runs, key=lambda run: (run.experiment, run.run_id))
    for start in range(0, len(ordered), _RUNS_PER_REQUEST):
        some = ordered[start : start + _RUNS_PER_REQUEST]
        try:
            yield from _of_runs(asker, some)
        except NotFound:
            return  # MLflow 2 has no logged models
        except RegistryError:
            if len(some) == 1:
                raise
            for run in some:
                yield from _of_runs(asker, [run])


def _of_runs(asker: Asker, runs: Sequence[Run]) -> list[FoundLoggedModel]:
    ids = ", ".join(f"'{run.run_id}'" for run in runs)
    return list(
        asker.pages(
            "the logged models",
            asker.connection.door.logged_models,
            experiments=sorted({run.experiment for run in runs}),
            condition=f"source_run_id IN ({ids})" if len(runs) > 1 else f"source_run_id = {ids}",
            limit=_LOGGED_PER_PAGE,
        )
    )


def logged_nan(asker: Asker, metrics: Sequence[tuple[str, str]]) -> list[bool]:
    """Whether a run has ever logged NaN for a metric, for each pair of run id and metric; 1 request each."""

    def ask(metric: tuple[str, str]) -> bool:
        run_id, key = metric
        points = asker.pages(f"the values of {key}", asker.connection.door.points, run_id=run_id, key=key)
        return any(math.isnan(point.value) for point in points)

    return side_by_side(ask, metrics)
