#!/usr/bin/env python3
"""Counts the tests of JUnit reports, as pytest and Maven write them; fails if one failed, or if none ran.

usage: count_tests.py PATTERN...         all together: "12 passed, 0 failed"
       count_tests.py NAME=PATTERN...    each by its name: "Python: 12 passed, 0 failed; Groovy: no test ran"
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path
from xml.etree import ElementTree as ET


def count(reports: Iterable[Path]) -> tuple[int, int]:
    """How many tests passed and failed; a report that its killed writer did not finish is a failure."""
    passed = failed = 0
    for report in reports:
        try:
            cases = list(ET.parse(report).getroot().iter("testcase"))  # noqa: S314 - our own tests wrote it
        except ET.ParseError:
            failed += 1
            continue
        for case in cases:
            outcomes = {child.tag for child in case}
            failed += bool(outcomes & {"failure", "error"})
            passed += not outcomes & {"failure", "error", "skipped"}
    return passed, failed


def main() -> None:
    """Print the line; the exit code is 1 if a name has a failed test or none."""
    named: dict[str, list[Path]] = {}
    for word in sys.argv[1:]:
        name, _, pattern = word.rpartition("=")
        named.setdefault(name, []).extend(sorted(Path().glob(pattern)))
    lines, good = [], True
    for name, reports in named.items():
        passed, failed = count(reports)
        counted = f"{passed} passed, {failed} failed" if passed or failed or not name else "no test ran"
        lines.append(f"{name}: {counted}" if name else counted)
        good = good and passed > 0 and failed == 0
    print("; ".join(lines))
    sys.exit(not good)


if __name__ == "__main__":
    main()
