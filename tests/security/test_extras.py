"""The runner's environment has extras: MLflow's client and Apprise come to an agent when a command first needs them."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from support.agent import AGENT, ROOT, Agent, make_wheel, uv
from support.traps import CRY, ELSEWHERE, PATH_FIRST, environment, lay

PACKAGE = AGENT.parent
# A command that opens a store: MLflow is a package of one line here.
OPENS_A_STORE = """import json, os, sys
from jenkins_mlflow import extras
from jenkins_mlflow.agent.extras import bring
from jenkins_mlflow.errors import ConnectionFailed
def main():
    extras.brought_by(bring)
    try:
        extras.require(extras.STORES)
        import mlflow
        message = mlflow.__file__
    except ConnectionFailed as error:
        message = f"{error.message}; {error.next_step}"
    print(os.environ["JENKINS_MLFLOW_NONCE"], json.dumps({"message": message}))
"""
SAID = "jenkins-mlflow: installing MLflow's client, which databases and folders need, once on this agent"
UV = pytest.mark.parametrize("by", ["uv", "pip"])


@pytest.fixture
def agent(tmp_path: Path) -> Agent:
    made = Agent(tmp_path)
    for name in ("__init__.py", "errors.py", "extras.py", "text.py", "agent/extras.py"):
        made.files[name] = (PACKAGE / name).read_text(encoding="utf-8")
    made.files |= {
        "agent/request.py": OPENS_A_STORE,
        "agent/stores.txt": make_wheel(tmp_path / "wheels", "mlflow"),
        "agent/stores_ready.py": "import mlflow, tiny\n",
    }
    made.send_bundle()
    return made


def choose(agent: Agent, by: str) -> None:
    if by == "uv" and uv() == "no":
        pytest.skip("there is no uv here")
    if by == "pip":
        agent.env["JENKINS_MLFLOW_UV"] = "no"


def stores(agent: Agent) -> Path:
    """The extra's folder, in the one environment that there is."""
    (venv,) = agent.runner.glob("venv.*")
    return venv / "stores"


@UV
def test_a_command_that_opens_a_store_installs_what_it_needs(by: str, agent: Agent) -> None:
    """In its own step, once: the next one finds it."""
    choose(agent, by)
    first, second = agent.launch(), agent.launch()
    assert first.message == second.message == f"{stores(agent)}/mlflow.py", first.log
    assert first.log.count(SAID) == 1
    assert second.log == ""


def test_what_is_installed_for_stores_belongs_to_its_user_alone(agent: Agent) -> None:
    assert agent.launch(umask=0).answer
    assert stores(agent).stat().st_mode & 0o777 == 0o700


def test_a_relative_folder_of_wheels_is_the_workspaces(agent: Agent) -> None:
    """Also for what comes later, when the runner is installed already."""
    (agent.workspace / "wheels").symlink_to(agent.folder / "wheels")
    agent.env["JENKINS_MLFLOW_WHEELS"] = "wheels"
    agent.launch()
    shutil.rmtree(stores(agent))
    again = agent.launch()
    assert again.message == f"{stores(agent)}/mlflow.py", again.log


def test_a_client_that_cannot_be_installed_leaves_nothing_behind(agent: Agent) -> None:
    """The command says what it could not do, and the next one tries again."""
    wheel = agent.folder / "wheels" / "mlflow-1.0-py3-none-any.whl"
    wheel.rename(agent.folder / wheel.name)
    failed = agent.launch()
    assert re.fullmatch(
        r"could not install MLflow's client \((uv pip install|python -I -m)\); the log above says why. It needs a "
        r"package index \(PIP_INDEX_URL\) or a folder of wheels \(JENKINS_MLFLOW_WHEELS\); "
        "fix that, or give the address of an MLflow server",
        failed.message,
    ), failed.message
    (agent.folder / wheel.name).rename(wheel)
    assert agent.launch().message == f"{stores(agent)}/mlflow.py"


def test_a_client_that_does_not_start_is_not_kept(agent: Agent) -> None:
    agent.files["agent/stores.txt"] = make_wheel(agent.folder / "wheels", "mlflow", "import absent\n")
    agent.send_bundle()
    for _ in range(2):
        failed = agent.launch()
        assert failed.message.startswith("MLflow's client was installed but does not start"), failed.log
        assert "No module named 'absent'" in failed.log
    assert not stores(agent).exists()


