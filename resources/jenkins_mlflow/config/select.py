"""The section `select` of the config: how the best candidate is chosen."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from jenkins_mlflow.config.gates import GateValue
from jenkins_mlflow.config.registry_values import Aliases, Stages
from jenkins_mlflow.config.section import Section
from jenkins_mlflow.config.values import Line
from jenkins_mlflow.metrics import is_error


class Include(Section):
    """Versions that are candidates even though they have a stage or an alias other than those of promote."""

    stages: Stages = Field(
        default=(), description="Stages whose versions are candidates, too; all: Production and Staging."
    )
    aliases: Aliases = Field(default=(), description="Aliases that a candidate may have; all: any alias.")


class Select(Section):
    """How the best candidate is chosen."""

    metric: Line = Field(default="roc_auc", description="Metric that candidates are ranked by.")
    direction: Literal["maximize", "minimize"] = Field(
        default="maximize", description="Whether the largest or the smallest value of the metric is best."
    )
    gates: dict[Line, GateValue] = Field(
        default={}, description='Comparison that each named metric of a candidate must pass, e.g. ">= 0.8".'
    )
    min_improvement: float = Field(
        default=0.0, ge=0, description="How much better than the champion's metric a candidate must be."
    )
    scope: Literal["build", "group"] = Field(
        default="group",
        description="Candidates: the versions that this build made, or every version of the group.",
    )
    unmeasured_champion: Literal["keep", "replace"] = Field(
        default="keep",
        description="What happens to a champion that lacks the metric: keep it (exit code 3), or replace it by the "
        "best candidate.",
    )
    include: Include = Field(
        default_factory=Include, description="Versions with another stage or alias that are candidates, too."
    )

    @property
    def doubtful_direction(self) -> bool:
        """Whether an error is maximized only because nobody has set the direction."""
        return is_error(self.metric) and "direction" not in self.model_fields_set
