"""Commands in advice get the options that say which production is meant."""

from __future__ import annotations

import pytest
from jenkins_mlflow.cli.repeated import with_options

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
