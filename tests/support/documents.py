"""Every JSON document that a test reads fits the schema of its command, to the key."""

from __future__ import annotations

import functools
from typing import Any

import jsonschema
from jenkins_mlflow.results.base import Failure
from jenkins_mlflow.results.schema import RESULTS, result_schema


@functools.cache
def _validator(command: str) -> jsonschema.Draft202012Validator:
    schema = result_schema(command)
    for part in schema["$defs"].values():
        part["additionalProperties"] = False
    return jsonschema.Draft202012Validator(schema)


def check(document: dict[str, Any]) -> dict[str, Any]:
    """The document, after it was compared with its schema and its exit code with its status."""
    command = document.get("command")  # the schema command prints a document, too
    if isinstance(command, str) and command in RESULTS:
        status = document["status"]
        _validator(command).validate(document)
        statuses = {**Failure.statuses, **RESULTS[command].statuses}
        stopped = (document["error"] or {}).get("type") == "Interrupted"  # perhaps after its work
        codes = (*statuses[status].codes, *(Failure.statuses["interrupted"].codes if stopped else ()))
        assert document["exit_code"] in codes, (command, status, document["exit_code"])
    return document
