"""Both doors to a registry show, do and refuse the same; and what only the http door has to withstand."""

from __future__ import annotations

import contextlib
import json
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from conftest import MakeServer
from jenkins_mlflow.errors import ConnectionFailed, Refused, RegistryError, UsageError
from jenkins_mlflow.registry import homes, quick_connections
from jenkins_mlflow.registry.choice import Choice, choose_door
from jenkins_mlflow.registry.client import Registry
from jenkins_mlflow.registry.connection import connect
from jenkins_mlflow.registry.door_types import Page
from jenkins_mlflow.registry.doors import Door
from jenkins_mlflow.registry.faults import ErrorAnswer, Fault, classify
from jenkins_mlflow.registry.files import Files
from jenkins_mlflow.registry.http import HttpDoor
from jenkins_mlflow.registry.journal import EXPERIMENT, Journal
from jenkins_mlflow.registry.journal_entry import Entry, Reclaimed
from jenkins_mlflow.registry.locations import parse_location
from jenkins_mlflow.registry.reading import FilesUnknown
from jenkins_mlflow.registry.retries import RetryPolicy
from jenkins_mlflow.registry.snapshot import Run, Snapshot, Version
from jenkins_mlflow.registry.storage import Measured, OutOfReach, Storage
from jenkins_mlflow.registry.store import StoreDoor
from support.certificates import make_certificates, server_context
from support.proxy import Answer, CountingProxy, Fault as Breakage, drop_after, drop_before, respond
from support.seeding import Spec, client, seed
from support.servers import Server, Store, clean_environ

ONCE = RetryPolicy(attempts=1)
DOORS = ("http", "store")
SERVERS: list[tuple[str, Store]] = [
    ("3.17.2", "sqlite"),
    ("3.17.2", "postgresql"),
    ("3.17.2", "file"),
    ("3.3.2", "file"),
    ("2.22.4", "sqlite"),
]
ODD_NAMES = [
    "odd it's",
    'odd say "hi"',
    "odd both ' and \"",
    "odd 50% _a*b?[c]",
    "odd a\\b",
    "odd 🫀 $(x) `y`",
    "odd\nline",
]


@pytest.fixture(params=SERVERS, ids=lambda s: f"{s[0]}-{s[1]}")
def server(request: pytest.FixtureRequest, make_server: MakeServer) -> Server:
    return make_server(*request.param)


def through(door: str, url: str, monkeypatch: pytest.MonkeyPatch) -> Registry:
    """The registry through one door, without retries."""
    monkeypatch.setenv("JENKINS_MLFLOW_DOOR", door)
    registry = Registry(connect(url), ONCE)
    assert type(registry.connection.door) is {"http": HttpDoor, "store": StoreDoor}[door]
    return registry


def plain(value: Any) -> str:
    """Everything in it, in an order that is the same for equal values; NaN is equal to itself."""
    return json.dumps(value, default=asdict, sort_keys=True, indent=1)


def seed_odd(url: str) -> None:
    """Odd names (those that the server takes), odd metrics, runs that are gone, long tags, a prompt."""
    mlflow = client(url)
    odd = Spec(
        metrics={"nan": float("nan"), "inf": float("inf"), "minus": float("-inf"), "odd key 1/2": 1e-300},
        aliases=("champion", "b"),
        tags={"long": "x" * 5000, "odd key: 1/2": "🫀\n\"'%"},
        run_tags={"note": "y" * 5000},
    )
    for name in ODD_NAMES:
        try:
            mlflow.create_registered_model(name, {"of the model": "ünï"})
        except Exception as error:  # noqa: BLE001  file stores refuse some of them
            assert "INVALID_PARAMETER_VALUE" in str(error)
    names = [m.name for m in mlflow.search_registered_models("name LIKE 'odd%'")]
    assert len(names) >= 4
    seed(url, {name: [Spec(stage="Production"), odd] for name in names}, "odd")
    deleted = mlflow.search_model_versions(f"name = '{names[-1]}'")[0]
    mlflow.delete_run(str(deleted.run_id))
    mlflow.create_model_version(names[-1], "s3://bucket/without-a-run")
    prompt = {"mlflow.prompt.is_prompt": "true", "mlflow.prompt.text": "say {{it}}"}
    registry = mlflow._get_registry_client()
    registry.create_registered_model("odd prompt", {"mlflow.prompt.is_prompt": "true"})
    registry.create_model_version("odd prompt", "prompt-template", tags=prompt)


