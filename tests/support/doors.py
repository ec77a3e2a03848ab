"""The two doors to a registry, each chosen by hand, and what a call through one is refused with."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from jenkins_mlflow.registry.choice import FORCED
from jenkins_mlflow.registry.client import Registry
from jenkins_mlflow.registry.connection import connect
from jenkins_mlflow.registry.faults import Fault, classify
from jenkins_mlflow.registry.http import HttpDoor
from jenkins_mlflow.registry.retries import RetryPolicy
from jenkins_mlflow.registry.store import StoreDoor

ONCE = RetryPolicy(attempts=1)
DOORS = ("http", "store")


def through(door: str, url: str, monkeypatch: pytest.MonkeyPatch) -> Registry:
    """The registry through one door, without retries."""
    monkeypatch.setenv(FORCED, door)
    registry = Registry(connect(url), ONCE)
    assert type(registry.connection.door) is {"http": HttpDoor, "store": StoreDoor}[door]
    return registry


def fault(call: Callable[[Registry], object], registry: Registry) -> Fault | None:
    """Why this call fails; None if it succeeds."""
    try:
        call(registry)
    except Exception as error:  # noqa: BLE001  classified
        return classify(error)
    return None
