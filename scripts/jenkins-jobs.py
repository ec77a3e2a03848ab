#!/usr/bin/env python3
"""`jenkins-mlflow jobs` from a checkout: `apply`, `run JOB KEY=VALUE ...`, `status`, `logs JOB`."""

import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "resources"))

try:
    from jenkins_mlflow.cli.main import run
except ModuleNotFoundError as error:
    python = ROOT / ".venv" / "bin" / "python"
    if not python.exists() or Path(sys.prefix) == ROOT / ".venv":
        sys.exit(
            f"error: {error.name} is not installed for {sys.executable}\nnext:  run `make setup` in {ROOT}"
        )
    os.execv(python, [str(python), *sys.argv])

if __name__ == "__main__":
    sys.exit(run(["jobs", *sys.argv[1:]]))
