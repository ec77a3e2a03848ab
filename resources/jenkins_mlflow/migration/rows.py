"""Reads a file store as rows of MLflow's database.

MLflow's own migration to SQLite, `mlflow.store.fs2db`, makes the rows, because it knows every form of file
store. It gets a stand-in for its database session, which corrects its errors in the rows (MLflow 3.17.2):

- A metric point that was written twice, by a repeated request, becomes one row: a second stops MLflow's
migration.
- Of several values of a logged model's metric for one step, time and run, the one that the file store shows stays. A
database can have only one; a second stops MLflow's migration.
- A run's value of a metric is the one that the file store shows, also if some points are NaN.
- Windows line breaks in tags and parameters stay; MLflow's migration turns them into Unix line breaks.
- Infinite values and NaN of a logged model's metrics are kept as MLflow's database store keeps them.
- Assessments of traces keep their times, and expectations their values; MLflow's migration loses both, and the database
store cannot read the traces of an experiment that has an expectation without a value.
"""

from __future__ import annotations

import math
import uuid
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from jenkins_mlflow.metrics import STORED_INFINITY
from jenkins_mlflow.migration import folder as places
from jenkins_mlflow.migration.answers import LONGEST_SESSION, SESSION
from jenkins_mlflow.migration.points import METRICS, Point, points_in, storable

Row = dict[str, Any]
Take = Callable[[str, Row], None]

# any fixed namespace, because the ids must be the same in every run
_INPUT = uuid.UUID("5d6f1a0e-7a51-4f0a-8a0f-2f6d5b9f8c11")
_TEXTS: Mapping[str, tuple[str, str]] = {  # table: the columns of key and value
    "experiment_tags": ("key", "value"),
    "params": ("key", "value"),
    "tags": ("key", "value"),
    "logged_model_params": ("param_key", "param_value"),
    "logged_model_tags": ("tag_key", "tag_value"),
    "trace_tags": ("key", "value"),
    "trace_request_metadata": ("key", "value"),
    "registered_model_tags": ("key", "value"),
    "model_version_tags": ("key", "value"),
}


@dataclass
class Notes:
    """What is not copied unchanged.

    Attributes:
        repeated: Points of a metric that were written twice, by run.
        crowded: Points of a logged model's metric that have the step, time and run of another one, by model.
        elsewhere: Points of a logged model's metrics that runs of another experiment logged, by model.
        on_datasets: Points of a run's metric that name a dataset, by run.
        long_sessions: How many traces have a session that is cut.
        orphans: Metrics of logged models whose run no longer exists.
        unreadable: Folders that cannot be read, each with the damaged file.
    """

    repeated: Counter[str] = field(default_factory=Counter)
    crowded: Counter[str] = field(default_factory=Counter)
    elsewhere: Counter[str] = field(default_factory=Counter)
    on_datasets: Counter[str] = field(default_factory=Counter)
    long_sessions: int = 0
    orphans: Counter[str] = field(default_factory=Counter)
    unreadable: dict[Path, Path] = field(default_factory=dict)


