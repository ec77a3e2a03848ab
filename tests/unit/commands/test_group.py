"""Patterns of registered models that match nothing: a mistyped one must not be taken for an empty group."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from builders import snapshot, version
from jenkins_mlflow.commands.group import require_model, require_models
from jenkins_mlflow.errors import NotFound, NothingRegistered, UsageError


class Names:
    """A registry that is asked for its names only when a pattern matches nothing."""

    def __init__(self, *names: str) -> None:
        self.known = list(names)
        self.asked = 0

    def names(self) -> list[str]:
        self.asked += 1
        return self.known


GROUP = snapshot(version("heart-svm", 1), version("heart-knn", 1))
ALL = ("heart-knn", "heart-svm", "lung-forest", "it's 📦")


@pytest.mark.parametrize("patterns", [["*"], ["heart-*"], ["heart-svm", "heart-k??"], ["*", "heart-svm"]])
def test_what_matches_costs_nothing(patterns: Sequence[str]) -> None:
    registry = Names(*ALL)
    require_models(registry, GROUP, patterns)
    assert registry.asked == 0


def test_all_models_of_an_empty_registry_are_no_mistake() -> None:
    require_models(Names(), snapshot(), ["*"])


@pytest.mark.parametrize(
    ("patterns", "message"),
    [
        pytest.param(
            ["heart-svn"],
            '"heart-svn" matches no registered model; the nearest name is "heart-svm"',
            id="name",
        ),
        pytest.param(
            ["haert-*"],
            '"haert-*" matches no registered model; the nearest name is "heart-knn"',
            id="pattern",
        ),
        pytest.param(
            ["Lung-*"], '"Lung-*" matches no registered model; the nearest name is "lung-forest"', id="case"
        ),
        pytest.param(
            ["heart-*", "lng-*"],
            '"lng-*" matches no registered model; the nearest name is "lung-forest"',
            id="one of two",
        ),
        pytest.param(
            ["heart-svn", "its 📦"],
            '"heart-svn" matches no registered model; the nearest name is "heart-svm"\n'
            '"its 📦" matches no registered model; the nearest name is "it\'s 📦"',
            id="both of two",
        ),
        pytest.param(
            ["zzz"],
            '"zzz" matches no registered model; there is no name like it; registered: '
            "heart-knn, heart-svm, lung-forest, it's 📦",
            id="nothing like it",
        ),
    ],
)
def test_the_nearest_name_is_named(patterns: Sequence[str], message: str) -> None:
    with pytest.raises(UsageError) as refused:
        require_models(Names(*ALL), GROUP, patterns)
    assert refused.value.message == message
    assert refused.value.state == "nothing was changed"
    assert refused.value.next_step == (
        "correct `models` in the config, or --models; `jenkins-mlflow list --models '*'` shows every name"
    )


def test_an_empty_registry_is_said() -> None:
    """The first hour: a training that registers nothing, and then a selection."""
    with pytest.raises(NothingRegistered) as refused:
        require_models(Names(), snapshot(), ["heart-*"])
    assert refused.value.message == '"heart-*" matches no registered model; none is registered yet'
    assert (
        refused.value.next_step
        == "train and register one first: in the training script, or by train.register"
    )


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("heart-svn", 'the nearest name is "heart-svm"'),
        ("heart-s*", 'the nearest name is "heart-svm"'),
        ("zzz", "there is no name like it; registered: heart-knn, heart-svm, lung-forest, it's 📦"),
    ],
)
def test_a_name_that_is_none_gets_the_nearest_too(name: str, near: str) -> None:
    """As a pattern does; a name that exists costs no request."""
    registry = Names(*ALL)
    assert require_model(registry, GROUP, "heart-svm").name == "heart-svm"
    assert registry.asked == 0
    with pytest.raises(NotFound) as refused:
        require_model(registry, GROUP, name)
    assert refused.value.message == f"there is no registered model '{name}'; {near}"
    assert (refused.value.state, refused.value.next_step) == (
        "nothing was changed",
        "correct the name; `jenkins-mlflow list --models '*'` shows every one",
    )
