"""The outcome of a build: read from the result that its steps archived, else from its description."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from jenkins_mlflow import errors
from jenkins_mlflow.build import safe_id
from jenkins_mlflow.errors import ConnectionFailed
from jenkins_mlflow.jenkins_jobs.answers import Build, Outcome
from jenkins_mlflow.results.base import Part
from jenkins_mlflow.results.schema import RESULTS
from jenkins_mlflow.text import one_line

RESULT_CODES = {
    "SUCCESS": errors.DONE,
    "UNSTABLE": errors.NO_CANDIDATE,
    "FAILURE": errors.FAILED,
    "NOT_BUILT": errors.FAILED,
    "ABORTED": 130,
}
# The commands that say most about production, in descending order.
_FIRST = ("promote", "rollback", "restore", "select", "cleanup", "train", "doctor")
_FILES = tuple(f"{command}.json" for command in dict.fromkeys((*_FIRST, *RESULTS)))


@dataclass(frozen=True, kw_only=True)
class OutcomePart(Part):
    """The outcome of a build's steps; command and status are empty if only the build's description has it."""

    command: str
    status: str
    message: str
    exit_code: int | None

    @property
    def line(self) -> str:
        """The outcome in one line."""
        what = " ".join(part for part in (self.command, self.status) if part)
        return ": ".join(part for part in (what, self.message) if part)


class Archive(Protocol):
    """The archive of a build's files."""

    def outcome(self, name: str, number: int, path: str) -> Outcome | None:
        """Raises: ConnectionFailed: the file's server cannot be reached."""


def read_outcome(archive: Archive, name: str, build: Build) -> OutcomePart | None:
    """The command, status, message and exit code of a build's steps.

    The workspace may contain results of an earlier build, which a later one archives, too. Only a result that
    names this build counts. If there are several, the first whose exit code fits the build's own result
    counts, else the first.

    Returns:
        Without such a result, the build's description as the message; without one, a message on the results
        that were skipped; None if there is nothing at all. If a file's server cannot be reached, the message
        says so.
    """
    description = " ".join((build.get("description") or "").split())
    found: list[OutcomePart] = []
    passed_over = ""
    try:
        for path, document in _documents(archive, name, build):
            if whose := _other_build(document, name, build["number"]):
                passed_over = passed_over or one_line(f"not an outcome of this build: {path} {whose}")
                continue
            found.append(_part(document))
            if errors.build_result(document["exit_code"]) == build.get("result"):
                return found[-1]
    except ConnectionFailed as error:
        return _only("; ".join(filter(None, (description, f"its outcome is not known: {error.message}"))))
    return found[0] if found else _only(description or passed_over)


def _documents(archive: Archive, name: str, build: Build) -> Iterator[tuple[str, Outcome]]:
    """The archived results with their paths, the most important about production first."""
    paths = [artifact["relativePath"] for artifact in build.get("artifacts", ())]
    for path in [path for file in _FILES for path in paths if path.rpartition("/")[2] == file]:
        if document := archive.outcome(name, build["number"], path):
            yield path, document


def _other_build(document: Outcome, name: str, number: int) -> str:
    """To which build the result belongs; empty if it names this build."""
    made_by = document.get("build")
    if made_by and made_by.casefold() in _ids(name, number, made_by):
        return ""
    return f"belongs to {made_by}" if made_by else "does not name its build"


def _part(document: Outcome) -> OutcomePart:
    return OutcomePart(
        command=document["command"],
        status=document["status"],
        message=document["message"],
        exit_code=document["exit_code"],
    )


def _only(message: str) -> OutcomePart | None:
    return OutcomePart(command="", status="", message=message, exit_code=None) if message else None


def exit_code(result: str, outcome: OutcomePart | None) -> int:
    """The exit code for a build's result; for an unstable build, the archived result decides."""
    code = outcome.exit_code if outcome else None
    if result == "UNSTABLE" and code is not None and errors.build_result(code) == "UNSTABLE":
        return code
    return RESULT_CODES.get(result, errors.FAILED)


def _ids(name: str, number: int, made_by: str) -> set[str]:
    """The ids that a build may have in results: Jenkins' BUILD_TAG, then the part after the @ of ``made_by``, if any.

    Each is as it is and as it is stored in MLflow, where the id of a job named with other characters ends in a digest.
    """
    tag = f"jenkins-{name.replace('/', '-')}-{number}"
    part = made_by.rpartition("@")[2].partition("-")[0]
    return {each.casefold() for build in (tag, f"{tag}@{part}") for each in (build, safe_id(build))}
