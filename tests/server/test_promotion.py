"""Promotion on real servers: every store, affected servers, half-done methods, lost answers, foreign writes."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests
from builders import version
from conftest import MakeServer
from jenkins_mlflow.config.promote import Promote
from jenkins_mlflow.errors import ConnectionFailed, Interrupted, JenkinsMlflowError, Refused
from jenkins_mlflow.methods.choice import load_methods
from jenkins_mlflow.methods.file_store import find_store
from jenkins_mlflow.promotion.apply import Promotion
from jenkins_mlflow.promotion.recovery import Recovery
from jenkins_mlflow.registry.client import Registry
from jenkins_mlflow.registry.connection import connect
from jenkins_mlflow.registry.version import Target
from jenkins_mlflow.registry.writer import Attempt, Writer
from jenkins_mlflow.tags import INTENT_TAG
from support.promoting import BOTH, METHODS, QUICK, planned, promote
from support.proxy import (
    Answer,
    CountingProxy,
    Dropped,
    Request,
    Send,
    drop_after,
    drop_before,
    meanwhile,
    respond,
    respond_after,
)
from support.seeding import Spec, client, fresh_name, seed
from support.servers import Server, Store

EXCLUSIVE = Target("Production", "champion", exclusive=True)
JSON = {"Content-Type": "application/json"}
TRANSITION = "model-versions/transition-stage"
# MLflow 3.17.2 compares the integer column `version` with a text when it archives; psycopg 3 sends the text with its
# type, so PostgreSQL answers UndefinedFunction ("integer <> character varying") and the method `stage` takes over.
WORKING: list[tuple[str, Store, str]] = [
    ("3.17.2", "sqlite", "stage-archive"),
    ("3.17.2", "postgresql", "stage"),
    ("3.17.2", "file", "stage-archive"),
    ("2.22.4", "sqlite", "stage-archive"),
]


def stages(uri: str, name: str) -> dict[int, str]:
    return {version.number: version.stage for version in Registry(connect(uri)).model(name).versions}


def holder(uri: str, name: str) -> int | None:
    return Registry(connect(uri)).model(name).aliases.get("champion")


@pytest.mark.parametrize(("version", "store", "method"), WORKING)
def test_promoted_means_alone_in_the_stage_with_the_alias(
    version: str, store: Store, method: str, make_server: MakeServer
) -> None:
    """The new version is alone in Production and has the alias, the old one is archived, the record is in the tags."""
    server, name = make_server(version, store), fresh_name()
    seed(server.url, {name: [Spec(stage="Production", aliases=("champion",)), Spec()]})
    outcome = promote(server.url, name, 2)
    assert (outcome.status, outcome.method, outcome.missing) == ("promoted", method, ()), outcome.attempts
    assert stages(server.url, name) == {1: "Archived", 2: "Production"}
    assert holder(server.url, name) == 2
    tags = Registry(connect(server.url)).version(name, 2).tags
    assert tags["jenkins_mlflow.promoted_by"] == "tester"
    assert tags["jenkins_mlflow.method"] == method
    assert (tags["jenkins_mlflow.previous_model"], tags["jenkins_mlflow.previous_version"]) == (name, "1")
    assert INTENT_TAG not in Registry(connect(server.url)).model(name).tags


def test_a_second_run_writes_nothing(
    make_server: MakeServer, make_proxy: Callable[[Server], CountingProxy]
) -> None:
    """Already in production: only reads, and it says so."""
    server, name = make_server(), fresh_name()
    seed(server.store_uri, {name: [Spec()]})
    promote(server.url, name, 1)
    proxy = make_proxy(server)
    outcome = promote(proxy.url, name, 1)
    assert outcome.status == "already"
    assert not [r for r in proxy.requests if r.method != "GET" and not r.path.endswith("/search")]


def test_only_an_exclusive_group_loses_its_other_champions(make_server: MakeServer) -> None:
    """The other model keeps production without exclusive, and leaves it, stage and alias, with it."""
    server, one, other = make_server(), fresh_name(), fresh_name()
    seed(server.store_uri, {one: [Spec()], other: [Spec(stage="Production", aliases=("champion", "keep"))]})
    promote(server.url, one, 1, group=[other])
    assert stages(server.url, other) == {1: "Production"}
    outcome = promote(server.url, one, 1, EXCLUSIVE, group=[other])
    assert outcome.status == "promoted"
    assert stages(server.url, other) == {1: "Archived"}
    assert Registry(connect(server.url)).model(other).aliases == {"keep": 1}


def test_two_in_production_are_repaired(make_server: MakeServer) -> None:
    """A foreign writer left two in production: promoting one leaves one."""
    server, name = make_server(), fresh_name()
    seed(server.store_uri, {name: [Spec(stage="Production"), Spec(stage="Production")]})
    assert promote(server.url, name, 2).status == "promoted"
    assert stages(server.url, name) == {1: "Archived", 2: "Production"}


def test_a_champion_of_another_model_that_is_moved_by_a_person_stays_where_it_is(
    make_server: MakeServer, make_proxy: Callable[[Server], CountingProxy]
) -> None:
    """Planned to leave production, but someone stages it before its turn comes: it stays in Staging."""
    server, one, other = make_server(), fresh_name(), fresh_name()
    mlflow = seed(server.store_uri, {one: [Spec()], other: [Spec(stage="Production")]})
    proxy = make_proxy(server)
    stage_it = meanwhile(lambda: mlflow.transition_model_version_stage(other, "1", "Staging"))
    proxy.inject(stage_it, path=TRANSITION, times=1)
    assert promote(proxy.url, one, 1, EXCLUSIVE, group=[other]).status == "promoted"
    assert stages(server.url, other) == {1: "Staging"}


def test_a_group_whose_champion_moved_since_the_plan_is_left_alone(make_server: MakeServer) -> None:
    """The exclusive group's champion left production, or another model got there: planned on what is no more."""
    server, one, other = make_server(), fresh_name(), fresh_name()
    mlflow = seed(server.store_uri, {one: [Spec()], other: [Spec(stage="Production"), Spec()]})
    registry = Registry(connect(server.url), QUICK)
    plan = planned(registry, one, 1, EXCLUSIVE, group=[other])
    methods = load_methods(registry, Promote(methods=METHODS))
    mlflow.transition_model_version_stage(other, "1", "Staging")
    with pytest.raises(Refused, match=f"{other} version 1 was changed by someone else"):
        Promotion(registry, plan, methods, Writer(QUICK), group=[other]).apply({})
    mlflow.transition_model_version_stage(other, "2", "Production")
    with pytest.raises(Refused, match=f"{one} version 1 lost: {other} version 2 went into production"):
        Promotion(registry, plan, methods, Writer(QUICK), group=[other]).apply({})
    assert stages(server.url, one) == {1: "None"}


