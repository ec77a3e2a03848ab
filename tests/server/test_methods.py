"""The promotion methods on real servers: what each does, and when it is not tried."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from conftest import MakeServer, RunCli
from jenkins_mlflow.config.promote import Promote
from jenkins_mlflow.errors import RegistryError
from jenkins_mlflow.methods.base import Method, Transition
from jenkins_mlflow.methods.choice import load_methods
from jenkins_mlflow.methods.file_store import FileStore, is_this_host
from jenkins_mlflow.methods.known_faults import ServerFaults, keeps_files
from jenkins_mlflow.promotion.apply import Promotion
from jenkins_mlflow.promotion.outcome import Outcome
from jenkins_mlflow.promotion.plan import Plan, plan_promotion
from jenkins_mlflow.registry.client import Registry
from jenkins_mlflow.registry.connection import connect
from jenkins_mlflow.registry.faults import classify
from jenkins_mlflow.registry.sources import logged_model_id
from jenkins_mlflow.registry.version import Target, Version
from jenkins_mlflow.registry.writer import Writer
from support.promoting import QUICK, promote
from support.proxy import CountingProxy, drop_after, respond
from support.seeding import Spec, client, fresh_name, seed
from support.servers import Server, Store

BOTH = Target("Production", "champion")
LINKED = Spec(metrics={"roc_auc": 0.9}, linked=True)
CHAMPION = Spec(stage="Production", aliases=("champion",))
DOOM = "MLflow 3.3.2 with a file store cannot change the stage of {}, which has linked metrics"

MakeProxy = Callable[[Server], CountingProxy]


def moves(plan: Plan) -> list[Transition]:
    """The plan's stage changes, as a method gets them."""
    stage = str(plan.target.stage)
    return [Transition(plan.candidate, stage), *(Transition(old, "Archived") for old in plan.previous)]


def planned(uri: str, name: str, number: int, target: Target = BOTH) -> tuple[Registry, Plan]:
    registry = Registry(connect(uri), QUICK)
    return registry, plan_promotion(registry.snapshot([name]), name, number, target)


def methods(registry: Registry, *names: str, **rules: object) -> list[Method]:
    return load_methods(registry, Promote(methods=names, **rules))  # type: ignore[arg-type]


def stages(uri: str, name: str) -> dict[int, str]:
    return {version.number: version.stage for version in Registry(connect(uri)).model(name).versions}


@pytest.fixture
def affected(make_server: MakeServer) -> Server:
    """A 3.3.2 server on a file store: every transition of a version with linked metrics answers 500."""
    return make_server("3.3.2", "file")


@pytest.fixture
def healthy(make_server: MakeServer) -> Server:
    return make_server()


# --- servers that cannot change stages ------------------------------------------------------------------------


def test_a_doomed_stage_change_is_known_before_the_first_write(
    affected: Server, make_proxy: MakeProxy
) -> None:
    """Both methods say why in one line, for 3 requests together, all of them reads."""
    name, proxy = fresh_name(), make_proxy(affected)
    seed(affected.url, {name: [Spec(), LINKED]})
    registry, plan = planned(proxy.url, name, 2)
    before = len(proxy.requests)
    said = [method.obstacle(moves(plan)) for method in methods(registry, "stage-archive", "stage")]
    assert set(said) == {DOOM.format(f"{name} version 2") + " (RepresentationError, fixed in 3.5.1)"}
    asked = proxy.requests[before:]
    assert [request.endpoint.partition("/m-")[0] for request in asked] == [
        "/version",
        "registered-models/get",
        "logged-models",
    ]
    assert {request.method for request in asked} == {"GET"}


def test_a_previous_version_with_linked_metrics_dooms_too(affected: Server, make_proxy: MakeProxy) -> None:
    """The candidate could be moved, the old one could not be archived: said with the old one's name."""
    name, proxy = fresh_name(), make_proxy(affected)
    seed(affected.url, {name: [LINKED, LINKED]})
    direct = client(affected.store_uri)
    direct.transition_model_version_stage(name, "1", "Production")
    logged = logged_model_id(str(direct.get_model_version(name, "2").source))
    client(affected.url).set_logged_model_tags(logged, {"mlflow.modelVersions": "not json"})
    registry, plan = planned(proxy.url, name, 2)
    before = len(proxy.requests)
    assert (
        ServerFaults(registry.connection)
        .stage_fault([item.version for item in moves(plan)])
        .startswith(DOOM.format(f"{name} version 1"))
    )
    assert len(proxy.requests) - before == 4  # /version and 3 more, never more than that


