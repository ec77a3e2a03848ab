"""Commands that messages offer to copy: whatever a registry calls a model, a shell takes it as one word."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "resources" / "jenkins_mlflow"
SOURCES = sorted(PACKAGE.rglob("*.py"))
OPTION = re.compile(r"--models? \{(?P<value>[^}]*)\}")
QUOTED = re.compile(r"argument\(|shlex\.quote\(|printable\(shlex\.quote\(")


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_model_in_a_command_is_quoted(path: Path) -> None:
    """In the place, or where its variable gets its value."""
    text = path.read_text(encoding="utf-8")
    for found in OPTION.finditer(text):
        value = found["value"]
        assigned = re.search(rf"\b{re.escape(value)} = (\S+)", text)
        quoted = QUOTED.match(value) or (assigned and QUOTED.match(assigned[1]))
        assert quoted, f"{path.name}: {found[0]}"
