"""Fills a file store with whatever a file store can hold. Run as a program by an MLflow of any version.

usage: python file_store.py FOLDER [POINTS]

POINTS is how many metric points the longest metric gets. Nothing of the tests is imported: the other versions'
environments have MLflow alone.
"""

from __future__ import annotations

import os
import sys
import warnings
from pathlib import Path
from typing import Any

os.environ["MLFLOW_ALLOW_FILE_STORE"] = "true"
os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
warnings.simplefilter("ignore")

DATASET = {"source_type": "local", "source": "{'uri': 'heart.csv'}", "schema": "{}", "profile": '{"rows": 3}'}
START = 1_760_000_000_000
TEXT = "two lines\r\nwith a Windows line break, and ünïcödé \U0001f40d\n"
ODD = "modell ü 'q' & <b>"


def fill(root: str, points: int) -> None:
    import mlflow
    from mlflow import MlflowClient
    from mlflow.entities import Dataset, DatasetInput, InputTag, Metric

    mlflow.set_tracking_uri(root)
    mlflow.set_registry_uri(root)
    client = MlflowClient(root, root)
    experiment = client.create_experiment("exp / one", tags={"team": "a b", "mlflow.note.content": TEXT})
    gone = client.create_experiment("deleted Prüfung %20 x")
    parent = client.create_run(experiment, start_time=START, run_name="parent").info.run_id
    child = client.create_run(experiment, tags={"mlflow.parentRunId": parent, "note": TEXT}).info.run_id
    for key, value in {"lr": "0.1", "empty": "", "deep/er": "x" * 400, "ü b": "ß"}.items():
        client.log_param(child, key, value)
    odd = [("nan", float("nan")), ("up", float("inf")), ("down", float("-inf")), ("val/auc", 1 / 3)]
    client.log_batch(child, [Metric(key, value, START, 7) for key, value in odd])
    client.log_batch(child, [Metric("twice", 0.5, START, 1)])
    client.log_batch(child, [Metric("twice", 0.5, START, 1)])  # a retry: a database takes it once
    steps = [Metric("loss", 1 / (step + 1), START + step // 2, step) for step in range(points)]
    for begin in range(0, points, 1000):
        client.log_batch(parent, steps[begin : begin + 1000])
    dataset = Dataset(name="heart", digest="abc123", **DATASET)
    client.log_inputs(child, [DatasetInput(dataset, [InputTag("mlflow.data.context", "train")])])
    deleted = client.create_run(experiment).info.run_id
    client.log_metric(deleted, "auc", 0.1)
    client.delete_run(deleted)
    client.log_param(client.create_run(gone).info.run_id, "in", "the trash")
    client.delete_experiment(gone)
    client.set_terminated(child, "FAILED")
    sources = _logged_models(client, experiment, child)
    _registry(client, child, sources)
    if hasattr(mlflow, "start_span"):
        mlflow.set_experiment("exp / one")
        with mlflow.start_span("answer") as span:
            span.set_inputs({"question": "?"})
            mlflow.update_current_trace(tags={"team": "a"})


def _logged_models(client: Any, experiment: str, run: str) -> list[dict[str, Any]]:
    """Where the versions come from: logged models where this MLflow has them, else the run's files."""
    place = client.get_run(run).info.artifact_uri
    if not hasattr(client, "create_logged_model"):
        return [{"source": f"{place}/model"}] * 4
    from mlflow.entities import LoggedModelOutput

    made = [
        client.create_logged_model(
            experiment, f"model-{n}", source_run_id=run, params={"n": str(n)}, tags={"t": TEXT}
        )
        for n in range(5)
    ]
    for step, model in enumerate(made):
        for value in (0.5 + step / 100, float("nan"), float("inf")):
            client.log_metric(run, f"linked-{value}", value, step=step, model_id=model.model_id)
        client.finalize_logged_model(model.model_id, "READY")
    client.log_outputs(run, [LoggedModelOutput(model.model_id, step) for step, model in enumerate(made)])
    client.delete_logged_model(made[4].model_id)
    return [{"source": model.artifact_location, "model_id": model.model_id} for model in made[:4]]


def _registry(client: Any, run: str, sources: list[dict[str, Any]]) -> None:
    for name in ("churn", ODD):
        client.create_registered_model(name, tags={"owner": TEXT}, description="what it is\nfor")
        for number, source in enumerate(sources, start=1):
            client.create_model_version(name, run_id=run, tags={"n": str(number), "text": TEXT}, **source)
        client.set_registered_model_alias(name, "champion", "2")
        client.set_registered_model_alias(name, "Old_one", "1")
        _though_affected(lambda m=name: client.delete_model_version(m, "4"))
        for number, stage in ((1, "Archived"), (2, "Production"), (3, "Staging")):
            _though_affected(lambda n=number, s=stage, m=name: client.transition_model_version_stage(m, n, s))
    _though_affected(lambda: client.copy_model_version("models:/churn/2", "copied"))
    client.create_registered_model("deleted")
    client.delete_registered_model("deleted")
    client.create_registered_model("renamed")
    client.create_model_version("renamed", run_id=run, **sources[0])
    _though_affected(lambda: client.rename_registered_model("renamed", "new name"))


def _though_affected(call: Any) -> None:
    """MLflow 3.0 to 3.5.0 fail at it ("RepresentationError"), and leave what they leave."""
    try:
        call()
    except Exception as error:  # noqa: BLE001  whatever it is
        print(f"{type(error).__name__}: {error}"[:80])


if __name__ == "__main__":
    fill(str(Path(sys.argv[1]).resolve()), int(sys.argv[2]) if len(sys.argv) > 2 else 100)
