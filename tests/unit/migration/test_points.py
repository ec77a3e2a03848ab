"""The points of metrics in a file store's files, and which of them a database can have."""

from __future__ import annotations

import math
from pathlib import Path

from jenkins_mlflow.migration.points import Point, latest, on_datasets, points_of, storable

NAN = math.nan


def test_the_lines_of_a_run_are_read_with_their_steps(tmp_path: Path) -> None:
    """The step of a point that names a dataset, too, which MLflow's file store reads as 0; the oldest have none."""
    folder = tmp_path / "metrics" / "val"
    folder.mkdir(parents=True)
    (folder / "auc").write_text("17 0.5\n18 0.6 3\n19 0.7 4 heart abc\n", encoding="utf-8")
    assert points_of(tmp_path, of_model=False) == {
        "val/auc": [Point(0, 17, 0.5), Point(3, 18, 0.6), Point(4, 19, 0.7, dataset=("heart", "abc"))]
    }
    assert on_datasets(tmp_path) == 1


def test_the_lines_of_a_logged_model_name_their_run(tmp_path: Path) -> None:
    (tmp_path / "metrics").mkdir()
    (tmp_path / "metrics" / "auc").write_text("17 0.5 2 r1\n18 nan 3 r2 heart abc\n", encoding="utf-8")
    first, second = points_of(tmp_path, of_model=True)["auc"]
    assert first == Point(2, 17, 0.5, "r1")
    assert (second.run, second.dataset, math.isnan(second.value)) == ("r2", ("heart", "abc"), True)


def test_what_has_no_metrics_has_no_points(tmp_path: Path) -> None:
    assert points_of(tmp_path, of_model=False) == {}


def test_the_latest_point_is_the_one_that_a_file_store_shows() -> None:
    """By step, then time, then value; NaN is not greater than a value, and no value is greater than NaN."""
    assert latest([Point(2, 17, 0.1), Point(1, 99, 0.9)]).value == 0.1
    assert latest([Point(1, 17, 0.5), Point(1, 17, 0.7), Point(1, 17, 0.6)]).value == 0.7
    assert math.isnan(latest([Point(1, 17, NAN), Point(1, 17, 0.7)]).value)
    assert latest([Point(1, 17, -1.0), Point(1, 17, NAN)]).value == -1.0


def test_a_database_has_one_point_of_a_model_for_each_step_time_and_run() -> None:
    one, other = ("heart", "one"), ("heart", "two")
    points = [
        Point(1, 17, 0.5, "r", one),
        Point(1, 17, 0.9, "r", other),
        Point(1, 17, 0.7, "r", one),
        Point(1, 17, 0.6, "r", one),
        Point(1, 17, 0.1, "r2", one),
        Point(2, 17, 0.2, "r", other),
    ]
    assert list(storable(points).values()) == [points[2], points[4], points[5]]
