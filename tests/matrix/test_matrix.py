"""Every server version on every kind of store, through both doors: promoted, or a notice that tells the truth.

Each server runs in an environment of its own, made on first use and kept in .test-envs. The table of what came out is
printed at the end and written to build/matrix.md.
"""

from __future__ import annotations

import os
import platform
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests
from jenkins_mlflow.methods.known_faults import ServerFaults
from jenkins_mlflow.registry.choice import FORCED
from jenkins_mlflow.registry.client import Registry
from jenkins_mlflow.registry.connection import connect, is_affected
from jenkins_mlflow.registry.snapshot import Model
from jenkins_mlflow.registry.version import Target
from support import promoting
from support.command import Finished, run_command
from support.doors import DOORS, through
from support.environments import MATRIX, ROOT, mlflow_python
from support.proxy import CountingProxy
from support.seeding import Spec, seed
from support.servers import Server, Store, clean_environ, start_server

TABLE = ROOT / "build" / "matrix.md"
COLUMNS = ("server", "store", "methods", "door", "outcome", "by", "seconds", "requests")
STORES: tuple[Store, ...] = ("file", "sqlite")
METHODS = {"default": "default", "folder": "default, folder reachable"}
TRAIN = """
import sys
import mlflow

class Model(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input, params=None):
        return model_input

mlflow.set_tracking_uri(sys.argv[1])
with mlflow.start_run():
    mlflow.log_metric("roc_auc", 0.9)
    mlflow.pyfunc.log_model("model", python_model=Model(), registered_model_name="logged", pip_requirements=[])
"""
TRANSITION = "/api/2.0/mlflow/model-versions/transition-stage"


@dataclass(frozen=True)
class Cell:
    """One server, and whether its own stage changes are known to fail."""

    server: Server
    fails: bool


@pytest.fixture(scope="session")
def table(request: pytest.FixtureRequest) -> Iterator[list[tuple[object, ...]]]:
    """Collects one row for each promotion; shown and written when all are done."""
    rows: list[tuple[object, ...]] = []
    yield rows
    cells = [[str(cell) for cell in row] for row in (COLUMNS, *rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(COLUMNS))]
    cells.insert(1, ["-" * width for width in widths])
    lines = ["| " + " | ".join(map(str.ljust, row, widths)) + " |" for row in cells]
    machine = f"{os.cpu_count()} x {platform.machine()}, {platform.system()}, load {os.getloadavg()[0]:.1f} at the end"
    text = "\n".join([*lines, "", f"Seconds of the whole command through a counting proxy, {machine}."])
    TABLE.parent.mkdir(exist_ok=True)
    TABLE.write_text(text + "\n", encoding="utf-8")
    capture: Any = request.config.pluginmanager.get_plugin("capturemanager")
    with capture.global_and_fixture_disabled():
        print(f"\n\n{text}")


@pytest.fixture(scope="module", params=[(v, s) for v in MATRIX for s in STORES], ids="-".join)
def cell(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cell]:
    """A server of its own for the tests of one version and store."""
    version, store = request.param
    server = start_server(tmp_path_factory.mktemp(f"{version}-{store}"), version=version, store=store)
    yield Cell(server, fails=store == "file" and bool(is_affected(version)))
    server.stop()


def models(cell: Cell, name: str) -> None:
    """A champion, and a challenger whose metrics are linked as far as the server's version knows that."""
    linked = not cell.server.version.startswith("2.")
    challenger = Spec(metrics={"roc_auc": 0.9}, linked=linked)
    seed(cell.server.url, {name: [Spec(stage="Production", aliases=("champion",)), challenger]})


def live(cell: Cell, name: str) -> Model:
    return Registry(connect(cell.server.url)).model(name)


def transition(cell: Cell, name: str, number: int) -> requests.Response:
    """The request that MLflow's own page sends."""
    change = {"name": name, "version": str(number), "stage": "Production", "archive_existing_versions": True}
    return requests.post(cell.server.url + TRANSITION, json=change, timeout=30)


