"""All commands in an agent's first environment: the pinned packages of agent/requirements.txt, no MLflow."""

from __future__ import annotations

import json
import os
import runpy
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import click
import pytest
from conftest import MakeServer
from jenkins_mlflow.cli.main import cli
from jenkins_mlflow.registry.client import Registry
from jenkins_mlflow.registry.connection import connect
from support.agent import AGENT, Agent
from support.environments import ROOT, base_python
from support.seeding import Spec, give_files, seed
from support.servers import clean_environ

SCRIPT = """import os, sys
import mlflow
with mlflow.start_run():
    mlflow.log_metric("roc_auc", float(sys.argv[1]))
    made = mlflow.pyfunc.log_model(
        name="m", python_model=lambda model_input: [1.0] * len(model_input), pip_requirements=["mlflow"]
    )
    mlflow.register_model(made.model_uri, "light")
"""
CONFIG = {
    "models": "light",
    "train": {"experiment": "light", "candidates": {"a": f"{sys.executable} train.py 0.97"}},
    "select": {"metric": "roc_auc"},
    "promote": {"smoke_test": {"input": "data.csv", "python": sys.executable}},
}


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A command in the environment without MLflow; what it starts itself finds the team's own Python by its path."""
    code = "from jenkins_mlflow.cli.main import main; main()"
    return subprocess.run(
        [base_python(), "-c", code, *arguments],
        cwd=folder,
        env=clean_environ(PYTHONPATH=str(ROOT / "resources")),
        capture_output=True,
        text=True,
        check=False,
    )


def test_there_is_no_mlflow_in_it() -> None:
    """Else nothing here would prove anything."""
    done = subprocess.run([base_python(), "-c", "import mlflow"], capture_output=True, text=True, check=False)
    assert "No module named 'mlflow'" in done.stderr


LEASE = ["lease", "--model", "light", "--version", "5", "--holder", "cluster"]
STEPS = [
    ["schema"],
    ["schema", "--result", "promote"],
    ["init", "--output", "starter.yaml"],
    ["history", "--adopt", "--model", "light", "--reason", "it was there before"],
    ["train", "--dry-run"],
    ["train", "--build", "b1"],
    ["train", "--build", "b1", "--resume"],
    ["train", "--build", "b1", "--gather"],
    ["train", "--build", "b2"],
    ["list"],
    ["select"],
    ["promote", "--dry-run"],
    ["promote", "--model", "light", "--version", "8"],
    ["promote", "--model", "light", "--version", "7"],
    ["promote"],
    ["rollback", "--model", "light"],
    ["promote", "--recover"],
    ["history"],
    ["migrate", "--stages-to-aliases", "--map", "Production=live"],
    ["cleanup", "--dry-run"],
    [*LEASE, "--for", "1d"],
    ["lease"],
    [*LEASE, "--release"],
    ["cleanup", "--plan", "plan.json"],
    ["cleanup", "--apply", "plan.json", "--yes"],
    ["restore", "--model", "light"],
    ["cleanup", "--yes"],
    ["reclaim", "--mode", "runs", "--grace", "0s", "--dry-run"],
    ["reclaim", "--mode", "runs", "--grace", "0s", "--yes"],
    ["reclaim", "--orphans", "--models=*", "--mode=artifacts", "--older-than=0s", "--grace=0s", "--yes"],
    ["doctor"],
    ["doctor", "--storage"],
]
"""What is run, in this order; each ends well."""

NOT_RUN = {
    "jobs apply": "speaks with Jenkins, not with MLflow, and an agent's copy of the package has no jobs",
    "jobs run": "as jobs apply",
    "jobs status": "as jobs apply",
    "jobs logs": "as jobs apply",
}
"""The commands that are not in STEPS, and why."""


def commands(group: click.Group, above: str = "") -> Iterator[str]:
    """Every command of the command line; one of a group after the group's name."""
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, f"{above}{name} ")
        else:
            yield f"{above}{name}"


def test_no_command_is_forgotten() -> None:
    """A new one is run below, or it is in NOT_RUN with a reason."""
    assert sorted(commands(cli)) == sorted({step[0] for step in STEPS} | set(NOT_RUN))


