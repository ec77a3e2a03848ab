"""Python environments with the MLflow versions that servers are tested in."""

from __future__ import annotations

import fcntl
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CACHE = ROOT / ".test-envs"
OWN_VERSION = "3.17.2"
VERSIONS = (OWN_VERSION, "3.3.2", "2.22.4")
MATRIX = ("2.22.4", "3.0.1", "3.3.2", "3.4.0", "3.5.1", "3.10.1", OWN_VERSION)


def mlflow_python(version: str) -> Path:
    """The interpreter of an environment with this MLflow, made on first use.

    The tests' own environment has OWN_VERSION; every other version has its pinned packages in ``mlflow-VERSION.txt``
    beside this file. Safe against two test runs at once.
    """
    if version == OWN_VERSION:
        return Path(sys.executable)
    return _made(f"mlflow-{version}", Path(__file__).with_name(f"mlflow-{version}.txt"))


def base_python() -> Path:
    """The interpreter of an environment like an agent's before a store was opened: no MLflow. Made on first use."""
    return _made("base", ROOT / "resources/jenkins_mlflow/agent/requirements.txt")


def _made(name: str, requirements: Path) -> Path:
    home = CACHE / name
    python, marker = home / "bin" / "python", home / "ready"
    CACHE.mkdir(exist_ok=True)
    with (CACHE / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not marker.exists() or marker.read_bytes() != requirements.read_bytes():
            shutil.rmtree(home, ignore_errors=True)
            _install(home, python, requirements)
            marker.write_bytes(requirements.read_bytes())
    return python


def _install(home: Path, python: Path, requirements: Path) -> None:
    uv = shutil.which("uv") or shutil.which(str(ROOT / ".tools" / "bin" / "uv"))
    if uv and subprocess.run([uv, "--version"], capture_output=True, check=False).returncode == 0:
        _run(uv, "venv", "--quiet", "--python", sys.executable, str(home))
        _run(
            uv,
            "pip",
            "install",
            "--quiet",
            "--python",
            str(python),
            "--require-hashes",
            "-r",
            str(requirements),
        )
    else:
        _run(sys.executable, "-m", "venv", str(home))
        _run(str(python), "-m", "pip", "install", "--quiet", "--require-hashes", "-r", str(requirements))


def _run(*command: str) -> None:
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, f"{' '.join(command)}\n{result.stdout}{result.stderr}"
