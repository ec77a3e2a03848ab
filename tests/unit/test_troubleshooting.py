"""docs/troubleshooting.md: every message that it explains is one that the package can give."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "resources" / "jenkins_mlflow"
PAGE = ROOT / "docs" / "troubleshooting.md"
FROM_MLFLOW = {"RepresentationError", "yaml.representer.RepresenterError", "too many 500 error responses"}

# Values stand in the middle of these, so only half of one is a text of the package.
PUT_TOGETHER = {
    "MLflow's client is not installed here",
    "None of ... candidates passes the gates",
    "are in production, so there is no single previous version",
    "could not install MLflow's client",
    "difference found: do not use it",
    "expected a duration",
    "expected a method out of",
    "got the alias ...; missing: stage",
    "is PENDING_REGISTRATION, not READY",
    "is in Production, and a version has one stage",
    "unknown key; did you mean",
    "would take the alias ... from ..., which is in Production",
}


def quoted() -> list[str]:
    """The messages of the page: the first column, without its header."""
    rows = re.findall(r"^\| (`.*?) \| ", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    return sorted({text for row in rows for text in re.findall(r"`([^`]+)`", row)} - FROM_MLFLOW)


def said() -> str:
    """All texts of the package, with an ellipsis where a value stands."""
    texts = [path.read_text(encoding="utf-8") for path in PACKAGE.rglob("*.sh")]
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.JoinedStr):
                parts = (str(p.value) if isinstance(p, ast.Constant) else "..." for p in node.values)
                texts.append("".join(parts))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                texts.append(node.value)
    return "\n".join(texts)


SAID = said()


@pytest.mark.parametrize("message", quoted())
def test_a_message_of_the_page_exists(message: str) -> None:
    """Most of its longest piece is a text of the package; the rest may be a name, or be put together."""
    longest = max((piece.strip(" :,;") for piece in re.split(r"\.\.\.|\d+|\bM\b", message)), key=len)
    size = len(longest) // 2 if message in PUT_TOGETHER else len(longest) * 3 // 4
    windows = (longest[at : at + size] for at in range(len(longest) - size + 1))
    assert any(window in SAID for window in windows), longest
