"""A version of a training that did not end well is never chosen, however good its metrics look."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import yaml
from conftest import MakeServer, RunCli
from support.seeding import client, fresh_name

SCRIPT = """
import sys
import mlflow
from mlflow import MlflowClient

model, metric, ending = sys.argv[1:]
with mlflow.start_run() as run:
    mlflow.log_metric("roc_auc", float(metric))
    client = MlflowClient()
    client.create_registered_model(model)
    client.create_model_version(model, f"runs:/{run.info.run_id}/model", run.info.run_id)
sys.exit(ending == "fails")
"""


def test_what_did_not_end_well_is_not_chosen(
    make_server: MakeServer, run_cli: RunCli, tmp_path: Path
) -> None:
    """One candidate fails after it has registered a version that looks better."""
    uri, group = make_server().url, tmp_path.name
    (tmp_path / "train.py").write_text(SCRIPT)
    python = f"{sys.executable} train.py"
    config = {
        "models": f"{group}-*",
        "train": {
            "experiment": group,
            "candidates": {
                "good": f"{python} {group}-good 0.8 ends",
                "failed": f"{python} {group}-failed 0.98 fails",
            },
            "on_failure": "continue",
        },
    }
    (tmp_path / "mlops.yaml").write_text(yaml.safe_dump(config))
    arguments = ("--config=mlops.yaml", f"--tracking-uri={uri}", "--output=json")
    trained = run_cli("train", *arguments)
    ends = {one["name"]: one["status"] for one in trained.doc["candidates"]}
    assert ends == {"good": "ok", "failed": "failed"}
    assert len(client(uri).search_model_versions(f"name LIKE '{group}-%'")) == 2
    chosen = run_cli("select", *arguments)
    assert chosen.doc["selected"]["model"] == f"{group}-good"
    reasons = {one["model"]: one["reason"] for one in chosen.doc["candidates"]}
    assert reasons[f"{group}-failed"].startswith("its training did not end well (failed)")
    newest = run_cli("promote", f"--model={group}-failed", *arguments)
    assert newest.code == 1
    assert "is the newest version, but its training did not end well (failed)" in newest.doc["message"]
    by_name = run_cli("promote", f"--model={group}-failed", "--version=1", *arguments)
    assert by_name.doc["status"] == "promoted"


RESUMES = """
import sys
import mlflow

run_id, ending = sys.argv[1:]
with mlflow.start_run(run_id=run_id):
    mlflow.log_metric("roc_auc", 0.99)
sys.exit(ending == "fails")
"""


@pytest.mark.parametrize(("ending", "status"), [("fails", "failed"), ("ends", "missing")])
def test_a_run_that_a_training_resumed_is_not_chosen(
    ending: str, status: str, make_server: MakeServer, run_cli: RunCli, tmp_path: Path
) -> None:
    """Its version has the metrics of the training that failed; a run that goes on beside it is not its."""
    uri, name = make_server().url, fresh_name()
    mlflow = client(uri)
    experiment = mlflow.create_experiment(name)
    old, beside = (mlflow.create_run(experiment).info.run_id for _ in range(2))
    mlflow.log_metric(old, "roc_auc", 0.7)
    mlflow.set_terminated(old)
    mlflow.create_registered_model(name)
    for run_id in (old, beside):
        mlflow.create_model_version(name, f"runs:/{run_id}/model", run_id)
    (tmp_path / "train.py").write_text(RESUMES)
    (tmp_path / "tidy.py").write_text(f"import mlflow\nmlflow.MlflowClient().set_terminated({beside!r})\n")
    resumes = f"{sys.executable} train.py {old} {ending}"
    train = {"experiment": name, "candidates": {"svm": resumes, "tidy": f"{sys.executable} tidy.py"}}
    (tmp_path / "mlops.yaml").write_text(
        yaml.safe_dump({"models": name, "train": {**train, "on_failure": "continue"}})
    )
    arguments = ("--config=mlops.yaml", f"--tracking-uri={uri}", "--output=json")
    trained = run_cli("train", *arguments)
    assert [one["status"] for one in trained.doc["candidates"]] == [status, "missing"]
    (warning,) = (text for text in trained.doc["warnings"] if "resumed" in text)
    assert warning == (
        f"run {old} of an earlier training was resumed, probably by svm, tidy, and has metrics of both now: it is "
        f"marked as {status}, so {name} v1 is promoted only by name; start a new run in the script"
    )
    chosen = run_cli("select", *arguments)
    reasons = {one["version"]: one["reason"] for one in chosen.doc["candidates"]}
    assert reasons[1].startswith(f"its training did not end well ({status})")
    assert "did not end well" not in reasons[2]
