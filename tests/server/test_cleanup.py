"""Cleanup against real servers: deletes what the plan names and nothing else, in parallel, and tells what it did."""

from __future__ import annotations

import itertools
import json
import shutil
import signal
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, TypeVar

import pytest
from builders import version
from conftest import MakeServer, RunCli
from jenkins_mlflow.build import BuildContext
from jenkins_mlflow.cleanup.apply import BATCH, apply_cleanup, batches
from jenkins_mlflow.cleanup.fresh_reads import LASTS
from jenkins_mlflow.cleanup.plan import CleanupPlan, CleanupResult, Item, plan_cleanup
from jenkins_mlflow.commands.cleanup import clean_up
from jenkins_mlflow.commands.cleanup_plan import Wish
from jenkins_mlflow.commands.session import Session
from jenkins_mlflow.config.cleanup import Cleanup
from jenkins_mlflow.config.schema import Config
from jenkins_mlflow.config.select import Select
from jenkins_mlflow.errors import ConnectionFailed, LockLost, RegistryError, UsageError
from jenkins_mlflow.registry import retries
from jenkins_mlflow.registry.client import Registry
from jenkins_mlflow.registry.connection import connect
from jenkins_mlflow.registry.holder import Holder
from jenkins_mlflow.registry.lock import Lock
from jenkins_mlflow.registry.runs import RunsOf
from jenkins_mlflow.registry.unfit import telling_tags
from jenkins_mlflow.registry.version import Target
from jenkins_mlflow.results.base import document
from jenkins_mlflow.tags import INTENT_TAG, KEEP_TAG, PREVIOUS_MODEL, PREVIOUS_VERSION, PROMOTED_AT
from jenkins_mlflow.terminal import Terminal
from support.promoting import QUICK, promote
from support.proxy import (
    Answer,
    CountingProxy,
    Dropped,
    Fault,
    Request,
    Send,
    drop_after,
    meanwhile,
    respond,
    respond_after,
)
from support.seeding import Spec, client, fresh_name, seed
from support.servers import Server, Store

T = TypeVar("T")
DELETE = "model-versions/delete"
TARGET = Target("Production", "champion")


def planned(registry: Registry, name: str, **rules: object) -> CleanupPlan:
    group = registry.snapshot([name])
    return plan_cleanup(group, group, Cleanup(**rules), TARGET, now=10**10)  # type: ignore[arg-type]


def clean(uri: str, name: str, **rules: object) -> CleanupResult:
    registry = Registry(connect(uri), QUICK)
    return apply_cleanup(registry, planned(registry, name, **rules), locks(registry))


def command(server: Server, folder: Path, model: str | None, **rules: object) -> dict[str, Any]:
    """The command `cleanup --yes`."""
    config = Config(cleanup=Cleanup(**rules))  # type: ignore[arg-type]
    session = Session(config, server.url, Terminal(quiet=True), folder, BuildContext())
    return document(clean_up(session, Wish(model=model, yes=True)))


def locks(registry: Registry, wait: float = 5) -> Callable[[Sequence[str]], Lock]:
    """What gives the lock for some models."""

    def lock(models: Sequence[str]) -> Lock:
        holder = Holder.this_process("cleanup", tuple(models), tuple(models), BuildContext(user="tester"), 60)
        return Lock(registry, holder, wait=wait, retry=QUICK)

    return lock


def remaining_versions(server: Server, name: str) -> list[int]:
    return [version.number for version in Registry(connect(server.url)).model(name).versions]


@pytest.mark.parametrize(
    ("version", "store"),
    [("3.17.2", "sqlite"), ("3.17.2", "postgresql"), ("3.3.2", "file"), ("2.22.4", "sqlite")],
)
def test_old_versions_go_and_protected_ones_stay(version: str, store: Store, make_server: MakeServer) -> None:
    """On every kind of store the incident's example comes out the same: 5 in production, 4 and 3 stay, 2 and 1 go."""
    server, name = make_server(version, store), fresh_name()
    seed(server.url, {name: [Spec(), Spec(), Spec(), Spec(), Spec(stage="Production")]})
    result = clean(server.url, name, keep_last=2)
    assert (result.status, remaining_versions(server, name)) == ("deleted", [5, 4, 3])
    assert {i.version.number: i.outcome for i in result.items} == {
        5: "",
        4: "",
        3: "",
        2: "deleted",
        1: "deleted",
    }