def test_what_a_killed_installation_left_is_installed_again(agent: Agent) -> None:
    """It is complete or not there: the folder gets its name last."""
    agent.launch()
    half_installed = stores(agent).with_name("stores.partial") / "mlflow.py"
    stores(agent).rename(half_installed.parent)
    half_installed.unlink()  # uv's cache has the same file
    half_installed.write_text("raise SystemExit('half')\n")
    assert agent.launch().message == f"{stores(agent)}/mlflow.py"


def test_a_client_with_another_hash_is_refused(agent: Agent) -> None:
    """It comes pinned, as the runner does."""
    make_wheel(agent.folder / "wheels", "mlflow", "changed = True\n")
    assert agent.launch().message.startswith("could not install MLflow's client")


def test_a_runner_for_a_new_python_gets_a_new_client(agent: Agent) -> None:
    """What was compiled for the old one would not start."""
    agent.launch()
    (stores(agent).parent / "bin" / "python").unlink()
    agent.send_bundle()
    assert SAID in agent.launch().log


def test_a_ready_environment_installs_nothing(agent: Agent) -> None:
    """An image is built whole: what it lacks is said, and how it gets it."""
    agent.files["agent/requirements.txt"] = ""
    agent.send_bundle()
    agent.env["JENKINS_MLFLOW_RUNNER_PYTHON"] = str(agent.folder / "bare/bin/python")
    (agent.folder / "bare/bin").mkdir(parents=True)
    program = agent.folder / "bare/bin/python"
    program.write_text(f'#!/bin/sh\nexec {ROOT}/.venv/bin/python -S "$@"\n')
    program.chmod(0o755)
    launched = agent.launch()
    assert launched.message == (
        "this agent's ready environment (JENKINS_MLFLOW_RUNNER_PYTHON) lacks MLflow's client, which databases "
        "and folders need; install agent/stores.txt of the library into it, too, "
        "or give the address of an MLflow server"
    ), launched.log


@UV
def test_a_command_with_news_installs_apprise_beside_the_client(by: str, agent: Agent) -> None:
    """Each extra has a folder, and neither takes the other's place."""
    choose(agent, by)
    agent.launch()
    tells = (
        OPENS_A_STORE.replace("STORES", "NOTIFY")
        .replace("mlflow\n", "apprise\n")
        .replace("mlflow.__", "apprise.__")
    )
    agent.files |= {
        "agent/request.py": tells,
        "agent/notify.txt": make_wheel(agent.folder / "wheels", "apprise"),
        "agent/notify_ready.py": "import apprise\n",
    }
    agent.send_bundle()
    first, second = agent.launch(), agent.launch()
    assert first.message == second.message == f"{stores(agent).parent}/notify/apprise.py", first.log
    said = "jenkins-mlflow: installing Apprise, which notifications need, once on this agent"
    assert (first.log.count(said), second.log) == (1, "")


def packages(name: str) -> set[str]:
    text = (AGENT / name).read_text(encoding="utf-8")
    return set(re.findall(r"^([a-z0-9.-]+)==", text, re.MULTILINE))


@pytest.mark.parametrize(("extra", "package"), [("stores", "mlflow-skinny"), ("notify", "apprise")])
def test_no_package_of_an_extra_is_in_the_environment(extra: str, package: str) -> None:
    """An extra's folder comes last on the search path: a package in both would be loaded twice."""
    assert packages(f"{extra}.txt") & packages("requirements.txt") == set()
    assert package in packages(f"{extra}.txt")


@UV
def test_a_workspace_full_of_traps_does_not_change_the_client(by: str, agent: Agent) -> None:
    """This comes when a command is at work, in the workspace."""
    choose(agent, by)
    lay(agent.workspace, into=str(agent.workspace / ELSEWHERE))
    agent.env |= {
        **environment(str(agent.workspace)),
        "PATH": f"{PATH_FIRST}:/usr/local/bin:/usr/bin:/bin",
    }
    launched = agent.launch()
    assert launched.message == f"{stores(agent)}/mlflow.py", launched.log
    assert CRY not in launched.log
    assert not (agent.workspace / ELSEWHERE).exists()
