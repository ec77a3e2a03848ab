"""Freeing the files of deleted versions, on real servers and storages: nothing that lives loses a byte."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import FreshServer, MakeAccounts, MakeServer, RunCli
from jenkins_mlflow.build import BuildContext
from jenkins_mlflow.commands.reclaim import ReclaimWish, reclaim
from jenkins_mlflow.commands.restore import Choice, restore_versions
from jenkins_mlflow.commands.session import Session
from jenkins_mlflow.config.cleanup import Cleanup, Reclaim
from jenkins_mlflow.config.schema import Config
from jenkins_mlflow.errors import Refused, UsageError
from jenkins_mlflow.registry.client import Registry
from jenkins_mlflow.registry.connection import Connection
from jenkins_mlflow.registry.door_types import FoundFile
from jenkins_mlflow.registry.journal import EXPERIMENT
from jenkins_mlflow.registry.locations import parse_location
from jenkins_mlflow.registry.retries import RetryPolicy
from jenkins_mlflow.registry.storage import Measured, OutOfReach, Storage
from jenkins_mlflow.results.base import document
from jenkins_mlflow.terminal import Terminal
from support.proxy import CountingProxy, meanwhile, respond
from support.s3 import BUCKET, S3, start_s3
from support.seeding import Spec, client, fresh_name, seed
from support.servers import Server, clean_environ, start_server
from support.stored import disk_usage, predictions, register
from test_cleanup import clean, remaining_versions


def session(uri: str, folder: Path, name: str = "*", mode: str = "artifacts", grace: float = -5) -> Session:
    """With a grace that is over even for what was deleted by this machine's clock, which has fractions of a second."""
    rules = Reclaim.model_construct(mode=mode, grace=float(grace))
    config = Config(models=(name,), cleanup=Cleanup.model_construct(reclaim=rules))
    return Session(config, uri, Terminal(quiet=True), folder, BuildContext())


def free(uri: str, folder: Path, name: str = "*", mode: str = "artifacts", **wish: Any) -> dict[str, Any]:
    """The command `reclaim --grace 0s --yes`."""
    return document(reclaim(session(uri, folder, name, mode), ReclaimWish(yes=True, **wish)))


def actions(found: dict[str, Any]) -> list[tuple[str, str]]:
    return [(item["action"], item["reason"]) for item in found["items"]]


def test_what_was_deleted_is_freed_and_the_rest_still_predicts(
    fresh_server: FreshServer, run_cli: RunCli
) -> None:
    """The bytes that are told are those that du sees go; production, kept versions and copies load and predict."""
    server, name = fresh_server("served"), fresh_name()
    for kind in ("run", "logged", "run", "logged", "run"):
        register(server.url, name, kind, padding=5000)
    mlflow = client(server.url)
    mlflow.transition_model_version_stage(name, "2", "Production")
    mlflow.copy_model_version(f"models:/{name}/1", f"{name}-copy")
    disk = server.folder / "artifacts"
    before = disk_usage(disk)
    on = (f"--tracking-uri={server.url}", f"--models={name}", "--output=json")
    cleaned = run_cli("cleanup", "--keep-last=1", "--yes", *on)
    assert [i["version"] for i in cleaned.doc["items"] if i["outcome"] == "deleted"] == [4, 3, 1]
    assert disk_usage(disk) == before
    assert cleaned.doc["message"].endswith("can be restored; their files stay")
    dry = run_cli("reclaim", "--mode=artifacts", "--grace=0s", "--dry-run", *on)
    done = run_cli("reclaim", "--mode=artifacts", "--grace=0s", "--yes", *on)
    assert (done.code, done.doc["status"]) == (0, "reclaimed"), done
    assert dry.doc["bytes"] == done.doc["freed"] == before - disk_usage(disk) > 10_000
    assert ("keep", f"{name}-copy version 1 refers to it") in actions(done.doc)
    uris = [f"models:/{name}/5", f"models:/{name}/2", f"models:/{name}-copy/1"]
    assert predictions(server.url, uris) == {uri: [42] for uri in uris}
    again = run_cli("reclaim", "--mode=artifacts", "--grace=0s", "--yes", *on)
    assert (again.doc["status"], again.doc["freed"]) == ("nothing", 0)