def test_a_version_that_changed_since_the_plan_is_kept(
    make_server: MakeServer,
) -> None:
    """Staged, aliased or tagged after the plan was made: not deleted, and said."""
    server, name = make_server(), fresh_name()
    seed(server.store_uri, {name: [Spec(), Spec(), Spec(), Spec()]})
    registry = Registry(connect(server.url), QUICK)
    plan = planned(registry, name, keep_last=0)
    other = client(server.url)
    other.transition_model_version_stage(name, "1", "Staging")
    other.set_registered_model_alias(name, "canary", "2")
    other.set_model_version_tag(name, "3", "keep", "true")
    result = apply_cleanup(registry, plan, locks(registry))
    assert remaining_versions(server, name) == [3, 2, 1]
    assert [(i.outcome, i.error) for i in result.items] == [
        ("deleted", ""),
        ("kept: changed since the plan", "its stage, aliases or tags changed"),
        ("kept: changed since the plan", "alias canary"),
        ("kept: changed since the plan", "stage Staging"),
    ]


def test_a_version_that_is_gone_already_is_told_apart(
    make_server: MakeServer, make_proxy: Callable[[Server], CountingProxy]
) -> None:
    """Deleted by someone else after the plan; by our own request whose answer was lost, it was deleted."""
    server, name = make_server(), fresh_name()
    seed(server.store_uri, {name: [Spec(), Spec(), Spec()]})
    proxy = make_proxy(server)
    registry = Registry(connect(proxy.url), QUICK)
    plan = planned(registry, name, keep_last=0)
    client(server.url).delete_model_version(name, "1")
    proxy.inject(drop_after, path=DELETE, times=1)
    result = apply_cleanup(registry, plan, locks(registry), workers=1)
    assert remaining_versions(server, name) == []
    assert {i.version.number: i.outcome for i in result.items} == {
        1: "already gone",
        2: "deleted",
        3: "deleted",
    }
    assert result.message == "deleted 2 versions of 1 model; 1 version had already been deleted"


def test_a_cleanup_that_finds_everything_gone_says_so(make_server: MakeServer) -> None:
    """Another one was faster: nothing was deleted by this one."""
    server, name = make_server(), fresh_name()
    seed(server.store_uri, {name: [Spec(), Spec(), Spec()]})
    registry = Registry(connect(server.url), QUICK)
    plan = planned(registry, name, keep_last=0)
    assert apply_cleanup(registry, plan, locks(registry)).message == "deleted 3 versions of 1 model"
    again = apply_cleanup(registry, plan, locks(registry))
    assert again.status == "nothing"
    assert again.message == "deleted 0 versions of 1 model; 3 versions had already been deleted"


def test_the_first_unexpected_error_stops_the_rest(
    make_server: MakeServer, make_proxy: Callable[[Server], CountingProxy]
) -> None:
    """The third deletion is refused: two are gone, one failed, the others were not reached, all of it recorded."""
    server, name = make_server(), fresh_name()
    seed(server.store_uri, {name: [Spec() for _ in range(6)]})
    proxy = make_proxy(server)
    registry = Registry(connect(proxy.url), QUICK)
    plan = planned(registry, name, keep_last=0)
    proxy.inject(respond(403, "no"), path=DELETE, nth=3)
    result = apply_cleanup(registry, plan, locks(registry), workers=1)
    assert [i.outcome for i in result.items] == [*["not reached"] * 3, "failed", "deleted", "deleted"]
    assert result.status == "stopped"
    assert isinstance(result.stopped, RegistryError)
    assert result.message.startswith("stopped after 2 of 6 deletions: deleting")
    assert remaining_versions(server, name) == [6, 5, 4, 3]


def test_an_interruption_stops_cleanly(make_server: MakeServer) -> None:
    """An abort in the middle: what was under way ends, the rest is not reached, and the result knows which is which.

    By SIGTERM: where the tests run in the background of a shell, SIGINT is ignored.
    """
    server, name = make_server(), fresh_name()
    seed(server.store_uri, {name: [Spec() for _ in range(12)]})
    registry = Registry(connect(server.url), QUICK)
    calls = itertools.count(1)

    def interrupt() -> None:
        if next(calls) == 2:
            signal.raise_signal(signal.SIGTERM)

    result = apply_cleanup(
        registry, planned(registry, name, keep_last=0), locks(registry), progress=interrupt, workers=2
    )
    gone = {i.version.number for i in result.items if i.outcome == "deleted"}
    assert result.status == "stopped"
    assert 2 <= len(gone) < 12
    assert set(remaining_versions(server, name)) == set(range(1, 13)) - gone


def test_deletions_run_side_by_side(
    make_server: MakeServer, make_proxy: Callable[[Server], CountingProxy]
) -> None:
    """While one deletion waits, others go on: 8 held requests are in flight at once."""
    server, name = make_server(), fresh_name()
    seed(server.store_uri, {name: [Spec() for _ in range(8)]})
    proxy = make_proxy(server)
    registry = Registry(connect(proxy.url), QUICK)
    plan = planned(registry, name, keep_last=0)
    gate = threading.Barrier(8, timeout=20)
    proxy.inject(meanwhile(gate.wait), path=DELETE)
    assert apply_cleanup(registry, plan, locks(registry), workers=8).status == "deleted"
    assert remaining_versions(server, name) == []