def promote(
    cell: Cell, door: str, scenario: str, folder: Path, table: list[tuple[object, ...]], **rules: str
) -> Finished:
    """Run the real command on the challenger of the model ``scenario-door``, as a process; note what came out."""
    name = f"{scenario}-{door}"
    models(cell, name)
    env = {f"MLOPS__PROMOTE__{key.upper()}": value for key, value in rules.items()} | {FORCED: door}
    with CountingProxy(cell.server.url) as proxy:
        arguments = ("--model", name, "--version", "2", "--tracking-uri", proxy.url, "--output=json")
        started = time.perf_counter()
        done = run_command("promote", *arguments, cwd=folder, env=env)
        seconds, count = time.perf_counter() - started, len(proxy.requests)
    outcome = f"{done.doc['status']} (exit {done.code})"
    by = done.doc["method"] or "-"
    row = (cell.server.version, cell.server.store, METHODS[scenario], door)
    table.append((*row, outcome, by, f"{seconds:.1f}", count))
    return done


def assert_promoted(cell: Cell, name: str, done: Finished) -> None:
    """The command says so, and the server shows it."""
    assert (done.code, done.doc["status"]) == (0, "promoted"), done.stderr
    model = live(cell, name)
    assert {version.number: version.stage for version in model.versions} == {1: "Archived", 2: "Production"}
    assert model.aliases == {"champion": 2}


def assert_true_notice(cell: Cell, name: str, done: Finished) -> None:
    """What is said to be missing is missing, production is as before, and the UI's own request fails as foretold."""
    assert (done.code, done.doc["method"] in (None, "alias")) == (4, True), done.stderr
    model = live(cell, name)
    assert {version.number: version.stage for version in model.versions} == {1: "Production", 2: "None"}
    missing = " ".join(done.doc["missing"])
    assert f"stage Production for {name} version 2" in missing
    assert model.aliases == {"champion": 1 if "alias" in missing else 2}
    notice = done.doc["notice"]["text"]
    assert f"MLflow {cell.server.version} with a file store cannot change the stage" in notice
    assert f"No: the server is MLflow {cell.server.version}" in notice
    assert transition(cell, name, 2).status_code == 500


@pytest.mark.parametrize("door", DOORS)
def test_the_default_methods(cell: Cell, door: str, tmp_path: Path, table: list[tuple[object, ...]]) -> None:
    """Without any way to the server's folder."""
    done = promote(cell, door, "default", tmp_path, table)
    check = assert_true_notice if cell.fails else assert_promoted
    check(cell, f"default-{door}", done)


@pytest.mark.parametrize("door", DOORS)
def test_the_folder_of_the_store(
    cell: Cell, door: str, tmp_path: Path, table: list[tuple[object, ...]]
) -> None:
    """With the folder everything is promoted, by the server where it can."""
    if cell.server.store != "file":
        pytest.skip("a database has no folder")
    done = promote(cell, door, "folder", tmp_path, table, file_store=cell.server.store_uri)
    assert_promoted(cell, f"folder-{door}", done)
    assert (done.doc["method"] == "file-store") is cell.fails


@pytest.mark.parametrize("door", DOORS)
def test_copy(cell: Cell, door: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The copy gets the alias on every server, affected ones too."""
    monkeypatch.setenv(FORCED, door)
    name = f"copy-{door}"
    models(cell, name)
    target = Target("Production", "champion", copy_to=f"{name}-prod")
    outcome = promoting.promote(cell.server.url, name, 2, target)
    assert (outcome.status, outcome.method) == ("promoted", "copy")
    assert [version.source for version in live(cell, f"{name}-prod").versions] == [f"models:/{name}/2"]


def test_a_real_training_is_judged_rightly(
    cell: Cell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What log_model registers, with the server's own MLflow, is doomed where the request fails, and only there."""
    argv = [str(mlflow_python(cell.server.version)), "-c", TRAIN, cell.server.url]
    subprocess.run(argv, cwd=tmp_path, env=clean_environ(), check=True, capture_output=True)
    for door in DOORS:
        registry = through(door, cell.server.url, monkeypatch)
        version = registry.version("logged", 1)
        assert bool(ServerFaults(registry.connection).stage_fault([version])) is cell.fails
    assert transition(cell, "logged", 1).status_code == (500 if cell.fails else 200)


def test_what_it_said_of_the_server_is_measured(cell: Cell) -> None:
    """Which servers are affected is no hearsay: the request fails on them, and on no other."""
    models(cell, "bare")
    assert transition(cell, "bare", 2).status_code == (500 if cell.fails else 200)
