"""How far a build is with a candidate, told by the tags of its runs alone. Pure.

Candidates may train on many agents, and an agent may be lost in the middle: MLflow is where their results meet. A
candidate's runs are tagged with its outcome when its command has ended; runs without one belong to a command that is
still at work, or was lost.
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
    """One candidate as the build's runs show it.

    Attributes:
        name: The candidate.
        status: ``ok``, how the last command ended otherwise, or ``open``: no run, or none whose outcome is known.
        runs: The runs that count.
        unended: The runs without an outcome: whatever logged them is at work, or was lost.
    """

    name: str
    status: Status | Literal["open"]
    runs: tuple[LoggedRun, ...] = ()
    unended: tuple[LoggedRun, ...] = ()


def progress_of(name: str, runs: Iterable[LoggedRun]) -> Progress:
    """How far the build is with a candidate.

    A candidate counts as trained when its command ended well. It does too when no outcome is known, but every run has
    finished and a version is registered: the agent was lost between the last of these and the tag, and to train
    again would register a second version.

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
    ends = [known[run.outcome] for run in of_candidate if run.outcome in known]  # a tag that anyone can write
    if ends and not unended:
        return Progress(name, ends[-1], tuple(of_candidate))
    return Progress(name, "open", unended, unended)