def test_the_rollback_target_of_a_real_promotion_stays(make_server: MakeServer) -> None:
    """keep_last 0 after a promotion: production and the version before it are left."""
    server, name = make_server(), fresh_name()
    seed(server.store_uri, {name: [Spec(), Spec(stage="Production"), Spec()]})
    promote(server.url, name, 3)
    clean(server.url, name, keep_last=0)
    assert remaining_versions(server, name) == [3, 2]


def test_models_that_someone_works_on_are_left_for_the_next_run(make_server: MakeServer) -> None:
    """A promotion holds one model: its versions stay and the result says why; then they go."""
    server, name = make_server(), fresh_name()
    seed(server.store_uri, {name: [Spec(), Spec()]})
    registry = Registry(connect(server.url), QUICK)
    plan = planned(registry, name, keep_last=0)
    with locks(registry)([name]):
        result = apply_cleanup(registry, plan, locks(registry, wait=0.2))
    assert {item.outcome for item in result.items} == {"kept: in use"}
    assert result.status == "nothing"
    assert (
        f"left 2 for the next run: {name} is being worked on by cleanup of {name} (tester on"
        in result.message
    )
    assert apply_cleanup(registry, plan, locks(registry)).status == "deleted"
    assert [flag for flag in registry.flags() if name in str(flag.tags)] == []


def test_a_batch_holds_whole_models() -> None:
    """About so many deletions to a lock, one model never in two, and all names fit into the lock's tag."""
    items = [Item(version(f"m{n}", v), "delete", "") for n in range(10) for v in range(1, 36)]
    found = list(batches(items))
    assert BATCH == 200
    assert [len(batch) for batch in found] == [175, 175]
    assert [item for batch in found for item in batch] == items
    long = [Item(version("x" * 250 + str(n), 1), "delete", "") for n in range(12)]
    assert [len(batch) for batch in batches(long)] == [5, 5, 2]


def test_a_lost_lock_ends_the_deletions(make_server: MakeServer) -> None:
    """Another process took it over after the first deletion: whoever that is decides about the others now."""
    server, name = make_server(), fresh_name()
    seed(server.url, {name: [Spec(), Spec(), Spec()]})
    registry = Registry(connect(server.url), QUICK)
    asked = itertools.count(1)

    class Held:
        def check(self) -> None:
            if next(asked) == 3:  # for the journal, for the first deletion, for the second
                raise LockLost("the lock was lost: another process took it over")

        def send(self, write: Callable[[], T]) -> T:
            self.check()
            return write()

    result = apply_cleanup(
        registry, planned(registry, name, keep_last=0), lambda models: nullcontext(Held()), workers=1
    )
    assert remaining_versions(server, name) == [3, 2]
    assert [item.outcome for item in result.items] == ["not reached", "failed", "deleted"]
    assert isinstance(result.stopped, LockLost)


def test_each_try_of_a_deletion_asks_for_the_lock(
    make_server: MakeServer, make_proxy: Callable[[Server], CountingProxy]
) -> None:
    """The lock is lost while the first try fails: there is no second one."""
    server, name = make_server(), fresh_name()
    seed(server.store_uri, {name: [Spec()]})
    proxy = make_proxy(server)
    registry = Registry(connect(proxy.url), QUICK)
    plan = planned(registry, name, keep_last=0)
    tries: list[str] = []
    proxy.inject(counted(tries, respond(503)), path=DELETE)

    class Held:
        def check(self) -> None:
            if tries:
                raise LockLost("the lock was lost")

        def send(self, write: Callable[[], T]) -> T:
            self.check()
            return write()

    result = apply_cleanup(registry, plan, lambda models: nullcontext(Held()), workers=1)
    assert (len(tries), [item.error for item in result.items]) == (1, ["the lock was lost"])


def counted(tries: list[str], fault: Fault) -> Fault:
    """The fault; each request that it gets is added to the list."""

    def count(request: Request, send: Send) -> Answer:
        tries.append(str(request))
        return fault(request, send)

    return count


def test_a_rollback_target_of_another_model_stays(make_server: MakeServer, tmp_path: Path) -> None:
    """Cleaning A alone looks at the champion of B too, which replaced version 1 of A."""
    server, a, b = make_server(), fresh_name(), fresh_name()
    champion = Spec(stage="Production", tags={PREVIOUS_MODEL: a, PREVIOUS_VERSION: "1"})
    seed(server.store_uri, {a: [Spec(), Spec(), Spec()], b: [champion]})
    document = command(server, tmp_path, a, keep_last=1)
    assert remaining_versions(server, a) == [3, 1]
    assert document["items"][2]["reason"] == f"rollback target of {b} version 1"


