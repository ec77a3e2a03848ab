"""The report folder lies in a workspace that others fill: no link is followed, and no file of others is overwritten."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import RunCli

PRECIOUS = "precious\n"


@pytest.mark.parametrize("where", ["mlflow-report", "mlflow-report/select.json", "mlflow-report/logs"])
@pytest.mark.parametrize("command", ["select", "list"])
def test_nothing_is_written_through_a_link(command: str, where: str, tmp_path: Path, run_cli: RunCli) -> None:
    """Before anything is read or written, with the link's name: a checkout may bring it."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "select.json").write_text(PRECIOUS)
    workspace = tmp_path / "workspace"
    link = workspace / where
    link.parent.mkdir(parents=True)
    link.symlink_to(outside / "select.json" if where.endswith(".json") else outside)
    done = run_cli(
        command, "--report=mlflow-report", f"--tracking-uri=sqlite:///{tmp_path}/none.db", cwd=workspace
    )
    assert done.code == 2
    assert f"error: {where} is a symbolic link; the report is not written through it" in done.stderr
    assert "state: nothing was written" in done.stderr
    assert "next:  remove it, or choose another folder with --report" in done.stderr
    assert {path.name: path.read_text() for path in outside.iterdir()} == {"select.json": PRECIOUS}


@pytest.mark.parametrize("given", [["select"], ["list"], ["select", "--workers=x"]])
def test_no_page_of_somebody_else_is_overwritten(given: list[str], tmp_path: Path, run_cli: RunCli) -> None:
    """Not even with the page of a command that failed before it looked at the folder."""
    site = tmp_path / "site"
    site.mkdir()
    (site / "index.html").write_text(PRECIOUS)
    done = run_cli(*given, "--report=site", f"--tracking-uri=sqlite:///{tmp_path}/none.db", cwd=tmp_path)
    assert done.code == 2
    if len(given) == 1:
        assert (
            "error: the folder site has files, and none of them marks it as a report folder: "
            "the report would overwrite index.html\n"
        ) in done.stderr
    assert {path.name: path.read_text() for path in site.iterdir()} == {"index.html": PRECIOUS}


REFUSED = "mlflow-report is a symbolic link; the report is not written through it"
TELLS = {"MLOPS__NOTIFY__COMMAND": '["true"]'}
TRAINS = {"MLOPS__TRAIN__EXPERIMENT": "e", "MLOPS__TRAIN__CANDIDATES": '{"a": {"command": ["true"]}}'}


@pytest.fixture
def linked(tmp_path: Path) -> Path:
    """A workspace whose default report folder is a link, as to a disk for data; nothing is behind it."""
    (tmp_path / "disk").mkdir()
    (tmp_path / "workspace").mkdir()
    (tmp_path / "workspace" / "mlflow-report").symlink_to(tmp_path / "disk")
    return tmp_path / "workspace"


@pytest.mark.parametrize(
    ("command", "env"),
    [
        ("list", TELLS),
        ("history", TELLS),
        ("lease", TELLS),
        ("restore --model=m", TELLS),
        ("reclaim --dry-run", TELLS),
        ("select", {}),
        ("cleanup --dry-run", {}),
        ("doctor", {}),
        ("train --dry-run", TRAINS),
        ("train --gather --build=b", TRAINS),
    ],
)
def test_a_folder_that_is_not_written_may_be_a_link(
    command: str, env: dict[str, str], linked: Path, run_cli: RunCli
) -> None:
    """Without --report these commands write no file, so no link is in their way."""
    done = run_cli(*command.split(), f"--tracking-uri=sqlite:///{linked}/none.db", cwd=linked, env=env)
    assert REFUSED not in done.stderr
    assert "Traceback" not in done.stderr
    assert list((linked.parent / "disk").iterdir()) == []


@pytest.mark.parametrize(
    ("command", "env"),
    [
        ("promote", {}),
        ("promote --recover", {}),
        ("rollback --model=m", {}),
        ("doctor --storage", {}),
        ("train", TRAINS),
        ("train --resume --build=b", TRAINS),
        ("select", TELLS),
        ("cleanup --dry-run", TELLS),
        ("doctor", TELLS),
    ],
)
def test_a_folder_that_may_be_written_is_no_link_either(
    command: str, env: dict[str, str], linked: Path, run_cli: RunCli
) -> None:
    """Logs, notices and what people are told go into the default folder, too."""
    done = run_cli(*command.split(), f"--tracking-uri=sqlite:///{linked}/none.db", cwd=linked, env=env)
    assert (done.code, REFUSED in done.stderr) == (2, True)
    assert list((linked.parent / "disk").iterdir()) == []