class Session:
    """Stands in for the migration's database session: collects the rows that it adds and corrects them.

    Args:
        take: Receives each row, with its table.
        place: The folder that the rows come from.
        runs: The ids of all existing runs.
        notes: Receives what is not copied unchanged.
    """

    def __init__(self, take: Take, place: Path, runs: Collection[str], notes: Notes) -> None:
        self._take = take
        self._place = place
        self._runs = runs
        self._notes = notes
        self._points: set[tuple[Any, ...]] = set()
        """The points of the current metric so far."""
        self._latest: tuple[Any, ...] = ()
        """Step, time and value of the point of the current metric that the file store shows, and its row."""
        self._storable: Mapping[Any, Point] = {}
        """The points of the current metric that the database can have, if it is a logged model's."""
        self._inputs: dict[str, str] = {}
        self.made: set[str] = set()
        """The ids of the items that were made, as far as they are needed."""

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
        corrected = self._corrected(table, row)
        if corrected is not None:
            if table == "inputs":
                self._inputs[drawn] = corrected["input_uuid"]
            self._take(table, corrected)

    def flush(self) -> None:
        """Do nothing: no rows are held back."""

    def expunge_all(self) -> None:
        """Do nothing: no rows are held back."""

    def _corrected(self, table: str, row: Row) -> Row | None:
        """The row for the database; None if it must be left out."""
        if table == "metrics":
            return self._of_run(row)
        if table == "latest_metrics":
            *_, shown = self._latest
            return {**row, **{name: shown[name] for name in ("step", "timestamp", "value", "is_nan")}}
        if table == "logged_model_metrics":
            return self._of_model(row)
        if table == "trace_info" and len(row.get("session_id") or "") == LONGEST_SESSION:
            self._notes.long_sessions += len(_session(self._place, row)) > LONGEST_SESSION
        if table == "assessments":
            return row | _assessment(self._place, row)
        if table in _TEXTS:
            key, value = _TEXTS[table]
            if "\n" in row[value] or not row[value].isascii():
                row[value] = _text_file(table, row, self._place, row[key]).read_bytes().decode()
        elif table == "inputs":
            names = ("source_type", "source_id", "destination_type", "destination_id")
            row["input_uuid"] = str(uuid.uuid5(_INPUT, "\0".join(str(row[name]) for name in names)))
            row.setdefault("step", 0)
        return row

    def _of_run(self, row: Row) -> Row | None:
        new = self._begins("m", row["run_uuid"], row["key"])
        value = math.nan if row["is_nan"] else row["value"]
        shown = (row["step"], row["timestamp"], value)
        if new or shown > self._latest[:3]:  # as `latest` compares them
            self._latest = (*shown, row)
        return self._once((row["step"], row["timestamp"], row["value"], row["is_nan"]), row["run_uuid"], row)

    def _of_model(self, row: Row) -> Row | None:
        owner, name, run = row["model_id"], row["metric_name"], row["run_id"]
        if self._begins("l", owner, name):
            path = self._place / places.MODELS / owner / METRICS / name
            self._storable = storable(points_in(path, of_model=True))
        if run not in self._runs:
            self._notes.orphans[owner] += 1
            return None
        value, on = row["metric_value"], row["dataset_name"]
        dataset = (on, row["dataset_digest"]) if on else None
        kept = self._storable[row["metric_step"], row["metric_timestamp_ms"], run]
        if dataset != kept.dataset or not (
            value == kept.value or (math.isnan(value) and math.isnan(kept.value))
        ):
            self._notes.crowded[owner] += 1
            return None
        if math.isnan(value):
            row["metric_value"] = 0.0
        elif math.isinf(value):
            row["metric_value"] = math.copysign(STORED_INFINITY, value)
        return self._once(kept.key, owner, row)

    def _begins(self, *metric: str) -> bool:
        """Whether the row is the first one of this metric."""
        if metric in self._points:
            return False
        self._points.clear()
        self._points.add(metric)
        return True

    def _once(self, point: tuple[Any, ...], owner: str, row: Row) -> Row | None:
        if point in self._points:
            self._notes.repeated[owner] += 1
            return None
        self._points.add(point)
        return row


def _session(place: Path, row: Row) -> str:
    path: Path = place / places.TRACES / row["request_id"] / "request_metadata" / SESSION
    return path.read_text(encoding="utf-8")


def _assessment(place: Path, row: Row) -> Row:
    """The columns of an assessment as MLflow's database store writes them."""
    from mlflow.entities.assessment import Assessment
    from mlflow.store.tracking.dbmodels.models import SqlAssessments

    path = place / places.TRACES / row["trace_id"] / "assessments" / f"{row['assessment_id']}.yaml"
    given = Assessment.from_dictionary(yaml.safe_load(path.read_text(encoding="utf-8")))
    made = vars(SqlAssessments.from_mlflow_entity(given))
    names = (
        "value",
        "error",
        "created_timestamp",
        "last_updated_timestamp",
        "aggregate_value",
        "is_numeric_value",
    )
    return {name: made[name] for name in names}


def _made(table: str, row: Row) -> str:
    if table == "model_versions":
        return f"version-{row['version']}"
    return str(row["model_id"]) if table == "logged_models" else table


def _text_file(table: str, row: Row, place: Path, key: str) -> Path:
    """The file of a tag or parameter of something in ``place``."""
    if table.startswith("logged_model"):
        place = place / places.MODELS / row["model_id"]
    elif table.startswith("trace"):
        place = place / places.TRACES / row["request_id"]
    elif table == "model_version_tags":
        place /= f"version-{row['version']}"
    folder = (
        "request_metadata" if table.endswith("metadata") else "params" if table.endswith("params") else "tags"
    )
    return place / folder / key