def test_a_rollback_after_the_plan_saves_its_target(make_server: MakeServer) -> None:
    """Version 2 is in production again, and returns to 1: the plan of before must not delete 1."""
    server, name = make_server(), fresh_name()
    before_2, before_3 = ({PREVIOUS_VERSION: number} for number in "12")
    seed(server.store_uri, {name: [Spec(), Spec(tags=before_2), Spec(stage="Production", tags=before_3)]})
    registry = Registry(connect(server.url), QUICK)
    plan = planned(registry, name, keep_last=0)
    assert [item.version.number for item in plan.deletions] == [1]
    client(server.url).transition_model_version_stage(name, "2", "Production", archive_existing_versions=True)
    result = apply_cleanup(registry, plan, locks(registry))
    assert [(i.outcome, i.error) for i in result.items if i.action == "delete"] == [
        ("kept: changed since the plan", f"rollback target of {name} version 2")
    ]
    assert remaining_versions(server, name) == [3, 2, 1]


@pytest.mark.parametrize("hand", ["takes it out", "promotes another one"])
def test_what_is_recorded_as_in_production_stays(hand: str, make_server: MakeServer, tmp_path: Path) -> None:
    """Somebody took version 2 out without this tool: it and what it replaced stay, and a rollback brings 2 back."""
    server, name = make_server(), fresh_name()
    seed(server.store_uri, {name: [Spec(), Spec()]})
    for number in (1, 2):
        promote(server.url, name, number)
    seed(server.store_uri, {name: [Spec(), Spec()]})
    user = client(server.url)
    if hand == "takes it out":
        user.transition_model_version_stage(name, "2", "Archived")
        user.delete_registered_model_alias(name, "champion")
    else:
        user.transition_model_version_stage(name, "3", "Production", archive_existing_versions=True)
        user.set_registered_model_alias(name, "champion", "3")
    document = command(server, tmp_path, name, keep_last=1)
    reasons = {item["version"]: item["reason"] for item in document["items"]}
    assert reasons[2] == "recorded as in production, which it no longer is"
    assert reasons[1] == f"rollback target of {name} version 2"
    assert remaining_versions(server, name) == ([4, 2, 1] if hand == "takes it out" else [4, 3, 2, 1])


def test_what_was_promoted_last_stays_whatever_the_agents_clocks_said(
    make_server: MakeServer, run_cli: RunCli, tmp_path: Path
) -> None:
    """Version 0.2.0 promoted 3 on an agent whose clock was an hour ahead; then came 1 and 2; somebody took 2 out."""
    server, name = make_server(), fresh_name()
    seed(server.store_uri, {name: [Spec(), Spec(), Spec()]})
    promote(server.url, name, 3)
    ahead = datetime.fromtimestamp(int(time.time()) + 3600, timezone.utc).isoformat()
    client(server.url).set_model_version_tag(name, "3", PROMOTED_AT, ahead)
    for number in (1, 2):
        argv = ("promote", "--models", name, "--model", name, f"--version={number}")
        assert run_cli(*argv, env={"MLFLOW_TRACKING_URI": server.url}).code == 0
    user = client(server.url)
    user.transition_model_version_stage(name, "2", "Archived")
    user.delete_registered_model_alias(name, "champion")
    seed(server.store_uri, {name: [Spec()]})
    command(server, tmp_path, name, keep_last=1)
    assert remaining_versions(server, name) == [4, 2, 1]


def test_a_model_that_is_to_be_kept_loses_no_version(make_server: MakeServer, tmp_path: Path) -> None:
    """The tag on the registered model counts as on each version, even if it is set after the plan; so on a run."""
    server, name = make_server(), fresh_name()
    mlflow = seed(server.store_uri, {name: [Spec(run_tags={KEEP_TAG: ""}), *[Spec()] * 3]})
    registry = Registry(connect(server.url), QUICK)
    group = registry.snapshot([name], with_runs=RunsOf.every_version(tags=telling_tags))
    plan = plan_cleanup(group, group, Cleanup(keep_last=1), TARGET, now=time.time())
    assert [(i.version.number, i.reason) for i in plan.items if i.action == "keep"] == [
        (4, "last 1 of 1"),
        (1, "tag jenkins_mlflow.keep of its run"),
    ]
    mlflow.set_registered_model_tag(name, KEEP_TAG, "")
    result = apply_cleanup(registry, plan, locks(registry))
    kept = [(i.version.number, i.error) for i in result.items if i.outcome == "kept: changed since the plan"]
    assert kept == [(3, of_model := "tag jenkins_mlflow.keep of its model"), (2, of_model)]
    group = registry.snapshot([name], with_runs=True)
    plan = plan_cleanup(group, group, Cleanup(keep_last=1), TARGET, now=time.time())
    assert {i.reason for i in plan.items} == {of_model, "tag jenkins_mlflow.keep of its run"}