def test_a_mistyped_model_gets_the_nearest_name(make_server: MakeServer, run_cli: RunCli) -> None:
    """Nothing was deleted of it, and it is not registered: that is no success."""
    server = make_server()
    seed(server.url, {"reclaim-typo": [Spec()]})
    done = run_cli("reclaim", "--model=reclaim-tyop", "--mode=artifacts", f"--tracking-uri={server.url}")
    assert done.code != 0
    assert "there is no registered model 'reclaim-tyop'" in done.stderr
    assert 'the nearest name is "reclaim-typo"' in done.stderr
    corrected = run_cli("reclaim", "--model=reclaim-typo", "--mode=artifacts", f"--tracking-uri={server.url}")
    assert corrected.code == 0, corrected.stderr


def test_beside_mlflow_gc(fresh_server: FreshServer, tmp_path: Path) -> None:
    """On a copy of a registry `mlflow gc` erases a production version's files; ours frees the rest and it predicts."""
    server, name = fresh_server("served"), fresh_name()
    production = register(server.url, name, "logged", padding=3000)
    old = register(server.url, name, "logged", padding=4000)
    mlflow = client(server.url)
    mlflow.transition_model_version_stage(name, "1", "Production")
    for made in (production, old):  # somebody tidied up the experiment's page
        mlflow.delete_logged_model(made.model_id)
        mlflow.delete_run(made.run_id)
    copied = tmp_path / "copy"
    shutil.copytree(server.folder / "artifacts", copied / "artifacts")
    with (
        sqlite3.connect(server.folder / "mlflow.db") as source,
        sqlite3.connect(copied / "mlflow.db") as target,
    ):
        source.backup(target)
    other = start_server(copied)
    try:
        command = ["-m", "mlflow", "gc", "--backend-store-uri", other.store_uri, "--tracking-uri", other.url]
        subprocess.run([sys.executable, *command], env=clean_environ(), check=True, capture_output=True)
        lost = predictions(other.url, [f"models:/{name}/1"])
    finally:
        other.stop()
    assert "No such" in str(lost) or "Error" in str(lost) or "Exception" in str(lost), lost
    clean(server.url, name, keep_last=0)
    assert remaining_versions(server, name) == [1]
    free(server.url, tmp_path, name)
    free(server.url, tmp_path, orphans=True, older_than=-5.0)
    assert predictions(server.url, [f"models:/{name}/1"]) == {f"models:/{name}/1": [42]}


def test_whole_runs(fresh_server: FreshServer, tmp_path: Path) -> None:
    """The run and its logged model go to the trash with their files; not a run with a living version below it."""
    server, name = fresh_server("served"), fresh_name()
    parent = register(server.url, name, "logged")
    alone = register(server.url, name, "logged")
    child = register(server.url, f"{name}-b", "run", parent=parent.run_id)
    mlflow = client(server.url)
    mlflow.log_text(alone.run_id, "x" * 700, "notes.txt")
    before = disk_usage(server.folder / "artifacts")
    clean(server.url, name, keep_last=0)
    done = free(server.url, tmp_path, name, mode="runs")
    assert done["freed"] == before - disk_usage(server.folder / "artifacts") > 700
    assert {item["run"] for item in done["items"]} == {alone.run_id, ""}
    assert mlflow.get_run(alone.run_id).info.lifecycle_stage == "deleted"
    assert mlflow.get_run(parent.run_id).info.lifecycle_stage == "active"
    assert mlflow.get_run(parent.run_id).data.metrics == {"roc_auc": 0.8}
    uri = f"models:/{name}-b/{child.number}"
    assert predictions(server.url, [uri]) == {uri: [42]}
    assert free(server.url, tmp_path, name, mode="runs")["freed"] == 0


