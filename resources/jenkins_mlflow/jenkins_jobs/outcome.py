"""What a build did to the registry: from the result that its steps archived, else from the build's description."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from jenkins_mlflow import errors
from jenkins_mlflow.build import safe_id
from jenkins_mlflow.jenkins_jobs.answers import Build, Outcome
from jenkins_mlflow.text import one_line

RESULT_CODES = {
    "SUCCESS": errors.DONE,
    "UNSTABLE": errors.NO_CANDIDATE,
    "FAILURE": errors.FAILED,
    "NOT_BUILT": errors.FAILED,
    "ABORTED": 130,
}
# Of several results of one build, the first says most about production.
_FILES = tuple(
    f"{command}.json"
    for command in (
        "promote",
        "rollback",
        "restore",
        "select",
        "cleanup",
        "train",
        "doctor",
        "history",
        "list",
    )
)
_UNSTABLE_CODES = (errors.NO_CANDIDATE, errors.BY_HAND)


class Archive(Protocol):
    """Where a build's archived files are."""

    def outcome(self, name: str, number: int, path: str) -> Outcome | None: ...


def read_outcome(archive: Archive, name: str, build: Build) -> dict[str, Any] | None:
    """The command, status, message and exit code of a build's steps.

    A workspace may still have the results of an earlier build when a later one archives it. Only a result that names
    this build counts.

    Returns:
        Without such a result, the build's description as the message; without one, which results were passed over; None
        if there is nothing at all.
    """
    passed_over = ""
    for path in _results(build):
        document = archive.outcome(name, build["number"], path)
        if document is None:
            continue
        made_by = document.get("build")
        if made_by and made_by.casefold() in _tags(name, build["number"]):
            return {key: document[key] for key in ("command", "status", "message", "exit_code")}
        whose = f"is of {made_by}" if made_by else "does not say of which build it is"
        passed_over = passed_over or one_line(f"no outcome of this build: {path} {whose}")
    words = " ".join((build.get("description") or "").split()) or passed_over
    return {"command": "", "status": "", "message": words, "exit_code": None} if words else None


def exit_code(result: str, outcome: Mapping[str, Any] | None) -> int:
    """The exit code for a build's result: of an unstable one the archived result says which kind it is."""
    code = (outcome or {}).get("exit_code")
    if result == "UNSTABLE" and code in _UNSTABLE_CODES:
        return int(code)
    return RESULT_CODES.get(result, errors.FAILED)


def _results(build: Build) -> list[str]:
    """The paths of the archived results, the one that says most first."""
    paths = [artifact["relativePath"] for artifact in build.get("artifacts", ())]
    return [path for file in _FILES for path in paths if path.rpartition("/")[2] == file]


def _tags(name: str, number: int) -> set[str]:
    """How a result can name a build: Jenkins' BUILD_TAG, or the id that is stored in MLflow."""
    tag = f"jenkins-{name.replace('/', '-')}-{number}"
    return {tag.casefold(), safe_id(tag).casefold()}
