"""Rollback: which version it returns to, and the same safe path as a promotion."""

from __future__ import annotations

import shutil
import sqlite3
import time
from pathlib import Path

import pytest
from conftest import MakeServer, RunCli
from jenkins_mlflow.registry.client import Registry
from jenkins_mlflow.registry.connection import connect
from jenkins_mlflow.registry.version import Target
from jenkins_mlflow.tags import PROMOTED_AT
from support.seeding import Spec, client, fresh_name, give_files, seed
from support.servers import Server

TARGET = Target("Production", "champion")


def model_of(server: Server, count: int) -> str:
    """A model whose versions really have files."""
    name = fresh_name()
    # an experiment made by the server: one made in its store directly would have its files elsewhere
    mlflow = seed(server.url, {name: [Spec() for _ in range(count)]}, experiment="with files")
    for found in mlflow.search_model_versions(f"name='{name}'"):
        mlflow.log_text(str(found.run_id), "weights", "model/weights.txt")
    return name


def state(server: Server, name: str) -> tuple[dict[int, str], int | None]:
    found = Registry(connect(server.url)).model(name)
    return {v.number: v.stage for v in found.versions}, found.aliases.get("champion")


@pytest.mark.parametrize(
    ("mlflow", "store"), [("3.17.2", "sqlite"), ("3.17.2", "postgresql"), ("2.22.4", "sqlite")]
)
def test_two_rollbacks_go_two_steps_back(
    mlflow: str, store: str, make_server: MakeServer, run_cli: RunCli
) -> None:
    """1, 2, 3 were promoted: back to 2, back to 1, and then there is nothing before it."""
    server = make_server(mlflow, store)  # type: ignore[arg-type]
    name = model_of(server, 3)

    def run(*command: str) -> dict[str, object]:
        done = run_cli(*command, "--model", name, "--tracking-uri", server.url, "--output=json")
        return {"code": done.code, **done.doc}

    for number in (1, 2, 3):
        assert run("promote", "--version", str(number))["status"] == "promoted"
    first = run("rollback")
    assert (first["code"], first["status"], first["from"]) == (
        0,
        "rolled_back",
        {"model": name, "version": 3},
    )
    assert str(first["message"]).startswith(f"rolled back from {name} version 3 to {name} version 2 by stage")
    assert state(server, name) == ({1: "Archived", 2: "Production", 3: "Archived"}, 2)
    tags = Registry(connect(server.url)).version(name, 2).tags
    assert tags["jenkins_mlflow.rolled_back_from"] == f"{name}/3"
    assert tags["jenkins_mlflow.previous_version"] == "1"
    assert run("rollback")["status"] == "rolled_back"
    assert state(server, name) == ({1: "Production", 2: "Archived", 3: "Archived"}, 1)
    third = run("rollback")
    assert third["code"] == 1
    assert "it is the first version in production: nothing to return to" in str(third["message"])
    assert run("rollback", "--to", "3")["status"] == "rolled_back"
    assert run("rollback", "--to", "3")["status"] == "already"
    assert state(server, name) == ({1: "Archived", 2: "Archived", 3: "Production"}, 3)


def test_a_renamed_model_keeps_its_way_back(make_server: MakeServer, run_cli: RunCli) -> None:
    """One click in MLflow: a cleanup keeps what a rollback would return to, and the rollback returns."""
    server = make_server()
    old, name = model_of(server, 3), fresh_name()
    end = (f"--tracking-uri={server.url}", "--output=json")
    for number in (1, 3):
        assert run_cli("promote", f"--model={old}", f"--version={number}", *end).code == 0
    client(server.url).rename_registered_model(old, name)
    cleaned = run_cli("cleanup", f"--model={name}", "--keep-last=0", "--allow-remove-all", "--yes", *end)
    reasons = {item["version"]: item["reason"] for item in cleaned.doc["items"]}
    assert (cleaned.code, reasons[1]) == (0, f"rollback target of {name} version 3")
    assert state(server, name) == ({1: "Archived", 3: "Production"}, 3)
    back = run_cli("rollback", f"--model={name}", *end)
    assert (back.code, back.doc["status"]) == (0, "rolled_back"), back.stderr
    assert state(server, name) == ({1: "Production", 3: "Archived"}, 1)


