"""What a person reads of `doctor`: each finding, and below it what to do, in one piece."""

from __future__ import annotations

import io

from jenkins_mlflow.render import render
from jenkins_mlflow.results.doctor import DoctorResult, Finding

COMMAND = "`jenkins-mlflow promote --model a-model-with-a-rather-long-name --version 1 --stage Production`"


def test_a_command_to_copy_is_never_cut() -> None:
    """A table at 80 columns broke it in its middle."""
    found = (
        Finding("server", "fine", "MLflow 3.17.2"),
        Finding("changed outside", "problem", "m: version 1 was put into Production", COMMAND),
    )
    stream = io.StringIO()
    render(DoctorResult(status="drift", message="1 problem", findings=found), "text", stream)
    assert stream.getvalue().splitlines() == [
        "ok       server           MLflow 3.17.2",
        "PROBLEM  changed outside  m: version 1 was put into Production",
        f"         do: {COMMAND}",
        "1 problem",
    ]
