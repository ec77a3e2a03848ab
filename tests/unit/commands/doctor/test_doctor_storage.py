"""`doctor --storage --max-duration` goes on where the same look stopped, and nowhere else."""

from __future__ import annotations

import itertools
from functools import partial
from pathlib import Path
from typing import Any, cast

import pytest
from builders import snapshot, version
from jenkins_mlflow.build import BuildContext
from jenkins_mlflow.commands.doctor import storage
from jenkins_mlflow.commands.doctor.storage import StorageWish, examine_storage
from jenkins_mlflow.commands.session import Session
from jenkins_mlflow.config.promote import Promote
from jenkins_mlflow.config.schema import Config
from jenkins_mlflow.registry.client import Registry
from jenkins_mlflow.registry.names import matches
from jenkins_mlflow.registry.snapshot import Snapshot
from jenkins_mlflow.terminal import Terminal


class Stored:
    """A registry with two models, whose files are all there."""

    def __init__(self) -> None:
        self.looked: list[tuple[str, int]] = []

    def snapshot(self, patterns: tuple[str, ...]) -> Snapshot:
        group = snapshot(*(version(name, number) for name in ("a", "b") for number in (1, 2)))
        return Snapshot(tuple(model for model in group.models if matches(model.name, patterns)))

    def has_files(self, name: str, number: int) -> bool:
        self.looked.append((name, number))
        return True


def look(folder: Path, config: Config, wish: StorageWish) -> list[tuple[str, int]]:
    stored = Stored()
    session = Session(config, "http://mlflow.example", Terminal(quiet=True), folder, BuildContext())
    examine_storage(session, cast(Registry, cast(Any, stored)), wish)
    return stored.looked


@pytest.mark.parametrize(
    ("then", "looked"),
    [
        ({}, [("b", 2)]),
        ({"models": ("a",)}, [("a", 1), ("a", 2)]),
        ({"promote": Promote(alias="live")}, [("b", 1), ("b", 2)]),
    ],
)
def test_where_one_look_stopped_says_nothing_of_another(
    then: dict[str, Any], looked: list[tuple[str, int]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another group's versions, or another target's, were not looked at yet."""
    monkeypatch.setattr(storage, "CHUNK", 1)
    config, soon_over = Config(models=("b",)), StorageWish(seconds=2, clock=partial(next, itertools.count()))
    assert look(tmp_path, config, soon_over) == [("b", 1)]
    assert look(tmp_path, config.model_copy(update=then), StorageWish()) == looked
