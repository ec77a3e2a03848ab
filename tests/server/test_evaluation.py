"""What the report shows of champion and challenger, from runs that the real MLflow has logged to a real server."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from conftest import MakeServer, RunCli
from support.command import Finished
from support.proxy import Answer, CountingProxy
from support.seeding import Spec, client, fresh_name, seed
from support.servers import Server, clean_environ
from test_doors import run_watched

MakeProxy = Callable[[Server], CountingProxy]
ARTIFACTS = "mlflow-artifacts/artifacts"
# As a team's training does it; without the model, which nothing here looks at.
TRAINING = """
import sys
import mlflow, pandas as pd
from sklearn.datasets import make_classification
from sklearn.linear_model import LogisticRegression

X, y = make_classification(100, 4, random_state=1)
with mlflow.start_run(run_id=sys.argv[1]):
    mlflow.sklearn.autolog(log_models=False, log_datasets=False)
    model = LogisticRegression().fit(X, y)
    mlflow.sklearn.autolog(disable=True)
    if sys.argv[2] == "evaluate":
        data = pd.DataFrame({"y": y, "p": model.predict(X)})
        mlflow.models.evaluate(data=data, targets="y", predictions="p", model_type="classifier",
            evaluators="default", evaluator_config={"metric_prefix": "test_"})
"""


def two_versions(server: Server) -> tuple[str, list[str]]:
    """A model with a champion and a better version, and the ids of their runs."""
    name = fresh_name()
    champion = Spec(metrics={"roc_auc": 0.8}, stage="Production")
    seed(server.url, {name: [champion, Spec(metrics={"roc_auc": 0.9})]}, experiment="evaluated")
    versions = client(server.url).search_model_versions(f"name = '{name}'")
    return name, [str(each.run_id) for each in sorted(versions, key=lambda each: int(each.version))]


def log_predictions(server: Server, run_id: str, folder: Path, table: dict[str, Any]) -> None:
    """As a CSV by ``log_artifact``."""
    pd.DataFrame(table).to_csv(folder / "predictions.csv")
    client(server.url).log_artifact(run_id, str(folder / "predictions.csv"))


def promoted(run_cli: RunCli, name: str, uri: str, *more: str) -> Finished:
    """A promotion of the model's best version, with its report in r."""
    return run_cli("promote", f"--models={name}", f"--tracking-uri={uri}", "--report=r", *more)


def kept(folder: Path) -> list[dict[str, Any]]:
    document = json.loads((folder / "evaluation.json").read_text())
    items: list[dict[str, Any]] = document["items"]
    return items


def test_predictions_of_both_versions_in_one_chart(
    make_server: MakeServer, make_proxy: MakeProxy, tmp_path: Path
) -> None:
    """A table of log_table and a CSV: read by 8 requests after the lock is given up; without MLflow."""
    server = make_server()
    name, runs = two_versions(server)
    table = {"label": [0, 0, 1, 1], "score": [0.1, 0.6, 0.4, 0.9]}
    client(server.url).log_table(runs[0], table, "predictions.json")
    log_predictions(server, runs[1], tmp_path, {**table, "score": [0.1, None, 0.7, 0.9]})
    proxy, folder = make_proxy(server), tmp_path / "r"
    where = ("--models", name, "--tracking-uri", proxy.url)
    assert run_watched(["select", *where], tmp_path).returncode == 0
    done = run_watched(["promote", *where, "--report", str(folder)], tmp_path)
    assert (done.returncode, "warning" in done.stderr) == (0, False), done.stderr
    challenger, champion = kept(folder)
    assert (champion["role"], champion["version"], champion["file"]) == ("champion", 1, "predictions.json")
    assert (champion["roc"]["area"], champion["matrix"]) == (0.75, [[1, 1], [1, 1]])
    assert (challenger["role"], challenger["version"], challenger["file"]) == (
        "challenger",
        2,
        "predictions.csv",
    )
    assert (challenger["roc"]["area"], challenger["matrix"]) == (1, [[1, 0], [0, 2]])
    assert challenger["notes"] == ["1 row without a finite score left out of the curves"]
    chart = (folder / "roc.svg").read_text()
    assert f"{name} v2 (challenger): AUC 1" in chart
    assert f"{name} v1 (champion): AUC 0.75" in chart
    made = list(map(str, proxy.requests))
    unlocked = max(at for at, request in enumerate(made) if request == "DELETE registered-models/delete")
    reads = [
        at
        for at, request in enumerate(proxy.requests)
        if ARTIFACTS in request.path and request.method == "GET"
    ]
    assert len(reads) == 4
    assert min(reads) > unlocked
    assert made[reads[0] - 4 : reads[0]] == [
        "GET model-versions/get",
        "GET model-versions/get",
        "POST experiments/search",
        "POST runs/search",
    ]


