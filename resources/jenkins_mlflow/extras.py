"""Optional libraries: whether they are installed, and how to install them."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass

from jenkins_mlflow.errors import ConnectionFailed


@dataclass(frozen=True)
class Extra:
    """A part of the environment that is installed only if it is needed.

    Attributes:
        name: The extra of the package for pip, and the name of its requirements file for an agent.
        module: The module to import.
        title: Its name in messages.
        needed_by: The commands or features that need it.
        instead: An alternative to installing it, as the end of an advice.
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
    """Set how a missing extra is installed: an agent can do that, a terminal cannot."""
    _bring[:] = [bring]


def require(extra: Extra) -> None:
    """Make sure that an extra can be imported.

    Raises:
        ConnectionFailed: The extra is not installed, and cannot be.
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
