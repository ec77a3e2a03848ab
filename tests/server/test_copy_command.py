"""The MLflow 3 way with the real command: a production model of its own, an alias, and back again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from conftest import MakeServer, RunCli
from jenkins_mlflow.registry.client import Registry
from jenkins_mlflow.registry.connection import connect
from jenkins_mlflow.tags import INTENT_TAG, PROMOTED_AT
from support.seeding import Spec, client, fresh_name, seed
from support.servers import Store


@pytest.mark.parametrize(("mlflow", "store"), [("3.17.2", "sqlite"), ("3.3.2", "file")])
def test_copies_go_into_production_and_back(
    mlflow: str, store: Store, make_server: MakeServer, run_cli: RunCli, tmp_path: Path
) -> None:
    """Copied one after the other; again: nothing to do; a rollback moves the alias back."""
    server, name = make_server(mlflow, store), fresh_name()
    production = f"{name}-prod"
    found = seed(server.url, {name: [Spec(), Spec()]})
    for version in found.search_model_versions(f"name='{name}'"):
        client(server.url).log_text(str(version.run_id), "weights", "model/weights.txt")
    (tmp_path / "mlops.yaml").write_text(
        f"models: {name}\npromote: {{stage: null, alias: champion, methods: [copy], copy_to: {production}}}\n"
    )

    def run(*command: str) -> dict[str, object]:
        done = run_cli(*command, "--tracking-uri", server.url, "--output=json")
        assert done.code == 0, done.stderr
        return done.doc

    def holder() -> int | None:
        return Registry(connect(server.url)).model(production).aliases.get("champion")

    first = run("promote", "--model", name, "--version", "1")
    assert (first["status"], first["method"]) == ("promoted", "copy")
    assert first["production"] == [{"model": production, "version": 1}]
    assert run("promote", "--model", name, "--version", "1")["status"] == "already"
    second = run("promote", "--model", name, "--version", "2")
    assert second["production"] == [{"model": production, "version": 2}]
    tags = Registry(connect(server.url)).version(production, 2).tags
    assert (tags["jenkins_mlflow.previous_model"], tags["jenkins_mlflow.previous_version"]) == (
        production,
        "1",
    )
    assert holder() == 2
    assert run("rollback", "--model", production)["status"] == "rolled_back"
    assert holder() == 1
    registry = Registry(connect(server.url))
    assert INTENT_TAG not in registry.model(name).tags
    assert registry.model(name).aliases == {}
    assert not [flag for flag in registry.flags() if name in flag[2]["jenkins_mlflow.lock"]]


def test_what_a_copy_replaces_is_known_before(make_server: MakeServer, run_cli: RunCli) -> None:
    """The dry run names what changes in the production model and nothing else; `select` measures against the copy in
    it; `--over nothing` is refused as long as there is one."""
    server, name = make_server(), fresh_name()
    production = f"{name}-prod"
    seed(server.store_uri, {name: [Spec({"roc_auc": 0.9}), Spec({"roc_auc": 0.8})]})
    settings = {
        "MLOPS__PROMOTE__METHODS": "[copy]",
        "MLOPS__PROMOTE__COPY_TO": production,
        "MLOPS__MODELS": name,
    }
    end = (f"--tracking-uri={server.url}", "--output=json")
    named = ("promote", f"--model={name}", "--version=1", *end)
    assert run_cli(*named, env=settings).code == 0
    worse = run_cli("select", *end, env=settings)
    assert (worse.doc["status"], worse.doc["champion"]["model"]) == ("champion_kept", production)
    other = ("promote", f"--model={name}", "--version=2", *end)
    assert run_cli(*other, "--dry-run", env=settings).doc["plan"] == [
        f"{name} version 2: is copied to {production}",
        f"{production}: alias champion on version 1 -> on the copy",
    ]
    refused = run_cli(*other, "--over=nothing", env=settings)
    assert refused.code == 1
    assert (
        f"{name} version 2 was to replace nothing, but now it would replace {production}/1" in refused.stderr
    )


def test_a_copy_made_in_mlflow_is_not_recorded_as_promoted(
    make_server: MakeServer, run_cli: RunCli, tmp_path: Path
) -> None:
    """MLflow's copy has the source's promotion record: no command takes it for the copy's own."""
    server, source = make_server(), fresh_name()
    target = f"{source}-copies"
    seed(server.url, {source: [Spec(), Spec()], target: [Spec()]})

    def run(*command: str, models: str = target) -> dict[str, Any]:
        done = run_cli(*command, f"--models={models}", "--tracking-uri", server.url, "--output=json")
        assert done.code == 0, done.stderr
        return done.doc

    run("promote", "--model", target, "--version", "1")
    for number in ("1", "2"):
        run("promote", "--model", source, "--version", number, models=source)
    copied = client(server.url).copy_model_version(f"models:/{source}/2", target)
    assert copied.tags[PROMOTED_AT], "MLflow copies the record"
    assert [stay["version"] for stay in run("history", "--model", target)["items"]] == [1]
    assert run("doctor")["status"] == "fine"
    client(server.url).transition_model_version_stage(target, "1", "Archived")
    client(server.url).delete_registered_model_alias(target, "champion")
    done = run_cli("rollback", "--model", target, "--recorded", "--tracking-uri", server.url, "--output=json")
    assert (done.code, done.doc["version"]) == (0, 1), done.stderr
    assert Registry(connect(server.url)).model(target).aliases == {"champion": 1}
