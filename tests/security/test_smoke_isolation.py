"""What a model that somebody registered gets to see when it is tried: its own files, and nothing of the account's."""

from __future__ import annotations

import ctypes
import json
import os
import sys
import tempfile
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any, ClassVar

import mlflow
import pandas as pd
import pytest
from conftest import MakeServer
from hypothesis import given, strategies as st
from jenkins_mlflow.config import schema
from jenkins_mlflow.config.promote import SmokeTest
from jenkins_mlflow.errors import ConfigError
from jenkins_mlflow.promotion.model_code import code_in, code_on_loading
from jenkins_mlflow.promotion.smoke_runner import foreign_host
from jenkins_mlflow.promotion.smoke_test import KEPT_VARIABLES, judge, read_answer, smoke_test
from jenkins_mlflow.registry import connection
from jenkins_mlflow.registry.client import Registry
from jenkins_mlflow.registry.connection import connect
from jenkins_mlflow.registry.mlflow_client import open_client
from jenkins_mlflow.registry.reading import FilesUnknown
from jenkins_mlflow.registry.version import Version
from jenkins_mlflow.secrecy import hide_process
from mlflow.pyfunc.model import PythonModel
from support.seeding import fresh_name
from support.servers import Server

FRAME = pd.DataFrame({"x": [1.0, 2.0, 3.0]})
SECRET = "s3cret-of-the-promoting-account"
pytestmark = pytest.mark.filterwarnings(
    "ignore::UserWarning", "ignore::DeprecationWarning", "ignore::FutureWarning"
)


def spy(notes: str) -> PythonModel:
    """A model that looks around when it is loaded; its class is local, so that it travels with the model."""

    class Spy(PythonModel):
        def load_context(self, context: Any) -> None:
            import json
            import os
            import pathlib
            import sys

            seen: dict[str, Any] = {"environ": dict(os.environ), "argv": sys.argv, "path": sys.path}
            seen["open"] = [str(fd.resolve()) for fd in pathlib.Path("/proc/self/fd").iterdir()]
            pathlib.Path(notes).write_text(json.dumps(seen))

        def predict(self, context: Any, model_input: pd.DataFrame, params: Any = None) -> Any:
            return [0.5] * len(model_input)

    return Spy()


def registered(server: Server, model: PythonModel) -> Version:
    name = fresh_name()
    mlflow.set_tracking_uri(server.url)
    try:
        with mlflow.start_run():
            mlflow.pyfunc.log_model(
                name="model", python_model=model, registered_model_name=name, pip_requirements=[]
            )
    finally:
        mlflow.set_tracking_uri(None)  # type: ignore[arg-type]
    return Registry(connect(server.url)).version(name, 1)


@pytest.fixture
def source(tmp_path: Path) -> str:
    path = tmp_path / "smoke.csv"
    FRAME.to_csv(path, index=False)
    return str(path)


