"""Steps that change something must name their models, by config, `models` or `model`, or set `allModels`."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from jenkins_mlflow.config.loading import ENV_PREFIX
from jenkins_mlflow.config.schema import DEFAULT_FILE, default_file
from jenkins_mlflow.errors import UsageError
from jenkins_mlflow.text import plural, printable

_CHANGING = ("promote", "cleanup")
_NAMING = ("config", "models", "model", "apply")  # a plan names its versions
_DEEPEST = 4
_MOST = 3


def refuse_silent_scope(request: Mapping[str, Any], folder: Path, environ: Mapping[str, str]) -> None:
    """Refuse to change the whole registry if nobody asked for that. Dry runs may read everything.

    Args:
        request: The step's request.
        folder: The folder in which the command runs.
        environ: Its variables; MLOPS__MODELS names models, too.

    Raises:
        UsageError: Nothing names models, and `all_models` is not set.
        ConfigError: There is only a `mlops.yml`, which is not read.
    """
    options, command = request["options"], request["command"]
    named = any(options.get(key) for key in _NAMING) or f"{ENV_PREFIX}MODELS" in environ
    only_looks = options.get("dryRun") or options.get("plan")
    if command not in _CHANGING or only_looks or request.get("all_models") or named:
        return
    if default_file(folder):
        return
    found = sorted(_configs(folder))
    elsewhere = ""
    if found:
        more = f" and {plural(len(found) - _MOST, 'other place')}" if len(found) > _MOST else ""
        elsewhere = f"; {DEFAULT_FILE} is at {', '.join(map(printable, found[:_MOST]))}{more}"
    raise UsageError(
        f"no {DEFAULT_FILE} in {printable(str(folder))}, so {command} would work on every model of the registry"
        + elsewhere,
        state="nothing was read or changed",
        next_step=(f"write config: '{printable(found[0])}', or " if found else "write config, or ")
        + "name models or model; allModels: true works on all of them",
    )


def _configs(folder: Path) -> Iterator[str]:
    """Config files below the folder, to a limited depth: a workspace may contain anything."""
    for place, folders, files in os.walk(folder):
        below = Path(place).relative_to(folder)
        folders[:] = [name for name in folders if name[0] != "." and len(below.parts) < _DEEPEST]
        if DEFAULT_FILE in files:
            yield (below / DEFAULT_FILE).as_posix()
