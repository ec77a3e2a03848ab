"""The report folder: refused early where it cannot be written, a warning later."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from jenkins_mlflow.errors import Refused
from jenkins_mlflow.report import MARK, probe, write_report


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
