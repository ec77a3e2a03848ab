"""The report folder belongs to one build: what an earlier one left there is never archived with it."""

from __future__ import annotations

from pathlib import Path

import pytest
from jenkins_mlflow.agent.report import claim
from jenkins_mlflow.errors import UsageError


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
        ".build",
        "logs/kept.txt",
        "sub/index.html",
        "sub/notice.txt",
        "team.json",
        "team.svg",
    ]
    assert (tmp_path / ".build").read_text(encoding="utf-8") == "jenkins-demo-2\n"


def test_a_later_command_of_the_same_build_leaves_it(tmp_path: Path) -> None:
    """A pipeline's select does not remove what its train wrote."""
    claim(tmp_path, "jenkins-demo-2")
    leave(tmp_path, "train.json", "logs/svm.log")
    claim(tmp_path, "jenkins-demo-2")
    assert written(tmp_path) == [".build", "logs/svm.log", "train.json"]


def test_the_next_build_takes_it_over(tmp_path: Path) -> None:
    """Also when the name of the build is shorter than the last one's."""
    claim(tmp_path / "report", "jenkins-a-long-name-1")
    leave(tmp_path / "report", "promote.json")
    claim(tmp_path / "report", "jenkins-b-2")
    assert written(tmp_path / "report") == [".build"]
    assert (tmp_path / "report" / ".build").read_text(encoding="utf-8") == "jenkins-b-2\n"


@pytest.mark.parametrize("name", [".build", "train.json"])
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