def test_a_foreign_hand_right_before_the_deletion_saves_a_target(
    make_server: MakeServer, make_proxy: Callable[[Server], CountingProxy]
) -> None:
    """Under our lock, somebody at MLflow's UI puts version 3 back, which returns to 2.

    The deletion before lasts as long as a look may serve, so the next one needs a look of its own.
    """
    server, name = make_server(), fresh_name()
    seed(server.store_uri, {name: [Spec(), Spec(), Spec(tags={PREVIOUS_VERSION: "2"}), Spec()]})
    proxy = make_proxy(server)
    registry = Registry(connect(proxy.url), QUICK)
    plan = planned(registry, name, keep_last=0)
    user = client(server.url)

    def put_back() -> None:
        user.transition_model_version_stage(name, "3", "Production")
        time.sleep(LASTS)

    proxy.inject(meanwhile(put_back), path=DELETE, nth=1, times=1)
    result = apply_cleanup(registry, plan, locks(registry), workers=1)
    assert remaining_versions(server, name) == [3, 2]
    assert result.items[2].error == f"rollback target of {name} version 3"


@pytest.mark.parametrize(("version", "store"), [("3.17.2", "sqlite"), ("3.3.2", "file")])
def test_an_intent_that_appeared_after_the_plan_saves_what_it_names(
    version: str, store: Store, make_server: MakeServer
) -> None:
    """The intent stands on another model of an exclusive group, and mentions this one."""
    server, name, other = make_server(version, store), fresh_name(), fresh_name()
    seed(server.url, {name: [Spec()], other: [Spec()]})
    registry = Registry(connect(server.url), QUICK)
    plan = planned(registry, name, keep_last=0)
    client(server.url).set_registered_model_tag(other, INTENT_TAG, json.dumps({"group": [name]}))
    result = apply_cleanup(registry, plan, locks(registry))
    assert result.items[0].error == "an unfinished promotion works on this model"
    assert remaining_versions(server, name) == [1]
    client(server.url).delete_registered_model_tag(other, INTENT_TAG)
    assert apply_cleanup(registry, plan, locks(registry)).items[0].outcome == "deleted"


def test_a_version_made_again_under_the_same_number_is_another_one(make_server: MakeServer) -> None:
    """The model was deleted and made anew after the plan: its version 1 is not the planned one."""
    server, name = make_server(), fresh_name()
    seed(server.store_uri, {name: [Spec()]})
    registry = Registry(connect(server.url), QUICK)
    plan = planned(registry, name, keep_last=0)
    client(server.url).delete_registered_model(name)
    seed(server.store_uri, {name: [Spec()]})
    result = apply_cleanup(registry, plan, locks(registry))
    assert result.items[0].error == "it was deleted and created again under the same number"
    assert remaining_versions(server, name) == [1]


def test_the_gates_and_dates_come_from_the_runs(make_server: MakeServer) -> None:
    """Read with their runs: version 3 breaks the gate, so 2 and 1 are the last two."""
    server, name = make_server(), fresh_name()
    seed(server.store_uri, {name: [Spec(metrics={"auc": value}) for value in (0.9, 0.8, 0.1)]})
    group = Registry(connect(server.url), QUICK).snapshot([name], with_runs=True)
    select = Select(gates={"auc": ">= 0.5"})  # type: ignore[dict-item]
    plan = plan_cleanup(group, group, Cleanup(keep_last=2), TARGET, now=10**10, select=select)
    assert [(i.version.number, i.reason.partition(",")[0]) for i in plan.items] == [
        (3, "no rule counts it (not READY"),
        (2, "last 1 of 2"),
        (1, "last 2 of 2"),
    ]


def test_what_no_selection_chooses_displaces_no_version(make_server: MakeServer, run_cli: RunCli) -> None:
    """The tags and the state of the runs come from MLflow: two good versions, and newer ones that nobody may select."""
    server, name = make_server(), fresh_name()
    made = [
        *(Spec({"auc": 0.9}), Spec({"auc": 0.9}, run_tags={"jenkins_mlflow.outcome": "ok"})),
        Spec({"auc": 0.95}, run_tags={"jenkins_mlflow.change": "PR-1", "jenkins_mlflow.outcome": "ok"}),
        Spec({"auc": 0.95}, run_tags={"jenkins_mlflow.outcome": "failed"}),
        *(Spec({"auc": 0.95}, tags={"jenkins_mlflow.check": "failed"}), Spec({"auc": 0.95})),
    ]
    mlflow = seed(server.store_uri, {name: made})
    mlflow.delete_run(mlflow.get_model_version(name, "6").run_id or "")
    done = run_cli(
        *("cleanup", "--keep-last=2", "--dry-run", "--no-bytes", f"--models={name}"),
        *(f"--tracking-uri={server.url}", "--output=json"),
    )
    assert [(item["version"], item["reason"].partition(", ")[0]) for item in done.doc["items"]] == [
        (6, "no rule counts it: its run is in MLflow's trash"),
        (5, "no rule counts it: it failed the check after its promotion"),
        (4, "no rule counts it: its training did not end well (failed)"),
        (3, "trained by the change request PR-1"),
        (2, "last 1 of 2"),
        (1, "last 2 of 2"),
    ], done.stderr


