"""The result of `train`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

from jenkins_mlflow import errors
from jenkins_mlflow.results.base import Meaning, Part, Place, RegistryResult, Table
from jenkins_mlflow.text import number


@dataclass(frozen=True, kw_only=True)
class TrainedPart(Part):
    """How one candidate's command ended."""

    name: str
    status: Literal["ok", "failed", "timeout", "cancelled", "missing", "planned"]
    exit_code: int | None = None
    """The exit code of the command; null if it never ran, negative after a signal."""
    seconds: float | None = None
    log: str | None = None
    error: str = ""
    command: tuple[str, ...] = ()
    """The command that would be run; filled by a dry run."""


@dataclass(frozen=True, kw_only=True)
class RunPart(Part):
    """An MLflow run of this build; a metric that cannot be compared is null."""

    run_id: str
    name: str
    candidate: str
    metrics: Mapping[str, float | None]
    seconds: float | None
    versions: tuple[Place, ...]

    @property
    def cells(self) -> tuple[str, str]:
        """The versions that it registered and its metrics, as text."""
        metrics = (f"{k} {number(v)}" for k, v in sorted(self.metrics.items()) if v is not None)
        return ", ".join(f"{made.model} v{made.version}" for made in self.versions), ", ".join(metrics)


@dataclass(frozen=True, kw_only=True)
class ChangePart(Part):
    """One mark, the stage of a version or the holder of an alias, with its values found and wanted."""

    model: str
    mark: int | str
    found: int | str | None
    wanted: int | str | None


@dataclass(frozen=True, kw_only=True)
class PutBackPart(Part):
    """The outcome for a model that the training put into production itself."""

    model: str
    versions: tuple[int, ...]
    done: bool
    message: str
    changes: tuple[ChangePart, ...]


@dataclass(frozen=True, kw_only=True)
class TrainResult(RegistryResult):
    """The result of `train`."""

    statuses: ClassVar[Mapping[str, Meaning]] = {
        "trained": Meaning(
            (errors.DONE,),
            "the training ended as `train.on_failure` allows; `candidates` says how each candidate ended",
            None,
        ),
        "planned": Meaning((errors.DONE,), "dry run; nothing was run", None),
        "failed": Meaning(
            (errors.FAILED,),
            "a candidate failed, nothing was logged, or production could not be restored",
            None,
        ),
        "interrupted": Meaning((130, 143), "Ctrl-C or SIGTERM stopped the training", None),
    }
    in_table: ClassVar[bool] = True

    command: Literal["train"] = "train"
    status: Literal["trained", "planned", "failed", "interrupted"]
    on_failure: Literal["stop", "continue"]
    """The config's `train.on_failure`."""
    candidates: tuple[TrainedPart, ...]
    """How each candidate ended."""
    runs: tuple[RunPart, ...] = ()
    """The runs with the versions that they registered."""
    put_back: tuple[PutBackPart, ...] = ()
    """What the training itself had put into production."""

    @property
    def next_step(self) -> str:
        if self.status == "planned":
            return "run it without --dry-run"
        if self.status == "failed":
            return "read the logs named above, fix the script, and run `jenkins-mlflow train` again"
        if any(run.versions for run in self.runs):
            return "`jenkins-mlflow select`, then `jenkins-mlflow promote`"
        return "register a model: in the training script, or by train.register"

    def table(self) -> Table:
        rows: list[tuple[object, ...]] = []
        for candidate in self.candidates:
            runs = [run for run in self.runs if run.candidate == candidate.name]
            ended = (candidate.name, candidate.status, candidate.seconds)
            rows += [(*ended, *run.cells) for run in runs] or [(*ended, "none", "")]
        return Table(("candidate", "status", "seconds", "registered", "metrics"), rows)
