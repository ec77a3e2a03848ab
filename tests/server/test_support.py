"""The tests' own tools: real servers of each version and store, and a proxy that counts and breaks requests."""

from __future__ import annotations

import grp
import json
import pwd
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from http.client import RemoteDisconnected
from pathlib import Path
from typing import Any

import pytest
from conftest import MakeServer, RunCli
from support import proxy as faults
from support.environments import OWN_VERSION
from support.postgres import Postgres
from support.processes import Background
from support.proxy import CountingProxy
from support.seeding import Spec, seed
from support.servers import Server, Store, clean_environ

TRANSITION = "/api/2.0/mlflow/model-versions/transition-stage"

MakeProxy = Callable[[Server], CountingProxy]


def post(url: str, path: str, **body: Any) -> tuple[int, Any]:
    """Status and JSON (or text) of one request, with no client between that would repeat it."""
    request = urllib.request.Request(
        f"{url}{path}", json.dumps(body).encode(), {"Content-Type": "application/json"}, method="POST"
    )
    try:
        with urllib.request.urlopen(request, timeout=30) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


@pytest.mark.parametrize(
    ("version", "store"),
    [
        (OWN_VERSION, "sqlite"),
        (OWN_VERSION, "postgresql"),
        (OWN_VERSION, "file"),
        ("3.3.2", "file"),
        ("2.22.4", "sqlite"),
    ],
)
def test_server_runs_its_version_on_its_store(make_server: MakeServer, version: str, store: Store) -> None:
    """Each kind of server answers, is what it says, and keeps a registry."""
    server = make_server(version, store)
    with urllib.request.urlopen(f"{server.url}/version") as response:
        assert response.read().decode() == version
    mlflow = seed(
        server.url, {"support-basic": [Spec({"auc": 0.9}, tags={"a": "b"}, aliases=("best",)), Spec()]}
    )
    version_1 = mlflow.get_model_version_by_alias("support-basic", "best")
    assert (version_1.version, version_1.tags) in [("1", {"a": "b"}), (1, {"a": "b"})]
    assert version_1.run_id is not None
    assert mlflow.get_run(version_1.run_id).data.metrics == {"auc": 0.9}
    assert server.store_uri.startswith(
        {"sqlite": "sqlite:///", "postgresql": "postgresql://", "file": "/"}[store]
    )


@pytest.mark.parametrize("archive", [True, False])
def test_affected_server_fails_on_every_stage_transition(make_server: MakeServer, archive: bool) -> None:
    """MLflow 3.3.2 on a file store answers 500 when metrics are linked to the logged model, and only then."""
    server = make_server("3.3.2", "file")
    name = f"support-affected-{archive}"
    seed(server.url, {name: [Spec({"auc": 0.9}, linked=True), Spec({"auc": 0.9})]})
    order = {"name": name, "stage": "Production", "archive_existing_versions": archive}
    status, body = post(server.url, TRANSITION, version="1", **order)
    assert status == 500
    assert "<title>500 Internal Server Error</title>" in body
    assert "RepresenterError" in server.log
    assert post(server.url, TRANSITION, version="2", **order)[0] == 200


@pytest.mark.parametrize(("version", "store"), [(OWN_VERSION, "file"), ("2.22.4", "sqlite")])
def test_other_servers_transition(make_server: MakeServer, version: str, store: Store) -> None:
    """The versions before and after the affected ones move a version with linked metrics (2.22 has no such link)."""
    server = make_server(version, store)
    seed(server.url, {"support-moves": [Spec({"auc": 0.9}, linked=version == OWN_VERSION)]})
    order = {
        "name": "support-moves",
        "version": "1",
        "stage": "Production",
        "archive_existing_versions": True,
    }
    status, body = post(server.url, TRANSITION, **order)
    assert (status, body["model_version"]["current_stage"]) == (200, "Production")


def test_seeding_the_store_directly(make_server: MakeServer) -> None:
    """What is written straight to the database is what the server serves."""
    server = make_server()
    seed(server.store_uri, {"support-direct": [Spec({"auc": 0.5}, stage="Production", linked=True)]})
    _, body = post(server.url, "/api/2.0/mlflow/registered-models/get-latest-versions", name="support-direct")
    assert [v["current_stage"] for v in body["model_versions"]] == ["Production"]


def test_fresh_servers_share_nothing(postgres: Postgres) -> None:
    """Each database of the PostgreSQL is new."""
    assert postgres.create_database() != postgres.create_database()