def test_a_model_is_never_emptied_by_the_way(make_server: MakeServer, run_cli: RunCli) -> None:
    """keep_last 0 is refused with the plan and the way out; by name and with the option it is carried out."""
    server, name = make_server(), fresh_name()
    seed(server.store_uri, {name: [Spec(), Spec()]})
    base = ("cleanup", "--keep-last=0", "--yes", f"--tracking-uri={server.url}", "--output=json")
    refused = run_cli(*base, f"--models={name}")
    assert (refused.code, refused.doc["status"], len(refused.doc["items"])) == (1, "refused", 2)
    assert refused.stderr == (
        f"error: no rule keeps any version of {name}: the policy is empty\nstate: nothing was deleted\n"
        "next:  add a keep rule, exclude the model with cleanup.exclude, or, if it really may lose every version, "
        "give --allow-remove-all with --model and the model's name\n"
    )
    assert remaining_versions(server, name) == [2, 1]
    as_text = run_cli(*base[:-1], f"--models={name}")
    assert as_text.stderr == refused.stderr
    assert as_text.stdout.splitlines()[-1].startswith("   🗑️  delete   v1 ")  # and not the message once more
    assert run_cli(*base, f"--models={name}", "--allow-remove-all").code == 2
    assert run_cli(*base, f"--model={name}", "--allow-remove-all").code == 0
    assert remaining_versions(server, name) == []


def test_one_model_that_would_be_emptied_does_not_stop_the_others(
    make_server: MakeServer, run_cli: RunCli
) -> None:
    """Its only version passes no gate: it is left alone and named, the rest of the group is cleaned."""
    server, name = make_server(), fresh_name()
    bad = f"{name}-bad"
    good = [Spec(metrics={"auc": 0.9}), Spec(metrics={"auc": 0.9})]
    seed(server.store_uri, {name: good, bad: [Spec(metrics={"auc": 0.1})]})
    env = {"MLOPS__SELECT__GATES": '{"auc": ">= 0.5"}'}
    where = (f"--models={name}*", f"--tracking-uri={server.url}", "--output=json")
    done = run_cli("cleanup", "--keep-last=1", "--yes", *where, env=env)
    assert (done.code, remaining_versions(server, name), remaining_versions(server, bad)) == (0, [2], [1]), (
        done.stderr
    )
    (warning,) = done.doc["warnings"]
    assert warning == (
        f"{bad} is left alone: it would lose every version: 1 version; "
        f"`jenkins-mlflow cleanup --allow-remove-all --model {bad} --tracking-uri {server.url}` "
        "deletes what no rule keeps"
    )


def test_a_plan_file_is_carried_out_as_it_stands(
    make_server: MakeServer, run_cli: RunCli, tmp_path: Path
) -> None:
    """Written, looked at, carried out: what became protected since is skipped and said; nothing else goes."""
    server, name = make_server(), fresh_name()
    seed(server.store_uri, {name: [Spec(), Spec(), Spec()]})
    base = ("cleanup", f"--tracking-uri={server.url}", "--output=json")
    path = str(tmp_path / "plan.json")
    written = run_cli(*base, f"--model={name}", "--keep-last=1", "--keep-within=0s", f"--plan={path}")
    assert (written.code, written.doc["status"]) == (0, "planned")
    assert remaining_versions(server, name) == [3, 2, 1]
    seed(server.store_uri, {name: [Spec()]})
    client(server.url).set_registered_model_alias(name, "canary", "1")
    done = run_cli(*base, f"--apply={path}", "--yes", env={"MLOPS__CLEANUP__KEEP_LAST": "0"})
    assert (done.code, done.doc["status"]) == (0, "deleted")
    assert [(i["version"], i["outcome"], i["error"]) for i in done.doc["items"]] == [
        (3, "", ""),
        (2, "deleted", ""),
        (1, "kept: changed since the plan", "alias canary"),
    ]
    assert done.doc["warnings"] == [
        "the config has changed since the plan was made; the plan is carried out as it stands"
    ]
    assert remaining_versions(server, name) == [4, 3, 1]
    again = str(tmp_path / "again.json")
    assert run_cli(*base, f"--model={name}", "--keep-last=1", "--min-age=0s", f"--plan={again}").code == 0
    done = run_cli(*base, f"--apply={again}", "--yes")
    assert (done.code, done.doc["warnings"]) == (0, []), "an option of --plan is no change of the config"
    assert remaining_versions(server, name) == [4, 1]


