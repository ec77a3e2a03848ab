"""Writing the intent into the registry before the first change, and removing it after the last."""

from __future__ import annotations

import functools
from collections.abc import Iterable

from jenkins_mlflow.errors import JenkinsMlflowError
from jenkins_mlflow.promotion.intent import Intent
from jenkins_mlflow.registry.client import Registry
from jenkins_mlflow.registry.faults import classify
from jenkins_mlflow.registry.writer import Writer


def announce(registry: Registry, writer: Writer, intent: Intent) -> tuple[str, ...]:
    """Write the intent down; without it nothing else may be written.

    Returns:
        The tags that hold it, in the order in which ``remove_intent`` takes them away.

    Raises:
        JenkinsMlflowError: it could not be written.
    """
    tags = registry.intent_tags(intent.model, intent.tags())
    for key, text in tags.items():
        try:
            writer.run(functools.partial(registry.tag_model, intent.model, key, text))
        except Exception as error:
            raised = registry.translate(f"writing down what is to be done with {intent.model}", error)
            raised.state = raised.state or "no stage and no alias was changed"
            raise raised from error
    return tuple(reversed(tags))


def remove_intent(registry: Registry, writer: Writer, model: str, tags: Iterable[str]) -> str:
    """Remove a model's intent, the tag that is looked for first; why it could not be, or empty.

    An account that may set a tag but not remove it leaves an empty one, which counts as none.
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
    except Exception as error:  # noqa: BLE001  the caller decides what it is worth
        return classify(error).summary
    return ""
