"""The snapshot: true on every kind of store and server, in a number of requests that depends on pages alone."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from conftest import MakeServer
from jenkins_mlflow.errors import ConnectionFailed, NotFound, RegistryError
from jenkins_mlflow.registry.client import Registry
from jenkins_mlflow.registry.connection import connect
from jenkins_mlflow.registry.retries import RetryPolicy
from jenkins_mlflow.registry.runs import RunsOf
from support.proxy import Answer, CountingProxy, respond
from support.seeding import Spec, seed
from support.servers import Server, Store

ONCE = RetryPolicy(attempts=1)
SERVERS: list[tuple[str, Store]] = [
    ("3.17.2", "sqlite"),
    ("3.17.2", "postgresql"),
    ("3.17.2", "file"),
    ("3.3.2", "file"),
    ("2.22.4", "sqlite"),
]
MODELS = {
    "snap-a": [
        Spec(metrics={"roc_auc": 0.7}, stage="Archived"),
        Spec(
            metrics={"roc_auc": 0.8, "brier": 0.1},
            stage="Production",
            aliases=("champion", "live"),
            tags={"keep": "true"},
        ),
        Spec(metrics={}),
    ],
    "snap-b": [Spec(metrics={"roc_auc": 0.9}, run_tags={"jenkins_mlflow.build": "job-1"})],
    "snap_c": [Spec()],
}


@pytest.fixture(params=SERVERS, ids=lambda s: f"{s[0]}-{s[1]}")
def server(request: pytest.FixtureRequest, make_server: MakeServer) -> Server:
    version, store = request.param
    server = make_server(version, store)
    if not getattr(server, "snapshot_seeded", False):
        seed(server.url, MODELS, "snapshots")
        server.snapshot_seeded = True  # type: ignore[attr-defined]
    return server


def test_a_snapshot_has_everything(server: Server) -> None:
    """Stages, aliases, tags, runs, metrics and run tags of the group, and no other model."""
    snapshot = Registry(connect(server.url)).snapshot(["snap-*"], with_runs=True)
    assert [model.name for model in snapshot.models] == ["snap-a", "snap-b"]
    first, second = snapshot.models
    assert [(v.number, v.stage, v.aliases) for v in first.versions] == [
        (3, "None", ()),
        (2, "Production", ("champion", "live")),
        (1, "Archived", ()),
    ]
    assert first.aliases == {"champion": 2, "live": 2}
    assert dict(first.versions[1].tags) == {"keep": "true"}
    assert [v.metric("roc_auc") for v in first.versions] == [None, 0.8, 0.7]
    assert second.versions[0].run is not None
    assert second.versions[0].run.tags["jenkins_mlflow.build"] == "job-1"
    assert all(v.status == "READY" and v.created > 10**12 for v in snapshot.versions())


def test_versions_that_are_read_together_are_as_they_are_alone(server: Server) -> None:
    """Stages, aliases and tags of those in the range, and no other; of a model that is not there, an error."""
    registry = Registry(connect(server.url))
    alone = [registry.version("snap-a", number) for number in (3, 2)]
    assert registry.versions_between("snap-a", 2, 3) == alone
    assert alone[1].aliases == ("champion", "live")
    assert registry.versions_between("snap-a", 4, 9) == []
    with pytest.raises(NotFound):
        registry.versions_between("snap", 1, 9)


@pytest.mark.parametrize("door", ["http", "store"])
def test_a_snapshot_has_only_the_runs_that_are_wanted(
    door: str,
    make_server: MakeServer,
    make_proxy: Callable[[Server], CountingProxy],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Those of a build by its tag, and those of some versions by their ids, each run once."""
    server = make_server()
    name = f"wanted-{door}"
    build = {"jenkins_mlflow.build": f"b-{door}"}
    specs = [Spec(metrics={"a": n / 10}, run_tags=build if n in (2, 4) else {}) for n in range(1, 6)]
    seed(server.store_uri, {name: specs}, "wanted")
    monkeypatch.setenv("JENKINS_MLFLOW_DOOR", door)
    proxy = make_proxy(server)
    registry = Registry(connect(proxy.url))

    def values(wanted: RunsOf) -> list[float | None]:
        (model,) = registry.snapshot([name], with_runs=wanted).models
        return [version.metric("a") for version in model.versions]

    tag = ("jenkins_mlflow.build", f"b-{door}")
    assert values(RunsOf(lambda version: version.number in (1, 2), tag)) == [None, 0.4, None, 0.2, 0.1]
    assert values(RunsOf(lambda version: version.number == 5)) == [0.5, None, None, None, None]
    proxy.reset()
    assert values(RunsOf(lambda version: False, tag)) == [None, 0.4, None, 0.2, None]
    searches = [request.path.rpartition("/mlflow/")[2].partition("?")[0] for request in proxy.requests]
    assert searches == [
        "registered-models/search",
        "model-versions/search",
        "experiments/search",
        "runs/search",
    ]


def test_the_number_of_requests_does_not_depend_on_versions(
    make_server: MakeServer, make_proxy: Callable[[Server], CountingProxy]
) -> None:
    """4 requests for 3 versions of 2 models, and the same 4 for 60 versions of 12."""
    server = make_server()
    few = {f"few-{n}": [Spec(metrics={"roc_auc": 0.5})] for n in range(2)}
    many = {f"many-{n}": [Spec(metrics={"roc_auc": 0.5})] * 5 for n in range(12)}
    seed(server.store_uri, {**few, **many}, "counts")
    proxy = make_proxy(server)
    registry = Registry(connect(proxy.url))
    counts = {}
    for pattern, versions in (("few-*", 2), ("many-*", 60)):
        proxy.reset()
        assert len(list(registry.snapshot([pattern], with_runs=True).versions())) == versions
        counts[pattern] = [request.path.split("?")[0].rsplit("/mlflow/", 1)[1] for request in proxy.requests]
    assert (
        counts["few-*"]
        == counts["many-*"]
        == [
            "registered-models/search",
            "model-versions/search",
            "experiments/search",
            "runs/search",
        ]
    )


