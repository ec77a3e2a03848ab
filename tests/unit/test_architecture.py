"""docs/architecture.md has the one map of the rooms; it names what is there, in the layers that are checked."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree as ET

import jenkins_mlflow
import pytest
from setuptools.config.pyprojecttoml import read_configuration

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
    layers, *_of_commands = re.findall(r"^layers = \[(.*?)^\]", project, re.MULTILINE | re.DOTALL)
    (block,) = re.findall(r"```text\n(.*?)```", RULE, re.DOTALL)
    assert block.splitlines() == re.findall(r'^    "(.*)"', layers.replace(" :", ","), re.MULTILINE)


def test_every_folder_is_published_but_that_of_the_agents() -> None:
    """An editable installation finds a folder that the wheel would lack."""
    published = read_configuration(ROOT / "pyproject.toml")["tool"]["setuptools"]["packages"]
    folders = {path.parent.relative_to(PACKAGE.parent) for path in PACKAGE.rglob("__init__.py")}
    assert set(published) == {".".join(folder.parts) for folder in folders} - {"jenkins_mlflow.agent"}


def test_contributing_has_no_second_map() -> None:
    """Two maps differ sooner or later; it links to this one."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    assert "docs/architecture.md#the-rooms" in text
    assert not re.findall(r"^\| .*`(?:selection|history|page)/`", text, re.MULTILINE)


DRAWINGS = [ROOT / "docs" / name for name in ("architecture", "security")]


@pytest.mark.parametrize("drawing", DRAWINGS, ids=lambda path: path.name)
def test_a_picture_shows_the_words_of_its_source(drawing: Path) -> None:
    """`make pictures` was run after the last change."""
    source = drawing.with_suffix(".dot").read_text(encoding="utf-8")
    labels = re.findall(r'label="([^"]+)"', source)
    wanted = {" ".join(line.split()) for label in labels for line in label.split(r"\n")}
    picture = ET.fromstring(drawing.with_suffix(".svg").read_text(encoding="utf-8"))
    shown = {
        " ".join((found.text or "").split()) for found in picture.iter("{http://www.w3.org/2000/svg}text")
    }
    assert shown == wanted


def test_the_picture_names_every_room_and_step() -> None:
    source = DRAWINGS[0].with_suffix(".dot").read_text(encoding="utf-8").replace(r"\n", " ")
    steps = {path.stem for path in (ROOT / "vars").glob("*.groovy")} - {"mlflowRun", "mlflowAgent"}
    unseen = {"config"}  # every other room uses it
    assert {name for name in steps | rooms() - unseen if not re.search(rf"\b{name}\b", source)} == set()


SAY_NOTHING = {"told", "left", "there", "own", "way", "words", "insist"}
KEYS = {("history/event.py", "left")}
"""Fields whose name is a key in a JSON that is kept: it cannot change."""


def declared(tree: ast.AST) -> Iterator[str]:
    """Every name that a module gives to something: a variable, parameter, attribute, field, function, class, import."""
    for node in ast.walk(tree):
        match node:
            case ast.Name(name, ctx=ast.Store()) | ast.Attribute(attr=name, ctx=ast.Store()) | ast.arg(name):
                yield name
            case ast.FunctionDef(name) | ast.AsyncFunctionDef(name) | ast.ClassDef(name):
                yield name
            case ast.ExceptHandler(name=str(name)) | ast.MatchAs(name=str(name)) | ast.MatchStar(str(name)):
                yield name
            case ast.MatchMapping(rest=str(name)) | ast.alias(asname=str(name)):
                yield name


def test_names_say_what_they_hold() -> None:
    """`own` or `there` means something only beside the sentence it comes from; a reader needs to know of what, where.

    No module of the package gives such a name to anything.
    """
    found = {
        (path.relative_to(PACKAGE).as_posix(), name)
        for path in PACKAGE.rglob("*.py")
        for name in declared(ast.parse(path.read_text(encoding="utf-8")))
        if name in SAY_NOTHING
    }
    assert found == KEYS