def test_pictures_that_mlflow_has_logged(make_server: MakeServer, tmp_path: Path, run_cli: RunCli) -> None:
    """Those of evaluate before those of autologging, in files that the report names; later commands show them, too."""
    server = make_server()
    name, runs = two_versions(server)
    for run, how in zip(runs, ("autolog", "evaluate"), strict=True):
        environ = clean_environ(
            MLFLOW_TRACKING_URI=server.url, MPLBACKEND="agg", MLFLOW_DISABLE_TELEMETRY="true"
        )
        subprocess.run([sys.executable, "-c", TRAINING, run, how], env=environ, cwd=tmp_path, check=True)
    where = (f"--models={name}", f"--tracking-uri={server.url}", "--report=r")
    build = {"BUILD_TAG": "jenkins-demo-1"}
    assert run_cli("select", *where, env=build).code == 0
    assert run_cli("cleanup", "--dry-run", *where, env=build).code == 0
    folder = tmp_path / "r"
    assert [[(one["kind"], one["source"]) for one in each["pictures"]] for each in kept(folder)] == [
        [
            ("confusion", "test_confusion_matrix.png"),
            ("precision-recall", "training_precision_recall_curve.png"),
            ("roc", "training_roc_curve.png"),
        ],
        [
            ("confusion", "training_confusion_matrix.png"),
            ("precision-recall", "training_precision_recall_curve.png"),
            ("roc", "training_roc_curve.png"),
        ],
    ]
    text = (folder / "index.html").read_text()
    for role, kind in itertools.product(("challenger", "champion"), ("roc", "precision-recall", "confusion")):
        assert (folder / f"{role}-{kind}.png").read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
        assert f'<img src="{role}-{kind}.png" alt="' in text
    assert f"Confusion matrix of {name} v2 (challenger): test_confusion_matrix.png" in text


@pytest.mark.parametrize(
    ("rows", "note"),
    [
        ({"label": range(200_000), "score": 0.5}, "predictions.csv is not read: 3.4 MB, more than 1.0 MB"),
        ({"target": [1, 0], "score": 0.5}, "predictions.csv has no column label"),
    ],
)
def test_a_table_that_is_not_read_is_a_note(
    rows: dict[str, Any],
    note: str,
    make_server: MakeServer,
    make_proxy: MakeProxy,
    tmp_path: Path,
    run_cli: RunCli,
) -> None:
    """One that is too large is not even asked for."""
    server = make_server()
    name, runs = two_versions(server)
    log_predictions(server, runs[1], tmp_path, rows)
    proxy = make_proxy(server)
    done = promoted(run_cli, name, proxy.url, "--output=json")
    assert (done.code, done.doc["warnings"]) == (0, [])
    assert [each["notes"] for each in kept(tmp_path / "r")] == [[note], []]
    assert note in (tmp_path / "r" / "report.md").read_text()
    asked = [
        request for request in proxy.requests if request.path.endswith("predictions.csv") and "MB" in note
    ]
    assert not asked


@pytest.mark.parametrize(
    ("answer", "warning"),
    [
        (Answer(200, b"1" * 1_000_001), "the file is larger than 1.0 MB"),
        (Answer(403, b"no"), "403"),
        (Answer(500, b"no"), "500"),
    ],
)
def test_a_server_that_does_not_give_them_is_a_warning(
    answer: Answer,
    warning: str,
    make_server: MakeServer,
    make_proxy: MakeProxy,
    tmp_path: Path,
    run_cli: RunCli,
) -> None:
    """The promotion is done; what was logged as 1 kB and comes as 1 MB is not read to its end."""
    server = make_server()
    name, runs = two_versions(server)
    log_predictions(server, runs[1], tmp_path, {"label": [1, 0], "score": [0.9, 0.1]})
    proxy = make_proxy(server)
    proxy.inject(lambda request, send: answer, path="predictions.csv")
    done = promoted(run_cli, name, proxy.url, "--output=json")
    assert (done.code, done.doc["status"]) == (0, "promoted")
    (shown,) = done.doc["warnings"]
    assert shown.startswith("the report shows no curves: "), shown
    assert warning in shown
    assert not (tmp_path / "r" / "evaluation.json").exists()
    assert (tmp_path / "r" / "index.html").exists()


def test_a_picture_that_is_none_is_not_shown(
    make_server: MakeServer, tmp_path: Path, run_cli: RunCli
) -> None:
    """A page that calls itself a PNG is not copied; nothing is left of a run without anything."""
    server = make_server()
    name, runs = two_versions(server)
    client(server.url).log_text(runs[1], "<script>alert(1)</script>", "confusion_matrix.png")
    done = promoted(run_cli, name, server.url)
    assert done.code == 0
    assert not list((tmp_path / "r").glob("*.png"))
    assert not (tmp_path / "r" / "evaluation.json").exists()


@pytest.mark.parametrize("artifacts", ["local"])
def test_files_of_this_machine_are_read_and_others_are_left(
    artifacts: Any, make_server: MakeServer, tmp_path: Path, run_cli: RunCli
) -> None:
    """A server that gives its clients the folder; one whose files are in a storage is not asked for them."""
    server = make_server(artifacts=artifacts)
    name, runs = two_versions(server)
    log_predictions(server, runs[1], tmp_path, {"label": [1, 0], "score": [0.9, 0.1]})
    assert promoted(run_cli, name, server.url).code == 0
    assert [each["file"] for each in kept(tmp_path / "r")] == ["predictions.csv", ""]
