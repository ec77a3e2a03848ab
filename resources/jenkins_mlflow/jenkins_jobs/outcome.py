"""What a build did to the registry: from the result that its steps archived, else from the build's description."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Protocol

from jenkins_mlflow import errors

RESULT_CODES = {
    "SUCCESS": errors.DONE,
    "UNSTABLE": errors.NO_CANDIDATE,
    "FAILURE": errors.FAILED,
    "NOT_BUILT": errors.FAILED,
    "ABORTED": 130,
}
# Of several results of one build, the one that says most about production.
_ORDER = ("promote", "rollback", "select", "cleanup", "train", "list")
_REPORT = re.compile(r"(?:^|/)mlflow-report/([a-z-]+)\.json$")
_UNSTABLE_CODES = (errors.NO_CANDIDATE, errors.BY_HAND)


class Archive(Protocol):
    """Where a build's archived files are."""

    def artifact(self, name: str, number: int, path: str) -> Any: ...


def read_outcome(archive: Archive, name: str, build: Mapping[str, Any]) -> dict[str, Any] | None:
    """The command, status, message and exit code of a build's steps; None if it archived none and describes nothing."""
    paths = [artifact["relativePath"] for artifact in build.get("artifacts") or ()]
    reports = {match[1]: path for path in paths if (match := _REPORT.search(path))}
    for command in (*(word for word in _ORDER if word in reports), *sorted(reports.keys() - set(_ORDER))):
        document = archive.artifact(name, build["number"], reports[command])
        if isinstance(document, dict) and "status" in document:
            return {key: document.get(key) for key in ("command", "status", "message", "exit_code")}
    if description := build.get("description"):
        return {"command": "", "status": "", "message": " ".join(str(description).split()), "exit_code": None}
    return None


def exit_code(result: str, outcome: Mapping[str, Any] | None) -> int:
    """The exit code for a build's result: of an unstable one the archived result says which kind it is."""
    code = (outcome or {}).get("exit_code")
    if result == "UNSTABLE" and code in _UNSTABLE_CODES:
        return int(code)
    return RESULT_CODES.get(result, errors.FAILED)
