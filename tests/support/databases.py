"""Empty SQLite databases of an MLflow version: made once and copied, for MLflow takes three seconds of CPU for each."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
from pathlib import Path

from support.environments import CACHE, mlflow_python

# What MLflow's store does with a database that has no tables; the store would add an experiment that names its folder.
MAKE = """
import sys
from mlflow.store.db.utils import _initialize_tables, create_sqlalchemy_engine_with_retry
_initialize_tables(create_sqlalchemy_engine_with_retry("sqlite:///" + sys.argv[1]))
"""


def lay_database(path: Path, version: str) -> None:
    """Lay a database at a path that has MLflow's tables, and nothing in them.

    Args:
        path: Where; nothing is there yet.
        version: The MLflow whose tables they are.
    """
    python, made = mlflow_python(version), CACHE / f"empty-{version}.db"
    CACHE.mkdir(exist_ok=True)
    with (CACHE / f"{made.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.exists():
            begun = made.with_suffix(".begun")
            begun.unlink(missing_ok=True)
            done = subprocess.run(
                [python, "-c", MAKE, begun],
                env={"PATH": os.environ["PATH"], "MLFLOW_DISABLE_TELEMETRY": "true"},
                capture_output=True,
                text=True,
                check=False,
            )
            assert done.returncode == 0, done.stdout + done.stderr
            begun.rename(made)
    shutil.copyfile(made, path)
