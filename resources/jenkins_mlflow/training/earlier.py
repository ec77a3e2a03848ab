"""What earlier commands of the same build have trained, told by the tags of their runs alone. Pure.

Candidates may train on many agents, and an agent may be lost in the middle: MLflow is where their results meet. A
candidate's runs are tagged with its outcome when its command has ended; runs without one belong to a command that is
still at work, or was lost.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from jenkins_mlflow.processes import Status
from jenkins_mlflow.tags import LOST
from jenkins_mlflow.training.logged import LoggedRun


@dataclass(frozen=True)
class Attempted:
    """One candidate as the build's runs show it; ``runs`` are those that count.

    ``status`` is ``ok``, how the last command ended otherwise, or ``open``: no run, or none whose outcome is known.
    """

    name: str
    status: Status | Literal["open"]
    runs: tuple[LoggedRun, ...] = ()


def attempted(name: str, runs: Iterable[LoggedRun]) -> Attempted:
    """What became of a candidate.

    A candidate counts as trained when its command ended well. It does too when no outcome is known, but every run has
    finished and a version is registered: the agent was lost between the last of these and the tag, and to train
    again would register a second version.

    Args:
        name: The candidate.
        runs: The build's runs with their versions, oldest first.
    """
    own = [run for run in runs if run.candidate == name and run.outcome != LOST]
    good = tuple(run for run in own if run.outcome == "ok")
    if good:
        return Attempted(name, "ok", good)
    unknown = tuple(run for run in own if not run.outcome)
    if unknown and all(run.finished for run in unknown) and any(run.versions for run in unknown):
        return Attempted(name, "ok", unknown)
    known: dict[str, Status] = {word: word for word in get_args(Status)}
    ends = [known[run.outcome] for run in own if run.outcome in known]  # a tag that anyone can write
    if ends and not unknown:
        return Attempted(name, ends[-1], tuple(own))
    return Attempted(name, "open", unknown)


def lost(name: str, runs: Sequence[LoggedRun]) -> list[LoggedRun]:
    """The candidate's runs that a command which starts now takes the place of."""
    return [run for run in runs if run.candidate == name and not run.outcome]