@pytest.mark.parametrize(
    ("version", "store", "spec", "doomed", "cost"),
    [
        ("3.3.2", "file", LINKED, True, 3),
        ("3.3.2", "file", Spec(linked=True), False, 3),
        ("3.3.2", "file", Spec(metrics={"roc_auc": 0.9}), False, 0),
        ("3.3.2", "sqlite", LINKED, False, 2),
        ("3.17.2", "file", LINKED, False, 1),
        ("3.17.2", "sqlite", LINKED, False, 1),
        ("2.22.4", "sqlite", Spec(metrics={"roc_auc": 0.9}), False, 0),
    ],
)
def test_doomed_is_what_fails_and_nothing_else(
    version: str,
    store: Store,
    spec: Spec,
    doomed: bool,
    cost: int,
    make_server: MakeServer,
    make_proxy: MakeProxy,
) -> None:
    """What is said beforehand comes true when it is tried all the same; an unaffected server is asked its version."""
    server, name = make_server(version, store), fresh_name()
    proxy = make_proxy(server)
    seed(server.url, {name: [spec]})
    registry, plan = planned(proxy.url, name, 1)
    before = len(proxy.requests)
    (method,) = methods(registry, "stage")
    assert bool(method.obstacle(moves(plan))) is doomed
    assert len(proxy.requests) - before == cost
    if doomed:
        with pytest.raises(Exception, match="500") as caught:
            method.carry_out(moves(plan))
        assert classify(caught.value).status == 500
    else:
        method.carry_out(moves(plan))
    assert (stages(server.url, name)[1] == "Production") is not doomed


def test_force_methods_tries_what_is_doomed(affected: Server) -> None:
    """The named methods are tried, the others still say why not."""
    name = fresh_name()
    seed(affected.url, {name: [LINKED]})
    registry, plan = planned(affected.url, name, 1)
    forced = methods(registry, "stage-archive", "stage", force_methods=["stage-archive"])
    assert [bool(method.obstacle(moves(plan))) for method in forced] == [False, True]


@pytest.mark.parametrize("path", ["/version", "registered-models/get?name=jenkins-mlflow", "logged-models/"])
@pytest.mark.parametrize("answer", [respond(500), respond(200, "{}"), respond(404, "<html>")])
def test_what_is_not_known_is_tried(
    path: str, answer: Callable[..., object], affected: Server, make_proxy: MakeProxy
) -> None:
    """A question that gets no usable answer skips nothing."""
    name, proxy = fresh_name(), make_proxy(affected)
    seed(affected.url, {name: [LINKED]})
    registry, plan = planned(proxy.url, name, 1)
    proxy.inject(answer, path=path)  # type: ignore[arg-type]
    assert ServerFaults(registry.connection).stage_fault([item.version for item in moves(plan)]) == ""


def test_the_kind_of_store_is_asked_for(
    affected: Server, healthy: Server, make_server: MakeServer, tmp_path: Path
) -> None:
    """By the server's own rules for names, or by the address of a store that is opened directly."""
    connect(str(tmp_path / "mlruns"), may_create=True)
    uris = [affected.url, healthy.url, make_server("2.22.4").url, str(tmp_path / "mlruns"), healthy.store_uri]
    assert [keeps_files(connect(uri)) for uri in uris] == [True, False, False, True, False]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("models:/m-" + "0" * 32, "m-" + "0" * 32),
        ("/srv/mlruns/1/models/m-" + "a" * 32 + "/artifacts", "m-" + "a" * 32),
        ("models:/team-m-" + "0" * 32 + "/1", ""),
        ("models:/heart/3", ""),
        ("", ""),
    ],
)
def test_the_logged_model_is_found_in_the_source(source: str, expected: str) -> None:
    """As log_model and register_model write it; a registered model's name is none."""
    assert logged_model_id(source) == expected


