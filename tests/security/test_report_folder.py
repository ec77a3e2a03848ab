"""The report folder lies in a workspace that others fill: nothing is written through a link in it."""

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
    assert "next:  remove it, or name another folder with --report" in done.stderr
    assert {path.name: path.read_text() for path in outside.iterdir()} == {"select.json": PRECIOUS}
