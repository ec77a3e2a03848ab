"""The result documents of the `jobs` commands, made from what the modules beside it return."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from jenkins_mlflow import errors
from jenkins_mlflow.errors import JenkinsMlflowError
from jenkins_mlflow.jenkins_jobs.answers import Build
from jenkins_mlflow.jenkins_jobs.follow import Follower, OutOfTime
from jenkins_mlflow.jenkins_jobs.outcome import exit_code, read_outcome
from jenkins_mlflow.jenkins_jobs.plan import Plan
from jenkins_mlflow.jenkins_jobs.server import Server
from jenkins_mlflow.terminal import Terminal

Document = dict[str, Any]
INTERRUPTED = 130


def plan_items(plan: Plan, outcomes: Mapping[str, str]) -> list[Document]:
    """Each folder and job with what is planned and, by ``outcomes``, what became of it."""
    return [
        {
            "job": item.name,
            "kind": item.kind,
            "action": item.action,
            "outcome": outcomes.get(item.name, "up to date" if item.action == "none" else ""),
            "diff": item.diff,
        }
        for item in plan.items
    ]


def failure(error: JenkinsMlflowError, message: str) -> Document:
    """What a document says when an error stopped the work in the middle."""
    return {
        "status": "error",
        "message": f"{message}: {error.message}",
        "exit_code": error.exit_code,
        "error": errors.error_document(error),
    }


def watch(
    server: Server,
    name: str,
    terminal: Terminal,
    timeout: float | None,
    *,
    item: int | None = None,
    build: int | None = None,
    write: Callable[[str], None] | None = None,
) -> Document:
    """Watch a queue item or a build to its end.

    Args:
        write: Where the log goes; without it, to the terminal's messages.
    """
    follower = Follower(server, name, terminal, write or terminal.say, timeout)
    try:
        if item is not None:
            build = follower.out_of_queue(item)
        if build is None:
            message = f"{name}: the build was cancelled in the queue"
            return {"status": "cancelled", "exit_code": INTERRUPTED, "message": message}
        if item is not None:
            terminal.say(f"build {build}: {server.page(name, build)}")
        ended = follower.to_the_end(build)
    except OutOfTime:
        where = server.page(name, build or "")
        message = f"not at its end after {timeout:g} s; it goes on in Jenkins: {where}"
        return {
            "status": "timeout",
            "exit_code": errors.FAILED,
            "message": message,
            "build": build,
            "url": where,
        }
    return _ended(server, name, ended)


def _ended(server: Server, name: str, build: Build) -> Document:
    outcome, result = read_outcome(server, name, build), str(build.get("result"))
    message = f"{name} {build['number']}: {result} after {build['duration'] / 1000:.0f} s"
    if outcome and outcome["message"]:
        message += f"; {outcome['command'] or 'described as'}: {outcome['message']}"
    return {
        "status": result.lower(),
        "exit_code": exit_code(result, outcome),
        "message": message,
        "build": build["number"],
        "url": server.page(name, build["number"]),
        "result": result,
        "outcome": outcome,
    }
