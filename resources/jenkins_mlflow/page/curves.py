"""Computes ROC curve, precision-recall curve and confusion matrix as scikit-learn defines them. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

POINTS = 200
Scored = Sequence[tuple[float, bool]]
"""The score of each row, and whether its label is the positive one."""


class Curve(NamedTuple):
    """At most ``POINTS`` points, and the area of the complete curve: ROC AUC or average precision."""

    points: list[tuple[float, float]]
    area: float


def roc(scored: Scored) -> Curve:
    """False and true positive rate at each score, highest first. There must be positive and negative rows."""
    true, false = _totals(scored)
    points = [(0.0, 0.0), *((wrong / false, right / true) for right, wrong in _counts(scored))]
    area = sum((x - before) * (y + below) / 2 for (before, below), (x, y) in pairwise(points))
    return Curve(_thinned(points), area)


def precision_recall(scored: Scored) -> Curve:
    """Recall and precision at each score, highest first. There must be positive and negative rows."""
    true, _ = _totals(scored)
    points = [(0.0, 1.0), *((right / true, right / (right + wrong)) for right, wrong in _counts(scored))]
    area = sum((x - before) * y for (before, _), (x, y) in pairwise(points))
    return Curve(_thinned(points), area)


def confusion(pairs: Sequence[tuple[str, str]], classes: Sequence[str]) -> list[list[int]]:
    """How many rows of each true class (a line) were predicted as each class (a column)."""
    counts = Counter(pairs)
    return [[counts[true, predicted] for predicted in classes] for true in classes]


def ordered(labels: Collection[str]) -> list[str]:
    """Classes in order: as numbers if all of them are, else as text. The last of two is the positive one."""
    try:
        return sorted(labels, key=float)
    except ValueError:
        return sorted(labels)


def _totals(scored: Scored) -> tuple[int, int]:
    true = sum(positive for _, positive in scored)
    return true, len(scored) - true


def _counts(scored: Scored) -> Iterator[tuple[int, int]]:
    """True and false positives down to each score; rows with the same score count together."""
    right = wrong = 0
    ranked = sorted(scored, key=lambda row: -row[0])
    for at, (score, positive) in enumerate(ranked):
        right, wrong = right + positive, wrong + (not positive)
        if at + 1 == len(ranked) or ranked[at + 1][0] != score:
            yield right, wrong


def _thinned(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Points at even intervals, including the first and the last."""
    if len(points) > POINTS:
        points = [points[round(at * (len(points) - 1) / (POINTS - 1))] for at in range(POINTS)]
    return [(round(x, 5), round(y, 5)) for x, y in points]
