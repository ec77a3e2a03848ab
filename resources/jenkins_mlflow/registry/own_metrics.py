"""Gives each version the metrics of its own model if its run logged several models, for one dataset each.

Facts (MLflow 3.3 to 3.17): a run has the last value of each metric, whichever of its models it was logged for. A
logged model has the values that were logged for it. A metric that was logged for no model, with ``log_metric`` alone,
is only in the run, and counts for each of its models. A version names its logged model only in its source. A search
for runs lists the models that a run logged with ``log_model``; with MLflow 3.3 and a database it lists none. A
database stores NaN as 0 for a logged model, but not for a run.

``log_metric(..., dataset=...)`` names the dataset in the logged model, and adds it to the inputs of the run. In a
database, the metrics of a run name no dataset, and a metric that was logged before its model loses it (3.17).
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from jenkins_mlflow.registry.door_types import FoundLoggedModel
from jenkins_mlflow.registry.sources import copied_from, logged_model_id
from jenkins_mlflow.registry.version import Run, Version

_LONGEST_CHAIN = 100
"""Copies of copies that are followed; more may be a circle."""


@dataclass(frozen=True)
class Sources:
    """What is asked for the versions whose run may have logged several models; nothing if there are none.

    Attributes:
        logged_models: Reads the logged models of some runs.
        addresses: Where the files of some versions are, in the same order.
        logged_nan: Whether a run has ever logged NaN for a metric, for some pairs of run id and metric.
    """

    logged_models: Callable[[Sequence[Run]], Iterable[FoundLoggedModel]]
    addresses: Callable[[Sequence[Version]], Sequence[str]]
    logged_nan: Callable[[Sequence[tuple[str, str]]], Sequence[bool]]


def with_own_metrics(
    versions: Sequence[Version], sources: Sources, keep: Callable[[Run], Run]
) -> list[Version]:
    """The versions, each with the metrics of its own model, without those that were logged for several datasets.

    Args:
        versions: The versions of the group with their runs.
        sources: What to ask for.
        keep: Reduces each run to what is needed, see ``RunsOf``.
    """
    known = {(version.model, version.number): version for version in versions}
    origins = {key: _origin(version, known) for key, version in known.items() if version.run}
    doubtful = [known[key] for key, origin in origins.items() if _is_doubtful(known[key].run, origin)]
    if not doubtful:
        return list(versions)
    runs = {version.run.run_id: version.run for version in doubtful if version.run}
    found = {model.model_id: model for model in sources.logged_models(list(runs.values()))}
    logged = {run_id: set(run.logged) for run_id, run in runs.items()}
    for version in doubtful:
        if version.run and (model_id := logged_model_id(origins[version.model, version.number])):
            logged[version.run.run_id].add(model_id)
    for model in found.values():
        logged.setdefault(model.run_id, set()).add(model.model_id)
    several = [version for version in doubtful if version.run and len(logged[version.run.run_id]) > 1]
    ids = _ids(several, origins, sources)
    metrics = _metrics(
        [found[model_id] for model_id in sorted({*ids.values()}) if model_id in found], sources
    )
    linked: dict[str, set[str]] = defaultdict(set)
    for model in found.values():
        linked[model.run_id].update(model.metrics)
    measured = [
        replace(version, run=keep(_of_model(version.run, ids[key], metrics, linked[version.run.run_id])))
        if version.run and (key := (version.model, version.number)) in ids
        else version
        for version in versions
    ]
    mixed = {model_id: model.mixed for model_id, model in found.items() if model.mixed}
    return [_of_one_dataset(version, mixed, logged) for version in measured] if mixed else measured


def _origin(version: Version, known: Mapping[tuple[str, int], Version]) -> str:
    """The source of the version whose files these are; that of a copy if the original is not known."""
    for _ in range(_LONGEST_CHAIN):
        original = known.get(copied_from(version.source) or ("", 0))
        if original is None:
            break
        version = original
    return version.source


def _is_doubtful(run: Run | None, origin: str) -> bool:
    """Whether its metrics may be those of another model, or of several datasets, so that more has to be asked."""
    if run is None:
        return False
    model_id = logged_model_id(origin)
    if run.logged:
        return len(run.logged) > 1 or run.datasets > 1 or bool(model_id and model_id not in run.logged)
    return bool(model_id or copied_from(origin))


def _ids(
    versions: Sequence[Version], origins: Mapping[tuple[str, int], str], sources: Sources
) -> dict[tuple[str, int], str]:
    """The id of each version's logged model; empty if it cannot be determined."""
    ids = {
        (version.model, version.number): logged_model_id(origins[version.model, version.number])
        for version in versions
    }
    copies = [v for v in versions if not ids[v.model, v.number] and copied_from(v.source)]
    for version, address in zip(copies, sources.addresses(copies), strict=True):
        ids[version.model, version.number] = logged_model_id(address)
    return ids


def _metrics(models: Sequence[FoundLoggedModel], sources: Sources) -> dict[str, dict[str, float]]:
    """The metrics of each logged model, by its id. A 0 is NaN if the run has logged NaN for that metric."""
    metrics = {model.model_id: dict(model.metrics) for model in models}
    zeros = [(model, name) for model in models for name, value in model.metrics.items() if value == 0]
    nans = sources.logged_nan([(model.run_id, name) for model, name in zeros])
    for (model, name), is_nan in zip(zeros, nans, strict=True):
        if is_nan:
            metrics[model.model_id][name] = math.nan
    return metrics


def _of_model(
    run: Run, model_id: str, metrics: Mapping[str, Mapping[str, float]], linked: Collection[str]
) -> Run:
    """The run with the metrics of one of its models. Those that were logged for none of them (``linked``) stay."""
    shared = {name: value for name, value in run.metrics.items() if name not in linked}
    if model_id in metrics:
        return replace(run, metrics={**shared, **metrics[model_id]}, of_model=model_id)
    return replace(run, metrics=shared, unclear=bool(linked))


def _of_one_dataset(
    version: Version,
    mixed: Mapping[str, Mapping[str, tuple[str, ...]]],
    logged: Mapping[str, Collection[str]],
) -> Version:
    """The version without the metrics that its model has for several datasets (``mixed``)."""
    run = version.run
    if run is None:
        return version
    ids = logged.get(run.run_id, ())
    found = mixed.get(run.of_model or (next(iter(ids)) if len(ids) == 1 else ""), {})
    if not found:
        return version
    metrics = {name: value for name, value in run.metrics.items() if name not in found}
    return replace(version, run=replace(run, metrics=metrics, mixed=found))