def test_a_plan_counts_no_age_from_the_future(
    make_server: MakeServer, run_cli: RunCli, tmp_path: Path
) -> None:
    """Carried out, it would delete versions that the policy keeps; to look at that day deletes nothing."""
    server, name = make_server(), fresh_name()
    seed(server.store_uri, {name: [Spec(), Spec()]})
    base = ("cleanup", f"--tracking-uri={server.url}", "--output=json", f"--model={name}", "--keep-last=1")
    path = tmp_path / "plan.json"
    refused = run_cli(*base, f"--plan={path}", "--at=2099-01-01")
    assert refused.code == 2
    assert refused.doc["error"]["message"] == (
        "--at 2099-01-01T00:00:00 is in the future: a plan with these ages would delete versions that the policy "
        "still keeps"
    )
    assert not path.exists()
    assert [i["action"] for i in run_cli(*base, "--dry-run", "--at=2099-01-01").doc["items"]] == [
        "keep",
        "delete",
    ]
    assert run_cli(*base, f"--plan={path}", "--at=2020-01-01").code == 0
    assert remaining_versions(server, name) == [2, 1]


def test_names_that_are_mistyped_in_the_rules(
    make_server: MakeServer, run_cli: RunCli, tmp_path: Path
) -> None:
    """A rule that would have saved versions says that it saves none; a metric that no version has deletes none."""
    server, name = make_server(), fresh_name()
    seed(server.store_uri, {name: [Spec(metrics={"auc": n / 10}) for n in range(4)], f"{name}-b": [Spec()]})
    config = tmp_path / "mlops.yaml"
    base = ("cleanup", f"--tracking-uri={server.url}", f"--config={config}", "--output=json", "--no-bytes")
    rules = f"exclude: [{name}-c, {name}-b], overrides: {{'{name}x*': {{keep_last: 9}}, '{name}': {{keep_last: 1}}}}"
    config.write_text(f"models: '{name}'\ncleanup: {{{rules}}}\n")
    assert run_cli(*base, "--dry-run").doc["warnings"] == [
        f'cleanup.exclude: "{name}-c" matches no registered model; the nearest name is "{name}-b"',
        f'cleanup.overrides: "{name}x*" matches no registered model; the nearest name is "{name}"',
    ]
    config.write_text(f"models: '{name}'\ncleanup: {{keep_last: 1, keep_best: {{metric: acu, count: 2}}}}\n")
    done = run_cli(*base, "--yes")
    assert remaining_versions(server, name) == [4, 3, 2, 1]
    (warning,) = done.doc["warnings"]
    assert warning.startswith(
        f"{name} is left alone: it has no version outside production that logged acu, "
        "which cleanup.keep_best asks for; correct cleanup.keep_best; `jenkins-mlflow cleanup"
    )
    alone = run_cli(*base, "--yes", f"--model={name}")
    assert (alone.code, "next:  correct cleanup.keep_best, add a keep rule" in alone.stderr) == (1, True), (
        alone
    )
    assert remaining_versions(server, name) == [4, 3, 2, 1]


def test_a_plan_replaces_no_other_file(make_server: MakeServer, run_cli: RunCli, tmp_path: Path) -> None:
    """Such as the config; an earlier plan, and a file that mktemp has made, are replaced."""
    server, name = make_server(), fresh_name()
    seed(server.store_uri, {name: [Spec(), Spec()]})
    config, plan = tmp_path / "mlops.yaml", tmp_path / "plan.json"
    text = f"models: {name}\ncleanup: {{keep_last: 1}}\n"
    config.write_text(text)
    plan.touch()
    base = ("cleanup", f"--config={config}", f"--tracking-uri={server.url}", "--no-bytes")
    done = run_cli(*base, f"--plan={config}")
    assert (config.read_text(), done.code) == (text, 2)
    assert done.stderr == (
        f"error: {config} exists and is not a plan of a cleanup, so it is not overwritten\n"
        "state: nothing was read or deleted\nnext:  give --plan another file, or delete this one\n"
    )
    for _ in range(2):
        assert run_cli(*base, f"--plan={plan}").code == 0
    for other in ('{"digest": 1}', "[]", "\x00"):
        plan.write_text(other)
        assert run_cli(*base, f"--plan={plan}").code == 2
        assert plan.read_text() == other


