"""`list`: its columns are told in docs/results.md, for people who read the CSV."""

from __future__ import annotations

from pathlib import Path

from jenkins_mlflow.results.list import ListResult

PAGE = (Path(__file__).parents[2] / "docs" / "results.md").read_text(encoding="utf-8")


def test_the_page_names_every_column() -> None:
    """In their order; the one of the metric is named after it."""
    section = PAGE.partition("\n## list\n")[2].partition("\n## ")[0]
    result = ListResult(message="", metric="METRIC", brief=False, models=())
    columns = ", ".join(f"`{column}`" for column in result.table().columns)
    assert f"The columns of `--output csv` and `--output md`: {columns}." in section