def test_a_model_sees_nothing_of_the_account_that_promotes_it(
    make_server: MakeServer, tmp_path: Path, source: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither login nor token, not even the server's address, no file that its parent has open."""
    server = make_server()
    notes = tmp_path / "notes.json"
    version = registered(server, spy(str(notes)))
    for name in ("MLFLOW_TRACKING_TOKEN", "AWS_SECRET_ACCESS_KEY", "JENKINS_TOKEN", "HF_HOME", "BUILD_TAG"):
        monkeypatch.setenv(name, SECRET)
    monkeypatch.setenv("HF_TOKEN", "asked for")
    with (tmp_path / "open").open("w") as held:
        os.set_inheritable(held.fileno(), True)
        rules = SmokeTest(python=sys.executable, input=source, pass_env=("HF_TOKEN", "NOT_THERE"))
        checked = smoke_test(rules, version, server.url, tmp_path / "report")
    assert (checked.passed, checked.reason) == (True, "predicted 3 rows, between 0.5 and 0.5")
    seen = json.loads(notes.read_text())
    assert SECRET not in notes.read_text()
    assert server.url not in json.dumps([seen["environ"], seen["argv"]])
    assert str(held.name) not in seen["open"]
    assert seen["environ"]["HF_TOKEN"] == "asked for"
    names = {name for name in seen["environ"] if "MLFLOW_" not in name}  # it sets some itself
    assert names <= {*KEPT_VARIABLES, "HF_TOKEN"}
    package = Path(sys.modules[smoke_test.__module__].__file__ or "").parent
    assert str(package) not in seen["path"]  # our `plan` or `apply` is not what a model means by that


def test_a_model_without_pickles_is_asked_for(make_server: MakeServer, tmp_path: Path, source: str) -> None:
    """`refuse_code` looks at the model's description, before any of its code is run."""
    server = make_server()
    notes = tmp_path / "notes.json"
    version = registered(server, spy(str(notes)))
    rules = SmokeTest(python=sys.executable, input=source, refuse_code=True)
    checked = smoke_test(rules, version, server.url, tmp_path / "report")
    assert (checked.passed, checked.reason) == (
        False,
        "loading its flavor mlflow.pyfunc.model runs code, and promote.smoke_test.refuse_code is set",
    )
    assert not notes.exists()


FLAVOR: dict[str, Any] = {"loader_module": "mlflow.xgboost"}


@pytest.mark.parametrize(
    ("described", "code"),
    [
        ({"flavors": {"python_function": FLAVOR, "xgboost": {"model_class": "xgboost.core.Booster"}}}, ""),
        ({"flavors": {"python_function": FLAVOR, "xgboost": {}}}, ""),
        ({"flavors": {"python_function": FLAVOR, "xgboost": {"model_class": "os.abort"}}}, "os.abort"),
        ({"flavors": {"python_function": FLAVOR, "xgboost": {"model_class": ["x"]}}}, "model_class"),
        ({"flavors": {"python_function": {**FLAVOR, "code": "code"}, "xgboost": {}}}, "code"),
        ({"flavors": {"python_function": {**FLAVOR, "model_code_path": "a.py"}}}, "model_code_path"),
        ({"flavors": {"python_function": {"loader_module": "mlflow.onnx"}}}, ""),
        ({"flavors": {"python_function": {"loader_module": "mlflow.sklearn"}}}, "mlflow.sklearn"),
        ({"flavors": {"python_function": {"loader_module": "mymodule"}}}, "mymodule"),
        ({"flavors": {"python_function": {"loader_module": ["mlflow.onnx"]}}}, "no flavor"),
        ({"flavors": {"python_function": "x"}}, "no flavor that can be read"),
        ({"flavors": []}, "no flavor that can be read"),
        ("flavors", "no flavor that can be read"),
        (None, "no flavor that can be read"),
    ],
)
def test_what_runs_code_on_loading(described: object, code: str) -> None:
    """Only flavors whose files are data pass; whatever cannot be read does not."""
    found = code_in(described)
    assert code in found
    assert bool(found) == bool(code)


DATA_ONLY = "flavors: {python_function: {loader_module: mlflow.onnx}}\n"
DOUBLED = "a0: &a0 [x]\n" + "".join(
    f"a{number}: &a{number} [*a{number - 1}, *a{number - 1}]\n" for number in range(1, 25)
)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (DATA_ONLY, ""),
        (
            f"{DATA_ONLY}#{'x' * 1_000_000}\nflavors: {{python_function: {{loader_module: mlflow.pyfunc.model}}}}\n",
            "its MLmodel is longer than 1,000,000 characters",
        ),
        (
            DOUBLED
            + "flavors: {python_function: {loader_module: mlflow.xgboost}, xgboost: {model_class: *a24}}\n",
            "its MLmodel names no flavor that can be read",
        ),
        ("a: !!int x\n", "its MLmodel names no flavor that can be read"),
        ("a: !!timestamp x\n", "its MLmodel names no flavor that can be read"),
        ("[" * 100_000, "its MLmodel names no flavor that can be read"),
    ],
    ids=["data", "longer than what is read", "doubled 24 times", "no number", "no time", "deep"],
)
def test_a_description_is_read_whole_and_without_end_of_memory(text: str, why: str, tmp_path: Path) -> None:
    """MLflow reads all of it: what follows the part that was looked at would count."""
    (tmp_path / "MLmodel").write_text(text, encoding="utf-8")
    assert code_on_loading(tmp_path) == why


def test_code_is_not_refused_and_installed_at_once(tmp_path: Path) -> None:
    """An environment is made of packages that the model names: installing them runs code."""
    (tmp_path / "mlops.yaml").write_text(
        "promote: {smoke_test: {refuse_code: true, env_manager: uv}}\n", encoding="utf-8"
    )
    with pytest.raises(ConfigError, match="refuse_code"):
        schema.load(tmp_path / "mlops.yaml", {}, {})


