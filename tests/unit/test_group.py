"""Patterns of registered models that match nothing: a mistyped one must not be taken for an empty group."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from builders import snapshot, version
from jenkins_mlflow.commands.group import require_models
from jenkins_mlflow.errors import UsageError


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
    with pytest.raises(UsageError) as refused:
        require_models(Names(), snapshot(), ["heart-*"])
    assert refused.value.message == '"heart-*" matches no registered model; none is registered yet'
    assert (
        refused.value.next_step
        == "train and register one first: in the training script, or by train.register"
    )
