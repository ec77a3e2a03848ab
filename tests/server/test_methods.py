"""The promotion methods on real servers: what each does, when it is not tried, and those that other packages bring."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import MakeServer, RunCli
from jenkins_mlflow.config.schema import Promote
from jenkins_mlflow.methods.base import Method, load_methods
from jenkins_mlflow.methods.copy import Copy
from jenkins_mlflow.methods.known_faults import ServerFaults, keeps_files, logged_model_id
from jenkins_mlflow.promotion.apply import Promotion
from jenkins_mlflow.promotion.plan import Plan, plan_promotion
from jenkins_mlflow.registry.client import Registry
from jenkins_mlflow.registry.connection import connect
from jenkins_mlflow.registry.faults import RetryPolicy, classify
from jenkins_mlflow.registry.snapshot import Target
from jenkins_mlflow.registry.writer import Writer
from support.proxy import CountingProxy, drop_after, respond
from support.seeding import Spec, client, seed
from support.servers import Server, Store

BOTH = Target("Production", "champion")
QUICK = RetryPolicy(attempts=2, max_wait=0.05, deadline=10)
LINKED = Spec(metrics={"roc_auc": 0.9}, linked=True)
CHAMPION = Spec(stage="Production", aliases=("champion",))
DOOM = "MLflow 3.3.2 with a file store cannot change the stage of {}, which has linked metrics"
numbers = itertools.count(1)

MakeProxy = Callable[[Server], CountingProxy]


def fresh_name() -> str:
    return f"method-{next(numbers)}"


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
    said = [method.obstacle(plan) for method in methods(registry, "stage-archive", "stage")]
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
    logged = logged_model_id(direct.get_model_version(name, "2").source)
    client(affected.url).set_logged_model_tags(logged, {"mlflow.modelVersions": "not json"})
    registry, plan = planned(proxy.url, name, 2)
    before = len(proxy.requests)
    assert ServerFaults(registry.connection).stage_fault(plan).startswith(DOOM.format(f"{name} version 1"))
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
    assert bool(method.obstacle(plan)) is doomed
    assert len(proxy.requests) - before == cost
    if doomed:
        with pytest.raises(Exception, match="500") as caught:
            method.promote(plan)
        assert classify(caught.value).status == 500
    else:
        method.promote(plan)
    assert method.done(plan) is not doomed


def test_force_methods_tries_what_is_doomed(affected: Server) -> None:
    """The named methods are tried, the others still say why not."""
    name = fresh_name()
    seed(affected.url, {name: [LINKED]})
    registry, plan = planned(affected.url, name, 1)
    forced = methods(registry, "stage-archive", "stage", force_methods=["stage-archive"])
    assert [bool(method.obstacle(plan)) for method in forced] == [False, True]


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
    assert ServerFaults(registry.connection).stage_fault(plan) == ""


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


def test_done_means_alone_in_the_stage(healthy: Server) -> None:
    """Beside another version in the stage, or not in it, is not done."""
    name = fresh_name()
    seed(healthy.store_uri, {name: [Spec(stage="Production"), Spec(stage="Production"), Spec()]})
    registry, plan = planned(healthy.url, name, 2)
    (method,) = methods(registry, "stage")
    assert not method.done(plan)
    method.promote(plan)
    assert method.done(plan)
    assert not method.done(planned(healthy.url, name, 3)[1])
    assert method.in_place


@pytest.mark.parametrize("name", ["stage-archive", "stage", "file-store"])
def test_without_a_stage_there_is_nothing_to_change(name: str, healthy: Server) -> None:
    """promote.stage null: the stage methods say so."""
    model = fresh_name()
    seed(healthy.store_uri, {model: [Spec()]})
    registry, plan = planned(healthy.url, model, 1, Target(None, "champion"))
    assert methods(registry, name)[0].obstacle(plan) == "promote.stage is not set"


# --- copy -----------------------------------------------------------------------------------------------------


def copying(uri: str, name: str, number: int, production: str) -> tuple[Copy, Plan]:
    registry, plan = planned(uri, name, number)
    (method,) = methods(registry, "copy", copy_to=production)
    assert isinstance(method, Copy)
    assert method.obstacle(plan) == ""
    return method, plan


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
    method, plan = copying(server.url, name, 2, production)
    assert not method.done(plan)
    capfd.readouterr()
    method.promote(plan)
    assert capfd.readouterr() == ("", "")
    assert method.done(plan)
    assert not method.in_place
    model = Registry(connect(server.url)).model(production)
    assert model.aliases == {"champion": 1}
    assert [(v.source, v.run_id, v.tags) for v in model.versions] == [
        (f"models:/{name}/2", plan.candidate.run_id, {"team": "cardio"})
    ]
    live = Registry(connect(server.url)).version(name, 2)
    assert (live.stage, live.aliases) == ("None", ())


@pytest.mark.parametrize(
    "lost", ["registered-models/create", "model-versions/create", "registered-models/alias"]
)
def test_a_lost_answer_makes_no_second_copy(lost: str, healthy: Server, make_proxy: MakeProxy) -> None:
    """The write took effect, its answer was lost: the repetition finds what is there."""
    name, production, proxy = fresh_name(), fresh_name(), make_proxy(healthy)
    seed(healthy.store_uri, {name: [Spec()]})
    method, plan = copying(proxy.url, name, 1, production)
    proxy.inject(drop_after, method="POST", path=lost, times=1)
    with pytest.raises(Exception, match=r".") as caught:
        method.promote(plan)
    assert classify(caught.value).transient
    method.promote(plan)
    method.promote(plan)
    assert method.done(plan)
    assert len(Registry(connect(healthy.url)).model(production).versions) == 1


def test_a_copy_of_a_model_of_the_same_name_is_another_one(healthy: Server) -> None:
    """The model was deleted and made again: its old copy, in production, is no copy of the new version."""
    name, production = fresh_name(), fresh_name()
    seed(healthy.store_uri, {name: [Spec()]})
    method, plan = copying(healthy.url, name, 1, production)
    method.promote(plan)
    client(healthy.store_uri).delete_registered_model(name)
    seed(healthy.store_uri, {name: [Spec()]})
    method, plan = copying(healthy.url, name, 1, production)
    assert not method.done(plan)
    method.promote(plan)
    assert method.done(plan)
    assert Registry(connect(healthy.url)).model(production).aliases == {"champion": 2}


def test_a_copy_knows_what_was_in_production_before(healthy: Server) -> None:
    """Nothing, then the copy of version 1: that is where a rollback of the production model returns to."""
    name, production = fresh_name(), fresh_name()
    seed(healthy.store_uri, {name: [Spec(), Spec()]})
    first, first_plan = copying(healthy.url, name, 1, production)
    assert first.production(first_plan) == ()
    first.promote(first_plan)
    second, second_plan = copying(healthy.url, name, 2, production)
    assert [version.label for version in second.production(second_plan)] == [f"{production} version 1"]
    second.promote(second_plan)
    assert [version.label for version in second.production(second_plan)] == [f"{production} version 2"]


def test_copy_says_what_it_lacks(healthy: Server) -> None:
    """No production model, no alias, or the production model's own version."""
    name = fresh_name()
    seed(healthy.store_uri, {name: [Spec()]})
    registry, plan = planned(healthy.url, name, 1)
    no_alias = planned(healthy.url, name, 1, Target("Production", None))[1]
    said = [
        methods(registry, "copy", copy_to=to)[0].obstacle(p)
        for to, p in ((None, plan), ("prod", no_alias), (name, plan))
    ]
    assert [
        words in text for words, text in zip(("copy_to", "promote.alias", "itself"), said, strict=True)
    ] == [True] * 3, said