def test_both_doors_show_the_same(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Odd names, NaN and infinite metrics, deleted and missing runs, long tags, and no prompt."""
    seed_odd(server.url)
    seen = {}
    for door in DOORS:
        registry = through(door, server.url, monkeypatch)
        group = registry.snapshot(["odd*"], with_runs=True)
        names = [model.name for model in group.models]
        parts: list[object] = [registry.model(name) for name in names]
        parts += [registry.version(name, 1) for name in names]
        uris = [registry.storage_uri(name, 1) for name in names]
        seen[door] = plain([group, parts, uris, registry.connection.server_version])
        assert "odd prompt" not in names
        with pytest.raises(RegistryError, match=r"^reading model odd prompt: not in the registry http://"):
            registry.model("odd prompt")
    assert seen["http"] == seen["store"]
    runs = [version.run for version in group.versions()]
    assert None in runs
    assert any(run and "inf" in run.metrics for run in runs)


def number(version: Version) -> int:
    return version.number


def write_everything(registry: Registry, name: str, *, archive: bool) -> Snapshot:
    """Every write there is, and some of them twice."""
    registry.set_stage(name, 1, "Production")
    registry.set_stage(name, 2, "Production", archive_existing=archive)
    registry.set_stage(name, 1, "Archived")
    for alias in ("champion", "gone", "gone"):
        registry.set_alias(name, alias, 2)
    registry.delete_alias(name, "gone")
    registry.tag_version(name, 2, {"short": "v", "empty": "", "too long": "z" * 6000, "untagged": "v"})
    for _ in range(2):
        registry.untag_version(name, 2, "untagged")
    for key in ("kept", "untagged"):
        registry.tag_model(name, key, "🫀")
    for _ in range(2):
        registry.untag_model(name, "untagged")
    registry.delete_version(name, 3)
    like = replace(registry.version(name, 1), description="what it is 🫀")
    assert registry.register_version(like, {"registered": "again", "empty": ""}) >= 3
    return registry.snapshot([name])


def test_both_doors_write_the_same(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same writes leave the same registry, but for its names and times."""
    written = {}
    for door in DOORS:
        name = f"written-{door}"
        seed(server.url, {name: [Spec(), Spec(), Spec()]}, "writes")
        group = write_everything(
            through(door, server.url, monkeypatch), name, archive=server.store != "postgresql"
        )  # there psycopg 3 refuses it
        again, *versions = [replace(v, model="", created=0, run_id="", source="") for v in group.versions()]
        written[door] = plain([again, versions, group.models[0].aliases, group.models[0].tags])
        assert again.tags == {"registered": "again", "empty": ""}
        first, last = min(group.versions(), key=number), max(group.versions(), key=number)
        assert (last.run_id, last.source) == (first.run_id, first.source)
        assert [(v.number, v.stage, v.aliases) for v in versions] == [
            (2, "Production", ("champion",)),
            (1, "Archived", ()),
        ]
    assert written["http"] == written["store"]


def test_both_doors_copy_the_same(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Into a model that is missing, then into one that is there: same source, run, tags and description."""
    spec = Spec(metrics={"roc_auc": 0.5}, tags={"k": "🫀"}, linked=server.version == "3.17.2")
    mlflow = seed(server.url, {"copied": [spec]}, "copies")
    mlflow.update_model_version("copied", "1", "what it is")
    copied = {}
    for door in DOORS:
        registry, into = through(door, server.url, monkeypatch), f"copies-{door}"
        assert [registry.copy_version("copied", 1, into) for _ in range(2)] == [1, 2]
        versions = [replace(v, model="", created=0) for v in registry.snapshot([into]).versions()]
        ids = {mlflow.get_model_version(into, str(number)).model_id for number in (1, 2)}
        copied[door] = plain(
            [versions, [mlflow.get_model_version(into, "2").description, *sorted(map(str, ids))]]
        )
    assert copied["http"] == copied["store"]
    assert '"source": "models:/copied/1"' in copied["http"]


def train_through(door: Door, url: str, name: str) -> list[Any]:
    """What training writes, and reads again, with the ids that differ left out."""
    mlflow, tags = client(url), {"of": name}
    experiment = mlflow.create_experiment(f"training {name}")
    ids = [
        mlflow.create_run(experiment, start_time=1000 + n, tags=tags, run_name="a").info.run_id
        for n in range(2)
    ]
    mlflow.log_metric(ids[0], "nan", float("nan"))
    mlflow.set_terminated(ids[1], "FINISHED", 5000)
    door.tag_run(ids[0], "outcome", "lost")
    door.end_run(ids[0], "KILLED", 4000)
    found = door.training_runs([experiment], f"tags.of = '{name}'", limit=10, page_token="")
    seen: list[Any] = [
        [
            one.name,
            one.status,
            one.ended,
            one.run.started,
            one.experiment_id == experiment,
            one.run.tags["of"],
        ]
        for one in found
    ]
    assert [one.run.run_id for one in found] == ids
    seen += [found[0].run.tags["outcome"], plain(found[0].run.metrics)]
    seen += [one.artifact_uri.replace(one.run.run_id, "run").replace(experiment, "0") for one in found]
    first = door.training_runs([experiment], f"tags.of = '{name}'", limit=1, page_token="")
    second = door.training_runs([experiment], f"tags.of = '{name}'", limit=1, page_token=first.token)
    assert [one.run.run_id for one in (*first, *second)] == ids
    return seen


def test_both_doors_train_the_same(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs that are marked, ended, and found by the build's tag, page by page."""
    seen = [
        train_through(through(door, server.url, monkeypatch).connection.door, server.url, door)
        for door in DOORS
    ]
    assert json.dumps(seen[0]).replace("http", "") == json.dumps(seen[1]).replace("store", "").replace(
        "http", ""
    )


def test_both_doors_find_logged_models(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the build's tag, oldest first; a server of MLflow 2 has none, which is no error over HTTP."""
    mlflow = client(server.url)
    if server.version.startswith("2."):
        door = through("http", server.url, monkeypatch).connection.door
        assert door.logged_models(["0"], "tags.of = 'x'", limit=10, page_token="") == []
        return
    experiment = mlflow.create_experiment("logged models")
    run = mlflow.create_run(experiment).info.run_id
    made = [mlflow.create_logged_model(experiment, f"m{n}", run, tags={"of": "x"}) for n in range(2)]
    mlflow.finalize_logged_model(made[0].model_id, "READY")
    mlflow.create_logged_model(experiment, "another", run, tags={"of": "y"})
    seen = []
    for name in DOORS:
        door = through(name, server.url, monkeypatch).connection.door
        door.tag_logged_model(made[1].model_id, "odd", "\"'%")
        found = door.logged_models([experiment], "tags.of = 'x'", limit=10, page_token="")
        assert [(m.model_id, m.name, m.run_id, m.status) for m in found] == [
            (made[0].model_id, "m0", run, "READY"),
            (made[1].model_id, "m1", run, "PENDING"),
        ]
        seen.append([found, door.logged_model(made[1].model_id)])
        assert found[1].tags["odd"] == "\"'%"
    assert seen[0] == seen[1]


def test_both_doors_find_what_has_a_tag(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Versions and models with a tag, all names, and the server's time."""
    mlflow = seed(server.url, {"tagged": [Spec(tags={"odd key": ""}), Spec()], "bare": [Spec()]}, "tags")
    mlflow.set_registered_model_tag("tagged", "odd key", "🫀")
    seen = {}
    for door in DOORS:
        registry = through(door, server.url, monkeypatch)
        found = registry.versions_with_tag("odd key"), registry.models_with_tag("odd key")
        assert [version.label for version in found[0]] == ["tagged version 1"]
        assert {"tagged", "bare"} <= set(registry.names())
        assert registry.find_model("nowhere") is None
        assert abs(registry.now() - time.time()) < 60
        assert registry.answer_time == 30
        seen[door] = plain([*found, registry.names()])
    assert seen["http"] == seen["store"]


def test_a_journal_by_both_doors(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """What one door writes down the other reads, deleted runs included; an experiment in the trash is refused."""
    mlflow = seed(server.url, {"written down": [Spec(tags={"k": "🫀"})] * 2}, "journal")
    mlflow.update_model_version("written down", "1", "what it is")
    first, second = (through(door, server.url, monkeypatch) for door in DOORS)
    assert Journal(first).read("written down") == Journal(second).read("written down") == []
    for one, other, doomed in ((first, second, 1), (second, first, 2)):
        version = one.version("written down", doomed)
        found = mlflow.get_experiment_by_name(EXPERIMENT)
        experiment = found.experiment_id if found else mlflow.create_experiment(EXPERIMENT)
        mlflow.delete_experiment(experiment)
        with pytest.raises(Refused, match="is in MLflow's trash"):
            Journal(one).read()
        with pytest.raises(Refused, match="is in MLflow's trash"):
            Journal(one).write("written down", [version])
        mlflow.restore_experiment(experiment)
        run = Journal(one, "a build", now=doomed).write("written down", [version], {doomed: 7})
        assert mlflow.get_run(run).info.status == "RUNNING"
        Journal(one).close(run, "m", {"deleted": 1})
        ended = mlflow.get_run(run)
        assert (ended.info.status, ended.data.metrics, ended.data.params["model"]) == (
            "FINISHED",
            {"deleted": 1.0},
            "m",
        )
        assert one.connection.door.keep_file(run, "result.json", '{"k": "🫀"}')
        kept = Path(mlflow.download_artifacts(run, "result.json"))
        assert kept.read_text(encoding="utf-8") == '{"k": "🫀"}'
        assert Journal(one).read("written down") == Journal(other).read("written down")
        entry = Entry(version, doomed, "a build", 7, run)
        assert Journal(other).read("written down")[-1] == entry
        for reclaimed in (Reclaimed(1.5, 7, done=False), Reclaimed(2.5, 7, done=True)):
            Journal(one).mark_reclaimed([entry], reclaimed)
            assert replace(entry, reclaimed=reclaimed) in Journal(other).read()
        Journal(one).mark_reclaimed([entry], Reclaimed(1.5, 7, done=False))  # a request that arrived late
        assert replace(entry, reclaimed=Reclaimed(2.5, 7, done=True)) in Journal(other).read()
        mlflow.delete_run(run)
        assert Journal(one).read() == Journal(other).read()
        assert Journal(one).read("written down")[-1].in_trash
        mlflow.restore_run(run)
        if doomed == 2:
            Journal(one).withdraw(run, [version])
            assert [each.version.number for each in Journal(other).read("written down")] == [1]


def test_both_doors_show_where_files_are(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs in the trash, too; what is in the server's folders, and nothing where there is none; each deletes."""
    mlflow = seed(server.url, {"with files": [Spec(linked=server.version != "2.22.4"), Spec()]}, "files")
    versions = [mlflow.get_model_version("with files", number) for number in "12"]
    runs = {str(version.run_id): mlflow.get_run(str(version.run_id)) for version in versions}
    for run_id in runs:
        mlflow.log_text(run_id, "seven b", "one/a.txt")
        mlflow.log_text(run_id, "x", "one/two/b.txt")
    first, second = runs
    mlflow.delete_run(second)
    experiment = runs[first].info.experiment_id
    shown = []
    for door in DOORS:
        registry = through(door, server.url, monkeypatch)
        kept = homes.kept_runs(registry, list(runs))
        logged = list(homes.logged_models(registry, [experiment]))
        assert [homes.logged_model(registry, model.model_id) for model in logged] == logged
        places = homes.experiment_locations(registry)
        shown.append(plain([kept, logged, sorted(places), registry.sees_all() or door]))
        if server.store != "file":  # those servers keep a run's files in folders of their own
            place = parse_location(runs[list(runs)[DOORS.index(door)]].info.artifact_uri).below("one")
            storage = Storage(registry)
            assert storage.measure(place) == Measured(2, 8)
            storage.erase(place)
            storage.erase(place)
            assert storage.measure(place) == Measured(0, 0)
    assert shown[0] == shown[1].replace('"store"', "true")
    assert {run.run_id: run.deleted for run in kept.values()} == dict(zip(runs, (False, True), strict=True))
    assert len(logged) == (0 if server.version == "2.22.4" else 1)


def test_flags_by_both_doors(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """A flag that one door raises is seen, renewed and lowered by the other."""
    first, second = (through(door, server.url, monkeypatch) for door in DOORS)
    for one, other in ((first, second), (second, first)):
        raised = one.raise_flag("jenkins-mlflow.lock.x", {"k": "v"}, "words")
        assert other.flags() == one.flags()
        [(name, renewed, tags, _)] = one.flags()
        assert (name, tags) == ("jenkins-mlflow.lock.x", {"k": "v"})
        assert renewed >= raised > 10**12
        with pytest.raises(Exception, match=r".") as caught:
            other.raise_flag("jenkins-mlflow.lock.x", {}, "")
        assert classify(caught.value).exists
        stamped = other.renew_flag("jenkins-mlflow.lock.x", "words")
        assert one.flags()[0][1] == stamped >= renewed
        other.lower_flag("jenkins-mlflow.lock.x")
        one.lower_flag("jenkins-mlflow.lock.x")
        assert one.flags() == []


REFUSED: dict[str, Callable[[Registry], object]] = {
    "missing model": lambda r: r.connection.door.model("nowhere"),
    "missing version": lambda r: r.connection.door.version("refused", 9),
    "missing version's stage": lambda r: r.set_stage("refused", 9, "Production"),
    "missing version's alias": lambda r: r.set_alias("refused", "a", 9),
    "missing version's tag": lambda r: r.tag_version("refused", 9, {"k": "v"}),
    "missing model's tag": lambda r: r.tag_model("nowhere", "k", "v"),
    "missing model deleted": lambda r: r.connection.door.delete_model("nowhere"),
    "missing version deleted": lambda r: r.delete_version("refused", 9),
    "no stage": lambda r: r.set_stage("refused", 1, "Nonsense"),
    "no alias": lambda r: r.set_alias("refused", "v1", 1),
    "no filter": lambda r: r.connection.door.models("nonsense = 1", limit=1, page_token=""),
    "no page": lambda r: r.connection.door.models("", limit=1, page_token="nonsense"),
    "no name": lambda r: r.connection.door.create_model("", {}, ""),
}


def fault(call: Callable[[Registry], object], registry: Registry) -> Fault | None:
    try:
        call(registry)
    except Exception as error:  # noqa: BLE001  classified
        return classify(error)
    return None


def test_both_doors_are_refused_the_same(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server's own errors arrive unchanged: status, code and words."""
    seed(server.url, {"refused": [Spec()]}, "refusals")
    faults = {
        door: {what: fault(call, through(door, server.url, monkeypatch)) for what, call in REFUSED.items()}
        for door in DOORS
    }
    assert faults["http"] == faults["store"]
    assert faults["http"]["missing version"] is not None
    assert faults["http"]["missing version"].not_found


def limited(status: int) -> Breakage:
    """An MLflow error with a Retry-After header."""
    body = json.dumps({"error_code": "REQUEST_LIMIT_EXCEEDED", "message": "slow down"}).encode()
    answer = Answer(status, body, (("Content-Type", "application/json"), ("Retry-After", "7")))
    return lambda request, send: answer


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize(
    "breakage",
    [limited(429), limited(503), respond(503, "<html>busy</html>"), respond(500, "<html>bug</html>"),
     respond(502), drop_before, drop_after, respond(200, "<html>please log in</html>")],
    ids=["429", "503", "503-html", "500", "502", "lost", "answer-lost", "html"],
)  # fmt: skip
def test_trouble_looks_the_same(
    breakage: Breakage,
    method: str,
    make_server: MakeServer,
    make_proxy: Callable[[Server], CountingProxy],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Status, body, Retry-After and lost connections are the same fault through both doors."""
    server = make_server()
    seed(server.store_uri, {"trouble": [Spec()]}, "trouble")
    call: Callable[[Registry], object] = (
        (lambda r: r.connection.door.model("trouble"))
        if method == "GET"
        else (lambda r: r.tag_model("trouble", "k", "v"))
    )
    found = {}
    for door in DOORS:
        proxy = make_proxy(server)
        proxy.inject(breakage, method=method)
        found[door] = fault(call, through(door, proxy.url, monkeypatch))
        assert len(proxy.requests) == 1
    http, store = found["http"], found["store"]
    assert http is not None
    assert store is not None
    lost = "connection lost: "
    if http.summary.startswith(lost) and store.summary.startswith(lost):  # MLflow's client adds its own words
        store = replace(store, summary=http.summary)
    assert http == store


def page(**fields: Any) -> Breakage:
    return respond(200, json.dumps(fields), "application/json")


HOSTILE: dict[str, tuple[Breakage, str]] = {
    "html": (respond(200, "<html>"), "the answer was not JSON (is this address an MLflow server?)"),
    "truncated": (
        respond(200, '{"registered_models": [{"name": "m"'),
        "the answer was not JSON (is this address an MLflow server?)",
    ),
    "no object": (
        respond(200, "[]"),
        "the answer does not fit MLflow's REST API: Expected `object`, got `array`",
    ),
    "no list": (
        page(registered_models="many"),
        "the answer does not fit MLflow's REST API: Expected `array`, got `str` - at `$.registered_models`",
    ),
    "no name": (
        page(registered_models=[{"name": 7}]),
        "the answer does not fit MLflow's REST API: Expected `str`, got `int` - at `$.registered_models[0].name`",
    ),
    "no number": (
        page(registered_models=[{"name": "m", "aliases": [{"alias": "a", "version": "x"}]}]),
        ("the answer does not fit MLflow's REST API: Expected `int`, got `str` - at "
        "`$.registered_models[0].aliases[0].version`"),
    ),
    "empty": (respond(200), "the answer was empty (is this address an MLflow server?)"),
    "foreign": (
        page(message="down for maintenance"),
        "the answer does not fit MLflow's REST API: it has none of registered_models, next_page_token",
    ),
    "100 MB": (respond(200, " " * 100_000_000), "the answer is larger than 64 MB"),
}  # fmt: skip


@pytest.mark.parametrize("what", HOSTILE)
def test_hostile_answers(
    what: str,
    make_server: MakeServer,
    make_proxy: Callable[[Server], CountingProxy],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One clear error each, after one request; a page that is too large is asked for in smaller ones first."""
    breakage, reason = HOSTILE[what]
    proxy = make_proxy(make_server())
    proxy.inject(breakage)
    with pytest.raises(ConnectionFailed) as caught:
        through("http", proxy.url, monkeypatch).snapshot(["*"])
    assert caught.value.message == f"reading the registry: no usable answer from {proxy.url}: {reason}"
    assert len(proxy.requests) == (6 if what == "100 MB" else 1)


def test_a_page_that_is_not_found_is_no_missing_tag(
    make_server: MakeServer,
    make_proxy: Callable[[Server], CountingProxy],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Only MLflow's own 404 says that something is gone; a wrong address or a proxy answers with a page."""
    proxy = make_proxy(make_server())
    proxy.inject(respond(404, "<html>no such page</html>"))
    registry = through("http", proxy.url, monkeypatch)
    with pytest.raises(ErrorAnswer) as caught:
        registry.untag_model("m", "k")
    assert registry.translate("removing a tag", caught.value).message == (
        "removing a tag: HTTP 404 from the server (is this address an MLflow server?)"
    )


@pytest.mark.parametrize("door", DOORS)
def test_pages_without_end(
    door: str,
    make_server: MakeServer,
    make_proxy: Callable[[Server], CountingProxy],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A token that repeats is an error after the second page."""
    proxy = make_proxy(make_server())
    proxy.inject(page(registered_models=[{"name": "m"}], next_page_token="again"))
    with pytest.raises(RegistryError) as caught:
        through(door, proxy.url, monkeypatch).snapshot(["*"])
    assert caught.value.message == "reading the registry: the server repeats a page, so its search never ends"
    assert len(proxy.requests) == 2


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_no_redirect_is_followed(
    status: int,
    make_server: MakeServer,
    make_proxy: Callable[[Server], CountingProxy],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Neither the login nor a write reaches the other host, and the message names it without its query."""
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "hunter2")
    proxy, elsewhere = make_proxy(make_server()), make_proxy(make_server())
    answer = Answer(status, b"", (("Location", f"{elsewhere.url}/login?state=secret"),))
    proxy.inject(lambda request, send: answer)
    registry = through("http", proxy.url, monkeypatch)
    for call in (lambda: registry.snapshot(["*"]), lambda: registry.tag_model("m", "k", "v")):
        with pytest.raises((RegistryError, ErrorAnswer)) as caught:
            call()
        error = registry.translate("reading the registry", caught.value)
        assert error.message == (
            f"reading the registry: {proxy.url} answers HTTP {status} from the server, which redirects to "
            f"{elsewhere.url}/login"
        )
    assert elsewhere.requests == ()


def test_a_promotion_against_a_hostile_server_writes_nothing(
    make_server: MakeServer, make_proxy: Callable[[Server], CountingProxy], tmp_path: Path
) -> None:
    """Every command that changes something reads first, and what it reads must make sense."""
    proxy = make_proxy(make_server())
    body = json.dumps({"registered_models": [{"name": "m", "aliases": "none"}]}).encode()
    answer = Answer(200, body, (("Date", "Sat, 29 Feb 2020 12:00:00 GMT"),))
    proxy.inject(lambda request, send: answer)
    for command in (["promote", "--model", "m"], ["cleanup", "--yes"], ["rollback", "--model", "m"]):
        done = run_watched([*command, "--tracking-uri", proxy.url], tmp_path)
        assert done.returncode == 1
        assert "the answer does not fit MLflow's REST API: Expected `array`, got `str`" in done.stderr
    assert {request.method for request in proxy.requests} == {"GET"}


WATCHED = """
import sys
from jenkins_mlflow.cli.main import run
code = run(sys.argv[2:])
assert sys.argv[1] not in sys.modules, f"{sys.argv[1]} was imported"
sys.exit(code)
"""


def run_watched(
    arguments: list[str], folder: Path, without: str = "mlflow"
) -> subprocess.CompletedProcess[str]:
    """Run the command as a process that fails if it imports a module."""
    return subprocess.run(
        [sys.executable, "-c", WATCHED, without, *arguments],
        cwd=folder,
        env=clean_environ(),
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(("arguments", "code"), [(["--help"], 0), (["promot"], 2)])
def test_help_and_mistakes_need_no_schema(arguments: list[str], code: int, tmp_path: Path) -> None:
    """The config's schema, which pydantic builds, takes longer than all the rest."""
    done = run_watched(arguments, tmp_path, without="pydantic")
    assert (done.returncode, "Traceback" in done.stderr) == (code, False), done.stderr


class Counting:
    """A door that takes so many run ids in one request; ``asked`` is how many it was asked for."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.asked: list[int] = []

    def experiments(self, *, limit: int, page_token: str) -> Page[str]:
        return Page.of(["1"], "")

    def runs(self, experiments: object, run_ids: list[str]) -> list[Run]:
        self.asked.append(len(run_ids))
        if len(run_ids) > self.most:
            raise ErrorAnswer(400, b'{"error_code": "INVALID_PARAMETER_VALUE", "message": "too many"}', {})
        return [Run(run_id) for run_id in run_ids]


def test_runs_by_as_many_ids_as_the_server_takes() -> None:
    """A refusal halves the request, for the following ones too; no run is lost."""
    door = Counting(most=1500)
    registry = Registry(replace(connect("http://127.0.0.1:9"), door=door), ONCE)  # type: ignore[arg-type]
    ids = [f"r{number:04}" for number in range(6000)]
    assert list(registry._runs(ids)) == ids
    assert set(door.asked) == {2250, 1125, 375}
    assert door.asked.count(2250) <= 2, "none is as large again"
    door.most = 0
    with pytest.raises(
        RegistryError, match=r"^reading the runs of the versions: INVALID_PARAMETER_VALUE: too many$"
    ):
        registry._runs(["r1", "r2"])
    assert door.asked[-2:] == [2, 1]


@pytest.mark.parametrize(
    ("uri", "environ", "choice"),
    [
        ("http://mlflow:5000", {}, Choice("http")),
        ("https://mlflow/prefix", {}, Choice("http")),
        ("sqlite:///m.db", {}, Choice("store", "a database or a folder is opened directly")),
        ("mlruns", {}, Choice("store", "a database or a folder is opened directly")),
        ("http://m", {"JENKINS_MLFLOW_DOOR": "store"}, Choice("store", "JENKINS_MLFLOW_DOOR is store")),
        ("https://m", {"JENKINS_MLFLOW_DOOR": "http", "MLFLOW_TRACKING_AUTH": "x"}, Choice("http")),
        ("https://m", {"MLFLOW_TRACKING_AUTH": "x"}, Choice("store", "MLFLOW_TRACKING_AUTH names a plugin")),
        (
            "https://m",
            {"MLFLOW_TRACKING_AWS_SIGV4": "True"},
            Choice("store", "MLFLOW_TRACKING_AWS_SIGV4 is set"),
        ),
        ("https://m", {"MLFLOW_TRACKING_AWS_SIGV4": "false"}, Choice("http")),
        *(
            (f"https://a{domain}", {}, Choice("store", f"a{domain} is Databricks"))
            for domain in (
                ".cloud.databricks.com",
                ".cloud.databricks.us",
                ".1.azuredatabricks.net",
                ".1.azuredatabricks.us",
                ".databricks.azure.cn",
            )
        ),
    ],
)
def test_which_door(uri: str, environ: dict[str, str], choice: Choice) -> None:
    assert choose_door(uri, environ) == choice


def test_a_plugin_for_headers_needs_mlflows_client(monkeypatch: pytest.MonkeyPatch) -> None:
    class Plugin:
        name = "gateway"

    monkeypatch.setattr("importlib.metadata.entry_points", lambda group: [Plugin()])
    assert choose_door("http://m", {}) == Choice("store", "the plugin gateway adds headers to requests")


@pytest.mark.parametrize(
    ("uri", "door", "message"),
    [
        ("http://m", "window", "JENKINS_MLFLOW_DOOR is 'window', which is not a way to open a registry"),
        (
            "sqlite:///m.db",
            "http",
            "JENKINS_MLFLOW_DOOR is http, but sqlite:///m.db is not the address of a server",
        ),
    ],
)
def test_no_such_door(uri: str, door: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        choose_door(uri, {"JENKINS_MLFLOW_DOOR": door})
    assert caught.value.message == message


class Recorder(ThreadingHTTPServer):
    """Answers every request with an empty page, and keeps path and headers of each."""

    daemon_threads = True

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        recorder = self
        self.seen: list[tuple[str, dict[str, str]]] = []

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                recorder.seen.append((self.path.partition("?")[0], dict(self.headers)))
                self.send_response(200)
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"{}")

            def log_message(self, *arguments: object) -> None:
                """Say nothing."""

        super().__init__(("127.0.0.1", 0), Handler)
        if context:
            self.socket = context.wrap_socket(self.socket, server_side=True)
        self.place = f"127.0.0.1:{self.server_address[1]}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that breaks a handshake off is what some tests are about."""


@contextlib.contextmanager
def recorder(context: ssl.SSLContext | None = None) -> Iterator[Recorder]:
    with Recorder(context) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def asked(uri: str, environ: dict[str, str], home: Path, door: str = "http") -> None:
    """One search for models."""
    HttpDoor(uri, {"HOME": str(home), **environ}, home).models("", limit=1, page_token="")


BASIC, SAVED = "Basic YWRhOnBhJHM=", "Basic YWRhOjUwJQ=="
SETTINGS: dict[str, tuple[dict[str, str], str | None]] = {
    "nothing": ({}, None),
    "user": ({"MLFLOW_TRACKING_USERNAME": "ada", "MLFLOW_TRACKING_PASSWORD": "pa$s"}, BASIC),
    "token": ({"MLFLOW_TRACKING_TOKEN": "t0ken"}, "Bearer t0ken"),
    "user and token": (
        {"MLFLOW_TRACKING_USERNAME": "ada", "MLFLOW_TRACKING_PASSWORD": "pa$s", "MLFLOW_TRACKING_TOKEN": "t"},
        BASIC,
    ),
    "user without password": ({"MLFLOW_TRACKING_USERNAME": "ada", "MLFLOW_TRACKING_TOKEN": "t"}, "Bearer t"),
}


@pytest.mark.parametrize("what", SETTINGS)
def test_logins(what: str, tmp_path: Path) -> None:
    environ, expected = SETTINGS[what]
    with recorder() as server:
        asked(f"http://{server.place}", environ, tmp_path)
    assert server.seen[0][1].get("Authorization") == expected


def test_saved_login_netrc_and_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A saved login is used; an address' own password wins over it, and a .netrc over all, as in MLflow."""
    saved = tmp_path / ".mlflow" / "credentials"
    saved.parent.mkdir()
    saved.write_text("[mlflow]\nmlflow_tracking_username = ada\nmlflow_tracking_password = 50%%\n")
    with recorder() as server:
        asked(f"http://{server.place}", {}, tmp_path)
        asked(f"http://ada:pa$s@{server.place}", {}, tmp_path)
        netrc = tmp_path / "netrc"
        netrc.write_text("machine 127.0.0.1 login net password rc\n")
        monkeypatch.setenv("NETRC", str(netrc))
        asked(f"http://{server.place}", {}, tmp_path)
    assert [headers["Authorization"] for _, headers in server.seen] == [SAVED, BASIC, "Basic bmV0OnJj"]


@pytest.mark.parametrize("what", ["user", "token"])
def test_a_login_that_was_given_wins_over_netrc(
    what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Jenkins gives it; the home is the workspace in many a container, and its .netrc whoever committed it."""
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login net password rc\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    environ, expected = SETTINGS[what]
    with recorder() as server:
        asked(f"http://{server.place}", environ, tmp_path)
        asked(f"http://ada:50%25@{server.place}", environ, tmp_path)
    assert [headers["Authorization"] for _, headers in server.seen] == [expected, SAVED]


def test_prefix_and_workspace(tmp_path: Path) -> None:
    with recorder() as server:
        asked(f"http://{server.place}/mlflow/", {"MLFLOW_WORKSPACE": " team "}, tmp_path)
    path, headers = server.seen[0]
    assert path == "/mlflow/api/2.0/mlflow/registered-models/search"
    assert headers["X-MLFLOW-WORKSPACE"] == "team"


def test_a_proxy_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with recorder() as server:
        monkeypatch.setenv("HTTP_PROXY", f"http://{server.place}")
        monkeypatch.setenv("http_proxy", f"http://{server.place}")
        monkeypatch.setenv("no_proxy", "")
        asked("http://mlflow.invalid", {}, tmp_path)
    assert server.seen[0][0] == "http://mlflow.invalid/api/2.0/mlflow/registered-models/search"


def test_a_connection_keeps_the_proxy_and_the_login_that_it_began_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The environment is read once for all requests, not again for each of them."""
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login net password rc\n")
    monkeypatch.setenv("NETRC", str(netrc))
    with recorder() as server, recorder() as other:
        door = HttpDoor(f"http://{server.place}", {}, tmp_path)
        netrc.write_text("machine 127.0.0.1 login other password other\n")
        monkeypatch.setenv("HTTP_PROXY", f"http://{other.place}")
        monkeypatch.setenv("http_proxy", f"http://{other.place}")
        monkeypatch.setenv("no_proxy", "")
        door.models("", limit=1, page_token="")
    assert [headers["Authorization"] for _, headers in server.seen] == ["Basic bmV0OnJj"]
    assert not other.seen


@pytest.mark.parametrize(
    ("environ", "message"),
    [
        (
            {"MLFLOW_TRACKING_TOKEN": "hunter2\n"},
            "MLFLOW_TRACKING_TOKEN has a line break or another character that an HTTP header cannot contain",
        ),
        ({"MLFLOW_TRACKING_INSECURE_TLS": "perhaps"}, "MLFLOW_TRACKING_INSECURE_TLS is 'perhaps'"),
        (
            {"MLFLOW_TRACKING_INSECURE_TLS": "true", "MLFLOW_TRACKING_SERVER_CERT_PATH": "ca.pem"},
            "MLFLOW_TRACKING_INSECURE_TLS and MLFLOW_TRACKING_SERVER_CERT_PATH exclude each other",
        ),
        ({"MLFLOW_HTTP_REQUEST_TIMEOUT": "soon"}, "MLFLOW_HTTP_REQUEST_TIMEOUT is 'soon'"),
    ],
)
def test_settings_that_cannot_be(environ: dict[str, str], message: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        HttpDoor("http://mlflow", environ, tmp_path)
    assert caught.value.message == message


@pytest.mark.parametrize("password", ["hunter2", "hun:ter2", "hun@ter2"])
def test_no_error_shows_a_password(password: str) -> None:
    """Neither the address nor what a library says about it; an unquoted @ belongs to the login."""
    registry = Registry(connect(f"http://ada:{password}@127.0.0.1:9"), ONCE)
    with pytest.raises(ConnectionFailed) as caught:
        registry.snapshot(["*"])
    assert caught.value.message == (
        "reading the registry: no usable answer from http://***@127.0.0.1:9: connection refused"
    )


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("mlflow_tracking_password = hunter2\n", "MissingSectionHeaderError"),
        ("[mlflow]\nmlflow_tracking_password = hunter2%\n", "InterpolationSyntaxError"),
    ],
)
def test_a_file_of_credentials_that_is_broken(text: str, error: str, tmp_path: Path) -> None:
    path = tmp_path / ".mlflow" / "credentials"
    path.parent.mkdir()
    path.write_text(text)
    with pytest.raises(UsageError) as caught:
        HttpDoor("http://mlflow", {}, tmp_path)
    assert caught.value.message == f"{path} cannot be read: {error}"


def test_tls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server with a CA of one's own, that asks for a client's certificate."""
    ca, client_certificate = make_certificates(tmp_path)
    both = {
        "MLFLOW_TRACKING_SERVER_CERT_PATH": str(ca),
        "MLFLOW_TRACKING_CLIENT_CERT_PATH": str(client_certificate),
    }
    insecure = {
        "MLFLOW_TRACKING_INSECURE_TLS": "true",
        "MLFLOW_TRACKING_CLIENT_CERT_PATH": str(client_certificate),
    }
    with recorder(server_context(ca, client_certificate)) as server:
        uri = f"https://{server.place}"
        with pytest.raises(Exception, match="certificate verify failed") as caught:
            asked(uri, {}, tmp_path)
        assert classify(caught.value).summary.startswith("TLS failed: ")
        assert not classify(caught.value).transient
        with pytest.raises(Exception, match=r"certificate required|EOF|reset|alert"):
            asked(uri, {"MLFLOW_TRACKING_SERVER_CERT_PATH": str(ca)}, tmp_path)
        assert server.seen == []
        asked(uri, both, tmp_path)
        with pytest.warns(match="Unverified HTTPS request"):
            asked(uri, insecure, tmp_path)
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(ca))
        asked(uri, {"MLFLOW_TRACKING_CLIENT_CERT_PATH": str(client_certificate)}, tmp_path)
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "nothing.pem"))
        asked(uri, both, tmp_path)
    assert len(server.seen) == 4


def test_each_answer_is_acknowledged_at_once(
    make_server: MakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On one kept connection, before every answer."""
    socks = []
    acknowledge = quick_connections._acknowledge_at_once

    def seen(sock: Any) -> None:
        socks.append(sock)
        acknowledge(sock)

    monkeypatch.setattr(quick_connections, "_acknowledge_at_once", seen)
    through("http", make_server().url, monkeypatch).snapshot(["none-of-them*"])
    assert len(socks) == 2
    assert socks[0] is socks[1] is not None


@pytest.mark.parametrize("door", ["http", "store"])
@pytest.mark.parametrize("scheme", ["mlflow-artifacts", "http"])
def test_the_login_goes_to_no_host_that_a_source_names(
    scheme: str, door: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A rollback looks whether a version's files are there, and anybody may have named their place."""
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "ada")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "pa$s")
    monkeypatch.setenv("JENKINS_MLFLOW_DOOR", door)
    with recorder() as other, recorder() as server:
        registry = Registry(connect(f"http://{server.place}"), ONCE)
        monkeypatch.setattr(registry, "storage_uri", lambda name, number: f"{scheme}://{other.place}/1/model")
        with pytest.raises(FilesUnknown) as caught:
            registry.has_files("m", 1)
        assert (
            str(caught.value)
            == f"its files are on another host, {other.place}, and the login is not sent there"
        )
    assert other.seen == []


@pytest.mark.parametrize("uri", ["runs:/0123/model", "models:/m-1", "models:/m/1", "mlflow-artifacts://{}/1"])
def test_mlflows_client_takes_no_login_to_another_server(uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has the environment's login, which is of the first server; runs and models are looked up with that, too."""
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "ada")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "pa$s")
    with recorder() as server:
        registry = Registry(connect(f"http://{server.place}", account={}), ONCE)
        where = uri.format(server.place)
        monkeypatch.setattr(registry, "storage_uri", lambda name, number: where)
        with pytest.raises(FilesUnknown, match="MLflow's client would send it the login of another server"):
            registry.has_files("m", 1)
        if where.startswith(("runs:", "models:")):
            with pytest.raises(OutOfReach, match="it has the login of another server"):
                Files(registry).listing(where)
    assert server.seen == []
