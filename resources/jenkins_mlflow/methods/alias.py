"""Moving an alias: one request, which works on every server; the fallback where no stage can be set."""

from __future__ import annotations

from jenkins_mlflow.registry.client import Registry

NAME = "alias"


def point(registry: Registry, model: str, alias: str, number: int | None) -> None:
    """Let a version have the alias; None takes it away. Safe to repeat; raises whatever MLflow raises."""
    if number is None:
        registry.delete_alias(model, alias)
    else:
        registry.set_alias(model, alias, number)
