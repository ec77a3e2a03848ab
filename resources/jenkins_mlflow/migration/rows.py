"""Reads a file store as rows of MLflow's database.

MLflow's own migration to SQLite, `mlflow.store.fs2db`, makes the rows, because it knows every form of file
store. It gets a stand-in for its database session, which corrects its errors in the rows (MLflow 3.17.2):

- A metric point that was written twice, by a repeated request, becomes one row: a second stops MLflow's
migration.
- Windows line breaks in tags and parameters stay; MLflow's migration turns them into Unix line breaks.
- Infinite values and NaN of a logged model's metrics are kept as MLflow's database store keeps them.
"""

from __future__ import annotations

import math
import uuid
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jenkins_mlflow.metrics import STORED_INFINITY
from jenkins_mlflow.migration import folder as places

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
    "registered_model_tags": ("key", "value"),
    "model_version_tags": ("key", "value"),
}


@dataclass
class Notes:
    """What is not copied unchanged.

    Attributes:
        repeated: Points of a metric that were written twice, by run.
        orphans: Metrics of logged models whose run no longer exists.
        unreadable: Folders that cannot be read, each with the damaged file.
    """

    repeated: Counter[str] = field(default_factory=Counter)
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
        if table in {"metrics", "logged_model_metrics"}:
            return self._point(table, row)
        if table in _TEXTS:
            key, value = _TEXTS[table]
            if "\n" in row[value] or not row[value].isascii():
                row[value] = _text_file(table, row, self._place, row[key]).read_bytes().decode()
        elif table == "inputs":
            names = ("source_type", "source_id", "destination_type", "destination_id")
            row["input_uuid"] = str(uuid.uuid5(_INPUT, "\0".join(str(row[name]) for name in names)))
            row.setdefault("step", 0)
        return row

    def _point(self, table: str, row: Row) -> Row | None:
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
                self._notes.orphans[owner] += 1
                return None
        last = self._points
        if metric not in last:
            last.clear()
            last.add(metric)
        if point in last:
            self._notes.repeated[owner] += 1
            return None
        last.add(point)
        return row


def _made(table: str, row: Row) -> str:
    if table == "model_versions":
        return f"version-{row['version']}"
    return str(row["model_id"]) if table == "logged_models" else table


def _text_file(table: str, row: Row, place: Path, key: str) -> Path:
    """The file of a tag or parameter of something in ``place``."""
    if table.startswith("logged_model"):
        place = place / places.MODELS / row["model_id"]
    elif table == "model_version_tags":
        place /= f"version-{row['version']}"
    return place / ("params" if table.endswith("params") else "tags") / key
