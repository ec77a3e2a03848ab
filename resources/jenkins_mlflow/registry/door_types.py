"""The types that a door returns: models, experiments, runs and files, page by page."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from typing import Any, NamedTuple, TypeVar

from jenkins_mlflow.registry.version import Run

T = TypeVar("T")


class Page(list[T]):
    """One page of a search's results; ``token`` requests the next page and is empty on the last one."""

    token: str = ""

    @classmethod
    def of(cls, items: Collection[T], token: str | None) -> Page[T]:
        page = cls(items)
        page.token = token or ""
        return page


class FoundModel(NamedTuple):
    """A registered model without its versions; times are in milliseconds of the registry's clock."""

    name: str
    aliases: Mapping[str, int]
    tags: Mapping[str, str]
    updated: int
    created: int


class FoundExperiment(NamedTuple):
    """An experiment, which may be in MLflow's trash."""

    experiment_id: str
    deleted: bool


class FoundLoggedModel(NamedTuple):
    """The data needed of an MLflow 3 logged model; ``run_id`` is the run that logged it, ``uri`` its folder.

    ``metrics`` are those that this run logged for it, see ``last_values``; ``mixed`` are those of them that it logged
    for several datasets, see ``mixed_datasets``.
    """

    model_id: str
    name: str
    run_id: str
    status: str
    has_metrics: bool
    tags: Mapping[str, str]
    experiment: str = ""
    uri: str = ""
    metrics: Mapping[str, float] = {}
    mixed: Mapping[str, tuple[str, ...]] = {}


def last_values(metrics: Iterable[Any], run_id: str) -> dict[str, float]:
    """The last value of each metric that a run logged for a logged model: that of the highest step, as in a run."""
    mine = _logged_by(run_id, metrics)
    mine.sort(key=lambda metric: (metric.step, metric.timestamp, metric.value))
    return {metric.key: metric.value for metric in mine}


def mixed_datasets(metrics: Iterable[Any], run_id: str) -> dict[str, tuple[str, ...]]:
    """The metrics that a run logged for a logged model and several datasets, with the names of these datasets.

    Datasets with the same name differ by their digest, which is then added to the name.
    """
    digests: dict[str, set[tuple[str, str]]] = defaultdict(set)
    for metric in _logged_by(run_id, metrics):
        if metric.dataset_name:
            digests[metric.key].add((metric.dataset_name, metric.dataset_digest or ""))
    return {
        key: tuple(
            name if [other for other, _ in found].count(name) == 1 else f"{name} {digest}"
            for name, digest in sorted(found)
        )
        for key, found in digests.items()
        if len(found) > 1
    }


def _logged_by(run_id: str, metrics: Iterable[Any]) -> list[Any]:
    """Those metrics of a logged model that this run logged; a server may leave out which run did."""
    return [metric for metric in metrics if metric.run_id in (run_id, "", None)]


class KeptRun(NamedTuple):
    """A run with the data about its files; times are in milliseconds, and ``ended`` is 0 while it runs."""

    run_id: str
    experiment: str
    uri: str
    status: str
    ended: int
    deleted: bool
    tags: Mapping[str, str]
    started: int = 0


class FoundFile(NamedTuple):
    """A file or folder with its name; the size is in bytes."""

    name: str
    is_dir: bool
    size: int


class FoundRun(NamedTuple):
    """A run with all the data that training needs; ``ended`` is in milliseconds, and 0 while it runs."""

    run: Run
    experiment_id: str
    name: str
    status: str
    ended: int
    artifact_uri: str


class Point(NamedTuple):
    """One logged value of a metric; ``when`` is in milliseconds."""

    key: str
    value: float
    when: int
    step: int


class WholeRun(NamedTuple):
    """A run with all the data to copy, except for its metrics' history; ``ended`` is 0 while it runs."""

    run_id: str
    experiment: str
    name: str
    status: str
    started: int
    ended: int
    uri: str
    params: Mapping[str, str]
    metrics: Collection[str]
    tags: Mapping[str, str]
