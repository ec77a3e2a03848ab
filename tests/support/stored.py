"""Versions with real files: models that can be loaded and predict, and how much they take."""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from support.seeding import client
from support.servers import clean_environ

Kind = Literal["run", "logged"]

_SAVE = """
import sys, warnings
warnings.simplefilter("ignore")
import mlflow
class Twice(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input, params=None):
        return [2 * value for value in model_input]
mlflow.pyfunc.save_model(sys.argv[1], python_model=Twice(), pip_requirements=[])
"""
_PREDICT = """
import json, sys, warnings
warnings.simplefilter("ignore")
import mlflow
answers = {}
for uri in json.loads(sys.argv[1]):
    try:
        answers[uri] = mlflow.pyfunc.load_model(uri).predict([21])
    except Exception as error:
        answers[uri] = f"{type(error).__name__}: {error}"
print(json.dumps(answers))
"""


@functools.cache
def model_files() -> Path:
    """The files of a model that doubles numbers; made once."""
    folder = Path(tempfile.mkdtemp(prefix="model-")) / "model"
    subprocess.run([sys.executable, "-c", _SAVE, str(folder)], env=clean_environ(), check=True)
    return folder


@dataclass(frozen=True)
class Made:
    """A version with files."""

    number: int
    run_id: str
    model_id: str
    source: str


def register(
    uri: str,
    name: str,
    kind: Kind = "run",
    *,
    run_id: str | None = None,
    folder: str = "model",
    padding: int = 1000,
    parent: str = "",
) -> Made:
    """Train a version: a run, its files, and a registered version of them.

    Args:
        uri: A server's address, or a store.
        name: The registered model; made if it is missing.
        kind: Whether the files are an artifact of the run, or a logged model of MLflow 3.
        run_id: A run that exists already; None for a new one.
        folder: Their folder in the run.
        padding: The size of one file more, so that versions take different room.
        parent: The run above the new one.
    """
    mlflow = client(uri)
    found = mlflow.get_experiment_by_name("stored")
    experiment = found.experiment_id if found else mlflow.create_experiment("stored")
    if not mlflow.search_registered_models(f"name = '{name}'"):
        mlflow.create_registered_model(name)
    if run_id is None:
        tags = {"mlflow.parentRunId": parent} if parent else {}
        run_id = mlflow.create_run(experiment, tags=tags).info.run_id
        mlflow.log_metric(run_id, "roc_auc", 0.8)
    run = mlflow.get_run(run_id)
    files = model_files()
    with tempfile.TemporaryDirectory() as more:
        Path(more, "padding.bin").write_bytes(b"x" * padding)
        if kind == "logged":
            logged = mlflow.create_logged_model(experiment, name=folder, source_run_id=run_id)
            mlflow.log_model_artifacts(logged.model_id, str(files))
            mlflow.log_model_artifacts(logged.model_id, more)
            mlflow.finalize_logged_model(logged.model_id, "READY")
            source, model_id = f"models:/{logged.model_id}", str(logged.model_id)
            if not uri.startswith("http"):
                source = logged.artifact_location
        else:
            mlflow.log_artifacts(run_id, str(files), folder)
            mlflow.log_artifacts(run_id, more, folder)
            source, model_id = f"{run.info.artifact_uri}/{folder}", ""
    mlflow.set_terminated(run_id)
    made = mlflow.create_model_version(name, source, run_id, model_id=model_id or None)
    return Made(int(made.version), run_id, model_id, source)


def predictions(uri: str, versions: Iterable[str], **environ: str) -> dict[str, object]:
    """What each of some models answers to 21; the error of those that cannot be loaded.

    Args:
        uri: The tracking URI.
        versions: Such as ``models:/churn/3``.
        environ: More environment variables.
    """
    environment = clean_environ(MLFLOW_TRACKING_URI=uri, MLFLOW_ALLOW_FILE_STORE="true", **environ)
    result = subprocess.run(
        [sys.executable, "-c", _PREDICT, json.dumps(list(versions))],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    answers: dict[str, object] = json.loads(result.stdout.splitlines()[-1])
    return answers


def disk_usage(folder: Path) -> int:
    """The bytes of all files in a folder, by du."""
    files = [str(Path(above, name)) for above, _, names in os.walk(folder) for name in names]
    if not files:
        return 0
    listed = subprocess.run(
        ["du", "-cb", "--files0-from=-"], input="\0".join(files), capture_output=True, text=True, check=True
    )
    return int(listed.stdout.splitlines()[-1].split()[0])
