"""Libraries that few commands need: whether they are installed, and how they come."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass

from jenkins_mlflow.errors import ConnectionFailed


@dataclass(frozen=True)
class Extra:
    """A part of the environment that is installed only where it is needed.

    Attributes:
        name: The extra of the package for pip, and the list of its packages for an agent.
        module: What is imported.
        title: What people call it.
        needed_by: What does not work without it.
        instead: What helps without it; follows an advice.
    """

    name: str
    module: str
    title: str
    needed_by: str
    instead: str = ""


STORES = Extra(
    "stores",
    "mlflow",
    "MLflow's client",
    "databases and folders",
    ", or give the address of an MLflow server",
)
NOTIFY = Extra("notify", "apprise", "Apprise", "notifications")

_bring: list[Callable[[Extra], None]] = []


def brought_by(bring: Callable[[Extra], None]) -> None:
    """Say how an extra is installed where it is missing; an agent knows a way, a terminal does not."""
    _bring[:] = [bring]


def require(extra: Extra) -> None:
    """Make sure that an extra can be imported.

    Raises:
        ConnectionFailed: it is not installed, and cannot be.
    """
    if importlib.util.find_spec(extra.module):
        return
    for bring in _bring:
        bring(extra)
        return
    raise ConnectionFailed(
        f"{extra.title} is not installed here, and {extra.needed_by} need it",
        next_step=f"pip install 'jenkins-mlflow[{extra.name}]'{extra.instead}",
    )
