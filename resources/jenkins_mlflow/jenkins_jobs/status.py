"""`jobs status`: the last builds of jobs, with what they did to the registry."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from jenkins_mlflow.errors import JobNotFound
from jenkins_mlflow.jenkins_jobs.answers import Build, Job, Outcome
from jenkins_mlflow.jenkins_jobs.outcome import read_outcome
from jenkins_mlflow.jenkins_jobs.server import BUILD_TREE


class Jobs(Protocol):
    """The part of Jenkins that knows what was built."""

    def job(self, name: str, tree: str) -> Job: ...
    def outcome(self, name: str, number: int, path: str) -> Outcome | None: ...


def last_builds(
    server: Jobs, names: Sequence[str], count: int, now: float, *, named: bool
) -> list[dict[str, Any]]:
    """One item for each build, newest first; one without a build number for a job that has none.

    Args:
        server: Jenkins.
        names: Full names of the jobs.
        count: Most builds of each.
        now: Seconds since 1970.
        named: The person named the jobs: then one that is not there is an error, else it is an item.

    Raises:
        JobNotFound: See ``named``.
    """
    items = []
    for name in names:
        try:
            builds = server.job(name, f"builds[{BUILD_TREE}]{{0,{count}}}").get("builds") or []
        except JobNotFound:
            if named:
                raise
            items.append(_item(name, "not created"))
            continue
        if not builds:
            items.append(_item(name, "never built"))
        items += [_built(server, name, build, now) for build in builds]
    return items


def _item(name: str, result: str) -> dict[str, Any]:
    empty = dict.fromkeys(("build", "started", "age", "seconds", "url", "outcome"))
    return {"job": name, "result": result, **empty}


def _built(server: Jobs, name: str, build: Build, now: float) -> dict[str, Any]:
    age = max(0.0, now - build["timestamp"] / 1000)
    running = build.get("building")
    return {
        **_item(name, "RUNNING" if running else build.get("result") or "UNKNOWN"),
        "build": build["number"],
        "started": build["timestamp"],
        "age": round(age, 1),
        "seconds": round(age if running else build["duration"] / 1000, 1),
        "url": build.get("url"),
        "outcome": read_outcome(server, name, build),
    }
