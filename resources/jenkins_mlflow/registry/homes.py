"""Finds out from MLflow where it keeps the files of runs and logged models."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from jenkins_mlflow.errors import NotFound
from jenkins_mlflow.registry.client import Registry
from jenkins_mlflow.registry.door_types import FoundLoggedModel, KeptRun
from jenkins_mlflow.registry.reading import EXPERIMENTS_PER_PAGE

_RUNS = 500
_LOGGED_MODELS = 500
_EXPERIMENTS = 100


def kept_runs(registry: Registry, run_ids: Collection[str]) -> dict[str, KeptRun]:
    """The runs with these ids, including deleted ones; 1 request for every 500."""
    ids = sorted(run_id for run_id in run_ids if run_id.isalnum())
    experiments = _experiments(registry) if ids else []
    found: dict[str, KeptRun] = {}
    for start in range(0, len(ids), _RUNS):
        some = ",".join(f"'{run_id}'" for run_id in ids[start : start + _RUNS])
        for run in _runs(registry, experiments, f"attributes.run_id IN ({some})"):
            found[run.run_id] = run
    return found


def every_run(registry: Registry, condition: str) -> Iterator[KeptRun]:
    """Every run of the registry's server that matches an MLflow filter, including deleted ones."""
    return _runs(registry, _experiments(registry), condition)


def runs_outside(registry: Registry, experiment: str, condition: str) -> Iterator[KeptRun]:
    """The same without those of one experiment."""
    others = [one for one in _experiments(registry) if one != experiment]
    return _runs(registry, others, condition) if others else iter(())


def children(registry: Registry, run_id: str) -> list[str]:
    """The ids of this run's child runs."""
    found = _runs(registry, _experiments(registry), f"tags.`mlflow.parentRunId` = '{run_id}'")
    return [run.run_id for run in found]


def logged_model(registry: Registry, model_id: str) -> FoundLoggedModel | None:
    """Read a logged model; None if it does not exist or is in MLflow's trash."""
    door = registry.connection.door
    try:
        return registry.retrying(f"reading the logged model {model_id}", lambda: door.logged_model(model_id))
    except NotFound:
        return None


def logged_models(
    registry: Registry, experiments: Collection[str], condition: str = ""
) -> Iterator[FoundLoggedModel]:
    """The logged models of these experiments that match an MLflow filter; none on servers before MLflow 3."""
    listed = sorted(experiments)
    try:
        for start in range(0, len(listed), _EXPERIMENTS):
            yield from registry.pages(
                "the logged models",
                registry.connection.door.logged_models,
                experiments=listed[start : start + _EXPERIMENTS],
                condition=condition,
                limit=_LOGGED_MODELS,
            )
    except NotFound:
        return


def logged_models_with_ids(registry: Registry, model_ids: Collection[str]) -> Iterator[FoundLoggedModel]:
    """The logged models with these ids that are not in MLflow's trash.

    1 request for every 500 ids and every 100 experiments.

    Raises:
        RegistryError: the server cannot search by a list of ids; MLflow 3.3 and later can, with a database.
    """
    ids = sorted(model_ids)
    experiments = _experiments(registry) if ids else []
    for start in range(0, len(ids), _LOGGED_MODELS):
        # MLflow's parser does not accept a list of one.
        some = ", ".join(f"'{model_id}'" for model_id in [*ids[start : start + _LOGGED_MODELS], ids[start]])
        yield from logged_models(registry, experiments, f"model_id IN ({some})")


def experiment_locations(registry: Registry) -> list[str]:
    """Where the files of each experiment are."""
    door = registry.connection.door
    return list(registry.pages("the experiments", door.experiment_locations, limit=EXPERIMENTS_PER_PAGE))


def _experiments(registry: Registry) -> list[str]:
    door = registry.connection.door
    return list(registry.pages("the experiments", door.experiments, limit=EXPERIMENTS_PER_PAGE))


def _runs(registry: Registry, experiments: Collection[str], condition: str) -> Iterator[KeptRun]:
    return registry.pages(
        "the runs",
        registry.connection.door.kept_runs,
        experiments=experiments,
        condition=condition,
        limit=_RUNS,
    )
