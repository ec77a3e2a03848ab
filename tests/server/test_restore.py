"""The journal of deletions and the way back, on real servers."""

from __future__ import annotations

import signal
from collections.abc import Callable

import pytest
from conftest import MakeServer, RunCli
from jenkins_mlflow.cleanup.apply import apply_cleanup
from jenkins_mlflow.cleanup.restore import plan_restore, restore
from jenkins_mlflow.registry.client import Registry
from jenkins_mlflow.registry.connection import connect
from jenkins_mlflow.registry.journal import EXPERIMENT, Journal
from jenkins_mlflow.registry.version import Version
from jenkins_mlflow.tags import RESTORED_FROM
from support.promoting import QUICK
from support.proxy import CountingProxy, drop_after, respond
from support.seeding import Spec, client, fresh_name, give_files, seed
from support.servers import Server, Store
from test_cleanup import TARGET, locks, planned, remaining_versions


@pytest.mark.parametrize(
    ("version", "store", "linked"),
    [("3.17.2", "sqlite", True), ("3.17.2", "postgresql", False), ("3.3.2", "file", False)],
)
def test_what_a_cleanup_deleted_comes_back(
    version: str, store: Store, linked: bool, make_server: MakeServer, run_cli: RunCli
) -> None:
    """Same source, run, tags and description under a new number; a second restore does nothing."""
    server, name = make_server(version, store), fresh_name()
    tags = {"note": "x" * 4000, "ü": "ä"}
    seed(server.url, {name: [Spec(tags=tags, stage="Archived", linked=linked), Spec(), Spec()]})
    give_files(server.url, name)
    client(server.url).update_model_version(name, "1", "The first one.")
    before = Registry(connect(server.url)).version(name, 1)
    end = (f"--model={name}", f"--tracking-uri={server.url}", "--output=json")
    environ = {"BUILD_URL": "http://jenkins/job/7/"}
    assert run_cli("cleanup", "--keep-last=1", "--yes", *end, env=environ).doc["status"] == "deleted"
    assert remaining_versions(server, name) == [3]
    dry = run_cli("restore", "--version=1", "--dry-run", *end)
    assert (dry.code, dry.doc["message"]) == (0, "DRY RUN: would restore 1 version")
    done = run_cli("restore", "--version=1", "--build=http://jenkins/job/7/", *end)
    assert (done.code, done.doc["message"]) == (0, "restored 1 version")
    after = Registry(connect(server.url)).version(name, done.doc["items"][0]["number"])
    assert after.tags == {**before.tags, RESTORED_FROM: f"1@{before.created}"}
    for fact in ("source", "run_id", "stage", "description"):
        assert getattr(after, fact) == getattr(before, fact)
    again = run_cli("restore", *end)
    assert again.doc["message"] == "restored 1 version; 1 restored already"


def test_what_comes_back_keeps_its_order_and_is_not_the_newest(
    make_server: MakeServer, run_cli: RunCli
) -> None:
    """The versions return oldest first, and `promote` without a number takes what was registered last."""
    server, name = make_server(), fresh_name()
    seed(server.store_uri, {name: [Spec(), Spec(), Spec()]})
    give_files(server.url, name)
    end = (f"--model={name}", f"--tracking-uri={server.url}", "--output=json")
    assert run_cli("cleanup", "--keep-last=1", "--yes", *end).doc["status"] == "deleted"
    back = run_cli("restore", *end).doc["items"]
    assert [(item["version"], item["number"]) for item in back] == [(1, 4), (2, 5)]
    done = run_cli("promote", "--dry-run", *end)
    assert (done.code, done.doc["version"]) == (0, 3)
    assert run_cli("cleanup", "--keep-last=1", "--yes", *end).doc["status"] == "deleted"
    assert remaining_versions(server, name) == [3]
    assert run_cli("restore", "--version=5", *end).doc["message"] == "restored 1 version"
    assert run_cli("promote", "--dry-run", *end).doc["version"] == 3, "restored twice, it is as old as ever"
    again = run_cli("restore", "--version=5", *end)
    assert again.doc["message"] == "restored 0 versions; 1 restored already"


def test_a_deleted_model_comes_back_with_its_versions(
    make_server: MakeServer, run_cli: RunCli, make_proxy: Callable[[Server], CountingProxy]
) -> None:
    """Somebody deleted the registered model, too; the answer to making it again is lost."""
    server, name = make_server(), fresh_name()
    seed(server.store_uri, {name: [Spec(), Spec()]})
    give_files(server.url, name)
    end = (f"--model={name}", "--output=json")
    here = f"--tracking-uri={server.url}"
    assert run_cli("cleanup", "--keep-last=1", "--yes", here, *end).doc["status"] == "deleted"
    client(server.url).delete_registered_model(name)
    dry = run_cli("restore", "--dry-run", here, *end)
    assert (dry.code, dry.doc["message"]) == (0, "DRY RUN: would restore 1 version")
    proxy = make_proxy(server)
    proxy.inject(drop_after, path="registered-models/create", times=2)  # the lock's flag, and the model
    done = run_cli("restore", f"--tracking-uri={proxy.url}", *end)
    assert (done.code, done.doc["message"]) == (0, "restored 1 version")
    assert done.doc["warnings"] == [
        (
            f"the registered model {name} had been deleted too: it is registered again, without the description "
            "and the tags that it had"
        )
    ]
    assert remaining_versions(server, name) == [1]


