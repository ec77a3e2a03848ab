"""Rollback: which version it returns to, and the same safe path as a promotion."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from conftest import MakeServer, RunCli
from jenkins_mlflow.registry.client import Registry
from jenkins_mlflow.registry.connection import connect
from jenkins_mlflow.registry.snapshot import Target
from support.seeding import Spec, client, fresh_name, seed
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
