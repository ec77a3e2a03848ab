"""The report folder belongs to one build: what an earlier one left there is never archived with it."""

from __future__ import annotations

from pathlib import Path

import pytest
from jenkins_mlflow.agent.report import claim
from jenkins_mlflow.errors import UsageError
from jenkins_mlflow.report import MARK, write_report


def written(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def leave(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("old", encoding="utf-8")


def test_another_builds_report_is_removed_and_files_of_the_team_stay(tmp_path: Path) -> None:
    """The notice of the last build is no news of this one."""
    leave(
        tmp_path,
        MARK,
        "promote.json",
        "cleanup.csv",
        "notice.txt",
        "notice.md",
        "gates.xml",
        "check.log",
        "logs/svm/a.log",
        "index.html",
        "report.md",
        "report.css",
        "candidates.svg",
        "history.json",
        "evaluation.json",
        "champion-roc.png",
    )
    leave(tmp_path, "team.json", "logs/kept.txt", "sub/notice.txt", "sub/index.html", "team.svg")
    claim(tmp_path, "jenkins-demo-2")
    assert written(tmp_path) == [
        MARK,
        "logs/kept.txt",
        "sub/index.html",
        "sub/notice.txt",
        "team.json",
        "team.svg",
    ]
    assert (tmp_path / MARK).read_text(encoding="utf-8") == "jenkins-demo-2\n"


def test_a_later_command_of_the_same_build_leaves_it(tmp_path: Path) -> None:
    """A pipeline's select does not remove what its train wrote."""
    claim(tmp_path, "jenkins-demo-2")
    leave(tmp_path, "train.json", "logs/svm.log")
    claim(tmp_path, "jenkins-demo-2")
    assert written(tmp_path) == [MARK, "logs/svm.log", "train.json"]


def test_the_next_build_takes_it_over(tmp_path: Path) -> None:
    """Also when the name of the build is shorter than the last one's."""
    claim(tmp_path / "report", "jenkins-a-long-name-1")
    leave(tmp_path / "report", "promote.json")
    claim(tmp_path / "report", "jenkins-b-2")
    assert written(tmp_path / "report") == [MARK]
    assert (tmp_path / "report" / MARK).read_text(encoding="utf-8") == "jenkins-b-2\n"


@pytest.mark.parametrize("former", [False, True], ids=["no mark", "the former mark"])
def test_a_folder_of_the_team_is_refused_and_keeps_its_files(tmp_path: Path, former: bool) -> None:
    """The report went into the checkout, and its train.csv, server.log and logs were removed."""
    mine = ["train.csv", "history.csv", "index.html", "server.log", "logs/a.log"]
    leave(tmp_path, *mine, *([".build", "src/train.py"] if former else []))
    before = written(tmp_path)
    with pytest.raises(UsageError) as refused:
        claim(tmp_path, "jenkins-demo-2")
    assert refused.value.message == (
        f"the folder {tmp_path} has files, and none of them marks it as a report folder"
    )
    assert refused.value.next_step == (
        "choose a new folder with the parameter report; or, if it is an old report, delete the folder"
    )
    assert written(tmp_path) == before


def test_a_report_of_an_earlier_version_is_taken_over(tmp_path: Path) -> None:
    """It has that version's mark, and nothing that commands do not write."""
    leave(tmp_path, ".build", "train.json", "index.html", "logs/svm/a.log")
    claim(tmp_path, "jenkins-demo-2")
    assert written(tmp_path) == [MARK]


def test_a_folder_that_a_command_made_without_a_step_is_a_report_folder(tmp_path: Path) -> None:
    """The build has called jenkins-mlflow in sh before its first step."""
    assert write_report(tmp_path / "report", "train.json", "{}") == ""
    claim(tmp_path / "report", "jenkins-demo-2")
    assert written(tmp_path / "report") == [MARK]


def test_a_report_folder_inside_another_is_no_file_of_the_team(tmp_path: Path) -> None:
    """The first step of the nightly job reports to `mlflow-report/plan`, the second to `mlflow-report`."""
    claim(tmp_path / "report" / "plan", "jenkins-demo-2")
    leave(tmp_path / "report" / "plan", "plan.json")
    claim(tmp_path / "report", "jenkins-demo-2")
    leave(tmp_path / "else" / "sources", "plan.json")
    with pytest.raises(UsageError, match="none of them marks it"):
        claim(tmp_path / "else", "jenkins-demo-2")
    assert (tmp_path / "report" / "plan" / "plan.json").is_file()


@pytest.mark.parametrize("name", [MARK, "train.json"])
def test_the_agent_writes_nothing_through_a_link(tmp_path: Path, name: str) -> None:
    """A checkout may bring the folder, and what is in it."""
    outside = tmp_path / "outside"
    outside.write_text("precious", encoding="utf-8")
    report = tmp_path / "report"
    report.mkdir()
    (report / name).symlink_to(outside)
    with pytest.raises(UsageError) as refused:
        claim(report, "jenkins-demo-2")
    assert refused.value.message == (
        f"{report / name} is a symbolic link; the report is not written through it"
    )
    assert outside.read_text(encoding="utf-8") == "precious"
    assert [path.name for path in report.iterdir()] == [name]
