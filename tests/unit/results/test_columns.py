"""The columns of the tables are told in docs/results.md, for people who read the CSV."""

from __future__ import annotations

from pathlib import Path

from jenkins_mlflow.results.history import HistoryResult
from jenkins_mlflow.results.list import ListResult

PAGE = (Path(__file__).parents[3] / "docs" / "results.md").read_text(encoding="utf-8")


def documented_columns(command: str) -> str:
    """What the page says of the columns of a command."""
    section = PAGE.partition(f"\n## {command}\n")[2].partition("\n## ")[0]
    return section.partition("The columns of `--output csv` and `--output md`: ")[2].partition(".\n")[0]


def test_the_page_names_every_column_of_list() -> None:
    """In their order; the one of the metric is named after it."""
    result = ListResult(message="", metric="METRIC", brief=False, models=())
    assert documented_columns("list") == ", ".join(f"`{column}`" for column in result.table().columns)


def test_the_page_names_every_column_of_history() -> None:
    """What brought a version into production is its kind, which is not the promotion method."""
    columns = HistoryResult(status="listed", message="").table().columns
    assert documented_columns("history") == ", ".join(f"`{column}`" for column in columns)
    assert {"kind", "method"} <= set(columns)
