"""Steps that change something must name their models, by config, `models` or `model`, or set `allModels`."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from jenkins_mlflow.config.schema import DEFAULT_FILE, default_file, names_models
from jenkins_mlflow.errors import UsageError
from jenkins_mlflow.text import plural, printable

_CHANGING = ("promote", "cleanup")
_NAMING = ("models", "model", "apply")  # a plan names its versions
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
        ConfigError: The config cannot be read, or there is only a `mlops.yml`, which is not read.
    """
    options, command = request["options"], request["command"]
    only_looks = options.get("dryRun") or options.get("plan")
    named = any(options.get(key) for key in _NAMING)
    if command not in _CHANGING or only_looks or request.get("all_models") or named:
        return
    config = Path(folder, options["config"]) if options.get("config") else default_file(folder)
    if not names_models(config, environ):
        raise _silent_scope(command, folder, config)


def _silent_scope(command: str, folder: Path, config: Path | None) -> UsageError:
    """The error for a step whose models nothing names.

    Args:
        command: The step's command.
        folder: The folder in which it runs.
        config: The config that does not name models; None if there is none.
    """
    works = f"so {command} would work on every model of the registry"
    if config:
        shown = printable(str(config))
        message, first = f"{shown} does not set models, {works}", f"set models in {shown}"
    else:
        found = sorted(_configs(folder))
        message = f"no {DEFAULT_FILE} in {printable(str(folder))}, {works}"
        if found:
            more = f" and {plural(len(found) - _MOST, 'other place')}" if len(found) > _MOST else ""
            message += f"; {DEFAULT_FILE} is at {', '.join(map(printable, found[:_MOST]))}{more}"
        first = f"write config: '{printable(found[0])}'" if found else "write config"
    return UsageError(
        message,
        state="nothing was read or changed",
        next_step=f"{first}, or name models or model; allModels: true works on all of them",
    )


def _configs(folder: Path) -> Iterator[str]:
    """Config files below the folder, to a limited depth: a workspace may contain anything."""
    for place, folders, files in os.walk(folder):
        below = Path(place).relative_to(folder)
        folders[:] = [name for name in folders if name[0] != "." and len(below.parts) < _DEEPEST]
        if DEFAULT_FILE in files:
            yield (below / DEFAULT_FILE).as_posix()
