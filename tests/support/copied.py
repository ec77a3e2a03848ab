"""A version with all that a run can have, and whether a copy on another server is the same, byte for byte."""

from __future__ import annotations

import hashlib
import math
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from support.seeding import client
from support.stored import Kind, Made, register

FILES: Mapping[str, bytes] = {
    "plots/roc curve.svg": b"<svg/>",
    "plots/ünï.txt": "ü".encode(),
    "data.tar.gz": bytes(range(256)) * 40,
    "empty.txt": b"",
}


def rich(
    uri: str,
    name: str,
    kind: Kind = "run",
    *,
    score: float = 0.8,
    padding: int = 1000,
    files: Mapping[str, bytes] = FILES,
) -> Made:
    """Register a version whose run has params, tags, metrics with a history and odd values, and other artifacts."""
    made = register(uri, name, kind, padding=padding)
    mlflow, run = client(uri), made.run_id
    for step, value in enumerate([0.1, 0.2, score]):
        mlflow.log_metric(run, "roc_auc", value, timestamp=2_000_000_000_000 + step, step=step)
    mlflow.log_metric(run, "odd/nan", math.nan, timestamp=1000, step=-1)
    mlflow.log_metric(run, "odd/inf", math.inf, timestamp=1000)
    for number in range(120):
        mlflow.log_param(run, f"p{number}", "x" * (number + 1))
    mlflow.set_tag(run, "note", "ünï")
    mlflow.set_tag(run, "mlflow.parentRunId", "0" * 32)
    mlflow.update_model_version(name, str(made.number), "what it is")
    mlflow.set_model_version_tag(name, str(made.number), "team", "blue")
    mlflow.set_model_version_tag(
        name, str(made.number), "jenkins_mlflow.promoted_at", "2026-01-01T00:00:00+00:00"
    )
    with tempfile.TemporaryDirectory() as folder:
        for path, content in files.items():
            file = Path(folder, path)
            file.parent.mkdir(exist_ok=True)
            file.write_bytes(content)
        mlflow.log_artifacts(run, folder)
    return made


def files_of(uri: str, name: str, number: int) -> dict[str, str]:
    """The SHA-256 of each of a version's files, as MLflow's client downloads them."""
    where = client(uri).get_model_version_download_uri(name, str(number))
    return downloaded(uri, where)


def downloaded(uri: str, where: str) -> dict[str, str]:
    """The SHA-256 of each file at an artifact address."""
    import mlflow

    with tempfile.TemporaryDirectory() as folder:
        got = Path(mlflow.artifacts.download_artifacts(where, tracking_uri=uri, dst_path=folder))
        return {
            str(Path(above, file).relative_to(got)): hashlib.sha256(
                Path(above, file).read_bytes()
            ).hexdigest()
            for above, _, files in os.walk(got)
            for file in files
        }


def run_data(uri: str, run_id: str) -> dict[str, Any]:
    """What a run has logged, in a form that is the same for the same values on every store."""
    mlflow = client(uri)
    run = mlflow.get_run(run_id)
    return {
        "params": dict(run.data.params),
        "metrics": {
            key: sorted(
                {(_plain(p.value), p.timestamp, p.step) for p in mlflow.get_metric_history(run_id, key)}
            )
            for key in run.data.metrics
        },
        "tags": {
            key: text for key, text in run.data.tags.items() if not key.startswith("jenkins_mlflow.cop")
        },
        "status": run.info.status,
        "times": (run.info.start_time, run.info.end_time),
        "name": run.info.run_name,
        "experiment": mlflow.get_experiment(run.info.experiment_id).name,
    }


def _plain(value: float) -> str:
    return "NaN" if math.isnan(value) else "inf" if value > 1.7e308 else repr(value)
