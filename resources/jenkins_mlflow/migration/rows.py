"""What a file store holds, as the rows of MLflow's database.

The rows are made by MLflow's own migration to SQLite, `mlflow.store.fs2db`, which knows every form of file
store. It gets a stand-in for its database session. What it gets wrong (MLflow 3.17.2) is mended on the way:

- The same metric point twice, as a repeated request leaves it, is one row: a second one stops MLflow's migration.
- Line breaks of Windows in tags and parameters stay; MLflow's turns them into those of Unix.
- Infinite values and NaN of a logged model's metrics are kept as MLflow's database store keeps them.
- Values of Python classes in a `meta.yaml` are read as nothing; MLflow's leaves out the whole file without an error.
- What cannot be read is named. MLflow's leaves it out.
"""

from __future__ import annotations

import contextlib
import math
import uuid
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import yaml

from jenkins_mlflow.errors import ConnectionFailed
from jenkins_mlflow.metrics import STORED_INFINITY
from jenkins_mlflow.migration import folder as places

Row = dict[str, Any]
Take = Callable[[str, Row], None]

RUNS_PER_UNIT = 200
MODELS_PER_UNIT = 100
_INPUT = uuid.UUID(
    "5d6f1a0e-7a51-4f0a-8a0f-2f6d5b9f8c11"
)  # any fixed one: ids must not change from run to run
_TEXTS: Mapping[str, tuple[str, str]] = {  # table: the columns of key and value
    "experiment_tags": ("key", "value"),
    "params": ("key", "value"),
    "tags": ("key", "value"),
    "logged_model_params": ("param_key", "param_value"),
    "logged_model_tags": ("tag_key", "tag_value"),
    "registered_model_tags": ("key", "value"),
    "model_version_tags": ("key", "value"),
}


@dataclass
class Notes:
    """What is not copied as it stands.

    Attributes:
        repeated: Points of a metric that were written twice, by run.
        orphans: Metrics of logged models whose run is gone.
        unreadable: Folders whose `meta.yaml` cannot be read.
    """

    repeated: Counter[str] = field(default_factory=Counter)
    orphans: Counter[str] = field(default_factory=Counter)
    unreadable: set[Path] = field(default_factory=set)


@dataclass(frozen=True)
class Unit:
    """A piece that is copied in one transaction."""

    name: str
    read: Callable[[Take], None]


@contextlib.contextmanager
def python_values_are_nothing() -> Iterator[None]:
    """Let YAML's safe loaders read the value of a Python class as None. Nothing is built, nothing is called."""
    loaders = [loader for name in ("SafeLoader", "CSafeLoader") if (loader := getattr(yaml, name, None))]
    before = [loader.yaml_multi_constructors for loader in loaders]
    for loader in loaders:
        loader.add_multi_constructor("tag:yaml.org,2002:python/", lambda _loader, _suffix, _node: None)
    try:
        yield
    finally:
        for loader, constructors in zip(loaders, before, strict=True):
            loader.yaml_multi_constructors = constructors