@pytest.fixture
def affected(make_server: MakeServer) -> Server:
    """A 3.3.2 server on a file store: every transition of a version with linked metrics answers 500."""
    return make_server("3.3.2", "file")


def test_an_affected_server_is_promoted_on_by_its_folder(affected: Server) -> None:
    """Forced stage methods fail with 500, file-store succeeds, the server shows it; in well under 15 s."""
    name = fresh_name()
    seed(affected.url, {name: [Spec(metrics={"roc_auc": 0.9}, linked=True)]})
    started = time.monotonic()
    outcome = promote(
        affected.url, name, 1, file_store=affected.store_uri, force_methods=("stage-archive", "stage")
    )
    assert time.monotonic() - started < 15
    assert (outcome.status, outcome.method) == ("promoted", "file-store")
    assert [(a.method, a.attempt, a.outcome) for a in outcome.attempts[:5]] == [
        ("stage-archive", 1, "failed"),
        ("stage-archive", 2, "failed"),
        ("stage", 1, "failed"),
        ("stage", 2, "failed"),
        ("file-store", 1, "done"),
    ]
    assert stages(affected.url, name) == {1: "Production"}


def test_the_folder_is_found_from_the_versions_own_files(make_server: MakeServer) -> None:
    """Where clients write files to the store's folder themselves, it needs no configuration."""
    server, name = make_server("3.3.2", "file", "local"), fresh_name()
    seed(server.url, {name: [Spec(metrics={"roc_auc": 0.9}, linked=True)]})
    assert promote(server.url, name, 1).method == "file-store"


def test_without_the_folder_the_alias_is_set_and_the_rest_is_asked_for(affected: Server) -> None:
    """No method can set the stage: partial, with the stage named as missing, in well under 15 s."""
    name = fresh_name()
    seed(affected.url, {name: [Spec(metrics={"roc_auc": 0.9}, linked=True)]})
    started = time.monotonic()
    outcome = promote(affected.url, name, 1, methods=("stage-archive", "stage"))
    assert time.monotonic() - started < 15
    assert (outcome.status, outcome.missing) == ("partial", (f"stage Production for {name} version 1",))
    assert holder(affected.url, name) == 1
    assert stages(affected.url, name) == {1: "None"}


