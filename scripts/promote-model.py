#!/usr/bin/env python3
"""List, promote and clean up models: `--list`, `--auto`, `--cleanup [MODEL KEEP]`, `MODEL [VERSION]`."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "resources"))

from jenkins_mlflow.promote_model import main  # noqa: E402  the package lies beside this script

if __name__ == "__main__":
    main()