class Reader:
    """Reads a file store in units, always in the same order.

    Args:
        folder: The store.
        numbers: The number of each experiment in the database.
        unreadable: Folders that an earlier reader could not read: they are left out.

    Raises:
        ConnectionFailed: This MLflow has no migration that is known here.
    """

    def __init__(self, folder: Path, numbers: Mapping[str, int], unreadable: Collection[Path] = ()) -> None:
        try:
            from mlflow.store.fs2db import _registry, _tracking
            from mlflow.store.fs2db._utils import MigrationStats
        except ImportError as error:
            raise ConnectionFailed(
                f"this MLflow has no migration of file stores that is known here: {error}",
                state="nothing was written",
                next_step="pip install 'mlflow-skinny==3.17.2'",
            ) from error
        self._tracking: Any = _tracking
        self._registry: Any = _registry
        self._stats = MigrationStats
        self._folder = folder
        self._numbers = numbers
        self._runs = frozenset(
            run.name for _, place in places.experiments(folder) for run in places.runs(place)
        )
        self.notes = Notes(unreadable=set(unreadable))

    def units(self) -> Iterator[Unit]:
        """Everything, parents before children: a database checks what a row refers to."""
        experiments = list(places.experiments(self._folder))
        yield Unit("experiments", lambda take: self._experiments(experiments, take))
        readable = [(number, place) for number, place in experiments if place not in self.notes.unreadable]
        for number, place in readable:
            for first, some in _chunks(places.runs(place), RUNS_PER_UNIT):
                yield Unit(f"runs of {number} from {first}", _bound(self._some_runs, number, some))
        for number, place in readable:
            yield Unit(f"data of {number}", _bound(self._data, number, place))
        for first, some in _chunks(places.models(self._folder), MODELS_PER_UNIT):
            yield Unit(f"registered models from {first}", _bound(self._models, some))

    def _experiments(self, experiments: list[tuple[str, Path]], take: Take) -> None:
        for number, place in experiments:
            with self._one(place, take, tags=place) as session:
                self._tracking._migrate_one_experiment(
                    session, place, str(self._numbers[number]), self._stats()
                )

    def _some_runs(self, number: str, runs: list[Path], take: Take) -> None:
        for run in runs:
            with self._one(run, take, tags=run) as session:
                self._tracking._migrate_one_run(session, run, self._numbers[number], self._stats())

    def _data(self, number: str, place: Path, take: Take) -> None:
        """What an experiment has beside its runs."""
        session, ours = _Session(self, take, place), self._numbers[number]
        for migrate in ("datasets", "traces", "assessments", "logged_models"):
            call = getattr(self._tracking, f"_migrate_{migrate}_for_experiment")
            call(session, place, ours, self._stats())
        self._tracking._migrate_outputs_for_experiment(session, place, self._stats())
        for model in places.folders(place / places.MODELS):
            if model.name not in session.made and (model / "meta.yaml").exists():
                self.notes.unreadable.add(model)

    def _models(self, models: list[Path], take: Take) -> None:
        for model in models:
            with self._one(model, take, tags=model) as session:
                self._registry._migrate_one_registered_model(session, model, self._stats())
            for version in places.folders(model):
                if version.name.startswith("version-") and version.name not in session.made:
                    self.notes.unreadable.add(version)

    @contextlib.contextmanager
    def _one(self, place: Path, take: Take, *, tags: Path) -> Iterator[_Session]:
        """A session for what is in one folder, which is unreadable if nothing comes of it."""
        session = _Session(self, take, tags)
        try:
            yield session
        except (ValueError, KeyError, TypeError, AttributeError, OSError):
            session.made.clear()
        if not session.made:
            self.notes.unreadable.add(place)

    def mended(self, table: str, row: Row, place: Path, last: set[tuple[Any, ...]]) -> Row | None:
        """The row as the database gets it; None if it must not.

        Args:
            table: Where it goes.
            row: As MLflow's migration makes it.
            place: The folder that it comes from.
            last: The points of the metric at hand that were taken before.
        """
        if table in {"metrics", "logged_model_metrics"}:
            return self._point(table, row, last)
        if table in _TEXTS:
            key, value = _TEXTS[table]
            if "\n" in row[value] or not row[value].isascii():
                row[value] = _text_file(table, row, place, row[key]).read_bytes().decode()
        elif table == "inputs":
            names = ("source_type", "source_id", "destination_type", "destination_id")
            row["input_uuid"] = str(uuid.uuid5(_INPUT, "\0".join(str(row[name]) for name in names)))
            row.setdefault("step", 0)
        return row

    def _point(self, table: str, row: Row, last: set[tuple[Any, ...]]) -> Row | None:
        if table == "metrics":
            metric, owner = ("m", row["run_uuid"], row["key"]), row["run_uuid"]
            point: tuple[Any, ...] = (row["step"], row["timestamp"], row["value"], row["is_nan"])
        else:
            value = row["metric_value"]
            if math.isnan(value):
                row["metric_value"] = 0.0
            elif math.isinf(value):
                row["metric_value"] = math.copysign(STORED_INFINITY, value)
            owner = row["model_id"]
            metric, point = (
                ("l", owner, row["metric_name"]),
                (row["metric_step"], row["metric_timestamp_ms"], row["run_id"]),
            )
            if row["run_id"] not in self._runs:
                self.notes.orphans[owner] += 1
                return None
        if metric not in last:
            last.clear()
            last.add(metric)
        if point in last:
            self.notes.repeated[owner] += 1
            return None
        last.add(point)
        return row


class _Session:
    """Stands in for the database session of MLflow's migration: takes what that adds."""

    def __init__(self, reader: Reader, take: Take, place: Path) -> None:
        self._reader = reader
        self._take = take
        self._place = place
        self._points: set[tuple[Any, ...]] = set()
        self._inputs: dict[str, str] = {}
        self.made: set[str] = set()
        """The ids of the things that came of it, so far as anybody asks for them."""

    def add(self, entity: Any) -> None:
        mapper = type(entity).__mapper__
        table = str(mapper.local_table.name)
        set_here = vars(entity)
        row: Row = {
            attribute.columns[0].name: set_here[attribute.key]
            for attribute in mapper.column_attrs
            if attribute.key in set_here
        }
        self.made.add(_made(table, row))
        drawn = row.get("input_uuid", "")
        if table == "input_tags":
            row["input_uuid"] = self._inputs[drawn]
        mended = self._reader.mended(table, row, self._place, self._points)
        if mended is not None:
            if table == "inputs":
                self._inputs[drawn] = mended["input_uuid"]
            self._take(table, mended)

    def flush(self) -> None:
        """Nothing is held back here."""

    def expunge_all(self) -> None:
        """Nothing is held back here."""


def _made(table: str, row: Row) -> str:
    if table == "model_versions":
        return f"version-{row['version']}"
    return str(row["model_id"]) if table == "logged_models" else table


def _text_file(table: str, row: Row, place: Path, key: str) -> Path:
    """Where a tag or parameter of something in ``place`` stands."""
    if table.startswith("logged_model"):
        place = place / places.MODELS / row["model_id"]
    elif table == "model_version_tags":
        place /= f"version-{row['version']}"
    return place / ("params" if table.endswith("params") else "tags") / key


def _bound(call: Callable[..., None], *arguments: Any) -> Callable[[Take], None]:
    return lambda take: call(*arguments, take)


def _chunks(items: list[Path], size: int) -> Iterator[tuple[str, list[Path]]]:
    left = iter(items)
    while some := list(islice(left, size)):
        yield some[0].name, some
