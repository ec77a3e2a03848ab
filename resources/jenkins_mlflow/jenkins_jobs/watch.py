"""The result of `jobs run` and `jobs logs --follow`: a build watched to its end."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

from jenkins_mlflow import errors
from jenkins_mlflow.jenkins_jobs.answers import Build
from jenkins_mlflow.jenkins_jobs.follow import Follower, OutOfTime
from jenkins_mlflow.jenkins_jobs.outcome import OutcomePart, exit_code, read_outcome
from jenkins_mlflow.jenkins_jobs.server import Server
from jenkins_mlflow.results.base import Meaning, Result
from jenkins_mlflow.terminal import Terminal

INTERRUPTED = 130


@dataclass(frozen=True, kw_only=True)
class BuildResult(Result):
    """The result of `jobs run` and `jobs logs --follow`."""

    statuses: ClassVar[Mapping[str, Meaning]] = {
        "queued": Meaning((errors.DONE,), "`--no-wait`: the build is queued", None),
        "success": Meaning((errors.DONE,), "the build succeeded", None),
        "unstable": Meaning(
            (errors.NO_CANDIDATE, errors.BY_HAND, errors.DRIFT), "the build is unstable", None
        ),
        "failure": Meaning((errors.FAILED,), "the build failed", None),
        "not_built": Meaning((errors.FAILED,), "the build was not made", None),
        "aborted": Meaning((INTERRUPTED,), "the build was aborted", None),
        "cancelled": Meaning((INTERRUPTED,), "the build was cancelled in the queue", None),
        "timeout": Meaning((errors.FAILED,), "`--timeout` is over; the build continues", None),
    }
    command: Literal["jobs"] = "jobs"
    action: Literal["run", "logs"] = "run"
    job: str
    """The job's full name."""
    queue_item: int | None = None
    """The number in the queue; `run` only."""
    parameters: Mapping[str, str] | None = None
    """The build's parameters, hidden ones left out; `run` only."""
    build: int | None = None
    """The build's number."""
    url: str | None = None
    """The build's page."""
    result: str | None = None
    """Jenkins' word for the build's result."""
    outcome: OutcomePart | None = None
    """What the build did to the registry."""


def watch(
    server: Server,
    begun: BuildResult,
    terminal: Terminal,
    timeout: float | None,
    *,
    write: Callable[[str], None] | None = None,
) -> BuildResult:
    """Watch a queue item or a build to its end.

    Args:
        server: Jenkins.
        begun: The job, and the queue item or the build to watch.
        terminal: For messages and questions.
        timeout: Seconds to watch at most; None for no limit.
        write: Receives the log; by default, it goes to the terminal's messages.
    """
    name, item, build = begun.job, begun.queue_item, begun.build
    follower = Follower(server, name, terminal, write or terminal.say, timeout)
    try:
        if item is not None:
            build = follower.out_of_queue(item)
        if build is None:
            message = f"{name}: the build was cancelled in the queue"
            return replace(begun, status="cancelled", message=message)
        if item is not None:
            terminal.say(f"build {build}: {server.page(name, build)}")
        ended = follower.to_the_end(build)
    except OutOfTime:
        page = server.page(name, build or "")
        message = f"not finished after {timeout:g} s; it continues in Jenkins: {page}"
        return replace(begun, status="timeout", message=message, build=build, url=page)
    return _ended(server, begun, ended)


def _ended(server: Server, begun: BuildResult, build: Build) -> BuildResult:
    name, number, result = begun.job, build["number"], str(build.get("result"))
    outcome = read_outcome(server, name, build)
    message = f"{name} {number}: {result} after {build['duration'] / 1000:.0f} s"
    if outcome and outcome.message:
        message += "; " + ": ".join(filter(None, (outcome.command, outcome.message)))
    return replace(
        begun,
        status=result.lower(),
        code=exit_code(result, outcome),
        message=message,
        build=number,
        url=server.page(name, number),
        result=result,
        outcome=outcome,
    )
