"""The section `promote` of the config: how a version goes into production."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field, model_validator

from jenkins_mlflow.config.mistakes import broken_rule
from jenkins_mlflow.config.registry_values import (
    DEFAULT_METHODS,
    Alias,
    Methods,
    ModelName,
    PromotionStage,
    SomeMethods,
)
from jenkins_mlflow.config.section import Section
from jenkins_mlflow.config.values import Command, Duration, Line, Switch, lasting
from jenkins_mlflow.tags import COPY

DEFAULT_ALIASES: Mapping[str, str] = {"Production": "champion", "Staging": "challenger"}
"""The alias of the version in a stage: the alias champion never leaves production for Staging by default."""


class Retry(Section):
    """How often and how long one promotion method is tried while errors are transient."""

    attempts: int = Field(default=3, ge=1, description="How many times a method is tried.")
    max_wait: Duration = lasting("10s", "Longest pause between two attempts.")
    deadline: Duration = lasting("60s", "Time after which no further attempt starts.")


class LockRules(Section):
    """How commands that change the same models wait for each other."""

    wait: Duration = lasting("2m", "Longest wait for another command that is working on the same models.")
    lease: Duration = lasting(
        "60s",
        "Time after which a command that has stopped renewing its lock counts as gone; at most an hour.",
        ge=1,
        le=3600,  # no command waits longer for another's lease, see registry/holder.py
    )


class SmokeTest(Section):
    """One prediction of the candidate in a separate process, before anything is written."""

    input: Line | None = Field(
        default=None, description="CSV or JSON file to predict on; else the model's own input example."
    )
    min: float | None = Field(default=None, description="Least value that a prediction may have.")
    max: float | None = Field(default=None, description="Greatest value that a prediction may have.")
    timeout: Duration = lasting(
        "2m", "Maximum time for the download of the model, and again for loading and predicting.", gt=0
    )
    python: Line = Field(
        default="python3",
        description="Python that runs the smoke test. It needs MLflow and, without `env_manager`, the packages of the "
        "model.",
    )
    env_manager: Literal["uv", "virtualenv", "conda"] | None = Field(
        default=None,
        description="Tool with which MLflow rebuilds the model's own environment for the prediction; "
        "absent or null: `python` predicts with its own packages.",
    )
    pass_env: tuple[Line, ...] = Field(
        default=(),
        strict=False,
        description="Environment variables that the prediction gets besides PATH, HOME, TMPDIR, PYTHONPATH, "
        "LD_LIBRARY_PATH, the locale and the location of certificates. It gets no others, so no secrets that are not "
        "named here.",
    )
    refuse_code: Switch = Field(
        default=False,
        description="Whether a model is refused if loading it runs code that it brings along, such as a pickle. "
        "Only the flavors onnx, xgboost, lightgbm (Booster) and catboost can then pass.",
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


class Check(Section):
    """A command that checks production after a promotion; if it fails, the promotion is rolled back."""

    command: Command = Field(
        description="Command that is run without a shell: a text or a list of arguments. Its environment names what is "
        "in production now: JENKINS_MLFLOW_MODEL, JENKINS_MLFLOW_VERSION, JENKINS_MLFLOW_STAGE, JENKINS_MLFLOW_ALIAS."
    )
    timeout: Duration = lasting("60s", "Maximum time that the command may take.", gt=0)


def _default_alias(given: Mapping[str, Any]) -> str:
    """The default of ``alias``, which follows the stage."""
    return DEFAULT_ALIASES.get(given.get("stage") or "", DEFAULT_ALIASES["Production"])


class Promote(Section):
    """How a version goes into production."""

    stage: PromotionStage | None = Field(
        default="Production", description="Stage the version gets; null for none."
    )
    alias: Alias | None = Field(
        default_factory=_default_alias,
        json_schema_extra={"default": DEFAULT_ALIASES["Production"]},
        description="Alias the version gets; null for none. Default for the stage Staging: "
        f"{DEFAULT_ALIASES['Staging']}.",
    )
    exclusive: Switch = Field(
        default=False,
        description="Whether the group has one champion: other models leave production after it. Needs `models`.",
    )
    methods: Methods = Field(
        default=DEFAULT_METHODS, description="Promotion methods in the order they are tried."
    )
    force_methods: SomeMethods = Field(
        default=(), description="Methods that are tried even if the server is known to fail with them."
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
        if idle := [method for method in self.force_methods if method not in self.methods]:
            raise broken_rule(
                f"expected methods that promote.methods has, got {', '.join(idle)}",
                "force_methods",
                "methods",
            )
        if self.copies and len(self.methods) > 1:
            raise broken_rule(
                "expected no other method besides copy, which puts production into another model", "methods"
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
