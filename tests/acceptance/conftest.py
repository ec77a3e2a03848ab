"""Everything here needs a throwaway Jenkins with the suggested plugins, where the user is an administrator.

``make test-acceptance`` with JENKINS_URL, JENKINS_USER and JENKINS_TOKEN set; without them every test is skipped.

- JENKINS_MLFLOW_TEST_HOST: the address by which Jenkins reaches this machine, if it is on another (default: 127.0.0.1)
- JENKINS_MLFLOW_TEST_PATH: a folder on the agent with a ``python`` that has mlflow and scikit-learn; it saves
  the minutes in which the reference pipeline would install them
- JENKINS_MLFLOW_TEST_RESTART: a program that crashes that Jenkins, starts it again and returns when it answers
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.environments import ROOT
from support.proxy import CountingProxy
from support.servers import start_server

from acceptance.console import global_library, path_first
from acceptance.items import folder, pipeline
from acceptance.jenkins_server import JenkinsServer
from acceptance.served import BRANCH, Mlflow, reachable, serve_repository

NEEDED = ("JENKINS_URL", "JENKINS_USER", "JENKINS_TOKEN")
HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what needs a Jenkins if none was named."""
    missing = [name for name in NEEDED if not os.environ.get(name)]
    if missing:
        mark = pytest.mark.skip(reason=f"needs a real Jenkins: set {', '.join(missing)}")
        for item in items:
            if item.path.parent == HERE:
                item.add_marker(mark)


@pytest.fixture(scope="session")
def jenkins() -> JenkinsServer:
    """The Jenkins under test."""
    return JenkinsServer(*(os.environ[name] for name in NEEDED))


@pytest.fixture(scope="session")
def prefix() -> str:
    """What the names of everything begin with that this run makes."""
    return f"jenkins-mlflow-test-{secrets.token_hex(4)}"


@pytest.fixture(scope="session")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of this repository's last commit, for Jenkins."""
    with serve_repository(ROOT, tmp_path_factory.mktemp("served")) as address:
        yield address


def _folder(jenkins: JenkinsServer, name: str, library: tuple[str, str] | None = None) -> Iterator[str]:
    jenkins.create(name, folder(library))
    yield name
    jenkins.delete(name)


@pytest.fixture(scope="session")
def agents(jenkins: JenkinsServer) -> Iterator[None]:
    """The agents, with what JENKINS_MLFLOW_TEST_PATH says."""
    with contextlib.ExitStack() as stack:
        if path := os.environ.get("JENKINS_MLFLOW_TEST_PATH"):
            stack.enter_context(path_first(jenkins, path))
        yield


@pytest.fixture(scope="session")
def trusted(jenkins: JenkinsServer, agents: None, prefix: str, repository: str) -> Iterator[str]:
    """A folder whose jobs use the global library."""
    with global_library(jenkins, repository, BRANCH):
        yield from _folder(jenkins, prefix)


@pytest.fixture(scope="session")
def untrusted(jenkins: JenkinsServer, agents: None, prefix: str, repository: str) -> Iterator[str]:
    """A folder with a library of its own, which runs in the sandbox."""
    yield from _folder(jenkins, f"{prefix}-untrusted", (repository, BRANCH))


@pytest.fixture
def job(jenkins: JenkinsServer, request: pytest.FixtureRequest) -> Callable[[str, str], str]:
    """``job(folder, script)``: a new pipeline job in a folder, named after the test; deleted with the folder."""
    made: list[str] = []

    def make(where: str, script: str) -> str:
        test = re.sub(r"[^a-z0-9_-]+", "-", request.node.name.removeprefix("test_"))
        name = f"{where}/{test}-{len(made)}"
        jenkins.create(name, pipeline(script))
        made.append(name)
        return name

    return make


@contextlib.contextmanager
def _mlflow(folder_: Path) -> Iterator[Mlflow]:
    server = start_server(folder_)
    try:
        with CountingProxy(server.url) as proxy, reachable(proxy.url) as url:
            yield Mlflow(server, proxy, url)
    finally:
        server.stop()


@pytest.fixture(scope="session")
def shared_mlflow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mlflow]:
    with _mlflow(tmp_path_factory.mktemp("mlflow")) as running:
        yield running


@pytest.fixture
def mlflow(shared_mlflow: Mlflow) -> Mlflow:
    """The session's MLflow, its proxy without faults; tests use model names of their own."""
    shared_mlflow.proxy.reset()
    return shared_mlflow


@pytest.fixture
def fresh_mlflow(tmp_path: Path) -> Iterator[Mlflow]:
    """An MLflow of this test's own, for jobs that work on a whole group."""
    with _mlflow(tmp_path / "mlflow") as running:
        yield running
