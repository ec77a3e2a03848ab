"""Options that need or exclude others: declared once, for the command line and for the Jenkins steps."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest
from jenkins_mlflow.cli.main import run
from support.environments import ROOT

RECOVER = (
    "--recover cannot be given together with --model or --dry-run or --over or --run or --approved-by "
    "or --to-server"
)


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    assert run([*arguments, "--output=json"]) == 2
    error: dict[str, Any] = json.loads(capsys.readouterr().out)["error"]
    return error


@pytest.mark.parametrize(
    ("arguments", "message", "next_step"),
    [
        (
            ("promote", "--version=1"),
            "--version needs --model",
            "say which registered model the version belongs to",
        ),
        (
            ("cleanup", "--allow-remove-all", "--models=m"),
            "--allow-remove-all needs --model",
            "give the model that may lose every version",
        ),
        (("doctor", "--max-duration=1m"), "--max-duration needs --storage", "give --storage, too"),
        (
            ("train", "--dry-run", "--resume"),
            "--resume cannot be given together with --gather or --dry-run",
            "give only one of them; --dry-run shows the candidates and trains none",
        ),
        (
            ("train", "--gather", "--dry-run"),
            "--gather cannot be given together with --resume or --dry-run",
            "give only one of them; --dry-run shows the candidates and trains none",
        ),
        (
            ("train", "--resume", "--gather"),
            "--resume cannot be given together with --gather or --dry-run",
            "give only one of them; --dry-run shows the candidates and trains none",
        ),
        (
            ("promote", "--recover", "--dry-run"),
            RECOVER,
            "choose models with --models, another server with --tracking-uri",
        ),
        (
            ("promote", "--recover", "--over=m/1"),
            RECOVER,
            "choose models with --models, another server with --tracking-uri",
        ),
    ],
)
def test_options_that_do_not_fit(
    capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], message: str, next_step: str
) -> None:
    """Nothing is read before they are refused."""
    error = refused(capsys, *arguments)
    assert (error["message"], error["next_step"]) == (message, next_step)


def test_no_option_has_the_name_of_a_parameter_that_only_steps_have() -> None:
    """`mlflowPromote(label: 'linux')` chooses an agent: an option `--label` would get the same text."""
    code = (
        "import click, runpy; from jenkins_mlflow.cli.main import cli; "
        "cli.commands['promote'].params.append(click.Option(['--label'], help='A label.')); "
        "runpy.run_path('scripts/steps.py', run_name='__main__')"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "--check"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    message = "--label of promote: the steps have a parameter label of another meaning; choose another name\n"
    assert (done.returncode, done.stderr) == (1, message)


def test_the_steps_know_the_command_line_as_it_is() -> None:
    """Options.groovy and the help pages are made from it."""
    done = subprocess.run(
        [sys.executable, "scripts/steps.py", "--check"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("command", [(), ("jobs",)])
def test_no_line_of_the_list_of_commands_is_cut(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
) -> None:
    """In a terminal of 80 columns; a help that is too long needs a short_help."""
    monkeypatch.setenv("COLUMNS", "80")
    assert run([*command, "--help"]) == 0
    listed = capsys.readouterr().out.partition("\nCommands:\n")[2].splitlines()
    assert len(listed) > 3
    assert [line for line in listed if line.endswith("...")] == []


def test_without_a_command_the_help_is_shown_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    assert run([]) == 2
    shown = capsys.readouterr()
    assert shown.err.startswith("Usage: jenkins-mlflow")
    assert "error:" not in shown.err + shown.out
