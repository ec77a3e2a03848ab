"""Works out a build's progress with a candidate, only from the tags of its runs. Pure.

Candidates may train on many agents, and any agent may be lost, so their results come together in MLflow. When
a candidate's command has ended, its runs are tagged with the outcome. Runs without an outcome belong to a
command that is still running or was lost.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, get_args

from jenkins_mlflow.processes import Status
from jenkins_mlflow.tags import LOST
from jenkins_mlflow.training.logged import LoggedRun


@dataclass(frozen=True)
class Progress:
    """The state of one candidate, according to the build's runs.

    Attributes:
        name: The candidate.
        status: ``ok``; or how the last command failed; or ``open`` if no run has a known outcome.
        runs: The runs that count.
        unended: The runs without an outcome, whose command is still running or was lost.
    """

    name: str
    status: Status | Literal["open"]
    runs: tuple[LoggedRun, ...] = ()
    unended: tuple[LoggedRun, ...] = ()


def progress_of(name: str, runs: Iterable[LoggedRun]) -> Progress:
    """Work out the build's progress with a candidate.

    A candidate counts as trained if its command succeeded. It also counts if no outcome is known but every
    run has finished and a version is registered: then the agent was lost just before it could set the tag,
    and training again would register a second version.

    Args:
        name: The candidate.
        runs: The build's runs with their versions, oldest first.
    """
    of_candidate = [run for run in runs if run.candidate == name and run.outcome != LOST]
    unended = tuple(run for run in of_candidate if not run.outcome)
    good = tuple(run for run in of_candidate if run.outcome == "ok")
    if good:
        return Progress(name, "ok", good, unended)
    if unended and all(run.finished for run in unended) and any(run.versions for run in unended):
        return Progress(name, "ok", unended)
    known: dict[str, Status] = {word: word for word in get_args(Status)}
    ends = [known[run.outcome] for run in of_candidate if run.outcome in known]  # anybody can write this tag
    if ends and not unended:
        return Progress(name, ends[-1], tuple(of_candidate))
    return Progress(name, "open", unended, unended)
