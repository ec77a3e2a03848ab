"""The smoke test: what a prediction is judged by, and real models that pass, fail, hang and cannot be loaded."""

from __future__ import annotations

import decimal
import math
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pytest
from conftest import MakeServer, RunCli
from jenkins_mlflow.config.promote import SmokeTest
from jenkins_mlflow.promotion.smoke_runner import is_missing, leaves, rows, serving_rows, summary
from jenkins_mlflow.promotion.smoke_test import judge, smoke_test
from jenkins_mlflow.registry.client import Registry
from jenkins_mlflow.registry.connection import connect
from mlflow.pyfunc.model import PythonModel
from support.proxy import CountingProxy
from support.seeding import Spec, fresh_name, seed
from support.servers import Server

FRAME = pd.DataFrame({"x": [1.0, 2.0, 3.0]})
ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("data", "count"),
    [
        (FRAME, 3),
        (FRAME["x"], 3),
        (np.zeros((4, 2, 2)), 4),
        (np.float64(1), 1),
        ([1, 2], 2),
        ({"a": [1, 2], "b": np.zeros(2)}, 2),
        ({}, 0),
        ("text", 1),
    ],
)
def test_rows_of_any_form(data: Any, count: int) -> None:
    assert rows(data) == count


@pytest.mark.parametrize(
    "data",
    [
        pd.DataFrame({"x": [1.0, None], "y": [1.0, 2.0]}),
        pd.Series(["a", None]),
        pd.Series([1, None], dtype="Int64"),
        pd.Series([pd.Timestamp(0), pd.NaT]),
        np.array([[1.0, 2.0], [3.0, math.nan]]),
        np.array([1.0, None], dtype=object),
        [[1.0], [math.nan]],
        {"a": np.array([1.0]), "b": [np.float32("nan")]},
        [{"score": 1.0}, {"score": None}],
        np.float64("nan"),
        [decimal.Decimal("NaN")],
    ],
    ids=str,
)
def test_a_missing_value_hides_nowhere(data: Any) -> None:
    assert sum(is_missing(value) for value in leaves(data)) == 1
    assert "missing" in judge(SmokeTest(), {**summary(data, data)})


@pytest.mark.parametrize(
    ("rules", "given", "predicted", "complaint"),
    [
        ({}, FRAME, [0.1, 0.2, 0.3], ""),
        ({}, FRAME, ["yes", "no", "nan"], ""),
        ({}, FRAME, [0.1, 0.2], "it returned 2 rows for 3 rows of input"),
        ({}, FRAME, [[], [], []], "it returned no value at all"),
        ({}, FRAME, [0.1, math.inf, -math.inf], "2 of its 3 values are infinite"),
        ({"min": 0.0, "max": 1.0}, FRAME, [0.0, 0.5, 1.0], ""),
        ({"min": 0.0}, FRAME, [-0.1, 0.5, 1.0], "its least value -0.1 is below 0"),
        ({"max": 1.0}, FRAME, [0.1, 0.5, 1.5], "its greatest value 1.5 is above 1"),
        ({"max": 1.0}, FRAME, ["a", "b", "c"], "its values are not numbers"),
    ],
)
def test_judgement(rules: dict[str, float], given: Any, predicted: Any, complaint: str) -> None:
    found = judge(SmokeTest(**rules), summary(given, predicted))  # type: ignore[arg-type]
    assert found.startswith(complaint)
    assert bool(found) == bool(complaint)


def test_a_process_without_a_result_does_not_pass() -> None:
    """A model that ends the process itself, with exit code 0, leaves no result."""
    assert judge(SmokeTest(), {}) == "it ended without a prediction"


def test_a_decimal_can_be_infinite() -> None:
    assert judge(SmokeTest(), summary([1], [decimal.Decimal("Infinity")])) == "its 1 value is infinite"


def model_that(behaviour: str) -> PythonModel:
    """A model that answers as its behaviour says; its class is local, so that it travels with the model."""

    class Model(PythonModel):
        def predict(self, context: Any, model_input: pd.DataFrame, params: Any = None) -> Any:
            import time

            if behaviour == "raises":
                raise ValueError("no such column: age")
            if behaviour == "alone":
                import importlib.util

                return [float(importlib.util.find_spec("pytest") is not None)] * len(model_input)
            if behaviour == "hangs" and len(model_input) < 3:  # not while it is logged
                time.sleep(60)
            answer = [0.5] * len(model_input)
            return [*answer[:-1], float("nan")] if behaviour == "nan" else answer

    return Model()


