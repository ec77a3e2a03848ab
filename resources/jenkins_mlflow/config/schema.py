"""The config: what `mlops.yaml` may hold, its defaults, and `load`, which puts all layers together.

A later layer wins: defaults, the file, environment variables (`MLOPS__SELECT__METRIC`), command-line flags.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, model_validator

from jenkins_mlflow.config.loading import read_layers, validate
from jenkins_mlflow.config.matrix import Candidate, expand
from jenkins_mlflow.config.values import (
    COPY,
    DEFAULT_METHODS as DEFAULT_METHODS,
    METHOD_NAMES as METHOD_NAMES,
    Age,
    Alias,
    Aliases,
    CandidateName,
    Command,
    Duration,
    Gate as Gate,
    GateValue,
    Line,
    Lines,
    Methods,
    ModelName,
    NameTemplate,
    Patterns,
    PromotionStage,
    SomeMethods,
    Stages,
    WebAddress,
    broken_rule,
)

DEFAULT_FILE = "mlops.yaml"
ONLY_CANDIDATE = "train"


class _Section(BaseModel):
    """A mapping of the config: no unknown keys, no type conversions, no changes after it was read."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _empty_section(cls, value: Any) -> Any:
        """A section whose keys are all commented out is read as null: it has the defaults."""
        return {} if value is None else value


class Train(_Section):
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
        default=200, ge=1, description="Most candidates that the matrices may expand to."
    )
    command: Command | None = Field(
        default=None,
        description="One command that trains and registers all models; instead of candidates.",
    )
    register_as: NameTemplate | None = Field(
        default=None,
        alias="register",
        description="Name under which runs that did not register a model are registered; {candidate} is replaced.",
    )
    jobs: int | None = Field(
        default=None, ge=1, description="How many candidates train at once; default: one a core."
    )
    timeout: Duration | None = Field(
        default=None, gt=0, description="Longest time one candidate may take, e.g. 30m."
    )
    on_failure: Literal["stop", "continue"] = Field(
        default="stop", description="Whether a failed candidate stops the others (stop) or not (continue)."
    )
    may_promote: bool = Field(
        default=False,
        description="Whether a training script may put versions into production itself; else they are taken out again "
        "and what was in production before is put back.",
    )

    @model_validator(mode="after")
    def _one_way_to_train(self) -> Train:
        if bool(self.candidates) == (self.command is not None):
            which = "both are there" if self.candidates else "neither is there"
            raise broken_rule(f"expected either candidates or command, but {which}", "command", "candidates")
        try:
            expand(self.candidates, self.max_candidates)
        except ValueError as error:
            raise broken_rule(f"the matrices expand to {error}", "candidates", "max_candidates") from None
        return self

    @property
    def commands(self) -> dict[str, tuple[str, ...]]:
        """Arguments of every candidate's command by candidate; a single ``command`` is the candidate ``train``."""
        if self.command is not None:
            return {ONLY_CANDIDATE: self.command}
        return expand(self.candidates, self.max_candidates)


class Include(_Section):
    """Versions that are candidates although they have a stage or an alias besides those of promote."""

    stages: Stages = Field(default=(), description="Stages to choose from; all: Production and Staging.")
    aliases: Aliases = Field(default=(), description="Aliases that a candidate may have; all: any alias.")


class Select(_Section):
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
        description="What becomes of a champion that lacks the metric: keep it (exit code 3), or replace it by the "
        "best candidate.",
    )
    include: Include = Field(
        default_factory=Include, description="Candidates among the versions that have another stage or alias."
    )


class Retry(_Section):
    """How often and how long one promotion method is tried while errors are transient."""

    attempts: int = Field(default=3, ge=1, description="How many times a method is tried.")
    max_wait: Duration = Field(
        default=10.0, description="Longest pause between two attempts.", json_schema_extra={"default": "10s"}
    )
    deadline: Duration = Field(
        default=60.0,
        description="Time after which no further attempt starts.",
        json_schema_extra={"default": "60s"},
    )


class LockRules(_Section):
    """How commands that change the same models keep out of each other's way."""

    wait: Duration = Field(
        default=120.0,
        description="Longest wait for another command that is at work on the same models.",
        json_schema_extra={"default": "2m"},
    )
    lease: Duration = Field(
        default=60.0,
        ge=1,
        le=3600,  # nobody waits longer for another's, see registry/holder.py
        description="Time after which a command that has stopped renewing its lock counts as gone; at most an hour.",
        json_schema_extra={"default": "60s"},
    )


