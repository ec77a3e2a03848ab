"""The section `train` of the config: how the candidates are trained."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from jenkins_mlflow.config.matrix import Candidate, expand
from jenkins_mlflow.config.mistakes import broken_rule
from jenkins_mlflow.config.registry_values import NameTemplate
from jenkins_mlflow.config.section import Section
from jenkins_mlflow.config.values import CandidateName, Command, Duration, Line, Switch

ONLY_CANDIDATE = "train"


class Train(Section):
    """How the candidates are trained."""

    experiment: Line = Field(description="MLflow experiment that the training scripts log to.")
    candidates: dict[CandidateName, Candidate] = Field(
        default={},
        description=(
            "Training command of each candidate, run without a shell: a text or a list of arguments; "
            "or command and matrix, a grid of {parameters} that expands to many candidates."
        ),
    )
    max_candidates: int = Field(
        default=200, ge=1, description="Maximum number of candidates that the matrices may expand to."
    )
    command: Command | None = Field(
        default=None,
        description="One command that trains and registers all models; instead of candidates.",
    )
    register_as: NameTemplate | None = Field(
        default=None,
        alias="register",
        description="Name under which the models of runs that registered none are registered; {candidate} is replaced.",
    )
    jobs: int | None = Field(
        default=None, ge=1, description="How many candidates train at once; by default one for each core."
    )
    timeout: Duration | None = Field(default=None, gt=0, description="Maximum time per candidate, e.g. 30m.")
    on_failure: Literal["stop", "continue"] = Field(
        default="stop", description="Whether a failed candidate stops the others (stop) or not (continue)."
    )
    may_promote: Switch = Field(
        default=False,
        description="Whether a training script may put versions into production itself. If false, they are removed "
        "from it, and what was in production before is restored.",
    )

    @model_validator(mode="after")
    def _one_way_to_train(self) -> Train:
        if bool(self.candidates) == (self.command is not None):
            which = "both are set" if self.candidates else "neither is set"
            raise broken_rule(f"expected either candidates or command, but {which}", "command", "candidates")
        try:
            expand(self.candidates, self.max_candidates)
        except ValueError as error:
            raise broken_rule(f"the matrices expand to {error}", "candidates", "max_candidates") from None
        return self

    @property
    def commands(self) -> dict[str, tuple[str, ...]]:
        """The arguments of every candidate's command; a single ``command`` is the candidate ``train``."""
        if self.command is not None:
            return {ONLY_CANDIDATE: self.command}
        return expand(self.candidates, self.max_candidates)
