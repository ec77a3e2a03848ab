"""Plans a migration: the experiments' numbers in the database, the rows by table, what cannot be copied."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jenkins_mlflow.migration.answers import LONGEST_SESSION
from jenkins_mlflow.migration.rows import Notes, Row
from jenkins_mlflow.migration.source import Reader
from jenkins_mlflow.text import one_line, plural

LARGEST_ANYWHERE = 2**63 - 1
LARGEST_ELSEWHERE = 2**31 - 1  # experiments.experiment_id is a 32-bit INTEGER on every database but SQLite
_SHOWN = 20
# The kinds of items in messages, with the table that has one row for each.
KINDS: Mapping[str, str] = {
    "experiments": "experiments",
    "runs": "runs",
    "metric points": "metrics",
    "params": "params",
    "tags": "tags",
    "datasets": "datasets",
    "logged models": "logged_models",
    "traces": "trace_info",
    "assessments": "assessments",
    "registered models": "registered_models",
    "versions": "model_versions",
    "aliases": "registered_model_aliases",
}


def experiment_numbers(ids: Iterable[str], largest: int) -> dict[str, int]:
    """A number for each experiment: its own if that fits, else the next free one.

    >>> experiment_numbers(["0", "7", "876230764990866375"], 2**31 - 1)
    {'0': 0, '7': 7, '876230764990866375': 8}
    """
    known = sorted(set(ids))
    fits = {number: int(number) for number in known if number.isdecimal() and int(number) <= largest}
    free = max(fits.values(), default=0) + 1
    others = [number for number in known if number not in fits]
    return fits | {number: free + place for place, number in enumerate(others)}


@dataclass(frozen=True)
class Limits:
    """The limits of a database: the longest text of each column, and whether it may contain NUL."""

    lengths: Mapping[str, Mapping[str, int]]
    takes_nul: bool

    def problems(self, table: str, row: Row) -> Iterator[str]:
        """Why the database would refuse the row."""
        for column, longest in self.lengths.get(table, {}).items():
            value = row.get(column)
            if isinstance(value, str) and len(value) > longest:
                yield f"{_named(table, row)}: {column} has {len(value)} characters, the database allows {longest}"
        if not self.takes_nul:
            for column, value in row.items():
                if isinstance(value, str) and "\0" in value:
                    yield f"{_named(table, row)}: {column} has a NUL character, which the database does not allow"


@dataclass(frozen=True)
class Plan:
    """The plan of a migration.

    Attributes:
        rows: The number of rows by table.
        units: The number of transactions.
        notes: What is not copied unchanged.
        problems: Why it cannot be copied.
    """

    rows: Mapping[str, int]
    units: int
    notes: Notes
    problems: tuple[str, ...]

    def found(self, kind: str) -> int:
        return self.rows.get(KINDS[kind], 0)

    @property
    def total(self) -> int:
        return sum(self.rows.values())

    def warnings(self, folder: Path) -> Iterator[str]:
        """Notes for people."""
        if repeated := self.notes.repeated.total():
            where = plural(len(self.notes.repeated), "run or model", "runs or models")
            yield (
                f"{plural(repeated, 'metric point')} in {where} are in the folder twice; a database has each only once"
            )
        if crowded := self.notes.crowded.total():
            where = plural(len(self.notes.crowded), "logged model")
            yield (
                f"left out: {plural(crowded, 'metric point')} of {where} with the step, time and run of another "
                "point; a database has only one of them, here the greatest for the first dataset"
            )
        if elsewhere := self.notes.elsewhere.total():
            where = plural(len(self.notes.elsewhere), "logged model")
            yield (
                f"left out: {plural(elsewhere, 'metric point')} of {where}, logged by runs of another experiment; "
                "MLflow's file store does not show them either, and the runs have them"
            )
        if on_datasets := self.notes.on_datasets.total():
            where = plural(len(self.notes.on_datasets), "run")
            yield (
                f"left out: the dataset of {plural(on_datasets, 'metric point')} of {where}; a database has it only "
                "for the metrics of logged models"
            )
        if sessions := self.notes.long_sessions:
            yield (
                f"the session of {plural(sessions, 'trace')} is cut to {LONGEST_SESSION} characters, which is what a "
                "database can hold"
            )
        if orphans := self.notes.orphans.total():
            yield (
                f"{plural(orphans, 'metric')} of {plural(len(self.notes.orphans), 'logged model')} "
                "belong to runs that no longer exist or are left out; a database cannot contain them"
            )
        for place, file in sorted(self.notes.unreadable.items()):
            yield one_line(
                f"left out, because its file {file.relative_to(place)} cannot be read: {place.relative_to(folder)}"
            )


def make_plan(reader: Reader, limits: Limits) -> Plan:
    """Read everything once, without writing anything."""
    rows: Counter[str] = Counter()
    problems: list[str] = []
    names: dict[Any, str] = {}
    units = 0

    def take(table: str, row: Row) -> None:
        rows[table] += 1
        problems.extend(limits.problems(table, row))
        if table == "experiments":
            other = names.setdefault(row["name"], str(row["experiment_id"]))
            if other != str(row["experiment_id"]):
                problems.append(
                    f"two experiments are named {one_line(row['name'])}; the database allows only one"
                )

    for unit in reader.units():
        unit.read(take)
        units += 1
    return Plan(dict(rows), units, reader.notes, shortened(problems))


def shortened(texts: list[str]) -> tuple[str, ...]:
    """The first of many texts, and the number of the others."""
    more = len(texts) - _SHOWN
    return (*texts[:_SHOWN], f"and {more} more") if more > 0 else tuple(texts)


def _named(table: str, row: Row) -> str:
    """A name for a row, for people."""
    owner = next(
        (f"{kind} {row[column]}" for column, kind in _OWNERS.items() if row.get(column) is not None), table
    )
    key = next((row[column] for column in _KEYS if row.get(column)), "")
    version = f" version {row['version']}" if "version" in row else ""
    return one_line(f"{owner}{version}" + (f", {table} {key}" if key else ""))


_OWNERS = {
    "run_uuid": "run",
    "model_id": "logged model",
    "request_id": "trace",
    "dataset_uuid": "dataset",
    "experiment_id": "experiment",
    "name": "registered model",
}
_KEYS = ("key", "param_key", "tag_key", "metric_name", "alias")