def test_orphans(fresh_server: FreshServer, tmp_path: Path) -> None:
    """Files of deleted runs and of runs without a version go; young runs', registered and restorable ones' stay."""
    server, name = fresh_server("served"), fresh_name()
    kept, dropped = register(server.url, name), register(server.url, name)
    clean(server.url, name, keep_last=1)
    mlflow = client(server.url)
    orphans = []
    for deleted in (False, True):
        run_id = mlflow.create_run("0").info.run_id
        mlflow.log_text(run_id, "x" * 5000, "model/weights.txt")
        mlflow.set_terminated(run_id)
        orphans.append(run_id)
        if deleted:
            mlflow.delete_run(run_id)
    assert free(server.url, tmp_path, orphans=True, older_than=3600.0)["items"] == []
    before = disk_usage(server.folder / "artifacts")
    found = free(server.url, tmp_path, orphans=True, older_than=-5.0)
    freed = [item["run"] for item in found["items"] if item["outcome"] == "reclaimed"]
    assert sorted(freed) == sorted(orphans)
    assert found["freed"] == before - disk_usage(server.folder / "artifacts") == 10_000
    assert {item["reason"] for item in found["items"] if item["action"] == "keep"} == {
        f"{name} version {dropped.number} comes from its run",
        f"{name} version {kept.number} (deleted by a cleanup) comes from its run",
    }
    for wish in (ReclaimWish(orphans=True), ReclaimWish(older_than=1.0)):
        with pytest.raises(UsageError, match="--orphans and --older-than must be given together"):
            reclaim(session(server.url, tmp_path), wish)


def test_orphans_are_left_alone_while_another_experiment_is_a_journal_too(
    fresh_server: FreshServer, tmp_path: Path
) -> None:
    """The journal was renamed, and an older version of this tool has made a new one: the first names files to keep."""
    server, name = fresh_server("served"), fresh_name()
    for _ in range(2):
        register(server.url, name)
    clean(server.url, name, keep_last=1)
    mlflow = client(server.url)
    first = mlflow.get_experiment_by_name(EXPERIMENT)
    assert first is not None
    mlflow.rename_experiment(first.experiment_id, "audit trail")
    mlflow.create_experiment(EXPERIMENT)
    with pytest.raises(Refused) as refused:
        free(server.url, tmp_path, orphans=True, older_than=-5.0)
    assert str(refused.value.message) == (
        f"the experiment {first.experiment_id} also has a journal of deletions, which is not read because it is not "
        f"the experiment {EXPERIMENT}: files of versions that it could restore would be deleted"
    )
    assert refused.value.state == "nothing was deleted"
    mlflow.delete_experiment(first.experiment_id)
    assert free(server.url, tmp_path, orphans=True, older_than=-5.0)["freed"] > 0


@pytest.mark.parametrize(
    ("config", "why"),
    [
        ("models: NAME", "models is NAME"),
        ("models: [NAME, other-*]", "models is NAME, other-*"),
        ("train: {experiment: e, candidates: {x: python x.py}}", "neither the config nor --models names"),
        ("{models: '*', cleanup: {exclude: NAME}}", "cleanup.include or cleanup.exclude leaves models out"),
        ("{models: '*', cleanup: {include: NAME}}", "cleanup.include or cleanup.exclude leaves models out"),
    ],
)
def test_orphans_may_be_another_teams(
    make_server: MakeServer, run_cli: RunCli, tmp_path: Path, config: str, why: str
) -> None:
    """A run without a version belongs to no model: only who says "all models" may free its files."""
    server, name = make_server(), fresh_name()
    register(server.url, name)
    mlflow = client(server.url)
    run_id = mlflow.create_run(mlflow.create_experiment(f"research-{name}")).info.run_id
    mlflow.log_text(run_id, "thesis", "result.txt")
    mlflow.set_terminated(run_id, end_time=1)
    (tmp_path / "mlops.yaml").write_text(config.replace("NAME", name))
    args = ("--orphans", "--older-than=30d", "--mode=artifacts", "--yes", f"--tracking-uri={server.url}")
    done = run_cli("reclaim", *args, f"--config={tmp_path / 'mlops.yaml'}")
    assert [file.path for file in mlflow.list_artifacts(run_id)] == ["result.txt"]
    assert (done.code, why.replace("NAME", name) in done.stderr) == (2, True), done
    assert "nothing was read or deleted" in done.stderr
    assert "give --models '*'" in done.stderr
    if "cleanup" not in config:
        assert run_cli("reclaim", *args, f"--config={tmp_path / 'mlops.yaml'}", "--models=*").code == 0
        assert mlflow.list_artifacts(run_id) == []