def test_the_outcome_on_an_affected_server_is_there_at_once(affected: Server, make_proxy: MakeProxy) -> None:
    """Doomed methods are skipped with the reason and send no transition; the folder does it."""
    name, proxy = fresh_name(), make_proxy(affected)
    seed(affected.url, {name: [LINKED]})
    registry, plan = planned(proxy.url, name, 1)
    tried = methods(registry, "stage-archive", "stage", "file-store", file_store=affected.store_uri)
    outcome = Promotion(registry, plan, tried, Writer(QUICK)).apply({})
    assert (outcome.status, outcome.method) == ("promoted", "file-store")
    assert [a.outcome for a in outcome.attempts[:3]] == ["skipped", "skipped", "done"]
    assert not [request for request in proxy.requests if "transition-stage" in request.path]


def test_the_folders_own_store_is_asked_and_no_other(
    affected: Server, make_proxy: MakeProxy, tmp_path: Path, run_cli: RunCli
) -> None:
    """MLflow's default store is left alone: no database in the working directory, no request for each version."""
    name, proxy = fresh_name(), make_proxy(affected)
    seed(affected.url, {name: [LINKED] * 5})
    for number, default in ((4, {}), (5, {"MLFLOW_TRACKING_URI": proxy.url})):
        proxy.reset()
        env = {"MLOPS__PROMOTE__FILE_STORE": affected.store_uri, **default}
        where = ("--model", name, "--version", str(number), "--tracking-uri", proxy.url, "--output=json")
        done = run_cli("promote", *where, env=env)
        assert done.doc["method"] == "file-store", done.stderr
        assert list(tmp_path.glob("*.db")) == []
        assert len([request for request in proxy.requests if "logged-models" in request.path]) == 1


# --- stage methods --------------------------------------------------------------------------------------------


def test_archiving_in_one_request_is_asked_for_only_where_there_is_something_to_archive(
    healthy: Server, make_proxy: MakeProxy
) -> None:
    """It archives all that is in the stage: a first promotion must not touch what a person puts there."""
    name, proxy = fresh_name(), make_proxy(healthy)
    seed(healthy.store_uri, {name: [Spec(), Spec()]})
    for number in (1, 2):
        registry, plan = planned(proxy.url, name, number)
        methods(registry, "stage-archive")[0].carry_out(moves(plan))
    sent = [r.json["archive_existing_versions"] for r in proxy.requests if "transition-stage" in r.path]
    assert sent == [False, True]
    assert stages(healthy.url, name) == {1: "Archived", 2: "Production"}


# --- copy -----------------------------------------------------------------------------------------------------


def copying(uri: str, name: str, number: int, production: str) -> Outcome:
    return promote(uri, name, number, Target("Production", "champion", copy_to=production))


@pytest.mark.parametrize(
    ("version", "store"),
    [("3.17.2", "sqlite"), ("3.17.2", "postgresql"), ("3.3.2", "file"), ("2.22.4", "sqlite")],
)
def test_copy_puts_the_alias_on_a_copy(
    version: str, store: Store, make_server: MakeServer, capfd: pytest.CaptureFixture[str]
) -> None:
    """The production model is made, the copy points to the candidate, which stays as it is; MLflow prints nothing."""
    server, name, production = make_server(version, store), fresh_name(), fresh_name()
    linked = version != "2.22.4"
    seed(server.url, {name: [Spec(), Spec(metrics={"roc_auc": 0.9}, linked=linked, tags={"team": "cardio"})]})
    capfd.readouterr()
    outcome = copying(server.url, name, 2, production)
    assert capfd.readouterr() == ("", "")
    assert (outcome.status, outcome.method) == ("promoted", "copy"), outcome
    assert (
        outcome.message
        == f"promoted {name} version 2 by copy as {production} version 1; verified in the registry"
    )
    model = Registry(connect(server.url)).model(production)
    assert model.aliases == {"champion": 1}
    assert [(v.source, v.stage, v.tags["team"]) for v in model.versions] == [
        (f"models:/{name}/2", "None", "cardio")
    ]
    live = Registry(connect(server.url)).version(name, 2)
    assert (live.stage, live.aliases, live.run_id) == ("None", (), model.versions[0].run_id)
    assert copying(server.url, name, 2, production).status == "already"


@pytest.mark.parametrize(
    "lost", ["registered-models/create", "model-versions/create", "registered-models/alias"]
)
def test_a_lost_answer_makes_no_second_copy(lost: str, healthy: Server, make_proxy: MakeProxy) -> None:
    """The write took effect, its answer was lost: the repetition finds what is there."""
    name, production, proxy = fresh_name(), fresh_name(), make_proxy(healthy)
    seed(healthy.store_uri, {name: [Spec()]})
    proxy.inject(drop_after, method="POST", path=lost, times=1)
    assert copying(proxy.url, name, 1, production).status == "promoted"
    assert len(Registry(connect(healthy.url)).model(production).versions) == 1


