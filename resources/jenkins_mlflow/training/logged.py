"""The data that training commands log to MLflow, and the interface to MLflow that training needs to find it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, order=True)
class RegisteredVersion:
    """A registered version that was created by a run."""

    model: str
    version: int


@dataclass(frozen=True)
class LoggedRun:
    """An MLflow run of this build; ``seconds`` is None while it runs.

    ``outcome`` is how its candidate's command ended; empty until that is known. ``production_before`` is the
    text that ``marks.encode`` returned.
    """

    run_id: str
    name: str
    candidate: str
    experiment_id: str
    finished: bool
    seconds: float | None
    metrics: Mapping[str, float]
    artifact_uri: str = ""
    log_history: str = ""
    versions: tuple[RegisteredVersion, ...] = ()
    outcome: str = ""
    production_before: str = ""

    @property
    def running(self) -> bool:
        """Whether MLflow still counts it as running."""
        return self.seconds is None


@dataclass(frozen=True)
class LoggedModel:
    """A model that a run logged: ``source`` is where its files are, ``model_id`` its id in MLflow 3."""

    run_id: str
    name: str
    source: str
    model_id: str | None = None


class TrainingRegistry(Protocol):
    """The interface to MLflow that training needs. Every method may raise JenkinsMlflowError."""

    def prepare(self, experiment: str) -> None:
        """Make sure that the store and the experiment exist, before candidates race to create either."""

    def runs_of_build(self, build: str) -> list[LoggedRun]:
        """All runs with the build's tag, oldest first, in any experiment."""

    def left_running(self, experiment: str, started_before: int) -> list[LoggedRun]:
        """Runs of any build in the experiment that count as running and started before a time in milliseconds."""

    def versions_of_runs(self, run_ids: Collection[str]) -> dict[str, tuple[RegisteredVersion, ...]]:
        """The registered versions by the run that created them."""

    def models_of_runs(self, build: str, runs: Sequence[LoggedRun]) -> dict[str, tuple[LoggedModel, ...]]:
        """The logged models by run, oldest first."""

    def register(self, model: LoggedModel, name: str) -> RegisteredVersion:
        """Register a logged model under a name; safe to repeat."""

    def mark(self, runs: Sequence[LoggedRun], outcome: str) -> None:
        """Tag runs with the outcome of their candidate's command; safe to repeat."""

    def end(self, runs: Sequence[LoggedRun]) -> None:
        """End runs that still count as running although nothing works on them any more."""