@pytest.fixture(scope="module")
def s3() -> Iterator[S3]:
    with start_s3() as found:
        yield found


@pytest.mark.parametrize("through", ["server", "client"])
def test_s3(through: str, s3: S3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Behind the server and reached directly: the bucket has less by what is told; a neighbour by name stays."""
    root = f"s3://{BUCKET}/{through}"
    for key, value in s3.environ.items():
        monkeypatch.setenv(key, value)
    where = ["--artifacts-destination", root] if through == "server" else ["--default-artifact-root", root]
    options = where if through == "server" else ["--no-serve-artifacts", *where]
    server, name = start_server(tmp_path / "server", options=options, environ=s3.environ), fresh_name()
    try:
        made = register(server.url, name, padding=2000)
        register(server.url, f"{name}-b", run_id=made.run_id, folder="model-2")
        register(server.url, name, "logged")
        before = s3.usage()
        clean(server.url, name, keep_last=0)
        done = free(server.url, tmp_path, name)
        assert (done["status"], done["freed"]) == ("reclaimed", before - s3.usage()), done
        assert done["freed"] > 2000
        uri = f"models:/{name}-b/1"
        assert predictions(server.url, [uri], **s3.environ) == {uri: [42]}
    finally:
        server.stop()


def test_local_folders_and_links(fresh_server: FreshServer, tmp_path: Path) -> None:
    """Where clients write to a folder themselves. A link in it, or on the way to it, is named and nothing goes."""
    server, name = fresh_server("local"), fresh_name()
    plain, inner, outer = (register(server.url, name) for _ in range(3))
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "precious.txt").write_text("precious")
    Path(inner.source, "link").symlink_to(outside)
    moved = Path(outer.source).rename(tmp_path / "moved")
    Path(outer.source).symlink_to(moved)
    disk = server.folder / "artifacts"
    clean(server.url, name, keep_last=0)
    before = disk_usage(disk)
    done = free(server.url, tmp_path, name)
    assert done["freed"] == before - disk_usage(disk) > 1000
    assert not Path(plain.source).exists()
    assert sorted(actions(done)) == [
        ("leave", f"a link leads to {outer.source}"),
        ("leave", f"it contains a link: {inner.source}/link"),
        ("reclaim", "nothing refers to it"),
    ]
    assert (outside / "precious.txt").exists()
    assert (moved / "MLmodel").exists()


def test_a_link_of_a_living_version_counts(fresh_server: FreshServer, tmp_path: Path) -> None:
    """A living version's folder leads over a link into a deleted one's: that stays."""
    server, name = fresh_server("local"), fresh_name()
    old, living = register(server.url, name), register(server.url, f"{name}-b")
    shutil.rmtree(living.source)
    Path(living.source).symlink_to(old.source)
    clean(server.url, name, keep_last=0)
    assert actions(free(server.url, tmp_path, name)) == [("keep", f"{name}-b version 1 refers to it")]


def test_another_machines_folder_is_left(fresh_server: FreshServer, tmp_path: Path) -> None:
    """The server's own folder is not on this machine."""
    server, name = fresh_server("local"), fresh_name()
    made = register(server.url, name)
    clean(server.url, name, keep_last=0)
    (server.folder / "artifacts").rename(tmp_path / "elsewhere")
    ((action, reason),) = actions(free(server.url, tmp_path, name))
    assert (action, reason) == ("leave", f"there is no {Path(made.source).parents[2]} on this machine")


def test_an_account_that_may_not_see_all_frees_nothing(make_accounts: MakeAccounts, tmp_path: Path) -> None:
    """A model may be hidden from it whose files would go."""
    accounts = make_accounts(default="NO_PERMISSIONS")
    hidden, name = fresh_name(), fresh_name()
    made = register(accounts.url(), hidden)
    url = accounts.create(f"{name}-user")
    register(accounts.url(), name, run_id=made.run_id)
    clean(accounts.url(), name, keep_last=0)
    with pytest.raises(Refused, match=r"^this account is not an administrator"):
        free(url, tmp_path, name)
    done = free(accounts.url(), tmp_path, name)
    assert actions(done) == [("keep", f"{hidden} version 1 refers to it")]


def test_what_became_referred_to_meanwhile_is_kept(
    make_server: MakeServer, make_proxy: Callable[[Server], CountingProxy], tmp_path: Path
) -> None:
    """Registered again by hand after the plan, and in the very moment before the deletion."""
    server, name = make_server(), fresh_name()
    made = register(server.url, name)
    clean(server.url, name, keep_last=0)
    proxy = make_proxy(server)
    by_hand: list[int] = []

    def again() -> None:
        if not by_hand:
            by_hand.append(register(server.url, f"{name}-hand", run_id=made.run_id).number)

    proxy.inject(meanwhile(again), path="mlflow-artifacts/artifacts", nth=1)
    done = free(proxy.url, tmp_path, name)
    (item,) = done["items"]
    assert (item["outcome"], item["error"]) == (
        "kept: changed since the plan",
        f"{name}-hand version 1 refers to it",
    )
    client(server.url).delete_model_version(f"{name}-hand", "1")
    by_hand.clear()
    proxy.inject(meanwhile(again), path="runs/set-tag", nth=1)
    assert free(server.url, tmp_path, name)["items"][0]["outcome"] == "reclaimed"


def test_restore_says_what_cannot_come_back(make_server: MakeServer, run_cli: RunCli, tmp_path: Path) -> None:
    """Within the grace a version comes back whole; after its files went it is named, and nothing is registered."""
    server, name = make_server(), fresh_name()
    register(server.url, name)
    clean(server.url, name, keep_last=0)
    held = document(reclaim(session(server.url, tmp_path, name, grace=3600), ReclaimWish(yes=True)))
    assert (held["status"], held["items"][0]["action"]) == ("nothing", "wait")
    assert "; 1 version can be restored, the first until 20" in held["message"]
    restore_versions(session(server.url, tmp_path), name, Choice(), plan_only=False)
    assert predictions(server.url, [f"models:/{name}/2"]) == {f"models:/{name}/2": [42]}
    clean(server.url, name, keep_last=0)
    free(server.url, tmp_path, name)
    found = document(restore_versions(session(server.url, tmp_path), name, Choice(), plan_only=False))
    assert (found["status"], found["exit_code"]) == ("failed", 1)
    assert found["message"] == "restored 0 versions; 1 cannot come back"
    assert {item["note"].partition(" on ")[0] for item in found["items"]} == {"its files were reclaimed"}
    assert remaining_versions(server, name) == []


def test_an_interrupted_reclaim_goes_on(
    make_server: MakeServer, make_proxy: Callable[[Server], CountingProxy], tmp_path: Path
) -> None:
    """The deletion is refused after the journal said that it begins: restore says so, the next reclaim finishes it."""
    server, name = make_server(), fresh_name()
    register(server.url, name)
    clean(server.url, name, keep_last=0)
    proxy = make_proxy(server)
    proxy.inject(respond(403, "no"), path="mlflow-artifacts/artifacts/")
    stopped = free(proxy.url, tmp_path, name)
    assert (stopped["status"], stopped["exit_code"], stopped["freed"]) == ("stopped", 1, 0)
    found = document(restore_versions(session(server.url, tmp_path), name, Choice(), plan_only=False))
    assert found["items"][0]["note"].startswith("a reclaim began to delete its files on ")
    done = free(server.url, tmp_path, name)
    assert (done["status"], done["exit_code"], done["freed"] > 1000) == ("reclaimed", 0, True)
    assert free(server.url, tmp_path, name)["items"] == []


def test_a_cleanup_that_reclaims(make_server: MakeServer, run_cli: RunCli) -> None:
    """`cleanup --reclaim artifacts` frees what was deleted before the grace, and says what is held and until when."""
    server, name = make_server(), fresh_name()
    for _ in range(3):
        register(server.url, name, padding=3000)
    end = (f"--tracking-uri={server.url}", f"--models={name}", "--reclaim=artifacts", "--yes")
    first = run_cli("cleanup", "--keep-last=2", "--output=json", *end)
    assert (first.code, first.doc["bytes"] > 3000) == (0, True)
    assert first.doc["held"]["versions"] == 1
    assert first.doc["held"]["bytes"] == first.doc["bytes"]
    assert first.doc["reclaim"]["status"] == "nothing"
    environ = {"MLOPS__CLEANUP__RECLAIM__GRACE": "0s"}
    second = run_cli("cleanup", "--keep-last=1", *end, env=environ)
    assert second.code == 0, second
    assert any("; freed " in line for line in second.stdout.splitlines())
    assert remaining_versions(server, name) == [3]


class PrefixServer:
    """A server before 3.17 with its artifacts in S3: it deletes whatever begins with the path."""

    def __init__(self, *paths: str) -> None:
        self.paths = set(paths)
        self.deleted: list[str] = []

    def files(self, path: str) -> list[FoundFile]:
        inside = [name[len(path) + 1 :] for name in self.paths if name.startswith(path + "/")]
        return [
            FoundFile(name, name not in inside, 0 if name not in inside else 10)
            for name in sorted({name.partition("/")[0] for name in inside})
        ]

    def delete_files(self, path: str) -> None:
        self.deleted.append(path)
        self.paths = {name for name in self.paths if not name.startswith(path)}


def test_a_server_that_deletes_by_prefix() -> None:
    """`model` has the neighbour `model-2`: what is in it is deleted piece by piece, and the neighbour stays."""
    run = "1/" + "a" * 32 + "/artifacts"
    door = PrefixServer(*(f"{run}/{name}" for name in ("model/a", "model/data/b", "model-2/a")))

    connection = Connection("http://server", door)  # type: ignore[arg-type]
    registry = Registry(connection, RetryPolicy(attempts=1))
    storage = Storage(registry)
    place = parse_location(f"mlflow-artifacts:/{run}/model")
    assert storage.measure(place) == Measured(2, 20)
    storage.erase(place)
    assert door.paths == {f"{run}/model-2/a"}
    storage.erase(place)
    storage.erase(parse_location(f"mlflow-artifacts:/{run}/model-2"))
    assert door.deleted[-1] == f"{run}/model-2"
    assert door.paths == set()
    with pytest.raises(OutOfReach, match=r"^it is on another server, other:1$"):
        storage.measure(parse_location(f"mlflow-artifacts://other:1/{run}/model"))
    with pytest.raises(OutOfReach, match=r"^deleting in a storage gs: is not supported$"):
        storage.measure(parse_location(f"gs://bucket/{run}/model"))


def test_what_cannot_be_asked_for(tmp_path: Path) -> None:
    """No mode: nothing is freed, and that is no success."""
    with pytest.raises(UsageError, match=r"^cleanup\.reclaim\.mode is none: nothing is freed$"):
        reclaim(session("http://127.0.0.1:9", tmp_path, mode="none"), ReclaimWish())
    with pytest.raises(UsageError, match=r"^--orphans cannot be combined with --model"):
        reclaim(session("http://127.0.0.1:9", tmp_path), ReclaimWish(orphans=True, older_than=1.0, model="m"))
    assert os.environ.get("MLFLOW_TRACKING_URI") is None
