"""A build's log ends each command with its outcome, as a terminal does."""

from __future__ import annotations

import io
from typing import Any

import pytest
from jenkins_mlflow.agent.told import tell

TRAINED = {
    "command": "train",
    "status": "trained",
    "message": "1 of 2 candidates trained: svm failed (exit code 3)",
    "candidates": [
        {"name": "knn", "status": "ok", "seconds": 1.0},
        {"name": "svm", "status": "failed", "seconds": 2.0},
    ],
    "runs": [],
}
PROMOTED = {
    "command": "promote",
    "status": "promoted",
    "message": "promoted heart/1 version 7 by stage; verified",
    "model": "heart/1",
    "version": 7,
    "attempts": [],
    "tracking_uri": "http://mlflow:5000/",
}


def log(document: dict[str, Any]) -> str:
    stream = io.StringIO()
    tell(document, stream)
    return stream.getvalue()


def test_a_training_ends_with_its_candidates() -> None:
    """Also with the one that failed while the build goes on."""
    lines = [line.split() for line in log(TRAINED).splitlines()]
    assert ["svm", "failed", "2", "none"] in lines
    assert log(TRAINED).endswith("1 of 2 candidates trained: svm failed (exit code 3)\n")


def test_a_promotion_says_where_mlflow_shows_it() -> None:
    """The build's page is plain text, so the link stands here."""
    assert log(PROMOTED) == (
        "promoted heart/1 version 7 by stage; verified\n"
        "MLflow: http://mlflow:5000/#/models/heart%2F1/versions/7\n"
    )


@pytest.mark.parametrize("status", ["planned", "recovered", "nothing", "champion_kept"])
def test_a_result_without_a_new_version_has_no_link(status: str) -> None:
    """A plan is shown, nothing more."""
    assert log({**PROMOTED, "status": status}) == "promoted heart/1 version 7 by stage; verified\n"


def test_a_store_without_a_page_has_no_link() -> None:
    """A folder has no web page."""
    assert "MLflow:" not in log({**PROMOTED, "tracking_uri": "sqlite:///mlflow.db"})


def test_an_error_was_said_when_it_happened() -> None:
    """Once is enough."""
    failed = {"command": "promote", "status": "error", "message": "no such model", "exit_code": 1}
    assert log(failed) == ""