def test_every_command_works_over_http_without_mlflow(make_server: MakeServer, tmp_path: Path) -> None:
    """Training with all that it registers, the smoke test of a real model, and all that follows, to the last file."""
    server = make_server()
    specs = [Spec(metrics={"roc_auc": 0.7 + n / 100}) for n in range(5)]
    specs.append(Spec(metrics={"roc_auc": 0.75}, stage="Production", aliases=("champion",)))
    seed(server.url, {"light": specs}, "light")
    give_files(server.url, "light")
    (tmp_path / "mlops.yaml").write_text(json.dumps(CONFIG))
    (tmp_path / "train.py").write_text(SCRIPT)
    (tmp_path / "data.csv").write_text("x\n1\n2\n")
    for step in STEPS:
        address = [] if step[0] == "schema" else ["--tracking-uri", server.url]
        done = run(tmp_path, *step, *address)
        assert (done.returncode, "Traceback" in done.stderr) == (0, False), f"{step}: {done.stderr}"
    model = Registry(connect(server.url)).model("light")
    assert model.aliases == {"champion": 8, "live": 8}
    assert {version.number for version in model.versions} == {5, 6, 7, 8}


@pytest.mark.parametrize("kind", ["database", "folder"])
def test_a_store_cannot_be_opened_without_mlflow(kind: str, tmp_path: Path) -> None:
    """At a terminal nothing is installed by itself; the message says what to install."""
    store = f"sqlite:///{tmp_path}/mlflow.db" if kind == "database" else str(tmp_path / "mlruns")
    seed(store, {"light": [Spec()]})
    done = run(tmp_path, "list", "--tracking-uri", store)
    assert done.returncode == 1
    assert "MLflow's client is not installed here, and databases and folders need it" in done.stderr
    assert "pip install 'jenkins-mlflow[stores]', or give the address of an MLflow server" in done.stderr


@pytest.fixture
def service() -> Iterator[tuple[str, list[str]]]:
    """A web service that takes Apprise's JSON: its address for Apprise, and the titles of what it got."""
    got: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            got.append(json.loads(self.rfile.read(int(self.headers["Content-Length"])))["title"])
            self.send_response(200)
            self.end_headers()

        def log_message(self, *args: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"json://127.0.0.1:{server.server_port}", got
        server.shutdown()


def test_an_agent_with_the_whole_library_installs_each_part_when_it_is_needed(
    make_server: MakeServer, service: tuple[str, list[str]], tmp_path: Path
) -> None:
    """From the index, or uv's cache: a server needs the first part only, a database brings MLflow's client.

    A promotion brings Apprise if there are addresses, and it tells them.
    """
    server, (address, got) = make_server(), service
    agent = Agent(tmp_path)
    shipped = runpy.run_path(str(ROOT / "scripts/manifest.py"))["shipped_files"](AGENT.parent)
    agent.files = {name: text.decode() for name, text in shipped.items()}
    sources = {name: value for name, value in os.environ.items() if name.startswith(("UV_", "PIP_", "SSL_"))}
    cache = str(Path.home() / ".cache" / "uv")
    agent.env = {"UV_CACHE_DIR": cache, **sources, "JENKINS_MLFLOW_WHEELS": ""}
    agent.send_bundle()
    said = "installing MLflow's client, which databases and folders need, once on this agent"
    for uri, stores in ((server.url, False), (server.store_uri, True), (server.store_uri, True)):
        agent.env["MLFLOW_TRACKING_URI"] = uri
        listed = agent.launch(timeout=1800)  # packages may come from far away
        assert listed.answer, listed.log
        assert listed.answer["status"] == "listed", listed.log
        assert bool(list(agent.runner.glob("venv.*/stores"))) is stores
    assert said not in listed.log
    seed(server.url, {"told": [Spec()]})
    agent.env |= {"MLFLOW_TRACKING_URI": server.url, "JENKINS_MLFLOW_NOTIFY_URLS": address}
    options = {"model": "told", "models": ["told"], "version": 1, "report": "report"}
    agent.env["JENKINS_MLFLOW_REQUEST"] = json.dumps({"command": "promote", "options": options})
    promoted = agent.launch(timeout=1800)
    assert promoted.answer, promoted.log
    assert (promoted.answer["status"], promoted.answer["warnings"]) == ("promoted", []), promoted.log
    assert promoted.log.count("installing Apprise, which notifications need, once on this agent") == 1
    assert got == ["jenkins-mlflow: promoted"]
