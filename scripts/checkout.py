"""Lets the scripts beside it run from a checkout, whichever Python starts them."""

from __future__ import annotations

import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def use() -> None:
    """Make the package importable: in the checkout's `.venv` if there is one, else in the Python that runs this."""
    environment = ROOT / ".venv"
    python = environment / "bin" / "python"
    if python.exists() and not environment.samefile(sys.prefix):
        os.execv(python, [str(python), *sys.argv])
    sys.path.insert(0, str(ROOT / "resources"))
    try:
        import jenkins_mlflow.agent.ready  # noqa: F401  the commands import their libraries late
    except ModuleNotFoundError as error:
        sys.exit(
            f"error: {error.name} is not installed for {sys.executable}\nnext:  run `make setup` in {ROOT}"
        )