def test_stopping_ends_the_whole_group(tmp_path: Path) -> None:
    """A helper process that ignores SIGTERM ends too: no test leaves a program behind."""
    script = "trap '' TERM; (trap '' TERM; echo $BASHPID > child; sleep 100) & wait"
    program = Background(["bash", "-c", script], tmp_path / "log", clean_environ())
    program.wait_until(lambda: (tmp_path / "child").exists() and bool((tmp_path / "child").read_text()), 10)
    program.stop(grace=0.2)
    child = int((tmp_path / "child").read_text())
    deadline = time.monotonic() + 5
    while _runs(child) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not _runs(child)


def _runs(pid: int) -> bool:
    """Whether a process runs; one that only waits for its parent to notice its end does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_program_that_fails_shows_its_log(tmp_path: Path) -> None:
    """A server that cannot start says why."""
    program = Background(["bash", "-c", "echo the reason; exit 3"], tmp_path / "log", clean_environ())
    with pytest.raises(AssertionError, match=r"ended with 3:\nthe reason"):
        program.wait_until(lambda: False, 10)


def test_proxy_counts(make_server: MakeServer, make_proxy: MakeProxy) -> None:
    """The proxy changes nothing and remembers method, path and body of every request, in order."""
    proxy = make_proxy(make_server())
    mlflow = seed(proxy.url, {"support-proxied": [Spec({"auc": 0.9})]})
    assert mlflow.get_model_version("support-proxied", "1").run_id
    assert "POST model-versions/create" in [str(request) for request in proxy.requests]
    assert str(proxy.requests[-1]) == "GET model-versions/get"
    created = next(request for request in proxy.requests if request.endpoint == "registered-models/create")
    assert created.json["name"] == "support-proxied"
    proxy.reset()
    assert proxy.requests == ()


CREATE = "/api/2.0/mlflow/registered-models/create"
GET = "/api/2.0/mlflow/registered-models/get-latest-versions"

FAULTS: list[tuple[str, faults.Fault, object, bool]] = [
    ("respond", faults.respond(503, "busy"), (503, "busy"), False),
    ("respond_after", faults.respond_after(500, "oops"), (500, "oops"), True),
    ("drop_before", faults.drop_before, RemoteDisconnected, False),
    ("drop_after", faults.drop_after, RemoteDisconnected, True),
    ("delay", faults.delay(0.3), (200, None), True),
]


@pytest.mark.parametrize(
    ("name", "fault", "outcome", "took_effect"), FAULTS, ids=[fault[0] for fault in FAULTS]
)
def test_proxy_breaks_a_request(
    make_server: MakeServer,
    make_proxy: MakeProxy,
    name: str,
    fault: faults.Fault,
    outcome: Any,
    took_effect: bool,
) -> None:
    """Each fault gives its outcome, before or after the request took effect, once and only where it was asked for."""
    proxy, model = make_proxy(make_server()), f"support-fault-{name}"
    proxy.inject(fault, method="POST", path="registered-models/create", times=1)
    started = time.monotonic()
    if isinstance(outcome, tuple):
        status, body = post(proxy.url, CREATE, name=model)
        assert (status, body if outcome[1] else None) == outcome
    else:
        with pytest.raises(outcome):
            post(proxy.url, CREATE, name=model)
    assert name != "delay" or time.monotonic() - started >= 0.3
    assert (post(proxy.url, GET, name=model)[0] == 200) == took_effect
    assert post(proxy.url, CREATE, name=model)[0] == (400 if took_effect else 200)


def test_proxy_breaks_the_nth_request(make_server: MakeServer, make_proxy: MakeProxy) -> None:
    """A fault waits for its turn, and something else can happen just before a request."""
    proxy, seen = make_proxy(make_server()), []
    proxy.inject(faults.respond(418, "tea"), path="registered-models", nth=2, times=2)
    proxy.inject(
        faults.meanwhile(lambda: seen.append(len(proxy.requests))), path="registered-models", nth=4, times=1
    )
    statuses = [post(proxy.url, GET, name="support-none")[0] for _ in range(5)]
    assert statuses == [404, 418, 418, 404, 404]
    assert seen == [4]


def test_command_runs_as_a_process(run_cli: RunCli, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command sees none of the caller's MLflow, and its output is kept apart."""
    monkeypatch.setenv("MLOPS__SELECT__METRIC", "leaked")
    finished = run_cli("schema")
    assert (finished.code, finished.stderr) == (0, "")
    assert finished.doc["title"].startswith("jenkins-mlflow")
    assert "leaked" not in clean_environ().values()
    assert run_cli("no-such-command").code == 2


def test_databases_belong_to_no_system_user() -> None:
    """Also as root a PostgreSQL starts and serves, and the machine has the users and groups that it had before."""
    before = pwd.getpwall(), grp.getgrall()
    started = Postgres()
    try:
        assert started.create_database()
        assert (pwd.getpwall(), grp.getgrall()) == before
    finally:
        started.stop()
