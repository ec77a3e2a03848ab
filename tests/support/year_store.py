"""Fills a file store with what a year of use leaves in it. Run as a program by the tests' own MLflow.

usage: python year_store.py FOLDER

It prints the ids that the test looks at, as JSON.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import warnings
from pathlib import Path
from typing import Any

import mlflow
from mlflow import MlflowClient
from mlflow.entities import (
    AssessmentSource,
    Dataset,
    DatasetInput,
    Feedback,
    InputTag,
    LoggedModelInput,
    LoggedModelOutput,
    Metric,
)

START = 1_760_000_000_000
ODD = {
    "empty": "",
    "lines": "a\r\nb\rc\n",
    "spaces": "  a\t",
    "a/b c.d-e": "\U0001f40d <b>&'\"",
    "separators": "a\u2028b\x0cc",
    "long": "x" * 6000,
}
NAN, UP, DOWN = float("nan"), float("inf"), float("-inf")


def fill(folder: Path) -> dict[str, str]:
    mlflow.set_tracking_uri(folder.as_uri())
    mlflow.set_registry_uri(folder.as_uri())
    client = MlflowClient(folder.as_uri(), folder.as_uri())
    ids: dict[str, str] = {}
    _runs(client, folder)
    _models(client, ids)
    _registry(client, folder, ids)
    _evaluations(client, folder, ids)
    _traces(client, ids)
    return ids


def _run(client: MlflowClient, experiment: str = "0", **arguments: Any) -> str:
    return str(client.create_run(experiment, **arguments).info.run_id)


def _model(client: MlflowClient, run: str | None, experiment: str = "0", **arguments: Any) -> str:
    model = client.create_logged_model(experiment, name="m", source_run_id=run, **arguments)
    client.finalize_logged_model(model.model_id, "READY")
    return str(model.model_id)


def _runs(client: MlflowClient, folder: Path) -> None:
    """Nested and deleted runs, odd texts and values, datasets, deleted and restored experiments."""
    parent = _run(client, run_name="x" * 250)
    child = _run(client, tags={"mlflow.parentRunId": parent, **ODD})
    for key, value in ODD.items():
        client.log_param(child, key, value)
    values = (NAN, UP, DOWN, -0.0, 5e-324, 1e22, 0.1 + 0.2)
    client.log_batch(
        child, [Metric(f"a/b c.{step}", value, START, step) for step, value in enumerate(values)]
    )
    for key, tied in {"first": (NAN, 0.5), "last": (-1.0, NAN), "mixed": (NAN, 0.5, DOWN, 0.2)}.items():
        client.log_batch(child, [Metric(key, value, START, 1) for value in tied])
    client.log_batch(child, [Metric("back", float(step), START, step) for step in (3, -5, 2**40, 2)])
    for status in ("KILLED", "FAILED", "FINISHED"):
        client.set_terminated(_run(client), status)
    client.delete_run(_run(client, tags={"mlflow.parentRunId": child}))
    datasets = [
        DatasetInput(
            Dataset("heart", digest, "local", "x" * 9000, schema="{}"),
            [InputTag("mlflow.data.context", "train")],
        )
        for digest in ("one", "two")
    ]
    client.log_inputs(child, datasets)
    purged = _run(client)
    client.log_inputs(purged, [DatasetInput(Dataset("of nothing", "x", "local", "x"))])
    shutil.rmtree(folder / "0" / purged)  # as `mlflow gc` does
    for name, tags in (("restored", ODD), ("deleted \U0001f40d/%20", {})):
        experiment = client.create_experiment(name, tags={**tags}, artifact_location="s3://bucket/a b")
        client.delete_run(_run(client, experiment))
        made = _model(client, _run(client, experiment), experiment)
        client.log_inputs(_run(client, experiment), models=[LoggedModelInput(made)])
        client.delete_experiment(experiment)
        if name == "restored":
            client.restore_experiment(experiment)
            client.rename_experiment(experiment, "renamed")


def _models(client: MlflowClient, ids: dict[str, str]) -> None:
    """Logged models with histories and values for one step and time; deleted, pending."""
    run = ids["run"] = _run(client)
    model = ids["model"] = _model(client, run, params=ODD, tags={key: ODD[key] for key in ("empty", "lines")})
    client.log_outputs(run, [LoggedModelOutput(model, 3)])
    for step in range(5):
        client.log_metric(run, "loss", 1 / (step + 1), step=step, timestamp=START + step, model_id=model)
    for value in (0.5, 0.7, NAN, 0.6):
        client.log_metric(run, "tied", value, timestamp=START, model_id=model)
    for value in (NAN, UP):
        client.log_metric(run, f"odd {value}", value, timestamp=START, model_id=model)
    deleted = _model(client, run)
    client.log_inputs(_run(client), models=[LoggedModelInput(deleted)])
    client.delete_logged_model(deleted)
    client.create_logged_model("0", name="pending", model_type="agent")


def _evaluations(client: MlflowClient, folder: Path, ids: dict[str, str]) -> None:
    """Runs that read a model, of its experiment and of another one, which has no datasets."""
    model, experiment = ids["model"], client.create_experiment("evaluations")
    evaluation = ids["evaluation"] = _run(client, experiment)
    of: dict[str, Any] = {"dataset_name": "heart", "dataset_digest": "one", "model_id": model}
    for run in (_run(client), evaluation):
        client.log_inputs(run, models=[LoggedModelInput(model)])
        client.log_metric(run, "auc", 0.9, step=9, timestamp=START, **of)
        client.log_metric(run, "auc", 0.8, step=3, timestamp=START + 1, **of)
        client.log_metric(run, "auc", 0.7, step=3, timestamp=START + 1, **(of | {"dataset_digest": "two"}))
    gone = _run(client)
    client.log_metric(gone, "of nothing", 0.1, model_id=model)
    shutil.rmtree(folder / "0" / gone)


def _traces(client: MlflowClient, ids: dict[str, str]) -> None:
    mlflow.set_experiment("traces")
    with mlflow.start_span("answer") as span:
        trace = ids["trace"] = span.trace_id
        mlflow.update_current_trace(
            tags={"lines": ODD["lines"]},
            metadata={"mlflow.trace.session": "s" * 300, "mlflow.trace.user": "ada", "lines": ODD["lines"]},
            client_request_id="request 1",
            response_preview="é",
        )
    human = AssessmentSource("HUMAN", "ada")
    values: list[Any] = [1, 0.5, True, "yes", ["a", 1], {"a": 1}]
    for value in values:
        mlflow.log_feedback(
            trace_id=trace, name="good", value=value, source=human, rationale="a\nb", metadata={"k": "v"}
        )
    mlflow.log_feedback(trace_id=trace, name="failed", error=ValueError("boom"))
    for answer in ("Paris", {"a": [1]}):
        expected = mlflow.log_expectation(trace_id=trace, name="answer", value=answer, source=human)
    ids["expectation"] = str(expected.assessment_id)
    first = mlflow.log_feedback(trace_id=trace, name="again", value=1)
    mlflow.override_feedback(trace_id=trace, assessment_id=str(first.assessment_id), value=2)
    second = mlflow.log_feedback(trace_id=trace, name="changed", value=1)
    change = Feedback(name="changed", value=9)
    mlflow.update_assessment(trace_id=trace, assessment_id=str(second.assessment_id), assessment=change)


def _registry(client: MlflowClient, folder: Path, ids: dict[str, str]) -> None:
    """Versions in stages, with aliases, copied, deleted; of a run or model that is deleted or gone; prompts."""
    client.create_registered_model(
        "churn", tags={key: ODD[key] for key in ("empty", "lines")}, description="é\n"
    )
    deleted, gone = _run(client), _run(client)
    for run in (deleted, gone):
        client.create_model_version(
            "churn", f"{folder.as_uri()}/0/{run}/artifacts/m", run, run_link="http://ci/1"
        )
    client.delete_run(deleted)
    shutil.rmtree(folder / "0" / gone)
    client.create_model_version(
        "churn", f"models:/{ids['model']}", model_id=ids["model"], tags={"lines": ODD["lines"]}
    )
    for source in ("s3://bucket/" + "k" * 400, "models:/churn/1", "s3://bucket/deleted"):
        client.create_model_version("churn", source)
    client.delete_model_version("churn", "6")
    for alias, version in (("champion", "3"), ("A_b-1", "1"), ("of_deleted", "5")):
        client.set_registered_model_alias("churn", alias, version)
    client.delete_model_version("churn", "5")
    for version, stage in (("1", "Archived"), ("2", "Production"), ("3", "Staging")):
        client.transition_model_version_stage("churn", version, stage)
    client.copy_model_version("models:/churn/3", "copied")
    client.copy_model_version("models:/copied/1", "copied twice")
    client.create_registered_model("empty")
    client.create_registered_model("before")
    client.create_model_version("before", "s3://bucket/before")
    client.rename_registered_model("before", "after ü.b-c")
    mlflow.genai.register_prompt("hello", "Hi {{name}}\r\n" + "x" * 6000, commit_message="é", tags={"a": "b"})
    mlflow.genai.register_prompt("hello", [{"role": "user", "content": "Hi {{name}}"}])
    mlflow.genai.set_prompt_alias("hello", "prod", 1)


if __name__ == "__main__":
    os.environ |= {"MLFLOW_ALLOW_FILE_STORE": "true", "MLFLOW_ENABLE_ASYNC_TRACE_LOGGING": "false"}
    warnings.simplefilter("ignore")
    made = fill(Path(sys.argv[1]).resolve())
    print(json.dumps(made))
