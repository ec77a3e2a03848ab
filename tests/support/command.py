"""The command as people run it: a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from support import documents
from support.servers import clean_environ

TIMEOUT = 300


@dataclass(frozen=True)
class Finished:
    """What a command left behind."""

    code: int
    stdout: str
    stderr: str

    @property
    def doc(self) -> dict[str, Any]:
        """The JSON document, which is all of standard output and fits its schema."""
        return documents.check(json.loads(self.stdout))


def run_command(
    *arguments: str, cwd: Path, env: Mapping[str, str] | None = None, stdin: str | None = None
) -> Finished:
    """Run ``python -m jenkins_mlflow`` to its end.

    Args:
        arguments: The command line.
        cwd: Working directory.
        env: Variables on top of an environment that has none of MLflow's, Jenkins' and the config's.
        stdin: Standard input; None for none.
    """
    result = subprocess.run(
        [sys.executable, "-m", "jenkins_mlflow", *arguments],
        cwd=cwd,
        env=clean_environ(**(env or {})),
        input=stdin,
        stdin=subprocess.DEVNULL if stdin is None else None,
        capture_output=True,
        encoding="utf-8",
        timeout=TIMEOUT,
        check=False,
    )
    return Finished(result.returncode, result.stdout, result.stderr)