def test_a_dry_run_shows_the_plan(make_server: MakeServer, run_cli: RunCli) -> None:
    server = make_server()
    name = model_of(server, 2)
    client(server.url).transition_model_version_stage(name, "2", "Production")
    done = run_cli("rollback", "--model", name, "--to", "1", "--dry-run", "--tracking-uri", server.url)
    assert done.code == 0
    steps, following = done.stdout.splitlines()
    assert following == "next:  run it without --dry-run"
    assert steps.split("; ") == [
        f"{name} version 1: stage None -> Production",
        f"{name} version 2: stage Production -> Archived",
        f"{name}: alias champion on no version -> on version 1",
    ]
    assert state(server, name) == ({1: "None", 2: "Production"}, None)


def without_files(server: Server) -> str:
    """A model whose version 1 has lost its files."""
    name = model_of(server, 2)
    client(server.url).transition_model_version_stage(name, "2", "Production")
    registry = Registry(connect(server.url))
    run_id = registry.version(name, 1).run_id
    folders = list(Path(server.folder).rglob(str(run_id)))
    assert folders, f"no {run_id} in {server.folder}, where {registry.storage_uri(name, 1)} should be"
    for folder in folders:
        shutil.rmtree(folder)
    return name


def test_a_version_without_its_files_is_refused(make_server: MakeServer, run_cli: RunCli) -> None:
    """The files were deleted from the artifact store: nothing is written."""
    server = make_server()
    name = without_files(server)
    done = run_cli("rollback", "--model", name, "--to", "1", "--tracking-uri", server.url, "--output=json")
    assert done.code == 1, done.stderr
    assert done.doc["error"]["type"] == "Refused"
    assert f"{name} version 1 cannot be returned to: its files are gone" in done.stderr
    assert state(server, name) == ({1: "None", 2: "Production"}, None)


def test_files_that_cannot_be_looked_at_are_a_warning(make_server: MakeServer, run_cli: RunCli) -> None:
    """A folder of the server's machine, as far as this one can know: said, and rolled back."""
    server = make_server(artifacts="local")
    name = without_files(server)
    done = run_cli("rollback", "--model", name, "--to", "1", "--tracking-uri", server.url, "--output=json")
    assert (done.code, done.doc["status"]) == (0, "rolled_back"), done.stderr
    files = f"the files of {name} version 1"
    warning = f"it could not be checked from this machine whether {files} still exist: there is no /"
    assert [text.startswith(warning) for text in done.doc["warnings"]] == [True], done.doc["warnings"]


def test_an_exclusive_group_rolls_back_to_the_other_model(
    make_server: MakeServer, run_cli: RunCli, tmp_path: Path
) -> None:
    """The champion was of another model: it is champion again, alone in the group."""
    server = make_server()
    one, other = model_of(server, 1), model_of(server, 1)
    (tmp_path / "mlops.yaml").write_text(f"models: [{one}, {other}]\npromote: {{exclusive: true}}\n")
    for name in (one, other):
        assert run_cli("promote", "--model", name, "--tracking-uri", server.url).code == 0
    assert state(server, one) == ({1: "Archived"}, None)
    done = run_cli("rollback", "--model", other, "--tracking-uri", server.url)
    assert done.code == 0, done.stderr
    assert (state(server, one), state(server, other)) == (({1: "Production"}, 1), ({1: "Archived"}, None))


BY_ALIAS = "promote: {{stage: null}}\n"
BY_COPY = "promote: {{methods: [copy], copy_to: {0}-prod}}\n"


