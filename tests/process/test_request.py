"""A request of a Jenkins step, as launch.sh starts it: the document for the step, the log for people, the report."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from jenkins_mlflow.build import safe_id
from jenkins_mlflow.report import MARK
from support.servers import clean_environ

CONFIG = """
models: heart
train:
  experiment: heart
  candidates:
    svm: python train.py
    knn: python train.py
"""


def ask(
    folder: Path, command: str, known: dict[str, str] | None = None, **options: Any
) -> tuple[dict[str, Any], str]:
    """What the step gets and what the log shows; ``known`` is what the controller says of the build."""
    request = {
        "command": command,
        "options": {"report": "mlflow-report", **options},
        "user": "timer, job a",
        "environment": known or {},
    }
    done = subprocess.run(
        [sys.executable, "-c", "from jenkins_mlflow.agent.request import main; main()"],
        cwd=folder,
        env=clean_environ(
            JENKINS_MLFLOW_REQUEST=json.dumps(request),
            JENKINS_MLFLOW_NONCE="n",
            BUILD_TAG="jenkins-a-7",
            MLFLOW_TRACKING_URI="http://127.0.0.1:9",
        ),
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return json.loads(done.stdout[done.stdout.index("{") :]), done.stderr


def test_the_result_carries_its_build_and_what_it_means(tmp_path: Path) -> None:
    """A dry run of the training needs no server, and its plan is in the log."""
    (tmp_path / "mlops.yaml").write_text(CONFIG, encoding="utf-8")
    document, log = ask(tmp_path, "train", dryRun=True)
    assert (document["build"], document["build_result"]) == ("jenkins-a-7", "SUCCESS")
    assert document["time"][:2] == "20"
    assert [line.split() for line in log.splitlines() if "planned" in line] == [
        ["svm", "planned", "none"],
        ["knn", "planned", "none"],
    ]
    assert log.endswith("2 candidates would be trained: svm, knn\nnext:  run it without --dry-run\n")
    kept = json.loads((tmp_path / "mlflow-report" / "train.json").read_text(encoding="utf-8"))
    assert kept["build"] == "jenkins-a-7"


def test_a_build_has_one_id_on_every_agent(tmp_path: Path) -> None:
    """The agent's Java has replaced what its locale cannot say; the controller's name of the build counts.

    The step compares the mark with that name; if they differ, it does not archive the report.
    """
    (tmp_path / "mlops.yaml").write_text(CONFIG, encoding="utf-8")
    known = {"BUILD_TAG": "jenkins-für alle-7", "JOB_NAME": "für alle"}
    document, _ = ask(tmp_path, "train", known, dryRun=True)
    assert document["build"] == safe_id("jenkins-für alle-7")
    assert (tmp_path / "mlflow-report" / MARK).read_text(encoding="utf-8") == "jenkins-für alle-7\n"


def test_the_report_of_the_build_before_is_gone_also_when_the_command_fails(tmp_path: Path) -> None:
    """The failed build must not archive a promotion that it did not do."""
    report = tmp_path / "mlflow-report"
    report.mkdir()
    (report / "promote.json").write_text("{}", encoding="utf-8")
    (report / MARK).write_text("jenkins-a-6\n", encoding="utf-8")
    document, log = ask(tmp_path, "train")
    assert document["build_result"] == "FAILURE"
    assert log.startswith("error: there is nothing to train")
    assert not (report / "promote.json").exists()
    assert (report / MARK).read_text(encoding="utf-8") == "jenkins-a-7\n"
    assert "there is nothing to train" in (report / "report.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("report", [".", "src"])
def test_no_report_goes_into_a_folder_of_the_team(tmp_path: Path, report: str) -> None:
    """The page of the report replaced the team's, and its logs were removed. The refusal writes nothing."""
    for name in ("mlops.yaml", "train.csv", "src/index.html", "src/logs/a.log"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("models: heart\n", encoding="utf-8")
    before = {path: path.is_file() and path.read_bytes() for path in tmp_path.rglob("*")}
    document, log = ask(tmp_path, "select", report=report)
    assert document["message"] == (
        f"the folder {report} has files, and none of them marks it as a report folder"
    )
    assert (document["exit_code"], document["build_result"]) == (2, "FAILURE")
    assert "next:  choose a new folder with the parameter report" in log
    assert {path: path.is_file() and path.read_bytes() for path in tmp_path.rglob("*")} == before


@pytest.mark.parametrize("command", ["cleanup", "promote"])
def test_a_change_of_everything_that_nobody_asked_for_is_refused(tmp_path: Path, command: str) -> None:
    """It never comes to ask the server, which does not answer here."""
    document, log = ask(tmp_path, command, yes=True)
    assert document["message"] == (
        f"no mlops.yaml in {tmp_path}, so {command} would work on every model of the registry"
    )
    assert (document["exit_code"], document["build_result"]) == (2, "FAILURE")
    assert "next:  write config, or name models or model; allModels: true works on all of them\n" in log
