"""A document in its four forms: exact for programs, rounded for people, and nothing in it acts on its reader."""

from __future__ import annotations

import csv
import io
import json
import os
from dataclasses import replace
from typing import Any

import pytest
from jenkins_mlflow.render import render
from jenkins_mlflow.results.base import Failure, Result, document
from jenkins_mlflow.results.cleanup import CleanupResult, ItemPart, PolicyPart
from jenkins_mlflow.results.list import ListResult, ModelPart, VersionPart
from jenkins_mlflow.results.select import CandidatePart, GatePart, SelectResult


def candidate(model: str, number: int, value: float | None, verdict: Any, reason: str) -> CandidatePart:
    return CandidatePart(
        model=model, version=number, run_id="r", value=value, verdict=verdict, reason=reason, gates=()
    )


SELECT = SelectResult(
    status="selected",
    message="done",
    metric="<img>|a",
    direction="maximize",
    selected=None,
    champion=None,
    replaces=None,
    beside=(),
    candidates=(
        candidate("a", 2, 0.123456789, "selected", "best"),
        candidate("a", 1, None, "rejected", "no metric"),
    ),
)
CLEANUP = CleanupResult(
    status="stopped",
    message="stopped",
    policy=(PolicyPart(models=None, keep=("last 3",)),),
    items=(
        ItemPart(
            model="🫀 heart-disease-classifier-of-the-cardiology-team",
            version=12,
            stage="None",
            aliases=(),
            created=0,
            action="delete",
            reason="older than the 3 newest versions outside production",
            rule="",
            rank=0,
            outcome="failed",
            error="HTTP 500 from the server",
        ),
    ),
)


class Terminal(io.StringIO):
    """A terminal without color."""

    def isatty(self) -> bool:
        return True


def text(result: Result, form: str, stream: io.StringIO | None = None) -> str:
    stream = stream or io.StringIO()
    render(result, form, stream)
    return stream.getvalue()


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1", "ascii"])
def test_json_is_json_in_every_encoding(encoding: str) -> None:
    """Emoji and lone surrogates survive a stream that cannot hold them."""
    result = replace(SELECT, message="🫀 é \udc80")
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding=encoding, errors="backslashreplace")
    render(result, "json", stream)
    stream.flush()
    assert json.loads(raw.getvalue().decode(encoding)) == document(result)


def test_numbers_are_exact_for_programs_and_rounded_for_people() -> None:
    """CSV has all digits, Markdown and text four."""
    assert "0.123456789" in text(SELECT, "csv")
    assert "| 0.1235 |" in text(SELECT, "md")
    assert "0.1235  " in text(SELECT, "text")


def test_the_versions_of_a_model_stand_together() -> None:
    """However they rank; the first model has the best one. Beside the ranked metric stand those of the gates."""
    gate = GatePart(metric="brier", rule="<= 0.2", value=0.25, passed=False)
    rows = (
        candidate("b", 1, 0.9, "selected", "best"),
        replace(candidate("a", 1, 0.8, "rejected", "brier"), gates=(gate,)),
        candidate("b", 2, 0.7, "passed", "second"),
    )
    result = replace(SELECT, metric="roc_auc", candidates=rows)
    assert text(result, "text").splitlines()[:-2] == [
        "  version  roc_auc  brier  verdict   reason",
        "b",
        "  1        0.9             selected  best",
        "  2        0.7             passed    second",
        "a",
        "  1        0.8      0.25   rejected  brier",
    ]
    assert [line.split(",")[0] for line in text(result, "csv").splitlines()] == ["model", "b", "a", "b"]


def test_a_header_is_as_foreign_as_a_cell() -> None:
    """`--metric '<img>|a'` in Markdown, `--metric '=HYPERLINK(1)'` in CSV."""
    assert text(SELECT, "md").splitlines()[0] == "| model | version | `<img>\\|a` | verdict | reason |"
    rows = list(csv.reader(io.StringIO(text(replace(SELECT, metric="=HYPERLINK(1)"), "csv"))))
    assert rows[0] == ["model", "version", "'=HYPERLINK(1)", "verdict", "reason"]


@pytest.mark.parametrize("form", ["text", "csv", "md"])
def test_the_error_of_a_failed_deletion_shows(form: str) -> None:
    """Beside the outcome, in every form."""
    shown = text(CLEANUP, form)
    assert "HTTP 500 from the server" in shown
    assert ("FAILED" if form == "text" else "failed") in shown


def test_no_name_is_broken_at_80_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    """The name has its line, a line that is too long goes on below."""
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setattr("shutil.get_terminal_size", lambda *_, **__: os.terminal_size((80, 24)))
    name = "🫀 heart-disease-classifier-of-the-cardiology-team"
    row = candidate(name, 12, 0.5, "rejected", "roc_auc 0.5 is not >= 0.8; " * 2)
    chosen = replace(SELECT, status="no_candidate", message="none", metric="roc_auc", candidates=(row,))
    lines = text(chosen, "text", Terminal()).splitlines()
    assert lines[1:] == [
        name,
        "  12       0.5      rejected  roc_auc 0.5 is not >= 0.8; roc_auc 0.5 is not >=",
        "      0.8;",
        "none",
    ], lines


def test_a_message_cannot_act_on_the_terminal() -> None:
    """Neither in a line of text nor in the tree."""
    failed = Failure(command="list", status="error", code=1, message="a\x1b[2J")
    assert text(failed, "text") == "a\ufffd[2J\n"
    version = VersionPart(
        version=1,
        stage="None",
        production=False,
        aliases=("\x1b",),
        created=0,
        status="READY",
        run_id=None,
        value=0.5,
    )
    tree = ListResult(
        message="m\x1b",
        metric="auc\r",
        brief=False,
        models=(ModelPart(name="a\x1b", aliases={}, versions=(version,)),),
    )
    assert text(tree, "text") == (
        "📦 a\ufffd\n   📌 Version 1 - Stage: None  @\ufffd  auc\ufffd 0.5\nm\ufffd\n"
    )
    assert text(replace(tree, brief=True), "text") == ("📦 a\ufffd\n   📌 Version 1 - Stage: None\nm\ufffd\n")
