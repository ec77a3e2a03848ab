"""The result of `select`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

from jenkins_mlflow import errors
from jenkins_mlflow.results.base import Meaning, Part, Place, RegistryResult, Table

REGISTER_FIRST = "train a model and register it: in the training script, or by train.register"

NOT_SELECTED: Mapping[str, Meaning] = {
    "champion_kept": Meaning((errors.DONE,), "no candidate is better than the champion", None),
    "no_candidate": Meaning(
        (errors.NO_CANDIDATE,), "no candidate passes the gates, or there is none", "rejected"
    ),
    "champion_unmeasured": Meaning(
        (errors.NO_CANDIDATE,), "the champion lacks the metric, so nothing can be compared with it", None
    ),
}


@dataclass(frozen=True, kw_only=True)
class Measured(Part):
    """A version with the metric that ranks it; null if it cannot be compared."""

    model: str
    version: int
    value: float | None


@dataclass(frozen=True, kw_only=True)
class GatePart(Part):
    """One gate applied to one candidate."""

    metric: str
    rule: str
    value: float | None
    passed: bool


@dataclass(frozen=True, kw_only=True)
class CandidatePart(Part):
    """One version that was considered, and the verdict."""

    model: str
    version: int
    run_id: str | None
    value: float | None
    verdict: Literal["selected", "passed", "champion", "not better", "rejected", "excluded"]
    reason: str
    gates: tuple[GatePart, ...]

    def gate_value(self, metric: str) -> float | None:
        """What the run has of a gate's metric; None if it has none that can be compared."""
        return next((gate.value for gate in self.gates if gate.metric == metric), None)


@dataclass(frozen=True, kw_only=True)
class SelectResult(RegistryResult):
    """The result of `select`."""

    statuses: ClassVar[Mapping[str, Meaning]] = {
        "selected": Meaning((errors.DONE,), "`selected` is the version to promote", None),
        **NOT_SELECTED,
    }
    in_table: ClassVar[bool] = True

    command: Literal["select"] = "select"
    status: Literal["selected", "champion_kept", "no_candidate", "champion_unmeasured"]
    metric: str
    """The metric that ranks the candidates."""
    direction: str
    """`maximize` or `minimize`."""
    selected: Measured | None
    """The version to promote, or null."""
    run_id: str | None = None
    """The MLflow run that the selected version comes from; null if there is none. `promote --run` expects it."""
    champion: Measured | None
    """The version in production that it was compared with, or null."""
    replaces: Measured | None
    """The version that would leave production for the selected one, or null."""
    beside: tuple[Place, ...]
    """What would stay in production in other models of the group."""
    candidates: tuple[CandidatePart, ...]
    """Every version that was considered, best first."""

    @property
    def next_step(self) -> str:
        if self.status == "selected":
            return "`jenkins-mlflow promote`, with the same options"
        return REGISTER_FIRST if self.status == "no_candidate" and not self.candidates else ""

    def table(self) -> Table:
        """The ranked metric, and those of the gates beside it."""
        gates = list(
            dict.fromkeys(g.metric for c in self.candidates for g in c.gates if g.metric != self.metric)
        )
        return Table(
            ("model", "version", self.metric, *gates, "verdict", "reason"),
            [
                (c.model, c.version, c.value, *map(c.gate_value, gates), c.verdict, c.reason)
                for c in self.candidates
            ],
        )
