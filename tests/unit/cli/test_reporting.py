"""A command that fails before it knows its server takes over the report page: no earlier result looks like its own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from jenkins_mlflow.cli.main import run
from jenkins_mlflow.page.writing import write_page
from support import documents


@pytest.fixture(autouse=True)
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to work in, and no server."""
    monkeypatch.chdir(tmp_path)
    for name in ("MLFLOW_TRACKING_URI", "BUILD_TAG", "JENKINS_MLFLOW_BUILD"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def earlier(folder: Path, command: str, **more: Any) -> None:
    """The report of a command that went well."""
    document = {
        "schema": 1,
        "command": command,
        "status": "done",
        "exit_code": 0,
        "message": f"{command} went well",
        **more,
    }
    folder.mkdir(exist_ok=True)
    (folder / f"{command}.json").write_text(json.dumps(document, indent=1))
    assert write_page(folder, document, "") == []


@pytest.mark.parametrize(
    ("arguments", "code", "message", "next_step"),
    [
        (["promote", "--report", "r"], 2, "no tracking URI is set", "set the tracking URI"),
        (["promote", "--report=r", "--config=none.yaml"], 2, "none.yaml", ""),
        (["promote", "--report=r", "--modl=churn"], 2, "No such option", "jenkins-mlflow promote --help"),
        (["rollback", "--report=r"], 2, "Missing option", "jenkins-mlflow rollback --help"),
        (["promote", "--report=r", "--tracking-uri=http://127.0.0.1:9"], 1, "127.0.0.1", ""),
    ],
    ids=["no server", "no config", "unknown option", "missing option", "server down"],
)
def test_a_command_that_fails_early_is_what_the_page_is_about(
    arguments: list[str],
    code: int,
    message: str,
    next_step: str,
    monkeypatch: pytest.MonkeyPatch,
    workspace: Path,
) -> None:
    monkeypatch.setenv("MLOPS__PROMOTE__RETRY__DEADLINE", "0s")
    monkeypatch.setenv("MLOPS__PROMOTE__RETRY__ATTEMPTS", "1")
    command, report = arguments[0], workspace / "r"
    earlier(report, command)
    assert run(arguments) == code
    page = (report / "index.html").read_text()
    assert f'<h1 class="bad">{command} failed: ' in page
    assert message in page
    assert next_step in page
    assert "went well" not in page
    assert "went well" not in (report / "report.md").read_text()
    said = documents.check(json.loads((report / f"{command}.json").read_text()))
    assert (said["status"], said["exit_code"]) == ("error", code)


@pytest.mark.parametrize("build", ["--build=b-1", "BUILD_TAG"])
def test_what_the_build_did_before_stays_on_the_page(
    build: str, monkeypatch: pytest.MonkeyPatch, workspace: Path
) -> None:
    if build == "BUILD_TAG":
        monkeypatch.setenv(build, "b-1")
    candidates = [{"model": "churn", "version": 3, "value": 0.5, "verdict": "selected", "reason": "best"}]
    earlier(workspace / "r", "select", build="b-1", metric="auc", candidates=candidates)
    options = [build] if build.startswith("--") else []
    assert run(["promote", "--report=r", *options]) == 2
    page = (workspace / "r" / "index.html").read_text()
    assert '<h1 class="bad">promote failed: no tracking URI is set' in page
    assert "churn v3" in page
    assert json.loads((workspace / "r" / "promote.json").read_text())["build"] == "b-1"


def test_nothing_is_written_through_a_link(workspace: Path) -> None:
    (workspace / "disk").mkdir()
    (workspace / "r").symlink_to("disk")
    assert run(["promote", "--report=r"]) == 2
    assert list((workspace / "disk").iterdir()) == []


@pytest.mark.parametrize("words", [["init", "--report=r"], ["jobs", "apply", "--report=r"], ["--report=r"]])
def test_a_command_without_reports_makes_none(words: list[str], workspace: Path) -> None:
    assert run(words) == 2
    assert not (workspace / "r").exists()


def test_a_report_that_cannot_be_written_hides_no_failure(
    workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (workspace / "r" / "promote.json").mkdir(parents=True)
    assert run(["promote", "--report=r", "--output=json"]) == 2
    said = json.loads(capsys.readouterr().out)
    assert said["error"]["message"].startswith("no tracking URI is set")
    assert said["warnings"] == ["the report r/promote.json could not be written: Is a directory"]
