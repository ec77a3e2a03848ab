"""Which archived result speaks for a build: its own, never one that an earlier build left in the workspace."""

from __future__ import annotations

from typing import Any

import pytest
from jenkins_mlflow import errors
from jenkins_mlflow.build import safe_id
from jenkins_mlflow.errors import ConnectionFailed
from jenkins_mlflow.jenkins_jobs.answers import Artifact, Build
from jenkins_mlflow.jenkins_jobs.commands import run_job
from jenkins_mlflow.jenkins_jobs.outcome import OutcomePart, exit_code, read_outcome
from jenkins_mlflow.jenkins_jobs.watch import BuildResult
from jenkins_mlflow.results.schema import RESULTS

NAME = "mlops/train"
OURS = "jenkins-mlops-train-7"


def only(message: str) -> OutcomePart:
    return OutcomePart(command="", status="", message=message, exit_code=None)


def document(command: str, build: str | None, message: str = "m", code: int = 0) -> dict[str, Any]:
    made = {"command": command, "status": "done", "message": message, "exit_code": code, "time": "2026-11-24"}
    return made if build is None else {**made, "build": build}


class Archive:
    def __init__(self, *documents: dict[str, Any], folder: str = "mlflow-report") -> None:
        self.files = {f"{folder}/{found['command']}.json": found for found in documents}
        self.asked: list[str] = []

    def outcome(self, name: str, number: int, path: str) -> Any:
        self.asked.append(path)
        return self.files[path]

    def read(
        self, name: str = NAME, description: str | None = None, result: str | None = "SUCCESS"
    ) -> OutcomePart | None:
        artifacts: list[Artifact] = [
            {"relativePath": path} for path in [*self.files, "mlflow-report/train.log"]
        ]
        build: Build = {
            "number": 7,
            "timestamp": 0,
            "duration": 0,
            "result": result,
            "artifacts": artifacts,
            "description": description,
        }
        return read_outcome(self, name, build)


def test_the_result_that_says_most_about_production_speaks() -> None:
    archive = Archive(document("train", OURS), document("promote", OURS, "churn 3 is in production"))
    assert archive.read() == OutcomePart(
        command="promote", status="done", message="churn 3 is in production", exit_code=0
    )
    assert archive.asked == ["mlflow-report/promote.json"]


@pytest.mark.parametrize(
    ("codes", "result", "speaks", "code"),
    [
        ({"cleanup": 0, "doctor": 7}, "UNSTABLE", "doctor", 7),  # the nightly job that finds drift
        ({"promote": 4, "doctor": 7}, "UNSTABLE", "promote", 4),
        ({"promote": 0, "cleanup": 6}, "FAILURE", "cleanup", 1),
        ({"select": 3, "promote": 1}, "FAILURE", "promote", 1),
        ({"promote": 0, "lease": 5}, "FAILURE", "lease", 1),
        ({"promote": 0, "reclaim": 1}, "FAILURE", "reclaim", 1),
        ({"select": 0, "train": 0}, "FAILURE", "select", 1),  # something else failed it
        ({"select": 0, "train": 143}, "ABORTED", "select", 130),
        ({"train": 1, "cleanup": 0}, None, "cleanup", 1),  # it is not at its end
    ],
)
def test_the_result_that_made_the_builds_result_speaks(
    codes: dict[str, int], result: str | None, speaks: str, code: int
) -> None:
    """Where none has, or several have, the one that says most about production."""
    found = Archive(*(document(command, OURS, code=made) for command, made in codes.items())).read(
        result=result
    )
    assert found is not None
    assert (found.command, exit_code(str(result), found)) == (speaks, code)


def test_the_codes_of_an_unstable_build_are_all_that_make_one() -> None:
    unstable = {code for code in range(256) if errors.build_result(code) == "UNSTABLE"}
    assert set(BuildResult.statuses["unstable"].codes) == unstable


def test_the_help_names_the_code_of_each_unstable_build() -> None:
    words = " ".join((run_job.help or "").split())
    said = "it is 4 if a person must promote by hand, 7 if production was changed without this tool, else 3"
    assert said in words


def test_only_one_result_is_read_where_the_build_succeeded() -> None:
    archive = Archive(document("promote", OURS), document("select", OURS), document("train", OURS))
    assert archive.read() is not None
    assert archive.asked == ["mlflow-report/promote.json"]