class SmokeTest(_Section):
    """One prediction of the candidate, in a process of its own, before anything is written."""

    input: Line | None = Field(
        default=None, description="CSV or JSON file to predict on; else the model's own input example."
    )
    min: float | None = Field(default=None, description="Least value that a prediction may have.")
    max: float | None = Field(default=None, description="Greatest value that a prediction may have.")
    timeout: Duration = Field(
        default=120.0,
        gt=0,
        description="Longest time for the download of the model, and again for loading and predicting.",
        json_schema_extra={"default": "2m"},
    )
    python: Line = Field(
        default="python3",
        description="The Python that has MLflow, and what the model needs if it makes no other.",
    )
    env_manager: Literal["uv", "virtualenv", "conda"] | None = Field(
        default=None,
        description="What MLflow makes the environment with that the model was logged with, for this one prediction; "
        "absent or null: none, `python` itself predicts.",
    )
    pass_env: tuple[Line, ...] = Field(
        default=(),
        strict=False,
        description="Environment variables that the prediction gets besides PATH, HOME, TMPDIR, PYTHONPATH, "
        "LD_LIBRARY_PATH, the locale and the place of certificates. It gets no others, so no secret is among them.",
    )
    refuse_code: bool = Field(
        default=False,
        description="Whether a model fails if loading it runs code that it brings along, such as a pickle; "
        "what is left are the flavors onnx, xgboost, lightgbm (Booster) and catboost.",
    )

    @model_validator(mode="after")
    def _no_code_at_all(self) -> SmokeTest:
        if self.refuse_code and self.env_manager:
            raise broken_rule(
                "expected either refuse_code or env_manager: installing a model's packages runs code",
                "env_manager",
                "refuse_code",
            )
        return self


class Check(_Section):
    """A command that looks at production after a promotion; if it fails, the promotion is rolled back."""

    command: Command = Field(
        description="The command, run without a shell: a text or a list of arguments. Its environment says what is in "
        "production now: JENKINS_MLFLOW_MODEL, JENKINS_MLFLOW_VERSION, JENKINS_MLFLOW_STAGE, JENKINS_MLFLOW_ALIAS."
    )
    timeout: Duration = Field(
        default=60.0, gt=0, description="Longest time it may take.", json_schema_extra={"default": "60s"}
    )


class Promote(_Section):
    """How a version goes into production."""

    stage: PromotionStage | None = Field(
        default="Production", description="Stage the version gets; null for none."
    )
    alias: Alias | None = Field(default="champion", description="Alias the version gets; null for none.")
    exclusive: bool = Field(
        default=False,
        description="Whether the group has one champion: other models leave production after it.",
    )
    methods: Methods = Field(
        default=DEFAULT_METHODS, description="Promotion methods in the order they are tried."
    )
    force_methods: SomeMethods = Field(
        default=(), description="Methods that are tried even where the server is known to fail with them."
    )
    copy_to: ModelName | None = Field(
        default=None,
        description="Production model that the method copy copies into; keep it out of `models`.",
    )
    file_store: Line | None = Field(
        default=None, description="Folder or URI where the server's file store can be reached from here."
    )
    retry: Retry = Field(
        default_factory=Retry, description="Repetition of each method while errors are transient."
    )

    smoke_test: SmokeTest | None = Field(
        default=None, description="One prediction before the promotion; absent or null: none."
    )
    check: Check | None = Field(
        default=None, description="A command after the promotion; absent or null: none."
    )
    lock: LockRules = Field(
        default_factory=LockRules, description="One command at a time on the same models."
    )

    @model_validator(mode="after")
    def _some_mark(self) -> Promote:
        if self.stage is None and self.alias is None:
            raise broken_rule("expected a stage or an alias (or both), but both are null", "alias", "stage")
        if self.copies and len(self.methods) > 1:
            raise broken_rule(
                "expected no other method beside copy, which puts production into another model", "methods"
            )
        if self.copies and (self.copy_to is None or self.alias is None):
            lacks = (
                "copy_to (the production model)" if self.copy_to is None else "an alias, which marks the copy"
            )
            raise broken_rule(f"expected {lacks} for the method copy", "methods")
        return self

    @property
    def copies(self) -> bool:
        """Whether promotions copy into a production model."""
        return COPY in self.methods


class Protect(_Section):
    """Versions that a cleanup never deletes."""

    stages: Stages = Field(
        default="all", description="Stages whose versions are kept; all: Production and Staging."
    )
    aliases: Aliases = Field(
        default="all", description="Aliases or patterns whose versions are kept; all: any alias."
    )
    tags: dict[Line, str] = Field(
        default={}, description="Version tags, with their value, that keep a version."
    )


class KeepBest(_Section):
    """The best versions of a model by a metric."""

    metric: Line | None = Field(default=None, description="Metric that ranks them; null: that of `select`.")
    count: int = Field(default=1, ge=1, description="How many of the best are kept.")


