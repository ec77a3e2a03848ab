"""The check after a promotion: a command of the team's, with a deadline."""

from __future__ import annotations

import os
from pathlib import Path

from jenkins_mlflow.bounded import run_bounded
from jenkins_mlflow.config import Check
from jenkins_mlflow.promotion_plan import Target
from jenkins_mlflow.smoke_test import Checked
from jenkins_mlflow.snapshot import Version

LOG = "check.log"


def after_check(rules: Check, version: Version, target: Target, uri: str, folder: Path) -> Checked:
    """Run the command; exit code 0 within the deadline passes.

    It finds in its environment MLFLOW_TRACKING_URI, JENKINS_MLFLOW_MODEL, _VERSION, _STAGE and _ALIAS.

    Args:
        rules: The config's ``promote.check`` section.
        version: What was promoted.
        target: Where to.
        uri: The tracking URI.
        folder: The report folder, for the log.

    Raises:
        Interrupted: a signal arrived; the command was ended first.
    """
    environ = {
        **os.environ,
        "MLFLOW_TRACKING_URI": uri,
        "JENKINS_MLFLOW_MODEL": version.model,
        "JENKINS_MLFLOW_VERSION": str(version.number),
        "JENKINS_MLFLOW_STAGE": target.stage or "",
        "JENKINS_MLFLOW_ALIAS": target.alias or "",
    }
    ended = run_bounded(rules.command, environ, folder / LOG, rules.timeout)
    return Checked(not ended.failure, ended.failure or "the check passed", round(ended.seconds, 3))
