"""`doctor --storage` on real servers: what is gone or in danger is named, and nothing is changed."""

from __future__ import annotations

import functools
import itertools
import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import MakeServer
from jenkins_mlflow.build import BuildContext
from jenkins_mlflow.commands.doctor import storage
from jenkins_mlflow.commands.doctor.storage import STATE, StorageWish, examine_storage
from jenkins_mlflow.commands.session import Session
from jenkins_mlflow.config.promote import Promote, SmokeTest
from jenkins_mlflow.config.schema import Config
from jenkins_mlflow.registry.client import Registry
from jenkins_mlflow.registry.connection import connect
from jenkins_mlflow.terminal import Terminal
from support.proxy import CountingProxy
from support.seeding import client
from support.servers import Server
from support.stored import register

names = (f"checkup-{number}" for number in itertools.count(1))


def look(
    uri: str, folder: Path, name: str, wish: StorageWish | None = None, python: str = sys.executable
) -> list[tuple[str, str, str]]:
    rules = Promote(smoke_test=SmokeTest(python=python))
    config = Config(models=(name,), promote=rules)
    session = Session(config, uri, Terminal(quiet=True), folder / "report", BuildContext())
    found = examine_storage(session, Registry(connect(uri)), wish or StorageWish())
    return [(finding.what, finding.status, finding.message) for finding in found]


def test_what_is_gone_and_what_is_in_danger(
    make_server: MakeServer, make_proxy: Callable[[Server], CountingProxy], tmp_path: Path
) -> None:
    """Files gone, origin gone, run and logged model of a champion in the trash, a champion that cannot be loaded."""
    server, name = make_server(), next(names)
    gone = register(server.url, name)
    champion = register(server.url, name, "logged")
    broken = register(server.url, f"{name}-b")
    origin = register(server.url, f"{name}-c")
    mlflow = client(server.url)
    mlflow.set_registered_model_alias(name, "champion", "2")
    mlflow.set_registered_model_alias(f"{name}-b", "champion", "1")
    mlflow.copy_model_version(f"models:/{name}-c/1", f"{name}-d")
    mlflow.delete_model_version(f"{name}-c", str(origin.number))
    files = server.folder / "artifacts"
    shutil.rmtree(next(files.rglob(gone.run_id)))
    (next(files.rglob(broken.run_id)) / "artifacts" / "model" / "MLmodel").unlink()
    mlflow.delete_run(champion.run_id)
    mlflow.delete_logged_model(champion.model_id)
    proxy = make_proxy(server)
    found = look(proxy.url, tmp_path, f"{name}*", StorageWish(load=True))
    trash = "is in MLflow's trash"
    assert [(what, status) for what, status, _ in found] == [
        ("origin gone", "note"),
        ("run deleted", "problem"),
        ("logged model deleted", "problem"),
        ("files gone", "problem"),
        ("loading", "fine"),
        ("cannot be loaded", "problem"),
        ("files", "fine"),
    ]
    messages = [message for _, _, message in found]
    assert messages[0] == f"{name}-d version 1 is a copy of {name}-c/1, which was deleted"
    assert messages[1].startswith(f"{name} version 2 is in use, but its run {champion.run_id} {trash}")
    assert messages[3] == f"{name} version 1: its files are gone"
    assert messages[5].startswith(f"{name}-b version 1 is in production: it cannot be loaded: ")
    assert messages[6] == "4 versions looked at"
    searches = ("search", "get", "version", "artifacts", "logged-models")
    assert {r.method for r in proxy.requests if not any(word in r.path for word in searches)} <= {"GET"}
    assert {r.method for r in proxy.requests} <= {"GET", "POST"}


def test_a_python_that_cannot_load_is_one_finding(make_server: MakeServer, tmp_path: Path) -> None:
    """The other findings are told all the same."""
    server, name = make_server(), next(names)
    register(server.url, name)
    client(server.url).set_registered_model_alias(name, "champion", "1")
    found = look(server.url, tmp_path, name, StorageWish(load=True), python="/no/python")
    assert [(what, status) for what, status, _ in found] == [("loading", "problem"), ("files", "fine")]
    assert found[0][2].startswith("nothing can be loaded: the smoke test's Python /no/python is no program")


def test_it_goes_on_where_its_time_was_over(
    make_server: MakeServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two versions a run: production always, the others in turn; after the last it begins anew."""
    server, name = make_server(), next(names)
    for _ in range(4):
        register(server.url, name)
    client(server.url).set_registered_model_alias(name, "champion", "4")
    monkeypatch.setattr(storage, "CHUNK", 2)
    state = tmp_path / "report" / STATE
    looks = []
    for _ in range(3):
        ticks = itertools.count()
        wish = StorageWish(seconds=2, clock=functools.partial(next, ticks))
        (finding,) = look(server.url, tmp_path, name, wish)
        looks.append((finding[2], json.loads(state.read_text())["version"] if state.exists() else None))
    assert looks == [
        ("--max-duration was over after 2 of 4 versions", 1),
        ("--max-duration was over after 2 of 3 versions", 2),
        ("2 versions looked at (the 2 before them were looked at earlier)", None),
    ]