class KeepRules(_Section):
    """Rules that keep versions; what no rule keeps goes. None of them counts what is in production."""

    keep_last: int = Field(default=3, ge=0, description="How many of a model's newest versions are kept.")
    keep_best: KeepBest | None = Field(default=None, description="The best versions by a metric are kept.")
    keep_within: Duration = Field(
        default=0.0,
        description="Age below which every version is kept, e.g. 7d; such versions use up no count.",
    )
    keep_daily: int = Field(default=0, ge=0, description="For how many days the last version is kept.")
    keep_weekly: int = Field(default=0, ge=0, description="For how many weeks the last version is kept.")
    keep_monthly: int = Field(default=0, ge=0, description="For how many months the last version is kept.")


class Cleanup(KeepRules):
    """Which versions a cleanup keeps; it deletes the others."""

    min_age: Age = Field(default=0.0, description="Former name of `keep_within`; the longer of both counts.")
    overrides: dict[Line, KeepRules] = Field(
        default={},
        description="Other values of the keep rules for models by name or pattern; the first that fits counts.",
    )
    include: Patterns = Field(
        default=("*",), description="Names or patterns of the models that are cleaned up at all."
    )
    exclude: Lines = Field(default=(), description="Names or patterns of models that are left out.")
    protect: Protect = Field(default_factory=Protect, description="Versions that are never deleted.")
    rollback_depth: int = Field(
        default=1,
        ge=1,
        description="How many promotions back a rollback may go: those versions are never deleted.",
    )
    max_deletions: int = Field(
        default=500, ge=1, description="Most versions that one run deletes, oldest first."
    )
    max_share: int | None = Field(
        default=None,
        ge=1,
        le=100,
        description="Percentage of a model's versions; a cleanup that would delete more is refused.",
    )
    plan_expires: Duration = Field(
        default=86_400.0,
        description="Age from which a plan file is not carried out any more.",
        json_schema_extra={"default": "24h"},
    )
    reclaim: Literal["none"] = Field(default="none", description="What else goes with a version: nothing.")

    @property
    def general(self) -> KeepRules:
        """The keep rules for models without an override."""
        values = {name: getattr(self, name) for name in KeepRules.model_fields}
        return KeepRules.model_construct(**values | {"keep_within": max(self.keep_within, self.min_age)})

    def override_for(self, model: str) -> str | None:
        """The pattern of the override that a model has; None if it has none."""
        return next((pattern for pattern in self.overrides if fnmatchcase(model, pattern)), None)

    def rules_for(self, model: str) -> KeepRules:
        """The rules for one model: its override's, and the general ones where that says nothing."""
        pattern = self.override_for(model)
        override = KeepRules() if pattern is None else self.overrides[pattern]
        return self.general.model_copy(
            update={name: getattr(override, name) for name in override.model_fields_set}
        )


class Ui(_Section):
    """Where a person finds MLflow's web pages."""

    url: WebAddress | None = Field(default=None, description="Address of MLflow's UI, for links.")
    tunnel: Line | None = Field(
        default=None, description="Command that makes the address reachable, e.g. ssh -L ..."
    )


class Config(_Section):
    """Everything that can be configured."""

    models: Patterns = Field(
        default=("*",), description="Group that is compared: one model name or pattern, or a list of them."
    )
    tracking_uri: Line | None = Field(
        default=None, description="MLflow server or store; else MLFLOW_TRACKING_URI."
    )
    train: Train | None = Field(default=None, description="How the candidates are trained.")
    select: Select = Field(default_factory=Select, description="How the best candidate is chosen.")
    promote: Promote = Field(default_factory=Promote, description="How a version goes into production.")
    cleanup: Cleanup = Field(default_factory=Cleanup, description="Which versions a cleanup deletes.")
    ui: Ui = Field(default_factory=Ui, description="Where a person finds MLflow's web pages.")
    _source: Path | None = PrivateAttr(default=None)

    @property
    def source(self) -> Path | None:
        """The file that was read; None when there was none."""
        return self._source


def load(path: Path | None, flags: Mapping[str, object], environ: Mapping[str, str]) -> Config:
    """Put file, environment and flags together and check the result.

    Args:
        path: The config file; None for `mlops.yaml` in the working directory, if it is there.
        flags: Values by dotted key, such as ``{"cleanup.keep_last": 3}``; None means that the flag was not given.
        environ: The environment; variables that start with ``MLOPS__`` count.

    Raises:
        ConfigError: With one line for each problem.
    """
    source = path if path is not None else Path(DEFAULT_FILE) if os.path.lexists(DEFAULT_FILE) else None
    config = validate(Config, read_layers(Config, source, flags, environ))
    config._source = source  # noqa: SLF001 - its own class
    return config


def json_schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of the config file."""
    schema = Config.model_json_schema(by_alias=True)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "jenkins-mlflow configuration (mlops.yaml)",
        **{key: value for key, value in schema.items() if key != "title"},
    }
