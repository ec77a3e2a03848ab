"""The schema of `mlops.yaml`, and `load`, which merges all layers.

A later layer wins: defaults, the file, environment variables (`MLOPS__SELECT__METRIC`), command-line options.
"""

from __future__ import annotations

import os
from collections.abc import Hashable, Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

from pydantic import Field, PrivateAttr

from jenkins_mlflow.config.cleanup import Cleanup
from jenkins_mlflow.config.layers import Layers
from jenkins_mlflow.config.loading import Overrides, add_overrides, read_layers, validate
from jenkins_mlflow.config.problems import show
from jenkins_mlflow.config.promote import Promote
from jenkins_mlflow.config.registry_values import Patterns
from jenkins_mlflow.config.section import Section
from jenkins_mlflow.config.select import Select
from jenkins_mlflow.config.servers import OtherServer
from jenkins_mlflow.config.train import Train
from jenkins_mlflow.config.values import EVENTS, Command, Duration, Events, Line, WebAddress, lasting
from jenkins_mlflow.errors import ConfigError
from jenkins_mlflow.text import printable

DEFAULT_FILE = "mlops.yaml"
OTHER_ENDING = "mlops.yml"
KEYS = "`jenkins-mlflow schema`"
_MODELS = "models"


class Ui(Section):
    """The address of MLflow's UI."""

    url: WebAddress | None = Field(default=None, description="Address of MLflow's UI, for links.")
    tunnel: Line | None = Field(
        default=None, description="Command that makes the address accessible, e.g. ssh -L ..."
    )


class Notify(Section):
    """Notifications. Addresses with secrets are in JENKINS_MLFLOW_NOTIFY_URLS, never here."""

    on: Events = Field(default=EVENTS, description="Events that send a notification.")
    command: Command | None = Field(
        default=None,
        description="Command that is run for each of these events, without a shell. JENKINS_MLFLOW_EVENT and "
        "JENKINS_MLFLOW_MESSAGE in its environment describe the event.",
    )
    timeout: Duration = lasting("30s", "Maximum time that the command may take.", gt=0)


class Config(Section):
    """Everything that can be configured."""

    models: Patterns = Field(
        default=("*",),
        description="The group: the models whose versions compete. One name or pattern, or a list of them. The name of "
        "a registered model is never read as a pattern.",
    )
    tracking_uri: Line | None = Field(
        default=None, description="MLflow server or store; else MLFLOW_TRACKING_URI."
    )
    train: Train | None = Field(default=None, description="How the candidates are trained.")
    select: Select = Field(default_factory=Select, description="How the best candidate is chosen.")
    promote: Promote = Field(default_factory=Promote, description="How a version goes into production.")
    cleanup: Cleanup = Field(default_factory=Cleanup, description="Which versions a cleanup deletes.")
    notify: Notify = Field(default_factory=Notify, description="Notifications of people.")
    servers: dict[Line, OtherServer] = Field(
        default={}, description="Other MLflow servers, by the name that `promote --to-server` takes."
    )
    ui: Ui = Field(default_factory=Ui, description="Address of MLflow's UI.")
    _source: Path | None = PrivateAttr(default=None)
    _settled: Mapping[Hashable, Any] = PrivateAttr(default_factory=dict)

    @property
    def source(self) -> Path | None:
        """The file that was read; None if there was none."""
        return self._source

    def settled(self, *keys: str) -> dict[str, Any]:
        """The values of these keys in file and environment, as written; without the command line."""
        return {key: self._settled[key] for key in keys if key in self._settled}


def default_file(folder: Path) -> Path | None:
    """The folder's `mlops.yaml`; None if there is none.

    Raises:
        ConfigError: There is only a `mlops.yml`, which would be silently ignored.
    """
    if os.path.lexists(folder / DEFAULT_FILE):
        return folder / DEFAULT_FILE
    other = folder / OTHER_ENDING
    if os.path.lexists(other):
        raise ConfigError(
            f"{printable(str(other))} is not read: the config in a folder is {DEFAULT_FILE}",
            next_step=f"rename it to {DEFAULT_FILE}, or give --config {OTHER_ENDING}",
        )
    return None


def load(path: Path | None, overrides: Overrides, environ: Mapping[str, str]) -> Config:
    """Merge file, environment and options, and check the result.

    Args:
        path: The config file; None for `mlops.yaml` in the working directory, if it exists.
        overrides: Options and values by dotted key, such as ``{"cleanup.keep_last": ("--keep-last", 3)}``.
        environ: The environment; variables that start with ``MLOPS__`` count.

    Raises:
        ConfigError: The config is wrong; the message has one line for each problem.
    """
    source = path if path is not None else default_file(Path())
    layers = read_layers(Config, source, KEYS, environ)
    settled = deepcopy(layers.data)
    add_overrides(Config, layers, overrides)
    config = validate(Config, layers)
    _refuse_exclusive_everything(config, layers)
    if "models" not in overrides:  # on the command line, it may be meant for a cleanup or a list
        _refuse_copies_of_itself(config, layers)
    config._source, config._settled = source, settled  # noqa: SLF001 - its own class
    return config


def names_models(path: Path | None, environ: Mapping[str, str]) -> bool:
    """Whether file or environment set `models`; if not, a command works on every model of the registry.

    Args:
        path: The config file; None if there is none.
        environ: The environment; variables that start with ``MLOPS__`` count.

    Raises:
        ConfigError: The file cannot be read.
    """
    return _MODELS in read_layers(Config, path, KEYS, environ).data


def _refuse_exclusive_everything(config: Config, layers: Layers) -> None:
    """Refuse an exclusive group that nobody named: a promotion would take every other model out of production.

    Raises:
        ConfigError: Neither file nor environment nor command line set `models`.
    """
    if config.promote.exclusive and _MODELS not in layers.data:
        path = ("promote", "exclusive")
        layers.add(
            layers.origin(path),
            path,
            "expected `models` to name the group, because all its other models leave production, for example "
            'models: churn-*; "*" means every model of the registry',
        )
        layers.fail_on_problems()


def _refuse_copies_of_itself(config: Config, layers: Layers) -> None:
    """Refuse a group that consists of the production model alone, which never has a candidate.

    Raises:
        ConfigError: The group consists of it alone.
    """
    rules = config.promote
    if rules.copies and config.models == (rules.copy_to,):
        path = ("promote", "copy_to")
        layers.add(
            layers.origin(path),
            path,
            "expected a model that `models` does not name, because its versions are not candidates, "
            f"got {show(rules.copy_to)}",
        )
        layers.fail_on_problems()


def schema_of(key: str) -> dict[str, Any]:
    """The JSON Schema of a key, by its dotted path."""
    node: dict[str, Any] = Config.model_json_schema(by_alias=True)
    definitions = node["$defs"]
    for part in key.split("."):
        found = node["properties"][part]
        forms = (found, *found.get("anyOf", ()))
        reference = next((form["$ref"] for form in forms if "$ref" in form), "")
        node = definitions[reference.rpartition("/")[2]] if reference else found
    return node


def default_of(key: str) -> str:
    """The default of a key by its dotted path, as people write it; empty if it has none."""
    value = schema_of(key).get("default")
    return f"{value:g}" if isinstance(value, int | float) else value if isinstance(value, str) else ""


def json_schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of the config file."""
    schema = Config.model_json_schema(by_alias=True)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "jenkins-mlflow configuration (mlops.yaml)",
        **{key: value for key, value in schema.items() if key != "title"},
    }
