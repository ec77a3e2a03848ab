"""A group of several models without `exclusive`: the selection says what stays in production beside the winner."""

from __future__ import annotations

from types import SimpleNamespace
from typing import cast

from builders import snapshot, version
from jenkins_mlflow.commands.select import choose, selection_result
from jenkins_mlflow.commands.session import Session
from jenkins_mlflow.config.select import Select
from jenkins_mlflow.registry.version import Target
from jenkins_mlflow.results.base import Place
from jenkins_mlflow.selection.plan import Selection

OLD = [
    version(name, 1, metrics={"roc_auc": 0.7}, stage="Production") for name in ("knn", "svm", "tree", "xgb")
]
NEW = version("forest", 1, metrics={"roc_auc": 0.9})


def chosen(*, exclusive: bool, others: int) -> Selection:
    session = SimpleNamespace(
        target=Target("Production", None, exclusive=exclusive),
        config=SimpleNamespace(select=Select()),
        build=SimpleNamespace(id=None),
        scope=SimpleNamespace(patterns=()),
        registry=lambda: None,
        book=lambda _registry: SimpleNamespace(read=lambda **_: []),  # no history
    )
    return choose(cast("Session", session), snapshot(NEW, *OLD[:others]))


def test_what_stays_is_named_with_the_key_that_makes_one_champion() -> None:
    """Nobody learns from production that two models serve."""
    choice = chosen(exclusive=False, others=2)
    assert choice.message.endswith(
        " Still in production beside it: knn version 1, svm version 1; "
        "promote.exclusive: true makes one champion of the group."
    )
    assert selection_result(choice).beside == (
        Place(model="knn", version=1),
        Place(model="svm", version=1),
    )


def test_many_are_counted() -> None:
    """One line, however large the group is."""
    assert (
        " beside it: knn version 1, svm version 1, tree version 1 and 1 more; "
        in chosen(exclusive=False, others=4).message
    )


def test_an_exclusive_group_and_a_first_champion_have_nothing_beside() -> None:
    """The others leave; or there are none."""
    for choice in (chosen(exclusive=True, others=2), chosen(exclusive=False, others=0)):
        assert (choice.beside, "beside" in choice.message) == ((), False)
