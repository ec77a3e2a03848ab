"""Versions that are deleted side by side are looked at together; a look that says nothing or is old does not count."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from jenkins_mlflow.cleanup.deletion import LOOK_LASTS, Deletion
from jenkins_mlflow.cleanup.plan import Item
from jenkins_mlflow.cleanup.protection import Protection
from jenkins_mlflow.config.cleanup import Protect
from jenkins_mlflow.errors import ConnectionFailed, RegistryError
from jenkins_mlflow.registry.snapshot import Model, Snapshot, Version
from support.registries import CHANGES, TARGET, Memory

VERSIONS = tuple(Version("churn", number, created=number) for number in range(8, 0, -1))
ITEMS = [Item(version, "delete", "") for version in VERSIONS]


class Counted(Memory):
    """A registry that keeps account of what was read, and calls ``meanwhile`` after each look at several versions."""

    def __init__(self, meanwhile: Callable[[Counted], None] = lambda registry: None) -> None:
        super().__init__(Snapshot((Model("churn", VERSIONS),)))
        self.written = set(self.versions)
        self.alone: list[int] = []
        self.meanwhile = meanwhile

    def version(self, name: str, number: int) -> Version:
        self.alone.append(number)
        return super().version(name, number)

    def versions_between(self, name: str, first: int, last: int) -> list[Version]:
        found = super().versions_between(name, first, last)
        self.meanwhile(self)
        return found


def deleted(registry: Counted, items: list[Item] = ITEMS, *, age: float = 0.0) -> list[str]:
    """What became of items that were looked at together; the look is so old when they are deleted."""
    times = iter([0.0, *[age] * len(items)])
    deletion = Deletion(registry, Protection(Protect(), TARGET), lambda: None, lambda: next(times))  # type: ignore[arg-type]
    looked = deletion.look(items)
    return [deletion.delete(item, looked).outcome for item in items]


def test_one_look_for_all() -> None:
    registry = Counted()
    assert deleted(registry) == ["deleted"] * 8
    assert (registry.versions, registry.alone) == ({}, [])


def test_two_of_a_model_are_looked_at_one_by_one() -> None:
    """Together they would take as many requests."""
    registry = Counted()
    assert deleted(registry, ITEMS[:2]) == ["deleted"] * 2
    assert registry.alone == [8, 7]


@pytest.mark.parametrize("change", sorted(CHANGES))
def test_an_old_look_is_taken_again(change: str) -> None:
    """What a foreign hand changed after it is seen."""

    def meanwhile(registry: Counted) -> None:
        found = CHANGES[change](registry.versions.pop(("churn", 4)))
        if found:
            registry.versions["churn", 4] = found

    registry = Counted(meanwhile)
    expected = "already gone" if change == "gone" else "kept: changed meanwhile"
    assert deleted(registry, age=LOOK_LASTS) == [*["deleted"] * 4, expected, *["deleted"] * 3]
    assert registry.alone == [8, 7, 6, 5, 4, 3, 2, 1]


def test_what_a_look_does_not_show_is_looked_for() -> None:
    """A server leaves out of a search what the account may not read: that is not gone."""
    registry = Counted()
    hidden = registry.versions.pop(("churn", 4))

    def shown_again(registry: Counted) -> None:
        registry.versions["churn", 4] = replace(hidden, stage="Staging")

    registry.meanwhile = shown_again
    assert deleted(registry)[4] == "kept: changed meanwhile"
    assert registry.alone == [4]


def test_a_refused_look_leaves_it_to_each() -> None:
    def refuse(registry: Counted) -> None:
        raise RegistryError("no such filter")

    registry = Counted(refuse)
    assert deleted(registry) == ["deleted"] * 8
    assert len(registry.alone) == 8


def test_a_server_that_does_not_answer_stops_it() -> None:
    def fail(registry: Counted) -> None:
        raise ConnectionFailed("no answer")

    registry = Counted(fail)
    with pytest.raises(ConnectionFailed, match="no answer"):
        deleted(registry)
    assert len(registry.versions) == 8
