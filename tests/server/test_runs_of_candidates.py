"""What a version's run says against it, on a real server and through both doors."""

from __future__ import annotations

from typing import Any

import pytest
from conftest import MakeServer, RunCli
from jenkins_mlflow.config.select import Select
from jenkins_mlflow.registry.version import Target
from jenkins_mlflow.selection.plan import select
from support.doors import DOORS, through
from support.seeding import Spec, fresh_name, seed

TARGET = Target("Production", None)


def reasons(uri: str, name: str, door: str, monkeypatch: pytest.MonkeyPatch) -> dict[int, str]:
    """Why each version that is no candidate is none, by number."""
    group = through(door, uri, monkeypatch).snapshot([name], with_runs=True)
    chosen = select(group, Select(), TARGET)
    return {one.version.number: one.reason for one in chosen.verdicts if one.verdict == "excluded"}


def add(mlflow: Any, name: str, metric: float, *, status: str) -> str:
    """Register a version whose run has this metric and status; return the run's id."""
    run = mlflow.create_run("0")
    mlflow.log_metric(run.info.run_id, "roc_auc", metric)
    mlflow.create_model_version(name, f"{run.info.artifact_uri}/model", run.info.run_id)
    if status != "RUNNING":
        mlflow.set_terminated(run.info.run_id, status)
    return str(run.info.run_id)


def test_a_run_that_ended_badly(
    make_server: MakeServer, run_cli: RunCli, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A script that somebody started by hand fails after it has registered a version that looks better."""
    uri, name = make_server().url, fresh_name()
    mlflow = seed(uri, {name: [Spec({"roc_auc": 0.8})]})
    for status in ("RUNNING", "FAILED", "KILLED"):
        add(mlflow, name, 0.9, status=status)
    wanted = {n: f"its run is {s} in MLflow" for n, s in ((3, "FAILED"), (4, "KILLED"))}
    for door in DOORS:
        found = reasons(uri, name, door, monkeypatch)
        assert {number: reason.partition(":")[0] for number, reason in found.items()} == wanted
    monkeypatch.undo()
    given = (f"--model={name}", f"--tracking-uri={uri}", "--output=json")
    newest = run_cli("promote", *given)
    assert newest.code == 1
    assert f"{name} version 4 is the newest version, but its run is KILLED" in newest.doc["message"]
    assert run_cli("promote", *given, "--version=4").doc["status"] == "promoted"


def test_a_run_in_the_trash(
    make_server: MakeServer, run_cli: RunCli, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody threw the training of the best version away; the version in production stays comparable."""
    uri, name = make_server().url, fresh_name()
    mlflow = seed(uri, {name: [Spec({"roc_auc": 0.8}), Spec({"roc_auc": 0.7}), Spec({"roc_auc": 0.9})]})
    given = (f"--model={name}", f"--tracking-uri={uri}", "--output=json")
    assert run_cli("promote", *given, "--version=1").doc["status"] == "promoted"
    for number in ("1", "3"):
        mlflow.delete_run(str(mlflow.get_model_version(name, number).run_id))
    for door in DOORS:
        found = reasons(uri, name, door, monkeypatch)
        assert list(found) == [3]
        assert found[3].startswith("its run is in MLflow's trash: `mlflow runs restore --run-id ")
    monkeypatch.undo()
    chosen = run_cli("select", f"--models={name}", *given[1:])
    assert chosen.doc["status"] == "champion_kept"
    assert chosen.doc["champion"] == {"model": name, "version": 1, "value": 0.8}
