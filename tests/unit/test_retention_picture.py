"""The calendar in docs/retention.md is the plan that a cleanup would make."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_calendar_is_current(tmp_path: Path) -> None:
    """Drawn again it is the same, cell by cell with the reason of the plan."""
    done = subprocess.run(
        [sys.executable, str(ROOT / "scripts/retention_picture.py"), "--check"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    picture = (ROOT / "docs/pictures/retention.svg").read_text(encoding="utf-8")
    assert "2026-11-24 v413: last 1 of 3" in picture
    assert "2026-11-22 v411: no rule counts it (not READY, or a gate fails), 9 d old" in picture