def test_a_method_that_fails_half_way_is_undone(affected: Server) -> None:
    """The old version has no linked metrics, so the server archives it, then fails on the new one: it comes back."""
    name = fresh_name()
    seed(affected.url, {name: [Spec(), Spec(metrics={"roc_auc": 0.9}, linked=True)]})
    client(affected.url).transition_model_version_stage(name, "1", "Production")
    outcome = promote(
        affected.url,
        name,
        2,
        methods=("stage-archive", "stage"),
        alias_fallback=False,
        force_methods=METHODS[:2],
    )
    assert outcome.status == "manual"
    undone = [a for a in outcome.attempts if a.outcome == "undone"]
    assert [a.error for a in undone] == [f"{name} version 1: stage Archived -> Production (taken back)"]
    assert stages(affected.url, name) == {1: "Production", 2: "None"}
    assert [(v.model, v.number) for v in outcome.production] == [(name, 1)]


def test_another_registrys_folder_is_refused(affected: Server, make_server: MakeServer) -> None:
    """A folder with the same model and version number, but of another registry, is not written to."""
    other, name = make_server("3.17.2", "file"), fresh_name()
    for server in (affected, other):
        seed(server.url, {name: [Spec(metrics={"roc_auc": 0.9}, linked=True)]})
    outcome = promote(affected.url, name, 1, file_store=other.store_uri)
    skipped = next(a for a in outcome.attempts if a.method == "file-store")
    assert (skipped.outcome, outcome.status) == ("skipped", "partial")
    assert "is not the server's" in skipped.error
    assert stages(other.url, name) == {1: "None"}


@pytest.mark.parametrize(
    ("folder", "reason"),
    [
        ("/nowhere", "there is no store with"),
        (None, "no folder with this registry was found on this machine; promote.file_store can name it"),
    ],
)
def test_an_unreachable_folder_is_skipped_with_the_reason(
    folder: str | None, reason: str, affected: Server
) -> None:
    """Not configured and not found, or configured wrongly: said, and the next method is tried."""
    name = fresh_name()
    seed(affected.url, {name: [Spec(metrics={"roc_auc": 0.9}, linked=True)]})
    outcome = promote(affected.url, name, 1, file_store=folder)
    assert reason in next(a.error for a in outcome.attempts if a.method == "file-store")


@pytest.mark.parametrize(
    "uri", ["mlflow-artifacts:/1/x", "s3://bucket/1", "relative/path", "file:///nowhere/1/x"]
)
def test_only_a_local_folder_can_be_a_store(uri: str, make_server: MakeServer) -> None:
    """A remote or unrelated storage address leads to no folder."""
    server, name = make_server(), fresh_name()
    seed(server.store_uri, {name: [Spec()]})
    assert find_store(uri, Registry(connect(server.url)).version(name, 1)) is None


def test_a_folder_that_cannot_be_looked_into_is_no_store(tmp_path: Path) -> None:
    """The system's refusal to look (here: a name too long for a folder) is an obstacle, not a crash."""
    assert find_store(str(tmp_path / "1" / "x"), version("m" * 300, 1)) is None


def test_the_folder_may_be_given_as_a_uri(affected: Server) -> None:
    """promote.file_store takes file:/// as well as a path, as its description says."""
    name = fresh_name()
    seed(affected.url, {name: [Spec(metrics={"roc_auc": 0.9}, linked=True)]})
    assert promote(affected.url, name, 1, file_store=Path(affected.store_uri).as_uri()).method == "file-store"


FAULTS = {
    "lost before": (drop_before, "promoted"),
    "lost after": (drop_after, "promoted"),
    "503 once": (respond(503), "promoted"),
    "500 once": (respond(500), "promoted"),
    "503 though it took effect": (respond_after(503), "promoted"),
    "garbage though it took effect": (respond_after(200, "<html>"), "promoted"),
}