@pytest.mark.parametrize(
    ("where", "host"),
    [
        ("mlflow-artifacts:/1/a/artifacts", ""),
        ("s3://bucket/1/a", ""),
        ("file:///srv/mlruns/1", ""),
        ("models:/m-1", ""),
        ("http://mlflow.example:5000/api/2.0/x", ""),
        ("mlflow-artifacts://mlflow.example:5000/1", ""),
        ("mlflow-artifacts://evil.example:5000/1", "evil.example:5000"),
        ("MLFLOW-ARTIFACTS://evil.example/1", "evil.example"),
        ("http://mlflow.example:6000/1", "mlflow.example:6000"),
        ("https://mlflow.example:5000@evil.example/1", "evil.example"),
        ("http://[", "http://["),
        ("https://mlflow.example:5000/1", "https://mlflow.example:5000"),
        ("http://evil.example\\@mlflow.example:5000/1", "http://evil.example\\@mlflow.example:5000/1"),
        ("abfss://fs@team.dfs.core.windows.net/1/a", ""),
        ("abfss://fs@team.privatelink.dfs.core.windows.net/1/a", ""),
        ("ABFSS://fs@Team.dfs.core.usgovcloudapi.net/1/a", ""),
        ("abfss://fs@team.dfs.core.chinacloudapi.cn/1/a", ""),
        ("abfss://workspace@onelake.dfs.fabric.microsoft.com/1/a", ""),
        ("wasbs://fs@team.z07.blob.storage.azure.net/1/a", ""),
        ("wasbs://fs@team.blob.core.windows.net/1/a", ""),
        ("abfss://fs@team.evil.example/1/a", "team.evil.example"),
        ("abfss://fs@team.evil.example:443/1/a", "team.evil.example:443"),
        ("abfss://fs@team.dfs.core.windows.net.evil.example/1", "team.dfs.core.windows.net.evil.example"),
        ("abfss://fs@team.evildfs.core.windows.net/1", "team.evildfs.core.windows.net"),
        ("abfss://team.dfs.core.windows.net@evil.example/1", "evil.example"),
        ("abfss://fs@evil.example%23.dfs.core.windows.net/1", "evil.example%23.dfs.core.windows.net"),
        ("wasbs://fs@team.blob.evil.example/1", "team.blob.evil.example"),
        ("abfss:///1/a", "abfss:///1/a"),
    ],
)
def test_the_login_goes_to_the_tracking_server_alone(where: str, host: str) -> None:
    """A version's source may name any host, and MLflow would send the login there."""
    for decide in (foreign_host, connection.foreign_host):
        assert decide(where, "http://ada:pw@mlflow.example:5000") == host


KEYS = st.text() | st.sampled_from(
    ["flavors", "python_function", "loader_module", "code", "error", "model", "values", "rows_in", "least"]
)


class Listener(BaseHTTPRequestHandler):
    """A host that somebody wants the login sent to."""

    heard: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        self.heard.append(f"{self.path} {self.headers.get('Authorization')}")
        self.send_error(404)

    do_PUT = do_GET  # noqa: N815  named by the base class

    def log_message(self, *args: object) -> None:
        """Keep quiet."""


def names_host(client: mlflow.MlflowClient, kind: str, host: str) -> str:
    """A source that leads to a host: by its own address, or by that of a run whose experiment lies there."""
    scheme = kind.partition("runs at ")[2] or kind
    place = f"{scheme}://{'fs@' if scheme == 'abfss' else ''}{host}/1"
    if kind == scheme:
        return f"{place}/a/artifacts/model"
    experiment = client.create_experiment(f"at {host}", artifact_location=place)
    return f"runs:/{client.create_run(experiment).info.run_id}/model"


@pytest.mark.parametrize(
    "kind", ["mlflow-artifacts", "http", "abfss", "runs at mlflow-artifacts", "runs at abfss"]
)
def test_no_login_is_sent_where_a_source_points(
    kind: str, make_server: MakeServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever may register a version may name any host as its source: neither smoke test nor rollback goes there."""
    server, name = make_server(), fresh_name()
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "promoter")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", SECRET)
    with HTTPServer(("127.0.0.1", 0), Listener) as other:
        threading.Thread(target=other.serve_forever, daemon=True).start()
        host = f"127.0.0.1:{other.server_port}"
        client = mlflow.MlflowClient(server.store_uri, server.store_uri)  # 3.17 refuses it, 2.22 does not
        client.create_registered_model(name)
        client.create_model_version(name, source=names_host(client, kind, host))
        registry = Registry(connect(server.url))
        checked = smoke_test(
            SmokeTest(python=sys.executable), registry.version(name, 1), server.url, tmp_path
        )
        with pytest.raises(FilesUnknown) as unknown:
            registry.has_files(name, 1)
        other.shutdown()
    assert Listener.heard == []
    assert (checked.passed, checked.reason) == (
        False,
        f"its files are on another host than the tracking server, {host}: not fetched",
    )
    assert str(unknown.value) == f"its files are on another host, {host}, and the login is not sent there"


def test_no_login_is_sent_where_the_experiment_of_the_history_lies(
    make_server: MakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever makes it first says where its files are; `doctor --probe` and the results of commands go there."""
    server = make_server()
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "promoter")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", SECRET)
    with HTTPServer(("127.0.0.1", 0), Listener) as other:
        threading.Thread(target=other.serve_forever, daemon=True).start()
        host = f"127.0.0.1:{other.server_port}"
        client = mlflow.MlflowClient(server.store_uri, server.store_uri)
        source = names_host(client, "runs at mlflow-artifacts", host)
        with pytest.raises(Exception, match="the login is not sent there"):
            open_client(server.url).log_text(source.split("/")[1], "x", "probe.txt")
        other.shutdown()
    assert Listener.heard == []


