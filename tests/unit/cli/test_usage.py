"""Command lines that click refuses: what the message advises."""

from __future__ import annotations

import json

import pytest
from jenkins_mlflow.cli.main import run


@pytest.mark.parametrize(
    ("line", "next_step"),
    [
        ("promote churn 2", "takes only options: --model churn --version 2; see"),
        ("promote --dry-run churn", "takes only options: --model churn; see"),
        ("promote $(reboot)", "takes only options: --model '$(reboot)'; see"),
        ("promote churn two", "takes only options; see"),
        ("promote churn 2 3", "takes only options; see"),
        ("rollback churn 2", "takes only options: --model churn --to 2; see"),
        ("select churn", "takes only options: --models churn; see"),
        ("train forest", "takes only options: --only forest; see"),
        ("cleanup churn 3", "takes only options; see"),
        ("schema promote", "takes only options; see"),
        ("jobs apply nightly", "takes only options; see"),
        ("promote churn --frob", ""),
        ("rollback", ""),
        ("jobs run", ""),
    ],
)
def test_what_was_given_without_an_option_is_shown_with_it(
    line: str, next_step: str, capsys: pytest.CaptureFixture[str]
) -> None:
    words = line.split()
    command = " ".join(words[: 2 if words[0] == "jobs" else 1])
    assert run([*words, "--output=json"] if words[0] not in ("schema", "jobs") else words) == 2
    shown = capsys.readouterr()
    help_of = f"jenkins-mlflow {command} --help"
    expected = f"jenkins-mlflow {command} {next_step} {help_of}" if next_step else help_of
    assert f"next:  {expected}\n" in shown.err
    if shown.out:
        assert json.loads(shown.out)["error"]["next_step"] == expected


def test_an_unknown_command_leads_to_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["promotee"]) == 2
    assert "next:  jenkins-mlflow --help\n" in capsys.readouterr().err
