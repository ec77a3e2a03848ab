"""Every single request that writes asks for the lock, whichever method of the registry sends it."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, TypeVar

import pytest
from jenkins_mlflow.errors import LockLost
from jenkins_mlflow.registry.client import Registry
from jenkins_mlflow.registry.version import Version

T = TypeVar("T")

WRITES: dict[str, Callable[[Registry], object]] = {
    "set_stage": lambda registry: registry.set_stage("m", 1, "Production"),
    "set_alias": lambda registry: registry.set_alias("m", "champion", 1),
    "delete_alias": lambda registry: registry.delete_alias("m", "champion"),
    "tag_version": lambda registry: registry.tag_version("m", 1, {"a": "1", "b": "2", "c": "3"}),
    "untag_version": lambda registry: registry.untag_version("m", 1, "a"),
    "tag_model": lambda registry: registry.tag_model("m", "a", "1"),
    "untag_model": lambda registry: registry.untag_model("m", "a"),
    "create_version": lambda registry: registry.register_version(Version("m", 1), {}),
    "delete_version": lambda registry: registry.delete_version("m", 1),
}


class Lock:
    """Held for so many requests."""

    def __init__(self, requests: int) -> None:
        self.remaining = requests

    def send(self, write: Callable[[], T], /) -> T:
        if not self.remaining:
            raise LockLost("the lock was lost")
        self.remaining -= 1
        return write()


@pytest.fixture
def sent() -> list[str]:
    return []


@pytest.fixture
def registry(sent: list[str]) -> Registry:
    """One whose door only writes down what is sent."""

    class Door:
        def __getattr__(self, name: str) -> Callable[..., int]:
            def call(*_: object, **__: object) -> int:
                sent.append(name)
                return 1

            return call

    connection: Any = SimpleNamespace(door=Door(), over_http=True)
    return Registry(connection)


@pytest.mark.parametrize("write", WRITES)
def test_a_write_is_not_sent_without_the_lock(write: str, registry: Registry, sent: list[str]) -> None:
    with pytest.raises(LockLost):
        WRITES[write](registry.under(Lock(0)))
    assert sent == []
    WRITES[write](registry)
    assert set(sent) == {write}


def test_each_of_several_tags_asks_again(registry: Registry, sent: list[str]) -> None:
    """A process that slept after the first one must not send the second."""
    with pytest.raises(LockLost):
        WRITES["tag_version"](registry.under(Lock(1)))
    assert sent == ["tag_version"]
