"""Versions that are deleted side by side are looked at together; a look that says nothing or is old does not count."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import pytest
from jenkins_mlflow.cleanup.deletion import Deletion
from jenkins_mlflow.cleanup.fresh_reads import LASTS, TOGETHER, Looks
from jenkins_mlflow.cleanup.plan import Item
from jenkins_mlflow.cleanup.protection import Protection
from jenkins_mlflow.config.cleanup import Protect
from jenkins_mlflow.errors import ConnectionFailed, RegistryError
from jenkins_mlflow.registry.snapshot import Model, Snapshot
from jenkins_mlflow.registry.version import Version
from support.registries import CHANGES, TARGET, Memory


def versions(count: int) -> tuple[Version, ...]:
    return tuple(Version("churn", number, created=number) for number in range(count, 0, -1))


class Counted(Memory):
    """A registry that keeps account of what was read, and calls ``meanwhile`` after each look at several versions."""

    def __init__(self, count: int = 8) -> None:
        super().__init__(Snapshot((Model("churn", versions(count)),)))
        self.items = [Item(version, "delete", "") for version in versions(count)]
        self.written = set(self.versions)
        self.alone: list[int] = []
        self.together: list[tuple[int, int]] = []
        self.meanwhile: Callable[[], None] = lambda: None

    def version(self, name: str, number: int) -> Version:
        self.alone.append(number)
        return super().version(name, number)

    def versions_between(self, name: str, first: int, last: int) -> list[Version]:
        self.together.append((last, first))
        found = super().versions_between(name, first, last)
        self.meanwhile()
        return found


@dataclass
class Cleanup:
    """Deletes one version after the other; each takes so many seconds."""

    registry: Counted
    seconds: float = 0.0
    time: float = 0.0
    looks: Looks = field(init=False)

    def __post_init__(self) -> None:
        keys = [(item.version.model, item.version.number) for item in self.registry.items]
        self.looks = Looks(self.registry, keys, lambda: self.time)  # type: ignore[arg-type]

    def __call__(self) -> list[str]:
        protection = Protection(Protect(), TARGET)
        deletion = Deletion(self.registry, protection, self.looks)  # type: ignore[arg-type]
        return [self._delete(deletion, item) for item in self.registry.items]

    def _delete(self, deletion: Deletion, item: Item) -> str:
        self.time += self.seconds
        return deletion.delete(item).outcome


def test_one_look_for_all() -> None:
    registry = Counted()
    assert Cleanup(registry)() == ["deleted"] * 8
    assert (registry.versions, registry.together, registry.alone) == ({}, [(8, 1)], [])


def test_two_of_a_model_are_looked_at_one_by_one() -> None:
    """Together they would take as many requests."""
    registry = Counted(2)
    assert Cleanup(registry)() == ["deleted"] * 2
    assert (registry.together, registry.alone) == ([], [2, 1])


def test_many_are_looked_at_in_pieces() -> None:
    registry = Counted(TOGETHER + 8)
    assert Cleanup(registry)() == ["deleted"] * (TOGETHER + 8)
    assert (registry.together, registry.alone) == ([(TOGETHER + 8, 9), (8, 1)], [])


@pytest.mark.parametrize("change", sorted(CHANGES))
@pytest.mark.parametrize("seconds", [LASTS, LASTS / 2])
def test_an_old_look_is_taken_again(change: str, seconds: float) -> None:
    """What a foreign hand changed after it is seen; nothing is deleted by a look from before the last deletion."""
    registry = Counted()

    def meanwhile() -> None:
        if registry.together[-1][0] == 5:  # the look right before that of version 4
            changed = CHANGES[change](registry.versions.pop(("churn", 4)))
            if changed:
                registry.versions["churn", 4] = changed

    registry.meanwhile = meanwhile
    expected = "already gone" if change == "gone" else "kept: changed since the plan"
    assert Cleanup(registry, seconds)() == [*["deleted"] * 4, expected, *["deleted"] * 3]
    assert registry.together == [(newest, 1) for newest in range(8, 2, -1)]


def test_one_deletion_takes_the_next_look_and_the_others_go_on() -> None:
    """They do not wait for it while the present one still counts."""
    registry = Counted()
    cleanup = Cleanup(registry)
    seen = [cleanup.looks.at("churn", 8)]
    registry.meanwhile = lambda: seen.append(cleanup.looks.at("churn", 6))
    cleanup.time = LASTS / 2
    seen.append(cleanup.looks.at("churn", 7))
    assert [version and version.number for version in seen] == [8, 6, 7]
    assert registry.together == [(8, 1), (7, 1)]


def test_what_a_look_does_not_show_is_looked_for() -> None:
    """A server leaves out of a search what the account may not read: that is not gone."""
    registry = Counted()
    hidden = registry.versions.pop(("churn", 4))

    def shown_again() -> None:
        registry.versions["churn", 4] = replace(hidden, stage="Staging")

    registry.meanwhile = shown_again
    assert Cleanup(registry)()[4] == "kept: changed since the plan"
    assert registry.alone == [4]


def test_a_refused_look_leaves_it_to_each() -> None:
    registry = Counted()

    def refuse() -> None:
        raise RegistryError("no such filter")

    registry.meanwhile = refuse
    assert Cleanup(registry)() == ["deleted"] * 8
    assert len(registry.alone) == 8


def test_a_server_that_does_not_answer_deletes_nothing() -> None:
    registry = Counted()

    def fail() -> None:
        raise ConnectionFailed("no answer")

    registry.meanwhile = fail
    with pytest.raises(ConnectionFailed, match="no answer"):
        Cleanup(registry)()
    assert len(registry.versions) == 8
