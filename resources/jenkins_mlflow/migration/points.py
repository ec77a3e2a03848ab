"""The points of metrics as a file store records them, and which of them a database can have.

A line of a run's metric is ``TIME VALUE STEP``, with the name and digest of a dataset at its end if one was given. A
line of a logged model's metric has its run before the dataset. MLflow's file store shows the step of a run's point
that names a dataset as 0 (MLflow 3.17.2), so the lines are read here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

METRICS = "metrics"


@dataclass(frozen=True)
class Point:
    """One value of a metric.

    Attributes:
        step, time, value: The step, the time in milliseconds, the value.
        run: The run that logged it for a logged model; empty if the metric is the run's.
        dataset: Name and digest of the dataset that it was measured on, or None.
    """

    step: int
    time: int
    value: float
    run: str = ""
    dataset: tuple[str, str] | None = None

    @property
    def key(self) -> tuple[int, int, str]:
        """What a database tells the points of a logged model's metric apart by."""
        return self.step, self.time, self.run


def points_of(place: Path, *, of_model: bool) -> dict[str, list[Point]]:
    """The points of each metric, in the order in which they were logged.

    Args:
        place: The folder of a run or a logged model.
        of_model: Whether it is that of a logged model.
    """
    metrics = place / METRICS
    return {
        path.relative_to(metrics).as_posix(): points_in(path, of_model=of_model)
        for path in sorted(metrics.rglob("*"))
        if path.is_file()
    }


def points_in(path: Path, *, of_model: bool) -> list[Point]:
    """The points in the file of a metric, see ``points_of``."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return [_point(line.strip().split(" "), of_model=of_model) for line in lines]


def _point(fields: list[str], *, of_model: bool) -> Point:
    time, value, step, *more = fields if len(fields) > 2 else (*fields, "0")
    run = more.pop(0) if of_model else ""
    return Point(int(step), int(time), float(value), run, (more[0], more[1]) if more else None)


def on_datasets(place: Path) -> int:
    """How many points of a run's metrics name a dataset."""
    files = (path for path in (place / METRICS).rglob("*") if path.is_file())
    return sum(
        line.count(" ") == 4 for path in files for line in path.read_text(encoding="utf-8").splitlines()
    )


def latest(points: Iterable[Point]) -> Point:
    """The point whose value a file store shows: of the last step, then the last time, then the greatest."""
    return max(points, key=lambda point: (point.step, point.time, point.value))


def storable(points: Iterable[Point]) -> Mapping[tuple[int, int, str], Point]:
    """The points of a logged model's metric that a database can have, by their key.

    Of several points with one key, it is the one that the file store shows: the greatest for the first dataset.
    """
    kept: dict[tuple[int, int, str], Point] = {}
    for point in points:
        first = kept.setdefault(point.key, point)
        if point.dataset == first.dataset:
            kept[point.key] = max(first, point, key=lambda each: each.value)
    return kept
