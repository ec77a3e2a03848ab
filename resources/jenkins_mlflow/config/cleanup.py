"""The section `cleanup` of the config: which versions are kept, and what happens to the others."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import ClassVar, Literal

from pydantic import Field

from jenkins_mlflow.config.registry_values import Aliases, Patterns, Stages
from jenkins_mlflow.config.section import Section
from jenkins_mlflow.config.values import Age, Duration, Line, Lines, lasting


class Protect(Section):
    """Versions that a cleanup never deletes."""

    stages: Stages = Field(
        default="all", description="Stages whose versions are kept; all: Production and Staging."
    )
    aliases: Aliases = Field(
        default="all", description="Aliases or patterns whose versions are kept; all: any alias."
    )
    tags: dict[Line, str] = Field(
        default={}, description="Tags that keep a version: each key with its value."
    )


class KeepBest(Section):
    """The best versions of a model by a metric."""

    metric: Line | None = Field(
        default=None, description="Metric that ranks the versions; null: that of `select`."
    )
    count: int = Field(default=1, ge=1, description="Number of best versions to keep.")


class KeepRules(Section):
    """Rules that keep versions; versions that no rule keeps are deleted. No rule counts a version in production."""

    keep_last: int = Field(default=3, ge=0, description="Number of a model's newest versions to keep.")
    keep_best: KeepBest | None = Field(
        default=None, description="The best versions by a metric, which are kept."
    )
    keep_within: Age = lasting(
        "0s",
        "Age below which every version is kept, e.g. 7d; such versions do not count toward the other rules.",
    )
    keep_daily: int = Field(
        default=0,
        ge=0,
        description="For how many days the last version is kept, counted back from the newest day that has one.",
    )
    keep_weekly: int = Field(
        default=0,
        ge=0,
        description="For how many weeks the last version is kept, counted back from the newest week that has one.",
    )
    keep_monthly: int = Field(
        default=0,
        ge=0,
        description="For how many months the last version is kept, counted back from the newest month that has one.",
    )


class Reclaim(Section):
    """What happens to the files of versions that a cleanup deleted. A single word sets the mode."""

    shorthand: ClassVar = "mode"
    mode: Literal["none", "artifacts", "runs"] = Field(
        default="none",
        description="What a reclaim deletes: nothing, the files of the versions (artifacts), or their whole runs.",
    )
    grace: Duration = lasting(
        "7d", "Grace period: how long a deleted version can be restored before its files may be deleted."
    )


class Cleanup(KeepRules):
    """Which versions a cleanup keeps; it deletes the others."""

    min_age: Age = lasting("0s", "Former name of `keep_within`; the longer of both counts.")
    overrides: dict[Line, KeepRules] = Field(
        default={},
        description="Other values of the keep rules for models by name or pattern; the first that matches counts.",
    )
    include: Patterns = Field(default=("*",), description="Names or patterns of the models to clean up.")
    exclude: Lines = Field(default=(), description="Names or patterns of the models not to clean up.")
    protect: Protect = Field(default_factory=Protect, description="Versions that are never deleted.")
    rollback_depth: int = Field(
        default=1,
        ge=1,
        description="The versions that this many rollbacks in a row can return to are never deleted.",
    )
    max_deletions: int = Field(
        default=500, ge=1, description="Maximum number of versions that one run deletes, oldest first."
    )
    max_share: int | None = Field(
        default=None,
        ge=1,
        le=100,
        description="Percentage of a model's versions; a cleanup that would delete more is refused.",
    )
    plan_expires: Age = lasting("24h", "Age at which a plan file expires.")
    reclaim: Reclaim = Field(
        default_factory=Reclaim, description="What happens to the files of deleted versions."
    )

    @property
    def general(self) -> KeepRules:
        """The keep rules for models without an override."""
        values = {name: getattr(self, name) for name in KeepRules.model_fields}
        return KeepRules.model_construct(**values | {"keep_within": max(self.keep_within, self.min_age)})

    def override_for(self, model: str) -> str | None:
        """The pattern of the override for a model; None if it has none."""
        return next((pattern for pattern in self.overrides if fnmatchcase(model, pattern)), None)

    def rules_for(self, model: str) -> KeepRules:
        """The rules for one model: its override's, completed by the general ones."""
        pattern = self.override_for(model)
        override = KeepRules() if pattern is None else self.overrides[pattern]
        return self.general.model_copy(
            update={name: getattr(override, name) for name in override.model_fields_set}
        )
