"""Writes a result into the build's log: the text as on a terminal, and a link to the version in MLflow."""

from __future__ import annotations

from typing import TextIO
from urllib.parse import quote

from jenkins_mlflow.render import render
from jenkins_mlflow.results.base import Failure, RegistryResult


def write_outcome(result: RegistryResult, log: TextIO) -> None:
    """Write a command's outcome into the log.

    Args:
        result: The command's result. A failure is skipped, because it was reported when it happened.
        log: The log to write to.
    """
    if isinstance(result, Failure):
        return
    render(result, "text", log)
    place, uri = result.promoted, result.tracking_uri or ""
    if place and uri.startswith(("http://", "https://")):
        model = quote(place.model, safe="")
        log.write(f"MLflow: {uri.rstrip('/')}/#/models/{model}/versions/{place.version}\n")
