"""Moves an alias: one request that works on every server, and the fallback where no stage can be set."""

from __future__ import annotations

from jenkins_mlflow.registry.client import Registry

NAME = "alias"


def point(registry: Registry, model: str, alias: str, number: int | None) -> None:
    """Point the alias to a version, or remove it if ``number`` is None.

    Safe to repeat. Raises whatever MLflow raises.
    """
    if number is None:
        registry.delete_alias(model, alias)
    else:
        registry.set_alias(model, alias, number)
