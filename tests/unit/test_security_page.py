"""docs/security.md: each line of its table of attackers names tests that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/security.md").read_text(encoding="utf-8")
LINES = (
    PAGE.partition("## What attackers can and cannot do")[2].partition("\n## ")[0].strip().splitlines()[2:]
)
SPECS = ROOT / "tests/groovy/src/test/groovy"


def test_there_are_lines() -> None:
    assert len(LINES) > 10


@pytest.mark.parametrize("line", LINES)
def test_each_line_is_tested(line: str) -> None:
    """By a file with tests; of the steps, by a specification that is there."""
    *_, attacker, can, cannot, tested = (cell.strip() for cell in line.strip("|").split("|"))
    assert attacker
    assert can
    assert cannot
    files = re.findall(r"`(tests/[\w/]+\.py)`", tested)
    specs = re.findall(r"\b(\w+Spec)\b", tested)
    assert files or specs, line
    for name in files:
        assert re.search(r"^def test_", (ROOT / name).read_text(encoding="utf-8"), re.MULTILINE), name
    for name in specs:
        assert (SPECS / f"{name}.groovy").is_file(), name
