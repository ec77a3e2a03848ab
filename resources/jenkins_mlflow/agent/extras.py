"""Installs an extra beside the runner when a command on an agent first needs it."""

from __future__ import annotations

import importlib
import os
import sys
from pathlib import Path

from jenkins_mlflow.agent import bootstrap
from jenkins_mlflow.errors import ConnectionFailed
from jenkins_mlflow.extras import Extra

RUNNER = Path(__file__).absolute().parents[3]  # this file is src/jenkins_mlflow/agent/extras.py in it


def bring(extra: Extra) -> None:
    """Make an extra importable in this process.

    Raises:
        ConnectionFailed: The extra is missing and cannot be installed.
    """
    if os.environ.get("JENKINS_MLFLOW_RUNNER_PYTHON"):
        raise ConnectionFailed(
            f"this agent's ready environment (JENKINS_MLFLOW_RUNNER_PYTHON) lacks {extra.title}, "
            f"which {extra.needed_by} need",
            next_step=f"install agent/{extra.name}.txt of the library into it, too{extra.instead}",
        )
    try:
        folder = bootstrap.add_extra(
            str(RUNNER), os.environ.get("JENKINS_MLFLOW_UV", ""), extra.name, extra.title, extra.needed_by
        )
    except (bootstrap.Failure, OSError) as error:
        raise ConnectionFailed(str(error), next_step=f"fix that{extra.instead}") from error
    sys.path.append(folder)
    importlib.invalidate_caches()
