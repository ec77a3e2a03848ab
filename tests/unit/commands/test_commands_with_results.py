"""Which commands have a result is said in `results/schema.py`; lists not derived from there agree with it."""

from __future__ import annotations

import re
import runpy
from pathlib import Path
from typing import get_args, get_type_hints

from jenkins_mlflow import report
from jenkins_mlflow.cli.main import cli
from jenkins_mlflow.commands import page
from jenkins_mlflow.page import view, writing
from jenkins_mlflow.results.schema import RESULTS

ROOT = Path(__file__).parents[3]
BESIDE = {"history", "evaluation"}
"""What the page shows beside what the build's commands did: earlier promotions, and how versions predict."""


def test_every_result_is_that_of_a_command() -> None:
    assert set(RESULTS) <= set(cli.commands)
    for command, kind in RESULTS.items():
        assert get_args(get_type_hints(kind)["command"]) == (command,)


def test_a_build_removes_what_any_command_of_an_earlier_one_left() -> None:
    """`report.py` is imported before the command is known, and imports no results."""
    assert set(report.COMMANDS) == set(RESULTS)


def test_the_page_reads_and_decides_by_what_is_shown() -> None:
    assert set(page._SHOWN) <= set(RESULTS)
    assert set(view._SHOWN) == set(page._SHOWN)
    assert set(writing._COMMANDS) == set(page._SHOWN) | BESIDE


def test_every_step_is_of_a_command_with_a_result() -> None:
    steps = runpy.run_path(str(ROOT / "scripts" / "steps.py"))
    assert set(steps["STEPS"].values()) - {""} <= set(steps["COMMANDS"]) <= set(RESULTS)


def test_every_result_has_a_section_on_its_page() -> None:
    text = (ROOT / "docs" / "results.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^## (\w+)$", text, re.MULTILINE)) >= set(RESULTS)
