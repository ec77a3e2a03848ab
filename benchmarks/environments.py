"""What the runner's environment on an agent costs: mlflow-skinny with what a database needs, beside full mlflow.

Makes each environment anew with uv (packages come from its cache or the index), measures its size and the seconds of
commands in it, prints a table. usage: environments.py
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from common import machine, table
from mlflow import MlflowClient

ROOT = Path(__file__).resolve().parent.parent
RUNNER = ROOT / "resources" / "jenkins_mlflow" / "requirements.txt"
ENVIRONMENTS = {"mlflow-skinny (the runner's)": RUNNER, "full mlflow": ROOT / "requirements.txt"}
ROUNDS = 5


def main() -> None:
    """Measure and print."""
    uv = shutil.which("uv") or str(ROOT / ".tools" / "bin" / "uv")
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        store = f"sqlite:///{folder}/mlflow.db"
        MlflowClient(store, store).create_registered_model("some model")
        for name, requirements in ENVIRONMENTS.items():
            venv = Path(folder) / name.split()[0]
            started = time.monotonic()
            subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, venv], check=True)
            python = venv / "bin" / "python"
            install = [
                uv,
                "pip",
                "install",
                "--quiet",
                "--link-mode=copy",
                "--python",
                python,
                "-r",
                requirements,
            ]
            subprocess.run(install, check=True)
            installed = time.monotonic() - started
            packages = len(list(venv.glob("lib/python*/site-packages/*.dist-info")))
            files = (path for path in venv.rglob("*") if path.is_file() and not path.is_symlink())
            size = sum(path.stat().st_size for path in files)
            seconds = _list_seconds(python, store, folder)
            rows.append(
                [name, str(packages), f"{size / 1e6:.0f} MB", f"{installed:.1f} s", f"{seconds:.2f} s"]
            )
    print(f"The runner's environment on an agent. {machine()}\n")
    print(table(["environment", "packages", "size", "installed in", "`list`, median of 5"], rows))


def _list_seconds(python: Path, store: str, folder: str) -> float:
    environ = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT / "resources"), "HOME": folder}
    command = [
        python,
        "-m",
        "jenkins_mlflow",
        "list",
        f"--tracking-uri={store}",
        "--quiet",
    ]
    seconds = []
    for _ in range(ROUNDS + 1):
        started = time.monotonic()
        subprocess.run(command, check=True, env=environ, capture_output=True)
        seconds.append(time.monotonic() - started)
    return statistics.median(seconds[1:])


if __name__ == "__main__":
    main()