def test_no_mark_is_taken_from_a_living_version(make_server: MakeServer, run_cli: RunCli) -> None:
    """Its alias is held by another version by now: said, not taken."""
    server, name = make_server(), fresh_name()
    seed(server.store_uri, {name: [Spec(aliases=("a", "b")), Spec()]})
    give_files(server.url, name)
    end = (f"--model={name}", f"--tracking-uri={server.url}", "--output=json")
    environ = {"MLOPS__CLEANUP__PROTECT__ALIASES": "[none-of-them]"}
    assert run_cli("cleanup", "--keep-last=1", "--yes", *end, env=environ).doc["status"] == "deleted"
    client(server.url).set_registered_model_alias(name, "b", "2")
    done = run_cli("restore", *end)
    assert done.doc["items"][0]["note"].startswith("alias b is taken, or means production")
    number = done.doc["items"][0]["number"]
    assert Registry(connect(server.url)).model(name).aliases == {"a": number, "b": 2}


def entries(server: Server, name: str) -> list[int]:
    return [entry.version.number for entry in Journal(Registry(connect(server.url))).read(name)]


def test_nothing_is_deleted_that_is_not_in_the_journal(
    make_server: MakeServer, make_proxy: Callable[[Server], CountingProxy]
) -> None:
    """The journal cannot be written: no deletion. Stopped after it: the versions are in it, and still there."""
    server, name = make_server(), fresh_name()
    seed(server.store_uri, {name: [Spec(), Spec()]})
    proxy = make_proxy(server)
    registry = Registry(connect(proxy.url), QUICK)
    plan = planned(registry, name, keep_last=0)
    proxy.inject(respond(403, "no"), path="runs/create", times=1)
    result = apply_cleanup(registry, plan, locks(registry))
    assert (result.status, remaining_versions(server, name), entries(server, name)) == ("stopped", [2, 1], [])

    def interrupt() -> None:
        signal.raise_signal(signal.SIGTERM)

    apply_cleanup(registry, plan, locks(registry), progress=interrupt, workers=1)
    alive = remaining_versions(server, name)
    assert len(alive) <= 1
    assert sorted(entries(server, name)) == [1, 2]
    apply_cleanup(registry, plan, locks(registry))
    assert (remaining_versions(server, name), sorted(entries(server, name))) == ([], [1, 2])


def test_what_was_kept_after_all_is_no_deletion(make_server: MakeServer) -> None:
    """Changed after the plan, so that it stays: the journal takes it back. Another deletion will be another entry."""
    server, name = make_server(), fresh_name()
    seed(server.store_uri, {name: [Spec(), Spec()]})
    registry = Registry(connect(server.url), QUICK)
    plan = planned(registry, name, keep_last=0)
    registry.tag_version(name, 1, {"note": "changed"})
    apply_cleanup(registry, plan, locks(registry))
    assert (remaining_versions(server, name), entries(server, name)) == ([1], [2])


def test_a_lost_answer_restores_once(
    make_server: MakeServer, make_proxy: Callable[[Server], CountingProxy]
) -> None:
    """The second try finds what the first one has registered."""
    server, name = make_server(), fresh_name()
    seed(server.store_uri, {name: [Spec()]})
    proxy = make_proxy(server)
    registry = Registry(connect(proxy.url), QUICK)
    apply_cleanup(registry, planned(registry, name, keep_last=0), locks(registry))
    proxy.inject(drop_after, path="model-versions/create", times=1)
    (item,) = plan_restore(Journal(registry).read(name), registry.model(name))
    assert restore(registry, item, TARGET).outcome == "restored"
    assert len(remaining_versions(server, name)) == 1


def test_a_journal_of_many_long_tags(make_server: MakeServer) -> None:
    """Two hundred versions with 5,000 characters each: they come back whole."""
    journal = Journal(Registry(connect(make_server().url)))
    name = fresh_name()
    versions = [Version(name, n, tags={"t": "é" * 900 + str(n)}) for n in range(200)]
    journal.close(journal.write(name, versions), name, {"deleted": 1})
    assert [entry.version for entry in journal.read(name)] == versions


@pytest.mark.parametrize(
    ("version", "store"), [("3.17.2", "sqlite"), ("3.3.2", "file"), ("2.22.4", "sqlite"), ("2.22.4", "file")]
)
def test_the_journal_is_found_under_another_name(
    version: str, store: Store, make_server: MakeServer, run_cli: RunCli
) -> None:
    """Somebody renames its experiment in MLflow: what it names can still be restored, and it is written further."""
    server, name = make_server(version, store), fresh_name()
    seed(server.url, {name: [Spec(), Spec(), Spec()]})
    give_files(server.url, name)
    end = (f"--model={name}", f"--tracking-uri={server.url}", "--output=json")
    assert run_cli("cleanup", "--keep-last=2", "--yes", *end).doc["status"] == "deleted"
    mlflow = client(server.url)
    journal = mlflow.get_experiment_by_name(EXPERIMENT)
    assert journal is not None
    mlflow.rename_experiment(journal.experiment_id, f"audit {name}")
    try:
        assert run_cli("cleanup", "--keep-last=1", "--yes", *end).doc["status"] == "deleted"
        found = run_cli("restore", "--dry-run", *end)
        assert (found.code, found.doc["message"]) == (0, "DRY RUN: would restore 2 versions"), found.stderr
        assert mlflow.get_experiment_by_name(EXPERIMENT) is None
    finally:
        mlflow.rename_experiment(journal.experiment_id, EXPERIMENT)
    assert run_cli("restore", *end).doc["message"] == "restored 2 versions"
