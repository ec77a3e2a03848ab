"""Finds out whether loading a model runs code that it brings along, from its description, without running any of it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from jenkins_mlflow.config.yaml_values import Loader
from jenkins_mlflow.text import one_line

_LONGEST_DESCRIPTION = 1_000_000
# Flavors whose files are data, with the prefix of the class names that their description may contain.
_DATA_FLAVORS = {
    "mlflow.catboost": "catboost.",
    "mlflow.lightgbm": "lightgbm.basic.Booster",  # its other classes are pickled
    "mlflow.onnx": "onnx.",
    "mlflow.xgboost": "xgboost.",
}


def code_on_loading(files: Path) -> str:
    """Say what in a model runs code when it is loaded; empty if its files are only data.

    Args:
        files: The model's folder.
    """
    try:
        with (files / "MLmodel").open(encoding="utf-8") as file:
            text = file.read(_LONGEST_DESCRIPTION + 1)
        if len(text) > _LONGEST_DESCRIPTION:  # MLflow reads all of it, and what comes last counts
            return f"its MLmodel is longer than {_LONGEST_DESCRIPTION:,} characters"
        described = yaml.load(text, Loader)  # noqa: S506  a safe loader, with a bound on what aliases repeat
    except (OSError, ValueError, RecursionError, yaml.YAMLError):
        described = None
    return code_in(described)


def code_in(described: object) -> str:
    """Like ``code_on_loading``, from the content of the model's MLmodel. Pure."""
    flavors = _mapping(_mapping(described).get("flavors"))
    function = _mapping(flavors.get("python_function"))
    loader = function.get("loader_module")
    if not isinstance(loader, str):
        return "its MLmodel names no flavor that can be read"
    if loader not in _DATA_FLAVORS:
        return f"loading its flavor {one_line(loader)} runs code"
    code_keys = [key for key in ("code", "model_code_path") if function.get(key) is not None]
    if code_keys:
        return f"it brings code along ({', '.join(code_keys)})"
    allowed = _DATA_FLAVORS[loader]
    named = _mapping(flavors.get(loader.removeprefix("mlflow."))).get("model_class", allowed)
    if not isinstance(named, str):
        return "its model_class is not text"
    if not named.startswith(allowed):
        return f"loading its model_class {one_line(named)} runs code"
    return ""


def _mapping(value: object) -> Mapping[Any, Any]:
    return value if isinstance(value, dict) else {}
