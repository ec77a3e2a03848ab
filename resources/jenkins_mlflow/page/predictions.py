"""Reads the table of predictions that a run has logged: true and predicted class of each row. Pure."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from jenkins_mlflow.text import parsed_json

NAMES = ("predictions.csv", "predictions.json")
_WHOLE = re.compile(r"(-?\d+)\.0+")


class Row(NamedTuple):
    """One prediction; ``score`` is None without a finite number, ``predicted`` is empty if it is missing."""

    label: str
    score: float | None
    predicted: str


def read_predictions(name: str, content: bytes) -> list[Row]:
    """The rows of the table, in its order.

    Args:
        name: The file's name, one of ``NAMES``.
        content: A CSV with a header, or the JSON that ``mlflow.log_table`` writes.

    Raises:
        ValueError: It is not such a table; the text says why.
    """
    text = content.decode("utf-8-sig", errors="replace")
    header, *rows = _json_rows(name, text) if name.endswith(".json") else _csv_rows(name, text)
    if "label" not in header:
        raise ValueError(f"{name} has no column label")
    if "score" not in header and "prediction" not in header:
        raise ValueError(f"{name} has neither a column score nor a column prediction")
    label, score, predicted = (_position(header, each) for each in ("label", "score", "prediction"))
    return [
        Row(_label(_at(row, label)), _score(_at(row, score)), _label(_at(row, predicted))) for row in rows
    ]


def _csv_rows(name: str, text: str) -> list[Sequence[Any]]:
    try:
        return [row for row in csv.reader(io.StringIO(text, newline="")) if row] or [[]]
    except csv.Error as error:
        raise ValueError(f"{name} is not CSV: {error}") from error


def _json_rows(name: str, text: str) -> list[Sequence[Any]]:
    try:
        found = parsed_json(text)
    except ValueError as error:
        raise ValueError(f"{name} is not JSON") from error
    header, rows = (found.get("columns"), found.get("data")) if isinstance(found, dict) else (None, None)
    if not isinstance(header, list) or not isinstance(rows, list):
        raise ValueError(f"{name} is not a table of mlflow.log_table")  # noqa: TRY004  the text is wrong, not the call
    return [header, *(row for row in rows if isinstance(row, list))]


def _position(header: Sequence[Any], column: str) -> int | None:
    return header.index(column) if column in header else None


def _at(row: Sequence[Any], position: int | None) -> Any:
    return row[position] if position is not None and position < len(row) else None


def _label(value: Any) -> str:
    """A class as the same text in CSV and JSON, where 1 may be 1.0; empty for None."""
    text = "" if value is None or isinstance(value, list | dict) else str(value).strip()
    whole = _WHOLE.fullmatch(text)
    return whole[1] if whole else text


def _score(value: Any) -> float | None:
    try:
        score = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return score if math.isfinite(score) else None
