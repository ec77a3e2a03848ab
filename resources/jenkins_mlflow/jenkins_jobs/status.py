"""`jobs status`: the last builds of jobs, and what they did to the registry."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, Protocol

from jenkins_mlflow import errors
from jenkins_mlflow.errors import JobNotFound
from jenkins_mlflow.jenkins_jobs.answers import Build, Job, Outcome
from jenkins_mlflow.jenkins_jobs.outcome import OutcomePart, read_outcome
from jenkins_mlflow.jenkins_jobs.server import BUILD_TREE
from jenkins_mlflow.results.base import Meaning, Part, Result, Table
from jenkins_mlflow.text import span


@dataclass(frozen=True, kw_only=True)
class BuildPart(Part):
    """One build of a job; if it has none, only the job and a result such as `never built`."""

    job: str
    result: str
    build: int | None = None
    started: int | None = None
    age: float | None = None
    seconds: float | None = None
    url: str | None = None
    outcome: OutcomePart | None = None


@dataclass(frozen=True, kw_only=True)
class StatusResult(Result):
    """The result of `jobs status`."""

    statuses: ClassVar[Mapping[str, Meaning]] = {
        "listed": Meaning((errors.DONE,), "`items` has the builds", None)
    }
    in_table: ClassVar[bool] = True

    command: Literal["jobs"] = "jobs"
    action: Literal["status"] = "status"
    status: Literal["listed"] = "listed"
    items: tuple[BuildPart, ...]
    """The last builds of each job, newest first."""

    def table(self) -> Table:
        return Table(
            ("job", "build", "result", "started", "duration", "outcome"),
            [
                (
                    i.job,
                    i.build,
                    i.result,
                    span(i.age, " ago"),
                    span(i.seconds),
                    i.outcome and i.outcome.line,
                )
                for i in self.items
            ],
        )


class Jobs(Protocol):
    """The part of Jenkins that lists builds."""

    def job(self, name: str, tree: str) -> Job: ...
    def outcome(self, name: str, number: int, path: str) -> Outcome | None: ...


def last_builds(
    server: Jobs, names: Sequence[str], count: int, now: float, *, named: bool
) -> tuple[BuildPart, ...]:
    """One item for each build, newest first; for a job without builds, one item without a build number.

    Args:
        server: Jenkins.
        names: Full names of the jobs.
        count: The most builds of each job.
        now: Seconds since 1970.
        named: Whether the person named the jobs: then a missing one is an error, else it is an item.

    Raises:
        JobNotFound: See ``named``.
    """
    items: list[BuildPart] = []
    for name in names:
        try:
            builds = server.job(name, f"builds[{BUILD_TREE}]{{0,{count}}}").get("builds") or []
        except JobNotFound:
            if named:
                raise
            items.append(BuildPart(job=name, result="not created"))
            continue
        if not builds:
            items.append(BuildPart(job=name, result="never built"))
        items += [_built(server, name, build, now) for build in builds]
    return tuple(items)


def _built(server: Jobs, name: str, build: Build, now: float) -> BuildPart:
    age = max(0.0, now - build["timestamp"] / 1000)
    running = build.get("building")
    return BuildPart(
        job=name,
        result="RUNNING" if running else build.get("result") or "UNKNOWN",
        build=build["number"],
        started=build["timestamp"],
        age=round(age, 1),
        seconds=round(age if running else build["duration"] / 1000, 1),
        url=build.get("url"),
        outcome=read_outcome(server, name, build),
    )
