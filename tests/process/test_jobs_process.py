"""The `jobs` commands as processes: signals, a terminal, the script, and life without python-jenkins."""

from __future__ import annotations

import os
import pty
import runpy
import signal
import subprocess
import sys
import time
from ast import literal_eval
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import RunCli
from support.jenkins import FakeJenkins, Run
from support.servers import clean_environ

ROOT = Path(__file__).parents[2]


def wait_for(condition: Callable[[], object], seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.05)


def watching(jenkins: FakeJenkins, tmp_path: Path, stdin: int) -> subprocess.Popen[str]:
    """`jobs run x`, looking at the log of a build that does not end by itself."""
    jenkins.configs["x"] = "<flow-definition/>"
    jenkins.runs["x"] = [Run(endless=True, log=[b"working\n"])]
    process = subprocess.Popen(
        [sys.executable, "-m", "jenkins_mlflow", "jobs", "run", "x", "--output=json"],
        cwd=tmp_path,
        env=clean_environ(**jenkins.environ),
        stdin=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    wait_for(lambda: any("progressiveText" in request.path for request in jenkins.seen))
    return process


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_without_a_terminal_detaches(
    jenkins: FakeJenkins, tmp_path: Path, number: signal.Signals, code: int
) -> None:
    process = watching(jenkins, tmp_path, subprocess.DEVNULL)
    process.send_signal(number)
    out, err = process.communicate(timeout=20)
    assert process.returncode == code
    assert f"state: x 1 continues in Jenkins: {jenkins.url}/job/x/1/" in err
    assert "next:  `jenkins-mlflow jobs logs --follow x 1`" in err
    assert '"status": "interrupted"' in out
    assert not any("stop" in path for path in jenkins.writes)


def test_ctrl_c_at_a_terminal_asks_and_aborts(jenkins: FakeJenkins, tmp_path: Path) -> None:
    keyboard, terminal = pty.openpty()
    try:
        process = watching(jenkins, tmp_path, terminal)
        process.send_signal(signal.SIGINT)
        os.write(keyboard, b"a\n")
        out, err = process.communicate(timeout=20)
    finally:
        os.close(keyboard)
        os.close(terminal)
    assert process.returncode == 130
    assert "[a]bort it, [d]etach, [c]ontinue watching:" in err
    assert '"result": "ABORTED"' in out
    assert "/job/x/1/stop" in jenkins.writes


@pytest.mark.parametrize(("environ", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False)])
def test_a_difference_has_colours_at_a_terminal(
    jenkins: FakeJenkins, environ: dict[str, str], coloured: bool
) -> None:
    keyboard, terminal = pty.openpty()
    code = subprocess.call(
        [sys.executable, "-m", "jenkins_mlflow", "jobs", "apply", "--dry-run", "--output=json"],
        cwd=ROOT,
        env=clean_environ(**jenkins.environ) | environ,
        stdout=subprocess.DEVNULL,
        stderr=terminal,
    )
    os.set_blocking(keyboard, False)
    shown = os.read(keyboard, 1_000_000)
    os.close(keyboard)
    os.close(terminal)
    assert code == 0
    assert (b"\x1b[32m+<flow-definition>\x1b[0m" in shown) == coloured
    assert (b"\x1b" in shown) == coloured


def test_the_script_is_the_command(jenkins: FakeJenkins, tmp_path: Path) -> None:
    """From anywhere in a checkout."""
    done = subprocess.run(
        [
            sys.executable,
            str(ROOT / "scripts" / "jenkins-jobs.py"),
            "apply",
            "--yes",
            "--file",
            ROOT / "jobs/jobs.yaml",
        ],
        cwd=tmp_path,
        env=clean_environ(**jenkins.environ),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert sorted(jenkins.configs) == [
        "mlops",
        "mlops/heart-disease",
        "mlops/manual",
        "mlops/nightly-cleanup",
    ]


def test_without_python_jenkins_it_says_what_to_install(run_cli: RunCli, tmp_path: Path) -> None:
    """Everything else goes on working."""
    (tmp_path / "jenkins.py").write_text(
        "raise ModuleNotFoundError('no', name='jenkins')\n", encoding="utf-8"
    )
    environ = {"PYTHONPATH": str(tmp_path), "JENKINS_URL": "http://localhost:1"}
    done = run_cli("jobs", "status", "x", env=environ)
    assert done.code == 2
    assert "error: jenkins is not installed" in done.stderr
    assert "next:  pip install python-jenkins" in done.stderr
    assert run_cli("jobs", "--help", env=environ).code == 0
    assert run_cli("schema", env=environ).code == 0


def test_an_agents_copy_has_no_jobs_and_works(run_cli: RunCli, tmp_path: Path) -> None:
    """Agents get what the manifest lists, and nothing of it needs python-jenkins."""
    shipped = runpy.run_path(str(ROOT / "scripts" / "manifest.py"))["shipped_files"](
        ROOT / "resources/jenkins_mlflow"
    )
    assert "cli/main.py" in shipped
    assert not [name for name in shipped if "jobs" in name]
    for name, content in shipped.items():
        path = tmp_path / "jenkins_mlflow" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    environ = {"PYTHONPATH": str(tmp_path)}
    done = run_cli("--help", env=environ)
    assert done.code == 0
    assert "promote" in done.stdout
    assert "jobs" not in done.stdout
    assert run_cli("jobs", env=environ).code == 2


def test_no_command_but_jobs_loads_what_it_needs() -> None:
    """Neither python-jenkins nor the definitions are loaded for a `promote`, only the group's own options."""
    found = "[m for m in sys.modules if m == 'jenkins' or '.jenkins_jobs.' in m]"
    code = f"import sys, jenkins_mlflow.cli.main; print({found})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert set(literal_eval(done.stdout)) == {
        "jenkins_mlflow.jenkins_jobs.commands",
        "jenkins_mlflow.jenkins_jobs.options",
    }
