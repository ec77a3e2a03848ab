"""Commands that messages offer to copy: whatever a registry calls a model, a shell takes it as one word."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from jenkins_mlflow.cli.main import cli

PACKAGE = Path(__file__).parents[3] / "resources" / "jenkins_mlflow"
SOURCES = sorted(PACKAGE.rglob("*.py"))
OPTION = re.compile(r"--models? \{(?P<value>[^}]*)\}")
QUOTED = re.compile(r"argument\(|shlex\.quote\(|printable\(shlex\.quote\(")

COMMAND = re.compile(rf"jenkins-mlflow (?:{'|'.join(cli.commands)})\b(?! --probe\n)")


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_model_in_a_command_is_quoted(path: Path) -> None:
    """In the place, or where its variable gets its value."""
    text = path.read_text(encoding="utf-8")
    for found in OPTION.finditer(text):
        value = found["value"]
        assigned = re.search(rf"\b{re.escape(value)} = (\S+)", text)
        quoted = QUOTED.match(value) or (assigned and QUOTED.match(assigned[1]))
        assert quoted, f"{path.name}: {found[0]}"


ELSEWHERE_QUOTED = {
    "commands/conflicts.py",  # quoted by keep_one
    "commands/put_back.py",
    "history/timeline.py",  # by doctor
    "promotion/notice.py",  # the notice is for a person at another machine
    "promotion/notice_steps.py",
    "registry/snapshot.py",
}


def texts(path: Path) -> Iterator[str]:
    """The texts of a module that are no docstrings and no comments."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    said = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in said:
            yield node.value


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_command_in_advice_is_in_backticks(path: Path) -> None:
    """Only those get the options of the command that gives the advice."""
    if str(path.relative_to(PACKAGE)) in ELSEWHERE_QUOTED:
        return
    for text in texts(path):
        for found in COMMAND.finditer(text):
            assert text[: found.start()].endswith("`"), text
