"""The report folder: refused early where it cannot be written, a warning later."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from jenkins_mlflow.errors import Refused, UsageError
from jenkins_mlflow.report import MARK, probe, refuse_foreign_files, refuse_links, write_report


def test_a_folder_that_can_be_written_is_made_and_marked(tmp_path: Path) -> None:
    """The trial leaves nothing. A folder of the team is not marked."""
    probe(tmp_path / "a" / "b")
    assert [path.name for path in (tmp_path / "a" / "b").iterdir()] == [MARK]
    probe(tmp_path / "a")
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["b"]


def test_a_file_in_the_way_is_refused(tmp_path: Path) -> None:
    """Before anything was changed."""
    (tmp_path / "r").write_text("")
    with pytest.raises(Refused) as refused:
        probe(tmp_path / "r" / "x")
    error = refused.value
    assert error.message == f"the report folder {tmp_path}/r/x cannot be written: Not a directory"
    assert (error.exit_code, error.state) == (1, "nothing was changed")
    assert (
        error.next_step == "choose another folder with --report, correct the permissions, or free disk space"
    )


def test_a_name_that_is_too_long_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused) as refused:
        refuse_links(tmp_path / ("x" * 300))
    assert refused.value.message.endswith("xxx cannot be written: File name too long")


def test_a_full_disk_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder is there; what is written into it does not fit, and the trial is removed."""

    def full(path: Path, data: bytes) -> int:
        path.touch()
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(Refused, match="cannot be written: No space left on device"):
        probe(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [MARK]


def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A failure keeps what was there before, leaves no half file, and is a warning."""
    assert write_report(tmp_path / "r", "a.json", "old\udc80") == ""
    assert (tmp_path / "r" / "a.json").read_text() == "old\\udc80"

    def full(path: Path, *_: object, **__: object) -> int:
        path.touch()
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(Path, "write_text", full)
    assert write_report(tmp_path / "r", "a.json", "new") == (
        f"the report {tmp_path}/r/a.json could not be written: No space left on device"
    )
    assert {path.name: path.read_text() for path in (tmp_path / "r").glob("*.json")} == {
        "a.json": "old\\udc80"
    }


DOCUMENT = '{\n "schema": 1,\n "command": "select",\n "status": "selected"\n}\n'


@pytest.mark.parametrize("foreign", ["index.html", "report.md", "train.csv", "select.json"])
def test_files_of_somebody_else_are_refused(tmp_path: Path, foreign: str) -> None:
    (tmp_path / foreign).write_text("mine")
    with pytest.raises(UsageError) as refused:
        refuse_foreign_files(tmp_path)
    error = refused.value
    assert error.message == (
        f"the folder {tmp_path} has files, and none of them marks it as a report folder: "
        f"the report would overwrite {foreign}"
    )
    assert error.state == "nothing was read, written or removed"
    assert error.next_step == (
        "choose a new folder with --report; or, if it is an old report, delete the folder"
    )


def test_a_result_that_was_printed_into_a_file_marks_no_report(tmp_path: Path) -> None:
    """`jenkins-mlflow select --output json > select.json`."""
    (tmp_path / "select.json").write_text('{"schema": 1, "command": "select"}\n')
    with pytest.raises(UsageError, match=r"the report would overwrite select\.json"):
        refuse_foreign_files(tmp_path)


@pytest.mark.parametrize("sign", [MARK, "select.json"])
def test_a_report_is_written_again_even_if_an_earlier_version_wrote_it(tmp_path: Path, sign: str) -> None:
    """Version 0.2.0 wrote no mark, except in a step."""
    (tmp_path / "index.html").write_text("old")
    with pytest.raises(UsageError):
        refuse_foreign_files(tmp_path)
    (tmp_path / sign).write_text(DOCUMENT)
    refuse_foreign_files(tmp_path)


def test_other_files_may_be_beside_a_report(tmp_path: Path) -> None:
    """`--report .` at a terminal."""
    for name in ("train.py", "notice.txt", "index.htm", "server.log"):
        (tmp_path / name).write_text("mine")
    refuse_foreign_files(tmp_path)
    refuse_foreign_files(tmp_path / "new")