@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_a_passing_fault_at_the_transition_is_survived(
    fault: str, make_server: MakeServer, make_proxy: Callable[[Server], CountingProxy]
) -> None:
    """One bad answer to the first transition, whether or not it took effect: promoted, once, verified."""
    server, name = make_server(), fresh_name()
    seed(server.store_uri, {name: [Spec(stage="Production"), Spec()]})
    proxy = make_proxy(server)
    break_with, status = FAULTS[fault]
    proxy.inject(break_with, path=TRANSITION, times=1)
    outcome = promote(proxy.url, name, 2)
    assert outcome.status == status
    assert outcome.attempts[0].outcome == "failed"
    assert stages(server.url, name) == {1: "Archived", 2: "Production"}


def test_a_lost_answer_that_took_effect_counts(
    make_server: MakeServer, make_proxy: Callable[[Server], CountingProxy]
) -> None:
    """Every answer to the transition is lost, but the registry shows it: read back, done, and not asked for twice."""
    server, name = make_server(), fresh_name()
    seed(server.store_uri, {name: [Spec(stage="Production"), Spec()]})
    proxy = make_proxy(server)
    proxy.inject(drop_after, path=TRANSITION)
    outcome = promote(proxy.url, name, 2)
    assert (outcome.status, outcome.method) == ("promoted", "stage-archive")
    assert [(a.outcome, a.attempt) for a in outcome.attempts if a.method == "stage-archive"] == [
        ("failed", 1),
        ("done", 2),
    ]
    assert "had taken effect although its answer was lost" in [a.error for a in outcome.attempts]
    assert len([r for r in proxy.requests if r.path.endswith(TRANSITION)]) == 1


def test_a_success_that_the_registry_does_not_show_is_no_success(
    make_server: MakeServer, make_proxy: Callable[[Server], CountingProxy]
) -> None:
    """A server that answers 200 and does nothing is found out by reading back."""
    server, name = make_server(), fresh_name()
    seed(server.store_uri, {name: [Spec(stage="Production"), Spec()]})
    proxy = make_proxy(server)
    proxy.inject(
        respond(200, '{"model_version": {"name": "x", "version": "2"}}', "application/json"), path=TRANSITION
    )
    outcome = promote(proxy.url, name, 2, alias_fallback=False)
    assert outcome.status == "manual"
    assert [a.outcome for a in outcome.attempts if a.method == "stage-archive"][-1] == "not verified"
    assert stages(server.url, name) == {1: "Production", 2: "None"}


def test_everything_broken_ends_by_hand(
    make_server: MakeServer, make_proxy: Callable[[Server], CountingProxy]
) -> None:
    """No write works at all: nothing changed, and every method is listed with its error."""
    server, name = make_server(), fresh_name()
    seed(server.store_uri, {name: [Spec(stage="Production"), Spec()]})
    proxy = make_proxy(server)
    proxy.inject(respond(500), method="POST", path=TRANSITION)
    proxy.inject(respond(500), method="POST", path="registered-models/alias")
    outcome = promote(proxy.url, name, 2)
    assert (outcome.status, len(outcome.missing)) == ("manual", 2)
    assert {a.method for a in outcome.attempts} == {"stage-archive", "stage", "file-store", "alias"}
    assert stages(server.url, name) == {1: "Production", 2: "None"}
    assert INTENT_TAG not in Registry(connect(server.url)).model(name).tags  # every request was answered


@pytest.mark.parametrize(
    ("held", "methods", "status", "after", "outcome"),
    [
        pytest.param(
            1, METHODS[:2], "manual", "None", "undone", id="it archives the champion that was put back"
        ),
        pytest.param(
            3, METHODS, "promoted", "Production", "finished", id="it puts the old champion back again"
        ),
    ],
)
def test_what_a_request_without_an_answer_does_late_is_repaired_by_the_next_command(
    held: int,
    methods: tuple[str, ...],
    status: str,
    after: str,
    outcome: str,
    affected: Server,
    make_proxy: Callable[[Server], CountingProxy],
) -> None:
    """It takes effect when all is over, and a person perhaps has been asked: the intent was left for that."""
    name, released, late = fresh_name(), threading.Event(), []
    seed(affected.url, {name: [Spec(), Spec(metrics={"roc_auc": 0.9}, linked=True)]})
    client(affected.url).transition_model_version_stage(name, "1", "Production")
    proxy = make_proxy(affected)

    def deliver(request: Request) -> None:
        released.wait(60)
        requests.post(affected.url + request.path, request.body, timeout=60, headers=JSON)

    def hold(request: Request, send: Send) -> Answer:
        late.append(threading.Thread(target=deliver, args=(request,)))
        late[0].start()
        raise Dropped

    proxy.inject(hold, path=TRANSITION, nth=held, times=1)
    rules: dict[str, Any] = {
        "methods": methods,
        "force_methods": METHODS[:2],
        "file_store": affected.store_uri,
    }
    made = promote(proxy.url, name, 2, alias_fallback=False, **rules)
    assert (made.status, stages(affected.url, name)[2]) == (status, after)
    assert made.warnings == (
        "a request got no answer and may take effect late; the next command checks for that and repairs it",
    )
    settled = stages(affected.url, name)
    released.set()
    late[0].join()
    assert stages(affected.url, name) != settled
    registry = Registry(connect(affected.url), QUICK)
    recovery = Recovery(registry, load_methods(registry, Promote(**rules)), Writer(QUICK), BOTH)
    recovered = recovery.run(name)
    assert recovered
    assert recovered.outcome == outcome
    assert stages(affected.url, name) == settled
    assert INTENT_TAG not in registry.model(name).tags


