"""What the build's log says of a result: the same as a terminal, and where MLflow shows the version."""

from __future__ import annotations

from typing import TextIO
from urllib.parse import quote

from jenkins_mlflow.render import render
from jenkins_mlflow.results.base import Failure, RegistryResult


def write_outcome(result: RegistryResult, log: TextIO) -> None:
    """Write a command's outcome into the log.

    Args:
        result: What the command came to. A failure was reported when it happened.
        log: Where to.
    """
    if isinstance(result, Failure):
        return
    render(result, "text", log)
    place, uri = result.promoted, result.tracking_uri or ""
    if place and uri.startswith(("http://", "https://")):
        model = quote(place.model, safe="")
        log.write(f"MLflow: {uri.rstrip('/')}/#/models/{model}/versions/{place.version}\n")