def test_a_plan_for_a_file_is_for_no_file_of_that_name_elsewhere(run_cli: RunCli, tmp_path: Path) -> None:
    """A relative address means another registry in another folder, even where that is a copy of the first."""
    here, elsewhere = tmp_path / "here", tmp_path / "elsewhere"
    here.mkdir()
    name = fresh_name()
    seed(f"sqlite:///{here}/m.db", {name: [Spec(), Spec()]})
    shutil.copytree(here, elsewhere)
    base = ("cleanup", "--tracking-uri=sqlite:///m.db", "--output=json")
    assert run_cli(*base, "--keep-last=1", "--plan=plan.json", cwd=here).code == 0
    refused = run_cli(*base, "--apply=../here/plan.json", "--yes", cwd=elsewhere)
    assert (refused.code, refused.doc["error"]["state"]) == (1, "nothing was deleted")
    assert f"it is for the registry {here}/m.db, this is {elsewhere}/m.db" in refused.doc["error"]["message"]
    done = run_cli("cleanup", f"--tracking-uri=sqlite:///{here}/m.db", f"--apply={here}/plan.json", "--yes")
    assert done.code == 0, done.stderr


@pytest.mark.parametrize(
    ("wish", "message"),
    [
        (Wish(at=1.0), "--at needs --dry-run or --plan"),
        (
            Wish(read=Path("p"), model="m"),
            "--apply cannot be combined with --model: the plan is carried out as it stands",
        ),
    ],
)
def test_options_that_make_no_sense_together(wish: Wish, message: str) -> None:
    """Said before anything is read."""
    with pytest.raises(UsageError) as error:
        wish.check()
    assert error.value.message == message


def test_a_second_try_looks_at_the_version_again(
    make_server: MakeServer, make_proxy: Callable[[Server], CountingProxy]
) -> None:
    """The first try took effect, its answer was lost, and somebody made the version again under its number."""
    server, name = make_server(), fresh_name()
    seed(server.store_uri, {name: [Spec()]})
    proxy = make_proxy(server)
    registry = Registry(connect(proxy.url), QUICK)
    plan = planned(registry, name, keep_last=0)

    def made_again(request: Request, send: Send) -> Answer:
        send()
        client(server.url).delete_registered_model(name)
        seed(server.store_uri, {name: [Spec()]})
        raise Dropped

    proxy.inject(made_again, path=DELETE, times=1)
    result = apply_cleanup(registry, plan, locks(registry), workers=1)
    assert result.items[0].error == "it was deleted and created again under the same number"
    assert remaining_versions(server, name) == [1]


@pytest.mark.parametrize("path", ["registered-models/search", "model-versions/search"])
@pytest.mark.parametrize("body", ["", '{"message": "down for maintenance"}'], ids=["empty", "foreign"])
def test_an_answer_that_is_not_mlflows_is_no_empty_registry(
    path: str,
    body: str,
    make_server: MakeServer,
    make_proxy: Callable[[Server], CountingProxy],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Else nothing would be in production, promoted, leased or under a lock: a cleanup ends, and deletes nothing."""
    server, name = make_server(), fresh_name()
    seed(server.url, {name: [Spec(), Spec(), Spec(stage="Production"), Spec()]})
    proxy, nth = make_proxy(server), 0
    wish, config = Wish(model=name, yes=True), Config(cleanup=Cleanup(keep_last=1))
    monkeypatch.setattr(retries, "_FIRST_WAIT", 0.01)
    while remaining_versions(server, name) == [4, 3, 2, 1]:
        nth += 1
        proxy.reset()
        proxy.inject(respond(200, body, "application/json"), path=path, nth=nth)
        session = Session(config, proxy.url, Terminal(quiet=True), tmp_path, BuildContext())
        try:
            result = document(clean_up(session, wish))
        except ConnectionFailed:
            assert not [
                request
                for request in proxy.requests
                if request.method == "DELETE" and name in str(request.json)
            ]
    assert (result["status"], remaining_versions(server, name)) == ("deleted", [4, 3])
    assert nth > 2, "it had read something before"


@pytest.mark.parametrize(
    ("broken", "times", "outcome", "remaining"),
    [(respond, 1, "deleted", [2]), (respond_after, 1, "deleted", [2]), (respond, 9, "failed", [2, 1])],
    ids=["instead once", "after once", "instead always"],
)
@pytest.mark.parametrize("body", ["", "<html>", '{"status": "ok"}'], ids=["empty", "page", "gateway"])
def test_a_deletion_that_another_program_answers(
    body: str,
    broken: Callable[[int, str], Fault],
    times: int,
    outcome: str,
    remaining: list[int],
    make_server: MakeServer,
    make_proxy: Callable[[Server], CountingProxy],
) -> None:
    """With status 200, as a login page does: what is said to be deleted is deleted."""
    server, name = make_server(), fresh_name()
    seed(server.url, {name: [Spec(), Spec()]})
    proxy = make_proxy(server)
    registry = Registry(connect(proxy.url), QUICK)
    plan = planned(registry, name, keep_last=1)
    proxy.inject(broken(200, body), path=DELETE, times=times)
    result = apply_cleanup(registry, plan, locks(registry), workers=1)
    assert [item.outcome for item in result.items if item.action == "delete"] == [outcome]
    assert remaining_versions(server, name) == remaining
