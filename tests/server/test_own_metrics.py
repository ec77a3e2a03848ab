"""Several models of one run: each version has the metrics of its own model, on real servers and through both doors."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import pytest
from conftest import MakeServer, RunCli
from support.doors import DOORS, through
from support.proxy import CountingProxy
from support.seeding import Spec, client, fresh_name, seed
from support.servers import Store

GATE = 'models: "{}"\nselect: {{metric: roc_auc, gates: {{roc_auc: ">= 0.8"}}}}\n'


@dataclass
class Checkpoints:
    """One run with the models that it logged, in order."""

    run_id: str
    ids: list[str]


def train(mlflow: Any, *values: float | None, listed: bool = True) -> Checkpoints:
    """Log one checkpoint for each value of roc_auc in one run, as ``log_model`` and ``log_metric`` do.

    Args:
        mlflow: The client.
        values: A checkpoint with None has no metric.
        listed: Whether the run lists its models; other clients than Python's and MLflow before 3.4 do not do that.
    """
    from mlflow.entities import LoggedModelOutput

    run_id = mlflow.create_run("0").info.run_id
    ids = []
    for step, value in enumerate(values):
        made = mlflow.create_logged_model("0", name=f"step{step}", source_run_id=run_id).model_id
        ids.append(made)
        if listed:
            mlflow.log_outputs(run_id, [LoggedModelOutput(made, step)])
        if value is not None:
            mlflow.log_metric(run_id, "roc_auc", value, step=step, model_id=made)
        mlflow.finalize_logged_model(made, "READY")
    mlflow.set_terminated(run_id)
    return Checkpoints(run_id, ids)


def register(mlflow: Any, name: str, made: Checkpoints, *numbers: int) -> None:
    for number in numbers:
        model_id = made.ids[number]
        mlflow.create_model_version(name, f"models:/{model_id}", made.run_id, model_id=model_id)


def values(uri: str, name: str, door: str, monkeypatch: pytest.MonkeyPatch) -> dict[int, float | None]:
    group = through(door, uri, monkeypatch).snapshot([name], with_runs=True)
    return {version.number: version.metric("roc_auc") for version in group.versions()}


@pytest.mark.parametrize("listed", [True, False])
def test_each_version_has_the_value_of_its_own_model(
    listed: bool, make_server: MakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also a copy of such a version, and the only model of another run."""
    uri, name = make_server().url, fresh_name()
    mlflow = seed(uri, {name: [Spec({"roc_auc": 0.6}, linked=True), Spec({"roc_auc": 0.5})]})
    register(mlflow, name, train(mlflow, 0.3, 0.97, listed=listed), 0, 1)
    register(mlflow, name, train(mlflow, None, 0.9, listed=listed), 0)
    copied = fresh_name()
    mlflow.copy_model_version(f"models:/{name}/3", copied)
    for door in DOORS:
        assert values(uri, name, door, monkeypatch) == {1: 0.6, 2: 0.5, 3: 0.3, 4: 0.97, 5: None}
        assert values(uri, copied, door, monkeypatch) == {1: 0.3}


def test_metrics_of_another_model_pass_no_gate(
    make_server: MakeServer, run_cli: RunCli, tmp_path: Any
) -> None:
    """The registered checkpoint is the bad one; the run's last value is that of a good one."""
    uri, name = make_server().url, fresh_name()
    mlflow = client(uri)
    mlflow.create_registered_model(name)
    made = train(mlflow, 0.3, 0.97)
    register(mlflow, name, made, 0)
    (tmp_path / "mlops.yaml").write_text(GATE.format(name))
    given = (f"--config={tmp_path / 'mlops.yaml'}", f"--tracking-uri={uri}", "--output=json")
    refused = run_cli("promote", *given)
    assert refused.doc["status"] == "no_candidate"
    assert "roc_auc 0.3 is not >= 0.8" in refused.doc["message"]
    register(mlflow, name, made, 1)
    promoted = run_cli("promote", *given)
    assert (promoted.doc["status"], promoted.doc["version"]) == ("promoted", 2)
    tags = mlflow.get_model_version(name, "2").tags
    assert tags["jenkins_mlflow.metric"] == "roc_auc=0.97"
    listed = run_cli("list", *given)
    [model] = listed.doc["models"]
    assert {one["version"]: one["value"] for one in model["versions"]} == {1: 0.3, 2: 0.97}


