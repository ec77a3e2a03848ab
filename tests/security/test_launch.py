"""What an agent runs: the library that the controller sent, as it was pinned, whatever lies in the workspace."""

from __future__ import annotations

import fcntl
import os
import re
import stat
import time
from pathlib import Path

import pytest
from support.agent import AGENT, Agent, uv
from support.traps import CRY, ELSEWHERE, PATH_FIRST, PROGRAMS, environment, lay

SAY_WHERE = """import json, os, sys
def main(files, home, uv):
    print(os.environ["JENKINS_MLFLOW_NONCE"], json.dumps({"message": sys.executable}))
"""
needs_uv = pytest.mark.skipif(uv() == "no", reason="there is no uv here")


@pytest.fixture
def agent(tmp_path: Path) -> Agent:
    return Agent(tmp_path)


def installed(agent: Agent) -> None:
    """The runner starts, and has its library from where it was installed."""
    agent.send_bundle()
    launched = agent.launch()
    assert launched.answer, launched.log
    assert launched.message.startswith(f"{agent.runner}/venv/lib/"), launched.message
    assert CRY not in launched.log


@pytest.fixture
def trapped(agent: Agent) -> Agent:
    """A workspace in which every file is a trap for whoever reads it, and which is also the user's home."""
    lay(agent.workspace, into=str(agent.workspace / ELSEWHERE), programs=(*PROGRAMS, "touch", "mv", "chmod"))
    agent.env = {
        **environment(str(agent.workspace)),
        "PATH": f"{PATH_FIRST}:/usr/local/bin:/usr/bin:/bin",
    }
    return agent


@needs_uv
def test_a_workspace_full_of_traps_does_not_change_what_uv_installs(trapped: Agent) -> None:
    """Its settings for uv, its modules, its programs on a relative PATH: none counts."""
    installed(trapped)
    assert not (trapped.workspace / ELSEWHERE).exists()


def test_a_workspace_full_of_traps_does_not_change_what_pip_installs(trapped: Agent) -> None:
    """The same without uv; the home is the workspace, so the user's own pip.conf is one of the traps."""
    trapped.env["JENKINS_MLFLOW_UV"] = "no"
    installed(trapped)
    assert not (trapped.workspace / ELSEWHERE).exists()


def test_a_program_of_the_workspace_is_not_taken_for_python3(trapped: Agent) -> None:
    """`python3` is looked for on the PATH, where a relative entry leads to the workspace."""
    trapped.env |= {"JENKINS_MLFLOW_PYTHON": "", "JENKINS_MLFLOW_UV": ""}
    trapped.files["agent/bootstrap.py"] = SAY_WHERE
    trapped.send_bundle()
    launched = trapped.launch()
    assert launched.message.startswith("/"), launched.log
    assert not launched.message.startswith(str(trapped.folder))
    assert CRY not in launched.log


def test_a_runner_that_cannot_be_imported_is_not_ready(agent: Agent) -> None:
    """However that came about; and the next build tries again."""
    agent.files["agent/requirements.txt"] = ""
    for _ in range(2):
        agent.send_bundle()
        assert agent.launch().message == (
            f"the runner was installed in {agent.runner} but does not start; the log above says what is missing. "
            "The next build installs it again"
        )
    assert not (agent.runner / "ready").exists()


@pytest.mark.parametrize("name", ["agent/bootstrap.py", "agent/request.py", "agent/requirements.txt"])
def test_a_bundle_that_was_changed_on_its_way_is_not_run(name: str, agent: Agent) -> None:
    """It has the manifest that belongs to it, but not the key that came with the request."""
    agent.send_bundle({**agent.files, name: "raise SystemExit('hijacked')\n"})
    launched = agent.launch()
    assert launched.message == (
        "what was sent to this agent does not have the key of the library, so none of it was run: its manifest.json "
        "is stale (run scripts/manifest.py where its sources were changed), or something on the agent has changed it"
    )
    assert CRY not in launched.log
    assert not agent.cache.exists()
    assert list(agent.workspace.iterdir()) == []


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"files": 3}', '{"files": {"a": 1}}', "\x00", "[" * 100_000]
)
def test_a_bundle_that_is_none_is_not_run(text: str, agent: Agent) -> None:
    (agent.workspace / "bundle.json").write_text(text)
    assert agent.launch().message.startswith(
        "what was sent to this agent does not have the key of the library"
    )