def test_pages_are_followed(make_server: MakeServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """With tiny pages the same registry is read in more requests, and nothing is lost or doubled."""
    server = make_server()
    seed(server.store_uri, {f"page-{n}": [Spec(metrics={"roc_auc": n})] * 3 for n in range(4)}, "pages")
    registry = Registry(connect(server.url))
    whole = registry.snapshot(["page-*"], with_runs=True)
    for limit in ("reading.MODELS_PER_PAGE", "reading.VERSIONS_PER_PAGE", "runs.RUNS_PER_REQUEST"):
        monkeypatch.setattr(f"jenkins_mlflow.registry.{limit}", 3)
    assert registry.snapshot(["page-*"], with_runs=True) == whole
    assert len(list(whole.versions())) == 12


def test_stores_opened_directly_give_the_same_snapshot(server: Server) -> None:
    """A store's own address and the server on it show the same registry."""
    if server.version != "3.17.2":
        pytest.skip("another version's store may need a migration before it opens")
    direct = Registry(connect(server.store_uri)).snapshot(["snap-*"], with_runs=True)
    assert direct == Registry(connect(server.url)).snapshot(["snap-*"], with_runs=True)


@pytest.mark.parametrize("name", ["it's", 'say "hi"', "both ' and \"", "a%b", "a_b*", "a\\b", "🫀 $(x) `y`"])
def test_odd_names_are_read_whole_and_alone(name: str, make_server: MakeServer) -> None:
    """Quotes, wildcards and emoji in a name neither break a filter nor let another model in."""
    server = make_server()
    client = seed(server.store_uri, {name: [Spec()], "another": []}, "odd")
    try:
        registry = Registry(connect(server.url))
        assert [model.name for model in registry.snapshot([name]).models] == [name]
        assert [version.number for version in registry.model(name).versions] == [1]
    finally:
        client.delete_registered_model(name)


def test_what_is_missing_is_not_found(make_server: MakeServer) -> None:
    """A model or version that is not there is told apart from trouble."""
    registry = Registry(connect(make_server().url))
    with pytest.raises(NotFound, match="nowhere"):
        registry.model("nowhere")
    with pytest.raises(NotFound, match="version 7"):
        registry.version("nowhere", 7)


@pytest.mark.parametrize(
    ("status", "error", "reason", "next_step"),
    [
        (503, ConnectionFailed, "HTTP 503 from the server", "check that the MLflow server runs"),
        (500, RegistryError, "HTTP 500 from the server", "look at the log"),
        (401, RegistryError, "refuses access", "set MLFLOW_TRACKING_USERNAME"),
        (
            403,
            RegistryError,
            "refuses access",
            "give this account the right to do that, or log in with another",
        ),
        (302, RegistryError, "302", "give the server's own address"),
    ],
)
def test_a_server_that_answers_badly_is_named(
    status: int,
    error: type[Exception],
    reason: str,
    next_step: str,
    make_server: MakeServer,
    make_proxy: Callable[[Server], CountingProxy],
) -> None:
    """Each bad answer becomes an error with the address and a next step, never a client's traceback."""
    proxy = make_proxy(make_server())
    proxy.inject(respond(status, "<html>no</html>"))
    with pytest.raises(error, match=reason) as caught:
        Registry(connect(proxy.url), ONCE).snapshot(["*"])
    assert next_step in caught.value.next_step  # type: ignore[attr-defined]


def test_a_page_that_is_no_mlflow_is_recognised(
    make_server: MakeServer, make_proxy: Callable[[Server], CountingProxy]
) -> None:
    """A login page with status 200 is no registry."""
    proxy = make_proxy(make_server())
    proxy.inject(respond(200, "<html>please log in</html>"))
    with pytest.raises(ConnectionFailed, match="is this address an MLflow server"):
        Registry(connect(proxy.url), ONCE).snapshot(["*"])


def test_nobody_listens() -> None:
    """A refused connection says so, and what to check."""
    with pytest.raises(ConnectionFailed, match="connection refused") as caught:
        Registry(connect("http://127.0.0.1:9"), ONCE).snapshot(["*"])
    assert "check that the MLflow server runs" in caught.value.next_step


def test_a_passing_fault_is_retried(
    make_server: MakeServer, make_proxy: Callable[[Server], CountingProxy]
) -> None:
    """One 503 costs one more request, not the command."""
    proxy = make_proxy(make_server())
    proxy.inject(respond(503), times=1)
    Registry(connect(proxy.url), RetryPolicy(max_wait=0.01)).snapshot(["none-at-all"])
    assert len(proxy.requests) == 3


def test_retry_after_comes_through_the_client(
    make_server: MakeServer, make_proxy: Callable[[Server], CountingProxy]
) -> None:
    """MLflow's client hides the header; ours does not: a real answer, through a real client."""
    proxy = make_proxy(make_server())
    busy = Answer(429, b"", (("Retry-After", "1"),))
    proxy.inject(lambda request, send: busy, times=1)
    started = time.monotonic()
    assert Registry(connect(proxy.url)).snapshot(["no-such-model"]).models == ()
    assert time.monotonic() - started >= 1
