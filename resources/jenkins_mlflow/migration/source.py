"""Reads the file store to migrate in units, each of which is copied in one transaction.

MLflow's own migration skips some items without an error (MLflow 3.17.2). Here they are read or reported:
values of Python classes in a `meta.yaml` are read as None, and items that cannot be read are named.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import yaml

from jenkins_mlflow.errors import ConnectionFailed
from jenkins_mlflow.migration import folder as places
from jenkins_mlflow.migration.points import on_datasets, points_of
from jenkins_mlflow.migration.rows import Notes, Session, Take

RUNS_PER_UNIT = 200
MODELS_PER_UNIT = 100


@dataclass(frozen=True)
class Unit:
    """A part that is copied in one transaction."""

    name: str
    read: Callable[[Take], None]


@contextlib.contextmanager
def python_values_are_nothing() -> Iterator[None]:
    """Make YAML's safe loaders read the value of a Python class as None. Nothing is constructed or called."""
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
        unreadable: Folders that an earlier reader could not read, each with its damaged file; they are left out.

    Raises:
        ConnectionFailed: The installed MLflow has no migration that is known here.
    """

    def __init__(
        self, folder: Path, numbers: Mapping[str, int], unreadable: Mapping[Path, Path] | None = None
    ) -> None:
        try:
            from mlflow.store.fs2db import _registry, _tracking
            from mlflow.store.fs2db._utils import MigrationStats, safe_read_yaml
        except ImportError as error:
            raise ConnectionFailed(
                f"the installed MLflow has no known migration of file stores: {error}",
                state="nothing was written",
                next_step="pip install 'mlflow-skinny==3.17.2'",
            ) from error
        self._tracking: Any = _tracking
        self._registry: Any = _registry
        self._stats = MigrationStats
        self._read_yaml = safe_read_yaml
        self._folder = folder
        self._numbers = numbers
        self._runs = places.run_ids(folder)
        self.notes = Notes(unreadable=dict(unreadable or {}))

    def units(self) -> Iterator[Unit]:
        """All units, parents before children: a database checks that the rows a row refers to exist."""
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
        numbers = {place: str(self._numbers[number]) for number, place in experiments}
        for place in self._readable(numbers):
            with self._one(place, take) as session:
                self._tracking._migrate_one_experiment(session, place, numbers[place], self._stats())

    def _some_runs(self, number: str, runs: list[Path], take: Take) -> None:
        for run in self._readable(runs):
            if named := on_datasets(run):
                self.notes.on_datasets[run.name] = named
            with self._one(run, take) as session:
                self._tracking._migrate_one_run(session, run, self._numbers[number], self._stats())

    def _data(self, number: str, place: Path, take: Take) -> None:
        """Read the parts of an experiment other than its runs."""
        models = self._readable(places.folders(place / places.MODELS))
        self._readable(places.folders(place / places.TRACES))
        self._readable(places.folders(place / places.DATASETS))
        runs = self._runs - {path.name for path in self.notes.unreadable if path.parent == place}
        session, ours = Session(take, place, runs, self.notes), self._numbers[number]
        # without this folder, MLflow's migration skips the models that the runs have read
        with self._seen(place, complete=(places.DATASETS,)) as shown:
            for migrate in ("datasets", "traces", "assessments", "logged_models"):
                call = getattr(self._tracking, f"_migrate_{migrate}_for_experiment")
                call(session, shown, ours, self._stats())
            self._tracking._migrate_outputs_for_experiment(session, shown, self._stats())
        for model in models:
            if not (model / places.META).exists():
                self.notes.elsewhere[model.name] = sum(map(len, points_of(model, of_model=True).values()))
            elif model.name not in session.made:
                self.notes.unreadable[model] = model / places.META

    def _models(self, models: list[Path], take: Take) -> None:
        for model in self._readable(models):
            versions = [place for place in places.folders(model) if place.name.startswith("version-")]
            for version in self._readable(versions):
                meta = self._read_yaml(version, places.META)
                if not isinstance(meta, Mapping) or "version" not in meta:
                    self.notes.unreadable[version] = version / places.META
            with self._one(model, take) as session, self._seen(model) as shown:
                self._registry._migrate_one_registered_model(session, shown, self._stats())

    def _readable(self, found: Iterable[Path]) -> list[Path]:
        """What can be read of these; the others are noted."""
        new = [place for place in found if place not in self.notes.unreadable]
        self.notes.unreadable |= {place: file for place in new if (file := places.bad_file(place))}
        return [place for place in new if place not in self.notes.unreadable]

    @contextlib.contextmanager
    def _seen(self, place: Path, complete: Collection[str] = ()) -> Iterator[Path]:
        """The folder for MLflow: without what cannot be read, and with the folders that it needs."""
        hidden = [path for path in self.notes.unreadable if place in path.parents]
        lacking = [name for name in complete if not (place / name).is_dir()]
        seen = places.view(place, hidden, lacking) if hidden or lacking else contextlib.nullcontext(place)
        with seen as shown:
            yield shown

    @contextlib.contextmanager
    def _one(self, place: Path, take: Take) -> Iterator[Session]:
        """A session for the contents of one folder, which counts as unreadable if it yields no rows."""
        session = Session(take, place, self._runs, self.notes)
        try:
            yield session
        except (ValueError, KeyError, TypeError, AttributeError, OSError):
            session.made.clear()
        if not session.made:
            self.notes.unreadable[place] = place / places.META


def _bound(call: Callable[..., None], *arguments: Any) -> Callable[[Take], None]:
    return lambda take: call(*arguments, take)


def _chunks(items: list[Path], size: int) -> Iterator[tuple[str, list[Path]]]:
    remaining = iter(items)
    while some := list(islice(remaining, size)):
        yield some[0].name, some