def logged(server: Server, behaviour: str, *, example: bool = True, needs: Sequence[str] = ()) -> str:
    """A champion of no files, and a challenger that really is a model."""
    name = fresh_name()
    mlflow.set_tracking_uri(server.url)
    try:
        with mlflow.start_run():
            mlflow.log_metric("roc_auc", 0.9)
            mlflow.pyfunc.log_model(
                name="model",
                python_model=model_that(behaviour),
                registered_model_name=name,
                input_example=FRAME if example and behaviour != "raises" else None,
                pip_requirements=list(needs),
            )
    finally:
        mlflow.set_tracking_uri(None)  # type: ignore[arg-type]
    return name


pytestmark = pytest.mark.filterwarnings(
    "ignore::UserWarning", "ignore::DeprecationWarning", "ignore::FutureWarning"
)


@pytest.fixture
def inputs(tmp_path: Path) -> Path:
    FRAME.to_csv(tmp_path / "smoke.csv", index=False)
    FRAME.to_json(tmp_path / "smoke.json", orient="records")
    FRAME.head(2).to_csv(tmp_path / "short.csv", index=False)
    return tmp_path


@pytest.mark.parametrize("source", [None, "smoke.csv", "smoke.json"])
def test_a_sound_model_passes(source: str | None, make_server: MakeServer, inputs: Path) -> None:
    """On its own input example, on a table, on records."""
    server = make_server()
    version = Registry(connect(server.url)).version(logged(server, "fine", example=source is None), 1)
    rules = SmokeTest(input=str(inputs / source) if source else None, min=0.0, max=1.0, python=sys.executable)
    checked = smoke_test(rules, version, server.url, inputs / "report")
    assert (checked.passed, checked.reason) == (True, "predicted 3 rows, between 0.5 and 0.5")


@pytest.mark.parametrize(
    ("behaviour", "rules", "reason"),
    [
        ("nan", {}, "1 of its 3 values is missing (NaN or None)"),
        ("raises", {"input": "smoke.csv"}, "it cannot predict: ValueError: no such column: age"),
        ("hangs", {"input": "short.csv", "timeout": "12s"}, "it did not end within 12 s"),
    ],
)
def test_a_failed_smoke_test_writes_nothing(
    behaviour: str, rules: dict[str, Any], reason: str, make_server: MakeServer, inputs: Path, run_cli: RunCli
) -> None:
    """Exit 3, the reason in one line, and not one request that changes anything."""
    server = make_server()
    name = logged(server, behaviour)
    settings = {"python": sys.executable, **rules}
    env = {f"MLOPS__PROMOTE__SMOKE_TEST__{key.upper()}": str(value) for key, value in settings.items()}
    with CountingProxy(server.url) as proxy:
        done = run_cli("promote", "--model", name, "--tracking-uri", proxy.url, "--output=json", env=env)
        assert (done.code, done.doc["status"]) == (3, "smoke_test_failed"), done.stderr
        assert done.doc["message"] == f"{name} version 1 failed its smoke test: {reason}; nothing was written"
        assert not [r for r in proxy.requests if r.method != "GET" and "search" not in r.path]


OWN = ("mlflow-skinny==3.17.2", "pandas", "numpy", "cloudpickle")


@pytest.fixture
def uv(monkeypatch: pytest.MonkeyPatch) -> None:
    """MLflow calls `uv` by name; where there was none, scripts/setup.sh has put one into .tools."""
    monkeypatch.setenv("PATH", f"{os.environ['PATH']}:{ROOT / '.tools/bin'}")
    if not shutil.which("uv"):
        pytest.skip("there is no uv here")
    probe = ["uv", "pip", "install", "--dry-run", "--python", sys.executable, "--reinstall", "cloudpickle"]
    if subprocess.run(probe, capture_output=True, check=False).returncode:
        pytest.skip("uv reaches no package index from here")


@pytest.mark.usefixtures("uv")
@pytest.mark.parametrize("source", [None, "smoke.csv"])
def test_a_model_predicts_in_the_environment_that_it_was_logged_with(
    source: str | None, make_server: MakeServer, inputs: Path
) -> None:
    """MLflow makes it with uv, from the model's own requirements: this process's packages are not there."""
    server = make_server()
    name = logged(server, "alone", example=source is None, needs=OWN)
    version = Registry(connect(server.url)).version(name, 1)
    given = {"input": str(inputs / source)} if source else {}
    rules = SmokeTest.model_validate(
        {**given, "python": sys.executable, "env_manager": "uv", "timeout": "600s"}
    )
    checked = smoke_test(rules, version, server.url, inputs / "report")
    log = (inputs / "report" / "smoke-test.log").read_text()
    assert (checked.passed, checked.reason) == (True, "predicted 3 rows, between 0 and 0"), log


