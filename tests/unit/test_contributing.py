"""CONTRIBUTING.md names what is there: files move, and its reader is new."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
PLACES = ("", "resources/jenkins_mlflow", "tests", "tests/groovy")


def test_every_path_exists() -> None:
    paths = set(re.findall(r"`([\w./-]+(?:/|\.(?:py|md|groovy|toml|json|txt)))`", TEXT))
    made = {"build/coverage.xml"}
    assert len(paths) > 30
    assert [
        word for word in sorted(paths - made) if not any((ROOT / place / word).exists() for place in PLACES)
    ] == ["vars/STEP.txt", "vars/mlflowVERB.groovy", "vars/mlflowVERB.txt"]


def test_no_unit_test_asks_for_a_server() -> None:
    """What is in tests/conftest.py starts servers and commands: `make test-unit` does neither."""
    unit = sorted((ROOT / "tests" / "unit").rglob("test_*.py"))
    assert len(unit) > 90
    fixtures = re.compile(
        r"\b(make_server|fresh_server|make_accounts|make_proxy|run_cli|postgres|jenkins): [A-Z]"
    )
    assert [path.name for path in unit if fixtures.search(path.read_text(encoding="utf-8"))] == []


def test_unit_tests_are_in_the_folder_of_a_room() -> None:
    unit = ROOT / "tests" / "unit"
    folders = {path.parent.relative_to(unit).as_posix() for path in unit.glob("**/test_*.py")} - {"."}
    package = ROOT / "resources" / "jenkins_mlflow"
    rooms = {path.parent.relative_to(package).as_posix() for path in package.rglob("__init__.py")}
    assert len(folders) > 10
    assert folders - rooms == set()


def test_every_target_for_people_is_in_the_table() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):.*## ", makefile, re.MULTILINE))
    elsewhere = {"help", "setup", "clean", "jenkins-up", "jenkins-down"}
    assert set(re.findall(r"^\| `make ([a-z-]+)`", TEXT, re.MULTILINE)) == targets - elsewhere | {"setup-dev"}


def test_each_folder_of_tests_is_run_by_one_target() -> None:
    targets = ("test-python", "test-promises", "test-matrix", "test-acceptance")
    shown = subprocess.run(
        ["make", "--dry-run", *targets], cwd=ROOT, capture_output=True, text=True, check=True
    )
    run = [word for line in shown.stdout.splitlines() if " -m pytest " in line for word in line.split()]
    assert "--ignore" not in shown.stdout, "pytest ignores no folder that its settings name"
    folders = {path.parent.relative_to(ROOT).as_posix() for path in ROOT.glob("tests/*/test_*.py")}
    assert len(folders) == 8
    assert sorted(word for word in run if word.startswith("tests/") and not word.endswith(".py")) == sorted(
        folders
    )
