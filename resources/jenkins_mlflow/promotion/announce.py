"""Writing the intent into the registry before the first change, and removing it after the last."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping

from jenkins_mlflow.errors import JenkinsMlflowError
from jenkins_mlflow.registry.client import Registry
from jenkins_mlflow.registry.faults import classify
from jenkins_mlflow.registry.writer import Writer


def announce(registry: Registry, writer: Writer, model: str, tags: Mapping[str, str]) -> None:
    """Write an intent down; without it nothing else may be written.

    Args:
        registry: Where.
        writer: Guards and retries each write.
        model: The model that carries the intent.
        tags: The tags that hold it. The caller has them before the first is written, so it can pass their names to
            ``remove_intent`` whatever stops this.

    Raises:
        JenkinsMlflowError: it could not be written.
    """
    for key, text in tags.items():
        try:
            writer.run(functools.partial(registry.tag_model, model, key, text))
        except Exception as error:
            raised = registry.translate(f"writing down what is to be done with {model}", error)
            raised.state = raised.state or "no stage and no alias was changed"
            raise raised from error


def remove_intent(registry: Registry, writer: Writer, model: str, tags: Iterable[str]) -> str:
    """Remove a model's intent; why it could not be removed, or empty. The tag that is looked for goes first.

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
