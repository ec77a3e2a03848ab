#!/usr/bin/env python3
"""List, promote and clean up models: `--list`, `--auto`, `--cleanup [MODEL KEEP]`, `MODEL [VERSION]`."""

import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "resources"))

try:
    from jenkins_mlflow.cli.promote_model import main
except ModuleNotFoundError as error:
    python = ROOT / ".venv" / "bin" / "python"
    if not python.exists() or Path(sys.prefix) == ROOT / ".venv":
        sys.exit(
            f"error: {error.name} is not installed for {sys.executable}\nnext:  run `make setup` in {ROOT}"
        )
    os.execv(python, [str(python), *sys.argv])

if __name__ == "__main__":
    main()
