"""What the models of a situation look like, and which of their versions are in production."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jenkins_mlflow.registry.client import Registry
from jenkins_mlflow.tags import INTENT_TAG, UNWRITTEN_TAG

State = dict[str, Any]
Place = tuple[str, int]


def state(registry: Registry, names: Sequence[str]) -> State:
    """All that the commands may change, by model: versions with stage and tags, aliases, the model's tags.

    History that is not written yet is left out: whoever comes next writes it, once.
    """
    return {
        model.name: (
            {version.number: (version.stage, dict(version.tags)) for version in model.versions},
            dict(model.aliases),
            {key: text for key, text in model.tags.items() if not key.startswith(UNWRITTEN_TAG)},
        )
        for model in registry.snapshot(names).models
    }


def staged(found: State) -> set[Place]:
    """The versions that have the stage."""
    return {
        (name, number)
        for name, (versions, _, _) in found.items()
        for number, (stage, _) in versions.items()
        if stage == "Production"
    }


def serving(found: State) -> set[Place]:
    """What is in production, by either mark."""
    return staged(found) | {
        (name, aliases["champion"]) for name, (_, aliases, _) in found.items() if "champion" in aliases
    }


def intents(found: State) -> list[str]:
    """The models on which an intent is left."""
    return [name for name, (_, _, tags) in found.items() if tags.get(INTENT_TAG)]