def test_a_registry_that_changed_since_the_plan_is_left_alone(
    make_server: MakeServer,
) -> None:
    """Someone else promoted meanwhile: refused before the first write."""
    server, name = make_server(), fresh_name()
    seed(server.store_uri, {name: [Spec(), Spec()]})
    registry = Registry(connect(server.url))
    plan = planned(registry, name, 1)
    client(server.url).transition_model_version_stage(name, "2", "Production")
    with pytest.raises(Refused, match=r"lost: .* version 2 went into production") as caught:
        Promotion(registry, plan, load_methods(registry, Promote(methods=METHODS)), Writer(QUICK)).apply({})
    assert caught.value.state == "nothing was written"
    assert stages(server.url, name) == {1: "None", 2: "Production"}


def test_an_interruption_undoes_what_was_half_done(
    affected: Server, make_proxy: Callable[[Server], CountingProxy]
) -> None:
    """A Jenkins abort after the old version was archived: it is put back before the command ends."""
    name = fresh_name()
    seed(affected.url, {name: [Spec(), Spec(metrics={"roc_auc": 0.9}, linked=True)]})
    client(affected.url).transition_model_version_stage(name, "1", "Production")

    shown: list[Attempt] = []

    def abort(attempt: Attempt) -> None:
        shown.append(attempt)
        if len(shown) == 1:
            raise Interrupted("interrupted by SIGTERM", signal_number=15)

    with pytest.raises(Interrupted) as caught:
        promote(affected.url, name, 2, show=abort, force_methods=METHODS[:2])
    assert caught.value.state == f"{name} is as it was before the promotion"
    assert stages(affected.url, name) == {1: "Production", 2: "None"}


