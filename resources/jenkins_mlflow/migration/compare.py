"""Compares a database with its file store, item by item, through MLflow's own stores.

Those give the answers that a server would give. The rows are not compared, because their creation is what is
checked.
"""

from __future__ import annotations

import logging
import os
import warnings
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jenkins_mlflow.migration import answers, folder as places
from jenkins_mlflow.migration.points import Point, latest, points_of, storable
from jenkins_mlflow.migration.source import python_values_are_nothing
from jenkins_mlflow.registry.mlflow_client import default_store
from jenkins_mlflow.text import one_line

_GONE = object()


@dataclass
class Comparison:
    """The result: how many items of each kind are equal, and a description of each difference."""

    same: Counter[str] = field(default_factory=Counter)
    differences: list[str] = field(default_factory=list)

    def items(self, kind: str, wanted: Mapping[str, Any], found: Mapping[str, Any]) -> None:
        """Compare the items of a kind by name."""
        for name in dict.fromkeys([*wanted, *found]):
            one, other = wanted.get(name, _GONE), found.get(name, _GONE)
            if one is _GONE or other is _GONE:
                where = "it is only in the database" if one is _GONE else "missing"
                self.differences.append(one_line(f"{kind} {name}: {where}"))
            elif one != other:
                self.differences.append(one_line(f"{kind} {name}: {_unlike(one, other)}", 400))
            else:
                self.same[kind] += 1


def compare(
    folder: Path, uri: str, numbers: Mapping[str, int], progress: Callable[[], None] = lambda: None
) -> Comparison:
    """Compare everything in both stores.

    Args:
        folder: The file store, see ``folder.view``.
        uri: The database.
        numbers: The number of each experiment in the database.
        progress: Called for each experiment, and once for the registry.
    """
    from mlflow.store.model_registry import file_store as file_registry, sqlalchemy_store as database_registry
    from mlflow.store.tracking.file_store import FileStore
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")
    done = Comparison()
    root = logging.getLogger()
    before = root.level
    with warnings.catch_warnings(), python_values_are_nothing(), default_store(str(folder)):
        warnings.simplefilter("ignore")
        root.setLevel(logging.ERROR)  # MLflow warns about folders that are not experiments
        try:
            ours, theirs = FileStore(str(folder)), SqlAlchemyStore(uri, str(folder))
            _tracking(done, ours, theirs, numbers, progress)
            _registry(done, file_registry.FileStore(str(folder)), database_registry.SqlAlchemyStore(uri))
            progress()
        finally:
            root.setLevel(before)
    return done


def _tracking(
    done: Comparison, ours: Any, theirs: Any, numbers: Mapping[str, int], progress: Callable[[], None]
) -> None:
    folder = Path(ours.root_directory)
    names = {number: str(copied_id) for number, copied_id in numbers.items()}
    every_run = places.run_ids(folder)
    wanted = {names[e.experiment_id]: answers.about_experiment(e) for e in answers.experiments(ours)}
    found = {e.experiment_id: answers.about_experiment(e) for e in answers.experiments(theirs)}
    done.items("experiments", wanted, found)
    for number, place in places.experiments(folder):
        copied_id = names[number]
        if copied_id not in wanted or copied_id not in found:
            continue
        _runs(done, ours, theirs, (number, copied_id), place)
        done.items(
            "logged models",
            {
                model.model_id: answers.about_logged_model(
                    model, _recorded(place / places.MODELS / model.model_id, every_run)
                )
                for model in answers.logged_models(ours, number)
            },
            {
                model.model_id: answers.about_logged_model(model, answers.points_of(model))
                for model in answers.logged_models(theirs, copied_id)
            },
        )
        traces, copied = answers.traces(ours, number), answers.traces(theirs, copied_id)
        about = answers.about_trace
        done.items(
            "traces", {n: about(t) for n, t in traces.items()}, {n: about(t) for n, t in copied.items()}
        )
        done.items("assessments", answers.assessments(traces), answers.assessments(copied))
        progress()


def _runs(done: Comparison, ours: Any, theirs: Any, ids: tuple[str, str], place: Path) -> None:
    """Compare the runs of an experiment.

    Args:
        done: The result.
        ours: The file store.
        theirs: The database store.
        ids: The experiment's id in each of them.
        place: The experiment's folder.
    """
    runs, copies = (
        {run.info.run_id: run for run in answers.runs(store, e)}
        for store, e in zip((ours, theirs), ids, strict=True)
    )
    one, other = {}, {run_id: answers.about_run(run, run.data.metrics) for run_id, run in copies.items()}
    for run_id, run in runs.items():
        points = points_of(place / run_id, of_model=False)
        one[run_id] = answers.about_run(run, {key: latest(of).value for key, of in points.items()})
        if run_id not in copies:
            continue
        if run.inputs.model_inputs:  # a database store's search does not list these
            other[run_id] = answers.about_run(theirs.get_run(run_id), copies[run_id].data.metrics)
        for key, logged in points.items():
            _history(done, f"{run_id} {key}", logged, theirs.get_metric_history(run_id, key))
    done.items("runs", one, other)
    _parts(done, [run for run_id, run in one.items() if run == other.get(run_id)])


def _recorded(place: Path, runs: Collection[str]) -> Iterator[tuple[str, Point]]:
    """The points of a logged model's metrics that a database can have: those that belong to one of the runs."""
    for name, points in points_of(place, of_model=True).items():
        for point in storable(points).values():
            if point.run in runs:
                yield name, point


def _parts(done: Comparison, runs: Iterable[Mapping[str, Any]]) -> None:
    """Count the parts of runs that are equal."""
    datasets = set()
    for run in runs:
        done.same["params"] += len(run["params"])
        done.same["tags"] += len(run["tags"])
        datasets |= {(each["name"], each["digest"]) for each in run["datasets"]}
    done.same["datasets"] += len(datasets)


def _history(done: Comparison, name: str, wanted: Iterable[Point], found: Iterable[Any]) -> None:
    """Compare all points of a metric; a database has each point once."""
    one = {(point.step, point.time, answers.as_stored(point.value)) for point in wanted}
    other = {(m.step, m.timestamp, answers.as_stored(m.value)) for m in found}
    done.same["metric points"] += len(one & other)
    if one != other:
        done.differences.append(
            one_line(f"metric {name}: {len(one - other)} points missing, {len(other - one)} too many")
        )


def _registry(done: Comparison, ours: Any, theirs: Any) -> None:
    wanted, found = answers.models(ours), answers.models(theirs)
    done.items(
        "registered models",
        {n: answers.about_model(m) for n, m in wanted.items()},
        {n: answers.about_model(m) for n, m in found.items()},
    )
    done.items("aliases", dict(answers.aliases(wanted)), dict(answers.aliases(found)))
    done.items("versions", answers.versions(ours), answers.versions(theirs))


def _unlike(one: Any, other: Any) -> str:
    """Where two items differ, with both values."""
    if isinstance(one, dict) and isinstance(other, dict):
        keys = [key for key in dict.fromkeys([*one, *other]) if one.get(key, _GONE) != other.get(key, _GONE)]
        return ", ".join(f"{key}: {_unlike(one.get(key), other.get(key))}" for key in keys)
    return f"{one!r} became {other!r}"
