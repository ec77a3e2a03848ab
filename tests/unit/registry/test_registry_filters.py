"""Which filters are sent to MLflow for a group's patterns, and that they never miss a model."""

from __future__ import annotations

import fnmatch

import pytest
from hypothesis import given, strategies as st
from jenkins_mlflow.registry.names import matches, name_filters


@pytest.mark.parametrize(
    ("patterns", "filters"),
    [
        (["*"], [""]),
        (["heart"], ["name = 'heart'"]),
        (["heart-*"], ["name LIKE 'heart-%'"]),
        (["heart-*", "heart-svm"], ["name LIKE 'heart-%'"]),
        (["heart", "heart-*"], ["name LIKE 'heart%'"]),
        (["a", "b-?"], ["name = 'a'", "name LIKE 'b-%'"]),
        (["it's"], ["name LIKE 'it%'"]),
        (["' OR '1'='1"], [""]),
        (["50%"], ["name LIKE '50%'"]),
        (["a", "*"], [""]),
    ],
)
def test_the_fewest_filters_cover_the_patterns(patterns: list[str], filters: list[str]) -> None:
    """One request each, and no character of a pattern can leave its quotes."""
    assert name_filters(patterns) == filters


NAMES = st.text(st.sampled_from("ab-_%'\"*?["), max_size=5)


@given(st.lists(NAMES.filter(bool), min_size=1, max_size=4), NAMES)
def test_no_matching_name_is_filtered_out(patterns: list[str], name: str) -> None:
    """A name that belongs to the group passes one of the filters, read as MLflow reads them."""
    if matches(name, patterns):
        assert any(_passes(condition, name) for condition in name_filters(patterns))


def _passes(condition: str, name: str) -> bool:
    if not condition:
        return True
    operator, literal = condition.removeprefix("name ").split(" ", 1)
    text = literal[1:-1]
    assert "'" not in text
    if operator == "=":
        return name == text
    return fnmatch.fnmatchcase(name, text[:-1].replace("[", "[[]").replace("_", "?") + "*")
