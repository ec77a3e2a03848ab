"""Curves and their areas against values by hand, and against scikit-learn's."""

from __future__ import annotations

import pytest
from hypothesis import given, settings, strategies as st
from jenkins_mlflow.page.curves import POINTS, Scored, confusion, ordered, precision_recall, roc
from support.thorough import examples

SCORED = st.lists(
    st.tuples(st.integers(0, 9).map(lambda tenth: tenth / 10), st.booleans()), min_size=2, max_size=60
)


def test_a_table_by_hand() -> None:
    """Of the 6 pairs of a positive and a negative row, 5 are in the right order."""
    scored = [(0.9, True), (0.8, False), (0.7, True), (0.2, False), (0.1, False)]
    curve = roc(scored)
    assert curve.points == [(0, 0), (0, 0.5), (0.33333, 0.5), (0.33333, 1), (0.66667, 1), (1, 1)]
    assert curve.area == pytest.approx(5 / 6)
    curve = precision_recall(scored)
    assert curve.points == [(0, 1), (0.5, 1), (0.5, 0.5), (1, 0.66667), (1, 0.5), (1, 0.4)]
    assert curve.area == pytest.approx(0.5 * 1 + 0.5 * 2 / 3)


def test_rows_of_one_score_count_together_in_any_order() -> None:
    """Two rows that tie are half a pair in the right order."""
    for scored in ([(0.5, True), (0.5, False)], [(0.5, False), (0.5, True)]):
        assert roc(scored) == ([(0, 0), (1, 1)], 0.5)
        assert precision_recall(scored) == ([(0, 1), (1, 0.5)], 0.5)


@settings(max_examples=examples(100))
@given(SCORED.filter(lambda scored: len({positive for _, positive in scored}) == 2))
def test_areas_are_those_of_scikit_learn(scored: Scored) -> None:
    from sklearn.metrics import average_precision_score, roc_auc_score

    scores, positives = zip(*scored, strict=True)
    assert roc(scored).area == pytest.approx(roc_auc_score(positives, scores))
    assert precision_recall(scored).area == pytest.approx(average_precision_score(positives, scores))


def test_many_points_are_thinned_and_the_area_is_that_of_all() -> None:
    """The ends stay. 3,000 scores make a curve of 3,001 points."""
    from sklearn.metrics import roc_auc_score

    scored = [(at / 3000, at % 3 == 0) for at in range(3000)]
    curve = roc(scored)
    assert (len(curve.points), curve.points[0], curve.points[-1]) == (POINTS, (0, 0), (1, 1))
    positives, scores = [positive for _, positive in scored], [score for score, _ in scored]
    assert curve.area == pytest.approx(roc_auc_score(positives, scores))


def test_a_confusion_matrix_by_hand() -> None:
    """A line for each true class, a column for each predicted one; a class that is only predicted has an empty line."""
    pairs = [("a", "a"), ("a", "b"), ("a", "a"), ("b", "c")]
    assert confusion(pairs, ["a", "b", "c"]) == [[2, 1, 0], [0, 0, 1], [0, 0, 0]]


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ({"10", "9", "-1"}, ["-1", "9", "10"]),
        ({"True", "False"}, ["False", "True"]),
        ({"yes", "no"}, ["no", "yes"]),
        ({"10", "9", "x"}, ["10", "9", "x"]),
        (set(), []),
    ],
)
def test_the_order_of_classes(labels: set[str], expected: list[str]) -> None:
    """Numbers as numbers, texts as texts."""
    assert ordered(labels) == expected