def test_a_copy_that_cannot_be_made_changes_nothing(healthy: Server, make_proxy: MakeProxy) -> None:
    """It says so before any intent is written."""
    name, production, proxy = fresh_name(), fresh_name(), make_proxy(healthy)
    seed(healthy.store_uri, {name: [Spec()], production: [Spec(aliases=("champion",))]})
    proxy.inject(respond(403), method="POST", path="model-versions/create")
    with pytest.raises(
        RegistryError, match=f"{name} version 1 could not be copied to {production}: "
    ) as caught:
        copying(proxy.url, name, 1, production)
    assert caught.value.state == "nothing in production was changed"
    model = Registry(connect(healthy.url)).model(production)
    assert (model.aliases, model.tags) == ({"champion": 1}, {})


def test_a_copy_of_a_model_of_the_same_name_is_another_one(healthy: Server) -> None:
    """The model was deleted and made again: its old copy, in production, is no copy of the new version."""
    name, production = fresh_name(), fresh_name()
    seed(healthy.store_uri, {name: [Spec()]})
    copying(healthy.url, name, 1, production)
    client(healthy.store_uri).delete_registered_model(name)
    seed(healthy.store_uri, {name: [Spec()]})
    assert copying(healthy.url, name, 1, production).status == "promoted"
    assert Registry(connect(healthy.url)).model(production).aliases == {"champion": 2}


def test_an_exclusive_group_with_copies_leaves_no_other_champion(healthy: Server) -> None:
    """The other model of the group, promoted in place before, leaves production by stage and alias."""
    name, other, production = fresh_name(), fresh_name(), fresh_name()
    seed(healthy.store_uri, {name: [Spec()], other: [Spec(stage="Production", aliases=("champion",))]})
    target = Target("Production", "champion", exclusive=True, copy_to=production)
    assert promote(healthy.url, name, 1, target, (name, other)).status == "promoted"
    replaced = Registry(connect(healthy.url)).model(other)
    assert (replaced.versions[0].stage, replaced.aliases) == ("Archived", {})


@pytest.mark.parametrize(
    ("uri", "here"),
    [
        ("http://127.0.0.1:5000", True),
        ("http://localhost:5000", True),
        ("https://[::1]:5000", True),
        ("http://192.0.2.1:5000", False),
        ("http://no-such-host.invalid", False),
    ],
)
def test_only_a_server_on_this_host_may_say_where_its_folder_is(uri: str, here: bool) -> None:
    """Another one could point at any local store."""
    assert is_this_host(uri) is here


@pytest.mark.parametrize(
    ("uri", "found"),
    [("http://192.0.2.1:5000", False), ("http://127.0.0.1:9", True)],
    ids=["elsewhere", "here"],
)
def test_a_server_elsewhere_opens_no_folder_of_this_host(uri: str, found: bool, tmp_path: Path) -> None:
    """It says where the version's files are, and could name any local store that has such a version."""
    (tmp_path / "models" / "m" / "version-1").mkdir(parents=True)
    (tmp_path / "models" / "m" / "version-1" / "meta.yaml").touch()
    registry: Any = SimpleNamespace(
        connection=SimpleNamespace(uri=uri, over_http=True),
        storage_uri=lambda name, number: f"file://{tmp_path}/1/a/artifacts",
    )
    folder = FileStore(registry, None)._find(Version("m", 1))
    assert folder == (tmp_path if found else None)


def test_a_change_that_the_server_does_not_show_is_taken_back(tmp_path: Path) -> None:
    """The folder looked like the server's, and is another registry after all."""
    written: list[tuple[str, int, str]] = []
    version = Version("m", 1, "Staging")
    server: Any = SimpleNamespace(version=lambda name, number: version)
    direct: Any = SimpleNamespace(set_stage=lambda *change: written.append(change))
    method = FileStore(server, str(tmp_path))
    method._direct, method._folder = direct, tmp_path
    with pytest.raises(RegistryError, match="a change in it does not appear on the server") as caught:
        method.carry_out([Transition(version, "Production"), Transition(Version("m", 2), "Archived")])
    assert written == [("m", 1, "Production"), ("m", 1, "Staging")]
    assert caught.value.state == "m version 1 is back in stage Staging in that folder"
