"""Results and their schemas: every status means something, and every key is described where it needs to be."""

from __future__ import annotations

import io
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args, get_type_hints

import jsonschema
import pytest
from jenkins_mlflow import errors
from jenkins_mlflow.errors import Busy, Interrupted
from jenkins_mlflow.jenkins_jobs.results import ApplyResult
from jenkins_mlflow.jenkins_jobs.status import StatusResult
from jenkins_mlflow.render import render
from jenkins_mlflow.results.base import Failure, Place, Result, document, failure
from jenkins_mlflow.results.promote import NoticePart, PromoteResult, RollbackResult
from jenkins_mlflow.results.schema import RESULTS, result_schema, texts
from support import documents

KINDS: list[type[Result]] = [*RESULTS.values(), Failure, ApplyResult, StatusResult]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_status_has_a_meaning_and_a_code(kind: type[Result]) -> None:
    """The words that the type allows are those that the table explains."""
    assert set(get_args(get_type_hints(kind)["status"])) == set(kind.statuses)
    for meaning in kind.statuses.values():
        assert meaning.codes
        assert meaning.description


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_key_of_a_result_is_described(kind: type[Result]) -> None:
    """A result's own keys have a text each; it goes into the schema and the docs."""
    assert set(get_type_hints(kind)) - {"statuses", "in_table", "action"} == set(texts(kind))


@pytest.mark.parametrize("command", RESULTS)
def test_the_schema_is_one(command: str) -> None:
    """Draft 2020-12; exactly the keys of the document, under JSON's names."""
    schema = result_schema(command)
    jsonschema.Draft202012Validator.check_schema(schema)
    definition = schema["$defs"][RESULTS[command].__name__]
    assert {"schema", "command", "status", "exit_code", "build_result", "warnings"} <= set(
        definition["properties"]
    )
    assert "code" not in definition["properties"]
    assert definition["required"] == list(definition["properties"])


def test_a_document_has_the_key_that_python_cannot_name() -> None:
    """`from`, of a rollback; and the exit code that goes with its status."""
    result = RollbackResult(status="partial", message="", from_=Place(model="m", version=2))
    shown = document(result)
    assert shown["from"] == {"model": "m", "version": 2}
    assert (shown["exit_code"], shown["build_result"]) == (errors.BY_HAND, "UNSTABLE")
    assert list(shown) == result_schema("rollback")["$defs"]["RollbackResult"]["required"]


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [(Busy("held"), "error", 5), (Interrupted("stopped", signal_number=15), "interrupted", 143)],
)
def test_a_failure_has_its_errors_code(error: Any, status: str, code: int) -> None:
    """And fails the build; its document fits the schema of its command."""
    shown = document(failure(error, "promote"))
    assert (shown["status"], shown["exit_code"], shown["build_result"]) == (status, code, "FAILURE")
    jsonschema.validate(json.loads(json.dumps(shown)), result_schema("promote"))


def test_no_secret_is_in_a_message() -> None:
    """Wherever the message came from."""
    result = PromoteResult(status="failed", message="no answer from http://u:secret@host/")
    assert "secret" not in json.dumps(document(result))


def test_the_example_in_the_docs_fits_its_schema() -> None:
    """To the key."""
    page = (Path(__file__).parents[3] / "docs" / "results.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```json\n(.*?)```", page, re.DOTALL)
    documents.check(json.loads(example))


PROMOTED = PromoteResult(status="promoted", message="done", model="a b", version=2)


@pytest.mark.parametrize(
    ("result", "next_step"),
    [
        (PROMOTED, "`jenkins-mlflow list 'a b'` shows it"),
        (replace(PROMOTED, model="-d"), "`jenkins-mlflow list -- -d` shows it"),
        (
            replace(PROMOTED, method="copy", production=(Place(model="prod", version=1),)),
            "`jenkins-mlflow list prod` shows it",
        ),
        (
            replace(PROMOTED, previous=Place(model="a b", version=1)),
            "`jenkins-mlflow rollback --model 'a b' --to 1` returns to a b version 1",
        ),
        (
            replace(PROMOTED, previous=Place(model="c", version=1)),
            "`jenkins-mlflow rollback --model c --to 1` returns to c version 1",
        ),
        (replace(PROMOTED, status="planned", plan=("x",)), "run it without --dry-run"),
        (replace(PROMOTED, status="planned"), ""),
        (
            replace(PROMOTED, status="check_failed"),
            "`jenkins-mlflow list 'a b'` shows what is in production now",
        ),
        (replace(PROMOTED, status="manual", notice=NoticePart(text="", files=())), "follow the notice above"),
        (replace(PROMOTED, status="already"), ""),
    ],
)
def test_the_last_line_says_what_to_do_next(result: Result, next_step: str) -> None:
    """For people only: a program reads the status."""
    stream = io.StringIO()
    render(result, "text", stream)
    assert stream.getvalue() == (f"done\nnext:  {next_step}\n" if next_step else "done\n")
    assert "next_step" not in document(result)
