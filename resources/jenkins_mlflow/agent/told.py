"""What the build's log says of a result: the same as a terminal, and where MLflow shows the version."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TextIO
from urllib.parse import quote

from jenkins_mlflow.render import render

_ENDED = ("error", "interrupted")
_IN_PRODUCTION = ("promoted", "rolled_back", "already")


def tell(document: Mapping[str, Any], log: TextIO) -> None:
    """Write a command's outcome into the log.

    Args:
        document: The command's result. What it says of a failure has been said when it happened.
        log: Where to.
    """
    if document["status"] in _ENDED and "candidates" not in document and "items" not in document:
        return
    render(document, "text", log)
    uri, version = str(document.get("tracking_uri")), document.get("version")
    if document["status"] in _IN_PRODUCTION and version and uri.startswith(("http://", "https://")):
        model = quote(str(document["model"]), safe="")
        log.write(f"MLflow: {uri.rstrip('/')}/#/models/{model}/versions/{version}\n")
