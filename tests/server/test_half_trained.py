"""A version of a training that did not end well is never chosen, however good its metrics look."""

from __future__ import annotations

import sys
from pathlib import Path

import yaml
from conftest import MakeServer, RunCli
from support.seeding import client

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