def test_what_is_installed_belongs_to_its_user_alone(agent: Agent) -> None:
    """Even where the agent lets the world write what it makes."""
    agent.send_bundle()
    assert agent.launch(umask=0).answer
    assert [stat.S_IMODE(folder.stat().st_mode) for folder in (agent.cache, agent.runner)] == [0o700, 0o700]


def refused(agent: Agent, folder: Path) -> None:
    assert agent.launch().message == (
        f"the cache folder {folder} is another user's, or others can write to it, so nothing in it is run: "
        "remove it, or name another in JENKINS_MLFLOW_CACHE"
    )


@pytest.mark.parametrize("mode", [0o777, 0o775, 0o757, 0o1777])
@pytest.mark.parametrize("which", ["cache", "runner"])
def test_a_runner_that_others_can_change_is_not_run(which: str, mode: int, agent: Agent) -> None:
    """It was installed and works; then somebody could have changed it."""
    installed(agent)
    folder = agent.cache if which == "cache" else agent.runner
    folder.chmod(mode)
    refused(agent, folder)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
@pytest.mark.parametrize("which", ["cache", "runner"])
def test_the_runner_of_another_user_is_not_run(which: str, agent: Agent) -> None:
    installed(agent)
    folder = agent.cache if which == "cache" else agent.runner
    os.chown(folder, 12345, 12345)
    refused(agent, folder)


def test_a_relative_cache_folder_is_refused(agent: Agent) -> None:
    """It would be the workspace's, and what is in it would be run."""
    agent.env["JENKINS_MLFLOW_CACHE"] = "cache"
    assert agent.launch().message == (
        "the cache folder cache is no absolute path: name another in JENKINS_MLFLOW_CACHE"
    )


def test_an_old_runner_that_a_build_still_works_with_stays(agent: Agent) -> None:
    """A training may last longer than the day after which an unused runner is removed."""
    old = [agent.cache / f"{number:064}" for number in range(4)]
    for age, home in enumerate(old, start=2):
        (home / "src").mkdir(parents=True)
        os.utime(home / "src", (time.time() - age * 86400,) * 2)
    agent.cache.chmod(0o700)
    for home in old:
        home.chmod(0o700)
    held = os.open(old[3] / "src", os.O_RDONLY)  # as the runner's entry point does
    try:
        fcntl.flock(held, fcntl.LOCK_SH)
        installed(agent)
    finally:
        os.close(held)
    assert [home.exists() for home in old] == [True, True, False, True]


def test_a_runner_at_work_is_held(agent: Agent) -> None:
    """What keeps it from being removed: its entry point holds its own folder."""
    agent.files["agent/request.py"] = (
        "import fcntl, json, os, pathlib, sys\n"
        "def main():\n"
        "    other = os.open(sys.argv[0], os.O_RDONLY)\n"
        "    try:\n"
        "        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)\n"
        "        message = 'free'\n"
        "    except OSError:\n"
        "        message = 'held'\n"
        "    print(os.environ['JENKINS_MLFLOW_NONCE'], json.dumps({'message': message}))\n"
    )
    agent.send_bundle()
    assert agent.launch().message == "held"


@pytest.mark.parametrize(
    ("listed", "check"), [("requirements", "ready"), ("stores", "stores_ready"), ("notify", "notify_ready")]
)
def test_the_check_imports_whatever_is_required(listed: str, check: str) -> None:
    """Each tier's list of requirements, and what is imported once it is installed, name the same packages."""
    lines = (AGENT / f"{listed}.in").read_text(encoding="utf-8").splitlines()
    required = {re.split(r"[=\[<>\s]", line)[0] for line in lines if line and not line.startswith("#")}
    imported = {"importlib-metadata": "importlib_metadata", "mlflow-skinny": "mlflow", "PyYAML": "yaml"}
    (packages,) = re.findall(
        r"^PACKAGES = \((.*?)\)$", (AGENT / f"{check}.py").read_text(), re.MULTILINE | re.DOTALL
    )
    assert re.findall(r'"(\w+)"', packages) == sorted(imported.get(name, name) for name in required)
