"""What an agent runs: the library that the controller sent, as it was pinned, whatever lies in the workspace."""

from __future__ import annotations

import fcntl
import os
import re
import stat
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from support.agent import AGENT, ROOT, Agent, uv
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
    assert re.match(rf"{agent.runner}/venv[^/]*/lib/", launched.message), launched.message
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


def other_python(agent: Agent) -> None:
    """The agent's Python was upgraded: the environment's link leads to one that finds none of its packages."""
    (link,) = agent.runner.glob("venv*/bin/python")
    link.unlink()
    link.symlink_to("/usr/bin/python3")
    for lib in agent.runner.glob("venv*/lib/python3*"):
        lib.rename(lib.with_name("python3.1"))


def lazy_module(agent: Agent) -> None:
    """Somebody cleans up files that were not read for long: one that a command imports late."""
    (agent.runner / "src/jenkins_mlflow/late.py").unlink()


def first_module(agent: Agent) -> None:
    (agent.runner / "src/jenkins_mlflow/agent/request.py").unlink()


def entry(agent: Agent) -> None:
    (agent.runner / "src/__main__.py").unlink()


def package(agent: Agent) -> None:
    (module,) = agent.runner.glob("venv*/lib/python3*/site-packages/tiny.py")
    module.unlink()


def settings(agent: Agent) -> None:
    (file,) = agent.runner.glob("venv*/pyvenv.cfg")
    file.unlink()


DAMAGES = [other_python, lazy_module, first_module, entry, package, settings]


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
@pytest.mark.parametrize("by", ["uv", "pip"])
def test_what_does_not_start_any_more_is_made_anew(
    agent: Agent, damage: Callable[[Agent], None], by: str
) -> None:
    """Nobody has to delete a cache by hand: the step is asked for the library again, and the log says why."""
    if by == "pip":
        agent.env["JENKINS_MLFLOW_UV"] = "no"
    agent.files["late.py"] = ""
    installed(agent)
    damage(agent)
    cold = agent.launch()
    assert cold.answer == {"status": "cold"}, cold.log
    installed(agent)
    warm = agent.launch()
    assert warm.answer
    assert warm.log == ""


def test_an_installation_that_fails_leaves_no_environment_behind(agent: Agent) -> None:
    """A nightly job on an agent without a package index would fill the disk."""
    (wheel,) = (agent.folder / "wheels").glob("tiny-*.whl")
    wheel.rename(agent.folder / wheel.name)
    for _ in range(2):
        agent.send_bundle()
        failed = agent.launch()
        assert failed.message.startswith("could not install the runner"), failed.log
        assert list(agent.runner.glob("venv*")) == []
    (agent.folder / wheel.name).rename(wheel)
    (agent.runner / "venv.1").mkdir()  # of one that was killed
    installed(agent)
    assert not (agent.runner / "venv.1").exists()


def test_the_log_says_why_an_environment_is_made_anew(agent: Agent) -> None:
    installed(agent)
    package(agent)
    agent.send_bundle()
    assert re.fullmatch(
        r"jenkins-mlflow: the runner does not start with Python 3\.\d+: No module named 'tiny'\n"
        "jenkins-mlflow: its environment lacks files, or was made by another Python, so it is made anew\n",
        agent.launch().log,
    )


def test_two_builds_that_find_it_broken_make_it_anew_once(agent: Agent) -> None:
    """Both were told to send the library; the second finds what the first has made."""
    installed(agent)
    package(agent)
    assert [agent.launch().answer for _ in range(2)] == [{"status": "cold"}] * 2
    installed(agent)
    (made,) = agent.runner.glob("venv.*")
    agent.send_bundle()
    second = agent.launch()
    assert (second.answer or {})["message"].startswith(str(made))
    assert second.log == ""
    assert list(agent.workspace.glob("bundle.json")) == []


def test_a_build_that_runs_keeps_its_environment(agent: Agent) -> None:
    """A training may run for hours while the next build gets a new one; the old one goes with a later one."""
    installed(agent)
    (old,) = agent.runner.glob("venv.*")
    package(agent)
    running = os.open(agent.runner / "src", os.O_RDONLY)
    fcntl.flock(running, fcntl.LOCK_SH)
    installed(agent)
    assert (old / "pyvenv.cfg").exists()
    os.close(running)
    (agent.runner / "ready").unlink()
    installed(agent)
    assert not old.exists()


def test_what_cannot_be_made_anew_is_said(agent: Agent) -> None:
    """The next build tries again."""
    installed(agent)
    package(agent)
    wheel = next((agent.folder / "wheels").iterdir())
    wheel.rename(agent.folder / wheel.name)
    agent.send_bundle()
    failed = agent.launch()
    assert failed.message.startswith("could not install the runner ("), failed.log
    (agent.folder / wheel.name).rename(wheel)
    assert agent.launch().answer == {"status": "cold"}
    installed(agent)


@pytest.mark.parametrize("at", ["python", "cache"])
def test_an_installation_that_fails_leaves_no_bundle(agent: Agent, at: str) -> None:
    """It is a megabyte in the workspace of each build."""
    agent.env["JENKINS_MLFLOW_PYTHON"] = "/no/such/python"
    if at == "cache":
        agent.cache.mkdir()
        agent.cache.chmod(0o777)
    agent.send_bundle()
    failed = agent.launch()
    assert "/no/such/python" in failed.message or "cache folder" in failed.message
    assert list(agent.workspace.iterdir()) == []


def ready_environment(agent: Agent, version: str = "") -> str:
    """A Python that the agent's image brings, perhaps with the one package that the library pins at 1.0."""
    library = agent.folder / "library"
    library.mkdir()
    if version:
        (library / "tiny.py").touch()
        (library / f"tiny-{version}.dist-info").mkdir()
        (library / f"tiny-{version}.dist-info/METADATA").write_text(f"Name: tiny\nVersion: {version}\n")
    program = agent.folder / "ready-python"
    start = f"import runpy, sys; sys.path.append('{library}'); runpy.run_path(sys.argv.pop(), run_name='__main__')"
    program.write_text(
        f'#!/bin/sh\nfor last; do :; done\nexec {ROOT}/.venv/bin/python -I -S -c "{start}" "$last"\n'
    )
    program.chmod(0o755)
    agent.env["JENKINS_MLFLOW_RUNNER_PYTHON"] = str(program)
    agent.send_bundle()
    return f"this agent's ready environment ({program})"


AGAIN = "rebuild the agent's image from docker/agent.Dockerfile of this library version"


def test_an_image_that_is_older_than_the_library_is_named(agent: Agent) -> None:
    """The library needs a package that the image lacks: what to do, instead of a traceback."""
    whose = ready_environment(agent)
    launched = agent.launch()
    assert launched.answer is not None, launched.log
    assert launched.answer["exit_code"] == 1
    assert launched.message == f"{whose} lacks tiny, which this library needs: {AGAIN}"


@pytest.mark.parametrize(("version", "warned"), [("1.0", False), ("0.9", True)])
def test_an_image_with_other_versions_is_a_warning(version: str, warned: bool, agent: Agent) -> None:
    """It may well work, so the builds of many teams go on until the image is built again."""
    whose = ready_environment(agent, version)
    launched = agent.launch()
    assert launched.message.endswith("/library/tiny.py"), launched.log
    text = f"{whose} was made for another library version (tiny 0.9 instead of 1.0): {AGAIN}"
    assert (text in launched.log) == warned
