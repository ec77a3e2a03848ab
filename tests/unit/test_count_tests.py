"""What `make test` and .ci/run say last: how many tests passed and failed, of each half."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from support.environments import ROOT

GREEN = '<testsuites><testsuite><testcase name="a"/><testcase name="b"><skipped/></testcase></testsuite></testsuites>'
RED = '<testsuite><testcase name="a"><failure/></testcase><testcase name="b"><error/></testcase></testsuite>'
REPORTS = {"green.xml": GREEN, "red.xml": RED, "killed.xml": GREEN[:40]}


@pytest.mark.parametrize(
    ("words", "code", "line"),
    [
        (
            ["Python=green.xml", "Groovy=green*.xml"],
            0,
            "Python: 1 passed, 0 failed; Groovy: 1 passed, 0 failed",
        ),
        (["Python=red.xml", "Groovy=green.xml"], 1, "Python: 0 passed, 2 failed; Groovy: 1 passed, 0 failed"),
        (["Python=green.xml", "Groovy=none-*.xml"], 1, "Python: 1 passed, 0 failed; Groovy: no test ran"),
        (["green.xml", "red.xml", "none.xml"], 1, "1 passed, 2 failed"),
        (["green.xml", "killed.xml"], 1, "1 passed, 1 failed"),
        (["green.xml"], 0, "1 passed, 0 failed"),
        (["none.xml"], 1, "0 passed, 0 failed"),
    ],
)
def test_each_half_is_counted(words: list[str], code: int, line: str, tmp_path: Path) -> None:
    """A half that failed, that ran no test or whose report is cut off never counts as good."""
    for name, text in REPORTS.items():
        (tmp_path / name).write_text(text)
    script = [sys.executable, str(ROOT / "scripts" / "count_tests.py"), *words]
    done = subprocess.run(script, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (code, f"{line}\n", "")