def test_a_version_of_an_unknown_model_is_no_candidate(make_server: MakeServer, run_cli: RunCli) -> None:
    """It was registered from a path in a run that logged several models."""
    uri, name = make_server().url, fresh_name()
    mlflow = client(uri)
    mlflow.create_registered_model(name)
    made = train(mlflow, 0.3, 0.97)
    artifacts = mlflow.get_run(made.run_id).info.artifact_uri
    mlflow.create_model_version(name, f"{artifacts}/model", made.run_id)
    given = (f"--models={name}", f"--tracking-uri={uri}", "--output=json")
    chosen = run_cli("select", *given)
    assert chosen.doc["status"] == "no_candidate"
    [only] = chosen.doc["candidates"]
    assert (only["verdict"], only["value"]) == ("excluded", None)
    assert only["reason"].startswith(
        "its run logged several models, and which of them this version is cannot be"
    )
    newest = run_cli("promote", f"--model={name}", *given[1:])
    assert newest.code == 1
    assert newest.doc["message"] == f"{name} version 1 is the newest version, but {only['reason']}"
    by_name = run_cli("promote", f"--model={name}", "--version=1", *given[1:])
    assert by_name.doc["status"] == "promoted"
    kept = run_cli("select", *given)
    assert kept.doc["champion"] == {"model": name, "version": 1, "value": None}


