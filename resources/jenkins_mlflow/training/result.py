"""The result of a training, and the config's policy on whether it counts as trained. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from jenkins_mlflow import errors
from jenkins_mlflow.errors import Interrupted
from jenkins_mlflow.processes import Ended
from jenkins_mlflow.text import plural
from jenkins_mlflow.training.logged import LoggedRun
from jenkins_mlflow.training.plan import TrainPlan


@dataclass(frozen=True)
class Trained:
    """How the candidates ended and what they logged; ``stopped`` is the signal that ended the training early."""

    status: Literal["trained", "failed", "interrupted"]
    message: str
    build: str
    candidates: tuple[Ended, ...]
    runs: tuple[LoggedRun, ...] = ()
    warnings: tuple[str, ...] = ()
    stopped: Interrupted | None = None

    @property
    def exit_code(self) -> int:
        """0, 1 or the exit code for the signal."""
        if self.stopped:
            return self.stopped.exit_code
        return errors.DONE if self.status == "trained" else errors.FAILED


def judge(
    plan: TrainPlan,
    candidates: tuple[Ended, ...],
    runs: Sequence[LoggedRun],
    warnings: Sequence[str] = (),
    failure: str = "",
) -> Trained:
    """Decide by the config's policy whether the whole training succeeded.

    Args:
        plan: What was to be trained.
        candidates: How each candidate ended.
        runs: The runs that they logged.
        warnings: Warnings so far.
        failure: Why it is not known what they logged; empty if it is known.
    """
    succeeded = [candidate.name for candidate in candidates if candidate.status == "ok"]
    allowed = bool(succeeded) if plan.on_failure == "continue" else len(succeeded) == len(candidates)
    trained = bool(allowed and runs and not failure)
    versions = sum(len(run.versions) for run in runs)
    made = f"{plural(len(runs), 'run')} logged, {plural(versions, 'version')} registered"
    message = f"{summary(candidates)}{failure or f'; {made}'}"
    if trained and not versions and plan.register_as is None:
        warnings = (*warnings, _NOTHING_REGISTERED)
    return Trained(
        "trained" if trained else "failed", message, plan.build, candidates, tuple(runs), tuple(warnings)
    )


_NOTHING_REGISTERED = (
    "no version was registered, so there is nothing to select: "
    "register a model in the training script, or set train.register to a model's name"
)


def summary(candidates: Sequence[Ended]) -> str:
    """How many candidates were trained, and how each of the others ended, with its log if there is one."""
    good = sum(candidate.status == "ok" for candidate in candidates)
    bad = [
        f"{candidate.name} {candidate.status}{_details(candidate)}"
        for candidate in candidates
        if candidate.status != "ok"
    ]
    return f"{good} of {plural(len(candidates), 'candidate')} trained" + (
        f": {', '.join(bad)}" if bad else ""
    )


def _details(candidate: Ended) -> str:
    if candidate.status == "cancelled":
        return ""
    log = f"log {candidate.log}" if candidate.log.exists() else ""
    details = "; ".join(part for part in (candidate.error, log) if part)
    return f" ({details})" if details else ""
