"""docs/architecture.md has the one map of the rooms; it names what is there, in the layers that are checked."""

from __future__ import annotations

import re
from pathlib import Path

import jenkins_mlflow

ROOT = Path(__file__).parents[2]
PACKAGE = Path(jenkins_mlflow.__file__).parent
PAGE = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
ROOMS = PAGE.partition("## The rooms")[2].partition("\n## ")[0]
RULE = PAGE.partition("## The rule between them")[2].partition("\n## ")[0]


def rooms() -> set[str]:
    return {path.parent.name for path in PACKAGE.glob("*/__init__.py")}


def test_every_room_has_a_line() -> None:
    assert set(re.findall(r"^\| `(\w+)/` \|", ROOMS, re.MULTILINE)) == rooms()


def test_every_module_beside_the_rooms_is_named() -> None:
    named = set(re.findall(r"`(\w+\.py)`", ROOMS.partition("Beside them")[2]))
    assert named == {path.name for path in PACKAGE.glob("*.py")} - {"__init__.py", "__main__.py"}


def test_the_layers_are_those_that_lint_checks() -> None:
    """Of one layer to a line, in order; a `,` stands where import-linter has a `:`."""
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    (layers,) = re.findall(r"^layers = \[(.*?)^\]", project, re.MULTILINE | re.DOTALL)
    (block,) = re.findall(r"```text\n(.*?)```", RULE, re.DOTALL)
    assert block.splitlines() == re.findall(r'^    "(.*)"', layers.replace(" :", ","), re.MULTILINE)


def test_contributing_has_no_second_map() -> None:
    """Two maps differ sooner or later; it links to this one."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    assert "docs/architecture.md#the-rooms" in text
    assert not re.findall(r"^\| .*`(?:selection|history|page)/`", text, re.MULTILINE)