def test_a_metric_of_no_model_counts_for_all_models_of_its_run(
    make_server: MakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A script that logs a scaler and a model, and its metrics with ``log_metric`` alone."""
    uri, name = make_server().url, fresh_name()
    mlflow = client(uri)
    mlflow.create_registered_model(name)
    made = train(mlflow, None, None)
    mlflow.log_metric(made.run_id, "roc_auc", 0.9)
    register(mlflow, name, made, 0, 1)
    artifacts = mlflow.get_run(made.run_id).info.artifact_uri
    mlflow.create_model_version(name, f"{artifacts}/model", made.run_id)
    for door in DOORS:
        assert values(uri, name, door, monkeypatch) == {1: 0.9, 2: 0.9, 3: 0.9}
        group = through(door, uri, monkeypatch).snapshot([name], with_runs=True)
        assert not any(version.run and version.run.unclear for version in group.versions())


def test_a_value_that_is_no_number_is_none(make_server: MakeServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """MLflow's databases store NaN as 0 for a logged model, which would be the best loss."""
    uri, name = make_server().url, fresh_name()
    mlflow = client(uri)
    mlflow.create_registered_model(name)
    register(mlflow, name, train(mlflow, math.nan, 0.5), 0, 1)
    register(mlflow, name, train(mlflow, 0.0, 0.5), 0)
    for door in DOORS:
        assert values(uri, name, door, monkeypatch) == {1: None, 2: 0.5, 3: 0.0}


def test_one_model_in_a_run_needs_no_further_request(
    make_server: MakeServer, make_proxy: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only versions of a run that has several ask for the logged models: with one search for all of them."""
    uri, name, several = make_server().url, fresh_name(), fresh_name()
    mlflow = seed(
        uri, {name: [Spec({"roc_auc": 0.6}, linked=True), Spec({"roc_auc": 0.5})], several: [Spec()]}
    )
    for _ in range(3):
        register(mlflow, several, train(mlflow, 0.3, 0.97), 0, 1)
    proxy: CountingProxy = make_proxy(make_server())

    def asked(model: str) -> int:
        before = len(proxy.requests)
        through("http", proxy.url, monkeypatch).snapshot([model], with_runs=True)
        return sum("logged-models" in str(request) for request in proxy.requests[before:])

    assert asked(name) == 0
    assert asked(several) == 1


def evaluated(mlflow: Any, name: str, *values: tuple[str, str, float], models: int = 1) -> str:
    """Log one metric for several datasets of one model, as ``log_metric(dataset=...)`` does, and register the model.

    Args:
        mlflow: The client.
        name: The registered model.
        values: The name, the digest and the value for each dataset.
        models: How many models the run logs, of which the last one is registered.
    """
    from mlflow.entities import Dataset, DatasetInput

    made = train(mlflow, *([None] * models))
    for dataset, digest, value in values:
        entity = Dataset(dataset, digest, "local", "{}")
        mlflow.log_inputs(made.run_id, datasets=[DatasetInput(entity)])
        given = {"model_id": made.ids[-1], "dataset_name": dataset, "dataset_digest": digest}
        mlflow.log_metric(made.run_id, "roc_auc", value, **given)
    register(mlflow, name, made, models - 1)
    return made.run_id


@pytest.mark.parametrize("store", ["sqlite", "file"])
@pytest.mark.parametrize("models", [1, 2])
def test_a_metric_of_several_datasets_passes_no_gate(
    models: int, store: Store, make_server: MakeServer, run_cli: RunCli, tmp_path: Any
) -> None:
    """The value for the training data was logged last: it is the run's, and would be the best."""
    uri, name = make_server(store=store).url, fresh_name()
    mlflow = client(uri)
    mlflow.create_registered_model(name)
    evaluated(mlflow, name, ("test", "1", 0.71), ("train", "2", 0.99), models=models)
    (tmp_path / "mlops.yaml").write_text(GATE.format(name))
    given = (f"--config={tmp_path / 'mlops.yaml'}", f"--tracking-uri={uri}", "--output=json")
    chosen = run_cli("select", *given)
    assert chosen.doc["status"] == "no_candidate"
    [only] = chosen.doc["candidates"]
    assert (only["verdict"], only["value"]) == ("rejected", None)
    why = (
        "roc_auc unknown: its run logged it for several datasets (test, train); "
        "log it under another name for each of them"
    )
    assert only["reason"] == f"{why}; gate roc_auc >= 0.8: {why}"
    evaluated(mlflow, name, ("test", "1", 0.85), ("test", "1", 0.86), models=models)
    assert run_cli("select", *given).doc["selected"] == {"model": name, "version": 2, "value": 0.86}
    assert run_cli("promote", *given, f"--model={name}", "--version=1").doc["status"] == "promoted"
    kept = run_cli("select", *given)
    assert (kept.doc["status"], kept.doc["champion"]["value"]) == ("champion_unmeasured", None)
    assert why in kept.doc["message"]


def test_datasets_of_one_name_are_told_apart(
    make_server: MakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Datasets without a name are all called "dataset"."""
    uri, name = make_server().url, fresh_name()
    mlflow = client(uri)
    mlflow.create_registered_model(name)
    evaluated(mlflow, name, ("dataset", "1a", 0.7), ("dataset", "2b", 0.9), ("test", "3c", 0.8))
    for door in DOORS:
        [version] = through(door, uri, monkeypatch).snapshot([name], with_runs=True).versions()
        assert version.run
        assert version.run.mixed == {"roc_auc": ("dataset 1a", "dataset 2b", "test")}


def test_one_dataset_in_a_run_needs_no_further_request(
    make_server: MakeServer, make_proxy: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only runs that used several ask for the logged models: with one search for all of them."""
    uri, one, several = make_server().url, fresh_name(), fresh_name()
    mlflow = client(uri)
    for name, used in ((one, ("test",)), (several, ("test", "train"))):
        mlflow.create_registered_model(name)
        for _ in range(3):
            evaluated(mlflow, name, *((dataset, "1", 0.8) for dataset in used))
    proxy: CountingProxy = make_proxy(make_server())

    def asked(model: str) -> int:
        before = len(proxy.requests)
        through("http", proxy.url, monkeypatch).snapshot([model], with_runs=True)
        return sum("logged-models" in str(request) for request in proxy.requests[before:])

    assert asked(one) == 0
    assert asked(several) == 1