class Trap:
    """What a model may leave where its result is expected."""

    @staticmethod
    def pipe(path: Path) -> None:
        os.mkfifo(path)

    @staticmethod
    def link(path: Path) -> None:
        target = path.with_name("target")
        target.write_text('{"error": "read through a link"}')
        path.symlink_to(target)

    @staticmethod
    def folder(path: Path) -> None:
        path.mkdir()


@pytest.mark.parametrize("make_trap", [Trap.pipe, Trap.link, Trap.folder])
def test_a_result_that_is_no_file_is_not_read(make_trap: Any, tmp_path: Path) -> None:
    make_trap(tmp_path / "result.json")
    assert read_answer(tmp_path / "result.json") == {"error": "it left a result that cannot be read"}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "[]",
        "[" * 100_000,
        '{"error": 3}',
        '{"values": 1}',
        '{"error": "x", "more": 1}',
        '{"rows_in":1,"rows_out":1,"values":1,"missing":0,"infinite":0,"numbers":1,"least":NaN,"most":1.0}',
        '{"rows_in":1,"rows_out":1,"values":"1","missing":0,"infinite":0,"numbers":1,"least":1.0,"most":1.0}',
        '{"error": "' + "x" * 200_000 + '"}',
    ],
)
def test_a_result_of_another_form_is_not_believed(text: str, tmp_path: Path) -> None:
    """It is what the model's process wrote: no type of it is taken for granted, nor its size."""
    (tmp_path / "result.json").write_text(text)
    assert read_answer(tmp_path / "result.json") == {"error": "it left a result that cannot be read"}


ANYTHING: Any = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(KEYS, inner),
)


@given(ANYTHING)
def test_any_description_of_a_model_is_judged(described: object) -> None:
    """Nothing passes as data only but what names one of four flavors."""
    assert code_in(described) or "loader_module" in repr(described)


@given(ANYTHING.map(json.dumps) | st.text(alphabet=st.characters(exclude_categories=["Cs"])))
def test_any_result_is_read_or_refused(text: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "result.json")
        path.write_text(text, encoding="utf-8")
        answer = read_answer(path)
    assert "error" in answer or "model" in answer or "values" in answer
    assert isinstance(judge(SmokeTest(), answer), str)


def test_no_result_is_no_answer(tmp_path: Path) -> None:
    assert read_answer(tmp_path / "result.json") == {}


@pytest.mark.skipif(sys.platform != "linux", reason="Linux only")
@pytest.mark.parametrize("hidden", [False, True])
def test_a_hidden_process_is_closed_to_its_users_other_processes(hidden: bool) -> None:
    """A child of the same user reads its parent's environment, unless the parent is hidden."""
    watched = os.fork()
    if watched == 0:
        if os.geteuid() == 0:  # root reads everything
            os.setgid(65534)
            os.setuid(65534)
        ctypes.CDLL(None).prctl(4, 1, 0, 0, 0)  # a change of user has hidden it already
        if hidden:
            hide_process()
        parent = os.getpid()
        reader = os.fork()
        if reader == 0:
            ctypes.CDLL(None).prctl(4, 1, 0, 0, 0)
            try:
                Path(f"/proc/{parent}/environ").read_bytes()
                list(Path(f"/proc/{parent}/fd").iterdir())
            except PermissionError:
                os._exit(13)
            os._exit(0)
        os._exit(os.waitstatus_to_exitcode(os.waitpid(reader, 0)[1]))
    assert os.waitstatus_to_exitcode(os.waitpid(watched, 0)[1]) == (13 if hidden else 0)