def test_a_result_of_every_command_is_looked_for() -> None:
    for command in RESULTS:
        found = Archive(document(command, OURS)).read()
        assert found is not None
        assert found.command == command


def test_a_result_of_an_earlier_build_is_passed_over() -> None:
    """The incident: a build failed in training, and the last build's promotion was shown as its outcome."""
    archive = Archive(document("train", OURS, "failed", 1), document("promote", "jenkins-mlops-train-6"))
    found = archive.read()
    assert found is not None
    assert (found.command, found.message) == ("train", "failed")


@pytest.mark.parametrize(
    ("build", "said"),
    [
        ("jenkins-mlops-train-6", "mlflow-report/promote.json belongs to jenkins-mlops-train-6"),
        ("jenkins-mlops-train-77", "mlflow-report/promote.json belongs to jenkins-mlops-train-77"),
        (f"{OURS}7@1764485000000", f"mlflow-report/promote.json belongs to {OURS}7@1764485000000"),
        (
            safe_id("jenkins-für alle-7@1"),
            f"mlflow-report/promote.json belongs to {safe_id('jenkins-für alle-7@1')}",
        ),
        ("evil\x1b[2J", "mlflow-report/promote.json belongs to evil\ufffd[2J"),
        ("", "mlflow-report/promote.json does not name its build"),
        (None, "mlflow-report/promote.json does not name its build"),
    ],
)
def test_where_only_results_of_other_builds_are_archived_it_says_so(build: str | None, said: str) -> None:
    """What version 0.1 wrote names no build; it may have been left by any."""
    archive = Archive(document("promote", build, code=4))
    assert archive.read() == only(f"not an outcome of this build: {said}")
    assert exit_code("UNSTABLE", archive.read()) == 3


def test_the_description_is_always_this_builds() -> None:
    archive = Archive(document("promote", "jenkins-mlops-train-6"))
    assert archive.read(description="no candidate\npasses") == only("no candidate passes")


@pytest.mark.parametrize(
    ("name", "build"),
    [
        ("MLOps/Train", OURS),  # Jenkins finds jobs in either case
        ("für alle/train", "jenkins-für alle-train-7"),
        ("für alle/train", safe_id("jenkins-für alle-train-7")),
        ("für alle/train", safe_id("jenkins-für alle-train-7@1764485000000")),
        ("für alle/train", safe_id("jenkins-für alle-train-7@51db9fa2")),
        ("für alle/train", "jenkins-für alle-train-7@1764485000000"),
    ],
)
def test_a_builds_tag_is_known_in_each_form(name: str, build: str) -> None:
    found = Archive(document("promote", build)).read(name)
    assert found is not None
    assert found.command == "promote"


@pytest.mark.parametrize("folder", ["reports/nightly", "mlflow-report/7", "team/mlflow-report"])
def test_the_report_may_have_another_folder(folder: str) -> None:
    found = Archive(document("cleanup", OURS), folder=folder).read()
    assert found is not None
    assert found.command == "cleanup"


class Unreachable(Archive):
    """Its files are on a server that this machine does not reach, from the second file on."""

    def outcome(self, name: str, number: int, path: str) -> Any:
        if self.asked:
            raise ConnectionFailed("cannot read archived files: connection refused (http://s3)")
        return super().outcome(name, number, path)


UNREAD = "its outcome is not known: cannot read archived files: connection refused (http://s3)"


@pytest.mark.parametrize(
    ("description", "said"), [(None, UNREAD), ("see mlflow-report", f"see mlflow-report; {UNREAD}")]
)
def test_where_archived_files_cannot_be_reached_it_says_so(description: str | None, said: str) -> None:
    """Its end is known all the same; a result that was read before, and that did not make it, is not the outcome."""
    archive = Unreachable(document("cleanup", OURS), document("doctor", OURS, code=7))
    found = archive.read(description=description, result="UNSTABLE")
    assert found == only(said)
    assert exit_code("UNSTABLE", found) == 3
    assert archive.asked == ["mlflow-report/cleanup.json"]


def test_a_build_that_archived_and_described_nothing_has_no_outcome() -> None:
    assert Archive().read() is None
