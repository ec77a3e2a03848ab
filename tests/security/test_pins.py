"""Everything that is installed is pinned, with the hash of what was looked at; and the check of that can fail."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]


def script() -> Any:
    """scripts/pins.py, as a module."""
    spec = importlib.util.spec_from_file_location("pins", ROOT / "scripts/pins.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


PINS = script()
LISTS = {str(path.relative_to(ROOT)): path.read_text(encoding="utf-8") for path in PINS.pinned_lists(ROOT)}
GOOD = LISTS["scripts/uv.txt"]
HASH = re.search(r"sha256:[0-9a-f]{64}", GOOD)
assert HASH


def test_the_lists_are_found() -> None:
    assert {"requirements.txt", "docker/mlflow.txt", "scripts/uv.txt"} <= set(LISTS)
    assert "resources/jenkins_mlflow/agent/requirements.txt" in LISTS


@pytest.mark.parametrize("name", LISTS)
def test_every_requirement_has_a_version_and_a_hash(name: str) -> None:
    assert list(PINS.unpinned(LISTS[name])) == []


WRONG = {
    "no hash": "uv==0.13.9\n",
    "no version": re.sub(r"==[\d.]+", "", GOOD),
    "a range": GOOD.replace("==", ">="),
    "a short hash": GOOD.replace(HASH[0], HASH[0][:-1]),
    "another kind of hash": GOOD.replace("sha256", "md5"),
    "an address": "uv @ https://host.example/uv.whl\n",
    "an option": f"--index-url https://host.example\n{GOOD}",
    "an unpinned one among others": f"{GOOD}other\n",
    "nothing": "# only a comment\n",
}


@pytest.mark.parametrize("what", WRONG)
def test_the_check_can_fail(what: str) -> None:
    assert len(list(PINS.unpinned(WRONG[what]))) == 1


def test_the_check_is_part_of_lint() -> None:
    """So are the linters of Python's and the shell's security: ruff's S rules are on, shellcheck sees every script."""
    lint = (ROOT / "Makefile").read_text(encoding="utf-8").partition("\nlint:")[2].partition("\n\n")[0]
    for command in ("scripts/pins.py", "-m ruff check", "shellcheck $$(git ls-files '*.sh')"):
        assert command in lint
    settings = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert 'select = ["ALL"]' in settings
    ignored = settings.partition("[tool.ruff.lint]")[2].partition("]\n\n")[0]
    assert re.findall(r'"(S\d*)"', ignored) == ["S101", "S404", "S603", "S607"], (
        "no other rule is off for all files"
    )
    per_file = settings.partition("[tool.ruff.lint.per-file-ignores]")[2].partition("\n[tool")[0]
    whole = re.findall(r'^"([^"]+)" = \[[^\]]*"S"', per_file, re.MULTILINE)
    assert whole == ["tests/**", "benchmarks/**"], "code that users run is looked at"


def test_scripts_install_with_hashes_only() -> None:
    """The one exception is this package itself, from the checkout, without dependencies."""
    text = (ROOT / "scripts/setup.sh").read_text(encoding="utf-8")
    for line in re.findall(r'.*(?:pip install|\$\{pip\[@\]\}").* .*', text):
        assert (
            "--require-hashes" in line or "--no-deps" in line or line.endswith("--disable-pip-version-check)")
        )
