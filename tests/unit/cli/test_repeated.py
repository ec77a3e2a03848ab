"""Commands in advice get the options that say which production is meant."""

from __future__ import annotations

import click
import pytest
from jenkins_mlflow.cli.main import cli
from jenkins_mlflow.cli.repeated import advice_for, with_options

ACCEPTED = {
    "rollback": {"--model", "--to", "--stage", "--config"},
    "list": {"--stage", "--config"},
    "schema": set(),
}


@pytest.mark.parametrize(
    ("text", "complete"),
    [
        (
            "`jenkins-mlflow rollback --model r --to 1` returns",
            "`jenkins-mlflow rollback --model r --to 1{}` returns",
        ),
        (
            "`jenkins-mlflow list` or `jenkins-mlflow list a`",
            "`jenkins-mlflow list{}` or `jenkins-mlflow list a{}`",
        ),
        ("`jenkins-mlflow list -- -dash`", "`jenkins-mlflow list{} -- -dash`"),
        ("`jenkins-mlflow rollback --stage X`", "`jenkins-mlflow rollback --stage X --config 'my file'`"),
        ("`jenkins-mlflow schema`, `jenkins-mlflow nope`", "`jenkins-mlflow schema`, `jenkins-mlflow nope`"),
        ("jenkins-mlflow list, `--version 2`", "jenkins-mlflow list, `--version 2`"),
    ],
)
def test_commands_in_backticks_get_the_options_they_take(text: str, complete: str) -> None:
    given = {"--stage": "null", "--alias": "live", "--config": "my file"}
    once = with_options(text, given, ACCEPTED)
    assert once == complete.replace("{}", " --stage null --config 'my file'")
    assert with_options(once, given, ACCEPTED) == once
    assert with_options(text, {}, ACCEPTED) == text


@pytest.mark.parametrize(
    ("options", "more"),
    [
        (["--tracking-uri", "http://dev", "--stage", "null"], " --tracking-uri http://dev --stage null"),
        (["--tracking-uri", "http://ada:secret@dev"], ""),
        # What is said may be of the other server: the address of this one would be wrong there.
        (["--tracking-uri", "http://dev", "--to-server", "prod", "--stage", "null"], " --stage null"),
        ([], ""),
    ],
)
def test_which_options_of_a_command_line_are_repeated(options: list[str], more: str) -> None:
    promote = cli.commands["promote"]
    context = promote.make_context("promote", options, parent=click.Context(cli))
    assert advice_for(context)("`jenkins-mlflow list a`") == f"`jenkins-mlflow list a{more}`"
