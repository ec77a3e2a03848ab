"""Every step of a model's life behind TLS, a client's certificate, a login and a path, as companies run MLflow."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import MakeServer, RunCli
from support.environments import mlflow_python
from support.ingress import PASSWORD, Ingress, ingress
from support.servers import Store
from support.thorough import THOROUGH

TRAIN = """
import sys
import mlflow

class Model(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input, params=None):
        return [0.5] * len(model_input)

value, name = float(sys.argv[1]), sys.argv[2]
with mlflow.start_run():
    mlflow.log_metric("accuracy", value)
    mlflow.pyfunc.log_model("model", python_model=Model(), registered_model_name=name, input_example=[[1.0]])
"""
SERVERS: list[tuple[str, Store]] = [
    ("3.17.2", "sqlite"),
    ("3.17.2", "postgresql"),
    ("3.3.2", "postgresql"),
    ("2.22.4", "postgresql"),
]


@pytest.fixture(params=SERVERS if THOROUGH else SERVERS[:1], ids="-".join)
def front(
    request: pytest.FixtureRequest, make_server: MakeServer, tmp_path: Path
) -> Iterator[tuple[Ingress, str]]:
    """A real server behind an ingress, and a Python with its MLflow: a client of 3.17 logs no model to 2.22."""
    version, store = request.param
    with ingress(make_server(version, store).url, tmp_path) as found:
        yield found, str(mlflow_python(version))


@pytest.mark.parametrize("door", ["http", *(["store"] if THOROUGH else [])])
def test_a_models_life(front: tuple[Ingress, str], door: str, run_cli: RunCli, tmp_path: Path) -> None:
    """Train, select, promote with a smoke test, roll back, clean up, restore, list, ask the doctor for files."""
    before, python = front
    name = f"ingress-{tmp_path.name}"
    work = tmp_path / "work"
    work.mkdir()
    (work / "train.py").write_text(TRAIN, encoding="utf-8")

    def train(value: float) -> dict[str, Any]:
        command = [python, "train.py", str(value), name]
        return {"command": command}

    def run(*argv: str, code: int = 0) -> dict[str, Any]:
        env = {**before.environ, "JENKINS_MLFLOW_DOOR": door}
        done = run_cli(*argv, "--tracking-uri", before.url, "--output=json", env=env, cwd=work)
        assert done.code == code, done.stdout + done.stderr
        assert PASSWORD not in done.stdout + done.stderr
        document: dict[str, Any] = done.doc
        return document

    config = {
        "models": name,
        "train": {"experiment": name, "jobs": 1, "candidates": {"a": train(0.7), "b": train(0.8)}},
        "select": {"metric": "accuracy", "gates": {"accuracy": ">= 0.5"}},
        "promote": {"smoke_test": {"python": python}},
    }
    (work / "mlops.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    assert run("train")["status"] == "trained"
    first = run("select")["selected"]["version"]
    assert run("promote")["version"] == first
    second = 3 - first
    promoted = run("promote", "--model", name, "--version", str(second))
    assert (promoted["status"], promoted["smoke_test"]["passed"]) == ("promoted", True)
    assert run("rollback", "--model", name)["version"] == first
    assert run("train")["status"] == "trained"
    cleaned = run("cleanup", "--keep-last", "1", "--yes")
    gone = sorted(item["version"] for item in cleaned["items"] if item["outcome"] == "deleted")
    assert gone == [second, 3]
    restored = run("restore", "--model", name, "--version", str(second))
    assert restored["status"] == "restored"
    (listed,) = run("list")["models"]
    assert sorted(version["version"] for version in listed["versions"]) == [first, 4, 5]
    assert run("doctor", "--storage")["status"] == "fine"
    assert before.refused == []