@pytest.mark.usefixtures("uv")
def test_an_environment_that_cannot_be_made_is_not_passed(make_server: MakeServer, tmp_path: Path) -> None:
    server = make_server()
    name = logged(server, "fine", needs=("no-such-package-of-jenkins-mlflow==1.0",))
    version = Registry(connect(server.url)).version(name, 1)
    rules = SmokeTest.model_validate({"python": sys.executable, "env_manager": "uv", "timeout": "600s"})
    checked = smoke_test(rules, version, server.url, tmp_path)
    assert not checked.passed
    assert checked.reason.startswith("it cannot predict in an environment of uv (see the log): ")
    assert "no-such-package-of-jenkins-mlflow" in (tmp_path / "smoke-test.log").read_text()


@pytest.mark.parametrize(
    ("payload", "count"),
    [
        ({"dataframe_split": {"columns": ["x"], "data": [[1], [2]]}}, 2),
        ({"dataframe_records": [{"x": 1}]}, 1),
        ({"instances": [[1], [2], [3]]}, 3),
        ({"inputs": {"x": [1, 2]}}, 2),
        ({"messages": []}, 0),
        ([1], 0),
    ],
)
def test_rows_of_a_request(payload: Any, count: int) -> None:
    assert serving_rows(payload) == count


def test_a_model_without_files_cannot_be_loaded(make_server: MakeServer, tmp_path: Path) -> None:
    server, name = make_server(), fresh_name()
    seed(server.store_uri, {name: [Spec()]})
    version = Registry(connect(server.url)).version(name, 1)
    checked = smoke_test(SmokeTest(python=sys.executable), version, server.url, tmp_path)
    assert not checked.passed
    assert checked.reason.startswith("it cannot be loaded: ")


def test_an_input_that_is_not_there_is_bad_usage(make_server: MakeServer, run_cli: RunCli) -> None:
    server, name = make_server(), fresh_name()
    seed(server.store_uri, {name: [Spec()]})
    env = {"MLOPS__PROMOTE__SMOKE_TEST__INPUT": "nowhere.csv"}
    done = run_cli("promote", "--model", name, "--tracking-uri", server.url, env=env)
    assert done.code == 2
    assert "the smoke test's input nowhere.csv does not exist here" in done.stderr


@pytest.fixture(scope="module")
def bare_python(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A Python without MLflow."""
    folder = tmp_path_factory.mktemp("bare")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    return str(folder / "bin" / "python")


@pytest.mark.parametrize(
    ("named", "reason"),
    [
        ("/no/python", "the smoke test's Python /no/python cannot be started here"),
        ("bare", "has no MLflow: No module named 'mlflow'"),
    ],
)
def test_a_python_that_cannot_test_is_bad_usage(
    named: str, reason: str, make_server: MakeServer, run_cli: RunCli, bare_python: str
) -> None:
    """The model is not to blame."""
    server, name = make_server(), fresh_name()
    seed(server.store_uri, {name: [Spec()]})
    env = {"MLOPS__PROMOTE__SMOKE_TEST__PYTHON": bare_python if named == "bare" else named}
    done = run_cli("promote", "--model", name, "--tracking-uri", server.url, "--output=json", env=env)
    assert (done.code, done.doc["status"]) == (2, "error"), done.stderr
    assert reason in done.doc["message"]
    assert "promote.smoke_test.python" in done.doc["error"]["next_step"]


def test_a_promotion_tells_of_its_smoke_test(make_server: MakeServer, run_cli: RunCli) -> None:
    server = make_server()
    name = logged(server, "fine")
    env = {"MLOPS__PROMOTE__SMOKE_TEST__PYTHON": sys.executable}
    done = run_cli("promote", "--model", name, "--tracking-uri", server.url, "--output=json", env=env)
    assert (done.code, done.doc["status"]) == (0, "promoted"), done.stderr
    assert done.doc["smoke_test"]["passed"] is True
    assert "smoke test: predicted 3 rows, between 0.5 and 0.5" in done.stderr
