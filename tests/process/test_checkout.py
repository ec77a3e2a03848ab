"""The scripts of a checkout run under any Python: in the checkout's `.venv`, or with a word on what is missing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import click
import pytest
from support.servers import clean_environ

ROOT = Path(__file__).parents[2]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout in which nothing was set up."""
    (tmp_path / "scripts").mkdir()
    for script in (ROOT / "scripts").glob("*.py"):
        (tmp_path / "scripts" / script.name).write_bytes(script.read_bytes())
    (tmp_path / "resources").symlink_to(ROOT / "resources")
    return tmp_path


def run(checkout: Path, tmp_path: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a script with a Python that has click, but none of the other libraries."""
    (tmp_path / "libraries").mkdir()
    (tmp_path / "libraries" / "click").symlink_to(Path(click.__file__).parent)
    script, *rest = arguments
    environ = clean_environ(PYTHONPATH=str(tmp_path / "libraries"), MLFLOW_TRACKING_URI="http://127.0.0.1:9")
    argv = [sys.executable, "-S", str(checkout / "scripts" / script), *rest]
    return subprocess.run(argv, env=environ, capture_output=True, text=True, check=False)


def test_a_library_that_is_missing_is_named(checkout: Path, tmp_path: Path) -> None:
    """Commands import their libraries late, so a script finds out before it calls one."""
    done = run(checkout, tmp_path, "promote-model.py", "--list")
    assert done.returncode == 1
    assert done.stderr == (
        f"error: importlib_metadata is not installed for {sys.executable}\nnext:  run `make setup` in {checkout}\n"
    )


@pytest.mark.parametrize("arguments", [("promote-model.py", "--list"), ("jenkins-jobs.py", "status")])
def test_the_environment_of_the_checkout_is_used(
    checkout: Path, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    """The Python that was called by accident has click, but lacks the rest."""
    (checkout / ".venv").symlink_to(Path(sys.prefix))
    done = run(checkout, tmp_path, *arguments)
    assert "this is a bug" not in done.stderr
    assert done.stderr.startswith("error: ")
    assert "is not installed" not in done.stderr