@pytest.mark.parametrize("config", [BY_ALIAS, BY_COPY], ids=["alias", "copy"])
def test_a_better_metric_does_not_undo_a_rollback(
    config: str, make_server: MakeServer, run_cli: RunCli, tmp_path: Path
) -> None:
    """Without a stage, nothing in MLflow shows that version 2 was taken back; the nightly job must know it."""
    server, name = make_server(), fresh_name()
    seed(server.url, {name: [Spec({"roc_auc": 0.81}), Spec({"roc_auc": 0.84})]}, experiment="with files")
    give_files(server.url, name)
    (tmp_path / "mlops.yaml").write_text(f"models: {name}\n" + config.format(name))
    place = f"{name}-prod" if config == BY_COPY else name

    def run(*command: str) -> dict[str, object]:
        done = run_cli(*command, "--tracking-uri", server.url, "--output=json", cwd=tmp_path)
        return {"code": done.code, **done.doc}

    assert run("promote", "--model", name, "--version", "1")["status"] == "promoted"
    assert run("promote")["status"] == "promoted"
    assert run("rollback", "--model", place)["status"] == "rolled_back"
    kept = run("promote")
    assert (kept["status"], kept["code"]) == ("champion_kept", 0)
    assert state(server, place)[1] == 1
    verdicts = {item["version"]: item["reason"] for item in run("select")["candidates"]}  # type: ignore[attr-defined]
    assert verdicts[2] == "it was in production before: promote it by name to bring it back"
    assert run("promote", "--model", name, "--version", "2")["status"] == "promoted"
    assert state(server, place)[1] == 2


def test_the_champion_promoted_again_keeps_its_way_back(make_server: MakeServer, run_cli: RunCli) -> None:
    """Somebody removes the alias; the command that `doctor` prints restores it, and the rollback still works."""
    server = make_server()
    name = model_of(server, 2)
    end = ("--model", name, "--tracking-uri", server.url, "--output=json")
    for number in (1, 2):
        assert run_cli("promote", "--version", str(number), *end).code == 0
    client(server.url).delete_registered_model_alias(name, "champion")
    assert run_cli("promote", "--version", "2", *end).doc["status"] == "promoted"
    cleaned = run_cli("cleanup", "--keep-last=1", "--min-age=0s", "--no-bytes", "--dry-run", *end)
    reasons = {item["version"]: item["reason"] for item in cleaned.doc["items"]}
    assert reasons[1] == f"rollback target of {name} version 2"
    assert run_cli("rollback", *end).doc["status"] == "rolled_back"
    assert state(server, name)[1] == 1


@pytest.mark.parametrize("hours", [-3, 3, 24 * 400])
def test_a_wrong_clock_of_an_agent_changes_no_record(
    hours: int, make_server: MakeServer, run_cli: RunCli, tmp_path: Path
) -> None:
    """The versions were registered hours ago, and an agent with a slow or fast clock copies them."""
    server, name = make_server(), fresh_name()
    seed(server.url, {name: [Spec(), Spec()]}, experiment="with files")
    give_files(server.url, name)
    with sqlite3.connect(server.store_uri.removeprefix("sqlite:///")) as database:
        database.execute(
            "UPDATE model_versions SET creation_time = creation_time - 20000000 WHERE name = ?", (name,)
        )
    (tmp_path / "mlops.yaml").write_text(f"models: {name}\n" + BY_COPY.format(name))
    shift = f"import time\nright = time.time\ntime.time = lambda: right() + {hours * 3600}\n"
    (tmp_path / "sitecustomize.py").write_text(shift)

    def run(*command: str, wrong: bool) -> dict[str, object]:
        env = {"PYTHONPATH": str(tmp_path)} if wrong else {}
        done = run_cli(*command, "--tracking-uri", server.url, "--output=json", cwd=tmp_path, env=env)
        return {"code": done.code, **done.doc}

    for number in "12":
        assert run("promote", "--model", name, "--version", number, wrong=True)["status"] == "promoted"
    place = f"{name}-prod"
    time.sleep(1.5)  # the times in records are whole seconds, rounded up
    made = client(server.url).copy_model_version(f"models:/{place}/2", f"{name}-by-hand")
    assert made.tags[PROMOTED_AT], "MLflow copies the record"
    assert run("history", "--model", f"{name}-by-hand", wrong=False)["items"] == []
    back = run("rollback", "--model", place, wrong=False)
    assert (back["status"], state(server, place)[1]) == ("rolled_back", 1)
