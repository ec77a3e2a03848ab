"""Writes the intent into the registry before the first change, and removes it after the last."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping

from jenkins_mlflow.errors import JenkinsMlflowError
from jenkins_mlflow.registry.client import Registry
from jenkins_mlflow.registry.faults import classify
from jenkins_mlflow.registry.writer import Writer


def announce(registry: Registry, writer: Writer, model: str, tags: Mapping[str, str]) -> None:
    """Write an intent into the registry. Nothing else may be written without one.

    Args:
        registry: The registry to write to.
        writer: Guards and retries each write.
        model: The model that gets the intent.
        tags: The tags that hold it. The caller makes them, so it can pass their names to ``remove_intent``
            even if this call is interrupted.

    Raises:
        JenkinsMlflowError: it could not be written.
    """
    for key, text in tags.items():
        try:
            writer.run(functools.partial(registry.tag_model, model, key, text))
        except Exception as error:
            raised = registry.translate(f"writing the intent of {model}", error)
            raised.state = raised.state or "no stage and no alias was changed"
            raise raised from error


def remove_intent(registry: Registry, writer: Writer, model: str, tags: Iterable[str]) -> str:
    """Remove a model's intent, in the order of the given tags.

    The caller puts the tag that others look for first. An account that may set tags but not remove them
    leaves an empty tag, which counts as no intent.

    Returns:
        Why it could not be removed; empty if it was.
    """
    try:
        for name in tags:
            try:
                writer.run(functools.partial(registry.untag_model, model, name))
            except Exception as error:
                if classify(error).status != 403:
                    raise
                writer.run(functools.partial(registry.tag_model, model, name, ""))
    except JenkinsMlflowError:
        raise
    except Exception as error:  # noqa: BLE001  the caller decides how serious it is
        return classify(error).summary
    return ""
