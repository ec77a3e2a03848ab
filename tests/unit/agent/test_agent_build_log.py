"""A build's log ends each command with its outcome, as a terminal does."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import Any

import pytest
from jenkins_mlflow.agent.build_log import write_outcome
from jenkins_mlflow.errors import NotFound
from jenkins_mlflow.results.base import RegistryResult, failure
from jenkins_mlflow.results.promote import PromoteResult
from jenkins_mlflow.results.train import TrainedPart, TrainResult

TRAINED = TrainResult(
    status="trained",
    message="1 of 2 candidates trained: svm failed (exit code 3)",
    on_failure="continue",
    candidates=(
        TrainedPart(name="knn", status="ok", seconds=1.0),
        TrainedPart(name="svm", status="failed", seconds=2.0),
    ),
)
PROMOTED = PromoteResult(
    status="promoted",
    message="promoted heart/1 version 7 by stage; verified",
    model="heart/1",
    version=7,
    tracking_uri="http://mlflow:5000/",
)


def log(result: RegistryResult) -> str:
    stream = io.StringIO()
    write_outcome(result, stream)
    return stream.getvalue()


def test_a_training_ends_with_its_candidates() -> None:
    """Also with the one that failed while the build goes on."""
    lines = [line.split() for line in log(TRAINED).splitlines()]
    assert ["svm", "failed", "2", "none"] in lines
    assert log(TRAINED).endswith(
        "1 of 2 candidates trained: svm failed (exit code 3)\n"
        "next:  register a model: in the training script, or by train.register\n"
    )


def test_a_promotion_says_where_mlflow_shows_it() -> None:
    """The build's page is plain text, so the link stands here."""
    assert log(PROMOTED) == (
        "promoted heart/1 version 7 by stage; verified\n"
        "next:  `jenkins-mlflow list heart/1` shows it\n"
        "MLflow: http://mlflow:5000/#/models/heart%2F1/versions/7\n"
    )


@pytest.mark.parametrize("status", ["recovered", "nothing", "champion_kept"])
def test_a_result_without_a_new_version_has_no_link(status: Any) -> None:
    """A plan is shown, nothing more."""
    assert log(replace(PROMOTED, status=status)) == "promoted heart/1 version 7 by stage; verified\n"


def test_a_store_without_a_page_has_no_link() -> None:
    """A folder has no web page."""
    assert "MLflow:" not in log(replace(PROMOTED, tracking_uri="sqlite:///mlflow.db"))


def test_an_error_is_not_reported_twice() -> None:
    """It was when it happened."""
    assert log(failure(NotFound("no such model"), "promote")) == ""