def test_an_interruption_right_after_the_intent_removes_it(
    make_server: MakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The signal arrives when the intent has been written and nothing else was changed."""
    server, name = make_server(), fresh_name()
    seed(server.store_uri, {name: [Spec()]})
    run, runs = Writer.run, itertools.count(1)

    def signalled(writer: Writer, *arguments: Any, **options: Any) -> None:
        run(writer, *arguments, **options)
        if next(runs) == 1:
            assert INTENT_TAG in Registry(connect(server.url)).model(name).tags
            raise Interrupted("interrupted by SIGTERM", signal_number=15)

    monkeypatch.setattr(Writer, "run", signalled)
    with pytest.raises(Interrupted) as caught:
        promote(server.url, name, 1)
    assert caught.value.state == f"{name} is as it was before the promotion"
    assert not Registry(connect(server.url)).model(name).tags
    assert stages(server.url, name) == {1: "None"}


def test_an_interruption_that_cuts_a_request_off_leaves_the_intent(
    affected: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody knows whether that request is over: the next command looks."""
    name = fresh_name()
    seed(affected.url, {name: [Spec(stage="Production"), Spec()]})

    def abort(*arguments: object, **options: object) -> None:
        raise Interrupted("interrupted by SIGTERM", signal_number=15)

    with monkeypatch.context() as patched:
        patched.setattr(Registry, "set_stage", abort)
        with pytest.raises(Interrupted):
            promote(affected.url, name, 2, force_methods=METHODS[:2])
    assert stages(affected.url, name) == {1: "Production", 2: "None"}
    assert INTENT_TAG in Registry(connect(affected.url)).model(name).tags


def test_a_server_that_dies_in_the_middle_says_how_to_go_on(
    make_server: MakeServer, make_proxy: Callable[[Server], CountingProxy]
) -> None:
    """Nothing answers after the transition: the error says that it may be half done; recovery undoes it."""
    server, name = make_server(), fresh_name()
    seed(server.store_uri, {name: [Spec(stage="Production"), Spec()]})
    proxy = make_proxy(server)
    dead: list[bool] = []
    proxy.inject(meanwhile(lambda: dead.append(True)), path=TRANSITION)
    proxy.inject(drop_before, path="registered-models/get", nth=2)
    with pytest.raises(ConnectionFailed) as caught:
        promote(proxy.url, name, 2)
    assert dead
    assert f"the promotion of {name} version 2 may be half done" in caught.value.state
    assert "run the same command again" in caught.value.next_step
    registry = Registry(connect(server.url), QUICK)
    with pytest.raises(Refused, match="started but did not finish"):
        promote(server.url, name, 2)
    recovered = Recovery(registry, load_methods(registry, Promote(methods=METHODS)), Writer(QUICK), BOTH).run(
        name
    )
    assert recovered
    assert recovered.outcome == "undone", recovered
    assert (stages(server.url, name), holder(server.url, name)) == ({1: "Production", 2: "None"}, None)
    assert INTENT_TAG not in registry.model(name).tags


def test_tags_that_cannot_be_set_are_a_warning(
    make_server: MakeServer, make_proxy: Callable[[Server], CountingProxy]
) -> None:
    """The promotion stands, and the result says that its record is missing."""
    server, name = make_server(), fresh_name()
    seed(server.store_uri, {name: [Spec()]})
    proxy = make_proxy(server)
    proxy.inject(respond(500), path="model-versions/set-tag")
    outcome = promote(proxy.url, name, 1)
    assert outcome.status == "promoted"
    assert "could not be tagged" in outcome.warnings[0]


def test_a_champion_of_another_model_that_cannot_retire_undoes_the_promotion(
    make_server: MakeServer, make_proxy: Callable[[Server], CountingProxy]
) -> None:
    """The other model's alias cannot be removed: its stage is put back, and a person is asked."""
    server, one, other = make_server(), fresh_name(), fresh_name()
    seed(server.store_uri, {one: [Spec()], other: [Spec(stage="Production", aliases=("champion",))]})
    proxy = make_proxy(server)
    proxy.inject(
        respond(500), method="DELETE", path="registered-models/alias", times=5
    )  # each try asks first
    outcome = promote(proxy.url, one, 1, EXCLUSIVE, group=[other])
    assert outcome.status == "manual"
    one_champion = "(this group has one champion)"
    blocked = f"{other}: alias champion on version 1 -> on no version {one_champion}"
    assert outcome.message.endswith(
        f"could not be promoted: {blocked} could not be set; everything was undone"
    )
    assert outcome.missing == (
        f"stage Production for {one} version 1",
        f"alias champion for {one} version 1",
        f"{other} version 1: stage Production -> Archived {one_champion}",
        blocked,
    )
    assert (stages(server.url, one), stages(server.url, other)) == ({1: "None"}, {1: "Production"})
    assert (holder(server.url, one), holder(server.url, other)) == (None, 1)


def test_a_file_store_opened_directly(tmp_path: Path) -> None:
    """Without a server the runner's own MLflow promotes on the folder by the first method."""
    uri = str(tmp_path / "mlruns")
    connect(uri, may_create=True)
    seed(uri, {"direct": [Spec(stage="Production"), Spec()]})
    assert promote(uri, "direct", 2).method == "stage-archive"
    assert stages(uri, "direct") == {1: "Archived", 2: "Production"}


def test_every_error_is_one_of_ours() -> None:
    """An interruption is no failure: what handles failures must not catch it."""
    assert not issubclass(Interrupted, JenkinsMlflowError)
    assert not issubclass(Interrupted, Exception)


def test_a_method_that_cannot_look_around_is_skipped(
    make_server: MakeServer, make_proxy: Callable[[Server], CountingProxy]
) -> None:
    """The server does not say where the files are: file-store is passed over, the next method promotes."""
    server, name = make_server(), fresh_name()
    seed(server.store_uri, {name: [Spec()]})
    proxy = make_proxy(server)
    proxy.inject(respond(404, "no"), path="get-download-uri")
    outcome = promote(proxy.url, name, 1, methods=("file-store", "stage"))
    assert (outcome.status, outcome.method) == ("promoted", "stage")
    assert [a.outcome for a in outcome.attempts if a.method == "file-store"] == ["skipped"]
