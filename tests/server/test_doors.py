"""Trouble and hostile answers through either door, and what only the http door has to withstand.

What both doors have in common is in ``test_contract.py``.
"""

from __future__ import annotations

import contextlib
import json
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from conftest import MakeServer
from jenkins_mlflow.errors import ConnectionFailed, RegistryError, UsageError
from jenkins_mlflow.registry import quick_connections
from jenkins_mlflow.registry.choice import Choice, choose_door
from jenkins_mlflow.registry.client import Registry
from jenkins_mlflow.registry.connection import connect
from jenkins_mlflow.registry.door_types import Page
from jenkins_mlflow.registry.faults import ErrorAnswer, classify
from jenkins_mlflow.registry.files import Files
from jenkins_mlflow.registry.http import HttpDoor
from jenkins_mlflow.registry.reading import FilesUnknown
from jenkins_mlflow.registry.storage import OutOfReach
from jenkins_mlflow.registry.version import Run
from support.certificates import make_certificates, server_context
from support.doors import DOORS, ONCE, fault, through
from support.proxy import Answer, CountingProxy, Fault as Breakage, drop_after, drop_before, respond
from support.seeding import Spec, seed
from support.servers import Server, clean_environ


def limited(status: int) -> Breakage:
    """An MLflow error with a Retry-After header."""
    body = json.dumps({"error_code": "REQUEST_LIMIT_EXCEEDED", "message": "slow down"}).encode()
    answer = Answer(status, body, (("Content-Type", "application/json"), ("Retry-After", "7")))
    return lambda request, send: answer


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize(
    "breakage",
    [limited(429), limited(503), respond(503, "<html>busy</html>"), respond(500, "<html>bug</html>"),
     respond(502), drop_before, drop_after, respond(200, "<html>please log in</html>")],
    ids=["429", "503", "503-html", "500", "502", "lost", "answer-lost", "html"],
)  # fmt: skip
def test_trouble_looks_the_same(
    breakage: Breakage,
    method: str,
    make_server: MakeServer,
    make_proxy: Callable[[Server], CountingProxy],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Status, body, Retry-After and lost connections are the same fault through both doors."""
    server = make_server()
    seed(server.store_uri, {"trouble": [Spec()]}, "trouble")
    call: Callable[[Registry], object] = (
        (lambda r: r.connection.door.model("trouble"))
        if method == "GET"
        else (lambda r: r.tag_model("trouble", "k", "v"))
    )
    found = {}
    for door in DOORS:
        proxy = make_proxy(server)
        proxy.inject(breakage, method=method)
        found[door] = fault(call, through(door, proxy.url, monkeypatch))
        assert len(proxy.requests) == 1
    http, store = found["http"], found["store"]
    assert http is not None
    assert store is not None
    lost = "connection lost: "
    if http.summary.startswith(lost) and store.summary.startswith(lost):  # MLflow's client adds its own words
        store = replace(store, summary=http.summary)
    assert http == store


def page(**fields: Any) -> Breakage:
    return respond(200, json.dumps(fields), "application/json")


HOSTILE: dict[str, tuple[Breakage, str]] = {
    "html": (respond(200, "<html>"), "the answer was not JSON (is this address an MLflow server?)"),
    "truncated": (
        respond(200, '{"registered_models": [{"name": "m"'),
        "the answer was not JSON (is this address an MLflow server?)",
    ),
    "no object": (
        respond(200, "[]"),
        "the answer does not fit MLflow's REST API: Expected `object`, got `array`",
    ),
    "no list": (
        page(registered_models="many"),
        "the answer does not fit MLflow's REST API: Expected `array`, got `str` - at `$.registered_models`",
    ),
    "no name": (
        page(registered_models=[{"name": 7}]),
        "the answer does not fit MLflow's REST API: Expected `str`, got `int` - at `$.registered_models[0].name`",
    ),
    "no number": (
        page(registered_models=[{"name": "m", "aliases": [{"alias": "a", "version": "x"}]}]),
        ("the answer does not fit MLflow's REST API: Expected `int`, got `str` - at "
        "`$.registered_models[0].aliases[0].version`"),
    ),
    "empty": (respond(200), "the answer was empty (is this address an MLflow server?)"),
    "foreign": (
        page(message="down for maintenance"),
        "the answer does not fit MLflow's REST API: it has none of registered_models, next_page_token",
    ),
    "100 MB": (respond(200, " " * 100_000_000), "the answer is larger than 64 MB"),
}  # fmt: skip


@pytest.mark.parametrize("what", HOSTILE)
def test_hostile_answers(
    what: str,
    make_server: MakeServer,
    make_proxy: Callable[[Server], CountingProxy],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One clear error each, after one request; a page that is too large is asked for in smaller ones first."""
    breakage, reason = HOSTILE[what]
    proxy = make_proxy(make_server())
    proxy.inject(breakage)
    with pytest.raises(ConnectionFailed) as caught:
        through("http", proxy.url, monkeypatch).snapshot(["*"])
    assert caught.value.message == f"reading the registry: no usable answer from {proxy.url}: {reason}"
    assert len(proxy.requests) == (6 if what == "100 MB" else 1)


def test_a_page_that_is_not_found_is_no_missing_tag(
    make_server: MakeServer,
    make_proxy: Callable[[Server], CountingProxy],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Only MLflow's own 404 says that something is gone; a wrong address or a proxy answers with a page."""
    proxy = make_proxy(make_server())
    proxy.inject(respond(404, "<html>no such page</html>"))
    registry = through("http", proxy.url, monkeypatch)
    with pytest.raises(ErrorAnswer) as caught:
        registry.untag_model("m", "k")
    assert registry.translate("removing a tag", caught.value).message == (
        "removing a tag: HTTP 404 from the server (is this address an MLflow server?)"
    )


@pytest.mark.parametrize("door", DOORS)
def test_pages_without_end(
    door: str,
    make_server: MakeServer,
    make_proxy: Callable[[Server], CountingProxy],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A token that repeats is an error after the second page."""
    proxy = make_proxy(make_server())
    proxy.inject(page(registered_models=[{"name": "m"}], next_page_token="again"))
    with pytest.raises(RegistryError) as caught:
        through(door, proxy.url, monkeypatch).snapshot(["*"])
    assert caught.value.message == "reading the registry: the server repeats a page, so its search never ends"
    assert len(proxy.requests) == 2


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_no_redirect_is_followed(
    status: int,
    make_server: MakeServer,
    make_proxy: Callable[[Server], CountingProxy],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Neither the login nor a write reaches the other host, and the message names it without its query."""
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "hunter2")
    proxy, elsewhere = make_proxy(make_server()), make_proxy(make_server())
    answer = Answer(status, b"", (("Location", f"{elsewhere.url}/login?state=secret"),))
    proxy.inject(lambda request, send: answer)
    registry = through("http", proxy.url, monkeypatch)
    for call in (lambda: registry.snapshot(["*"]), lambda: registry.tag_model("m", "k", "v")):
        with pytest.raises((RegistryError, ErrorAnswer)) as caught:
            call()
        error = registry.translate("reading the registry", caught.value)
        assert error.message == (
            f"reading the registry: {proxy.url} answers HTTP {status} from the server, which redirects to "
            f"{elsewhere.url}/login"
        )
    assert elsewhere.requests == ()


def test_a_promotion_against_a_hostile_server_writes_nothing(
    make_server: MakeServer, make_proxy: Callable[[Server], CountingProxy], tmp_path: Path
) -> None:
    """Every command that changes something reads first, and what it reads must make sense."""
    proxy = make_proxy(make_server())
    body = json.dumps({"registered_models": [{"name": "m", "aliases": "none"}]}).encode()
    answer = Answer(200, body, (("Date", "Sat, 29 Feb 2020 12:00:00 GMT"),))
    proxy.inject(lambda request, send: answer)
    for command in (["promote", "--model", "m"], ["cleanup", "--yes"], ["rollback", "--model", "m"]):
        done = run_watched([*command, "--tracking-uri", proxy.url], tmp_path)
        assert done.returncode == 1
        assert "the answer does not fit MLflow's REST API: Expected `array`, got `str`" in done.stderr
    assert {request.method for request in proxy.requests} == {"GET"}


WATCHED = """
import sys
from jenkins_mlflow.cli.main import run
code = run(sys.argv[2:])
assert sys.argv[1] not in sys.modules, f"{sys.argv[1]} was imported"
sys.exit(code)
"""


def run_watched(
    arguments: list[str], folder: Path, without: str = "mlflow"
) -> subprocess.CompletedProcess[str]:
    """Run the command as a process that fails if it imports a module."""
    return subprocess.run(
        [sys.executable, "-c", WATCHED, without, *arguments],
        cwd=folder,
        env=clean_environ(),
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(("arguments", "code"), [(["--help"], 0), (["promot"], 2)])
def test_help_and_mistakes_need_no_schema(arguments: list[str], code: int, tmp_path: Path) -> None:
    """The config's schema, which pydantic builds, takes longer than all the rest."""
    done = run_watched(arguments, tmp_path, without="pydantic")
    assert (done.returncode, "Traceback" in done.stderr) == (code, False), done.stderr


class Counting:
    """A door that takes so many run ids in one request; ``asked`` is how many it was asked for."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.asked: list[int] = []

    def experiments(self, *, limit: int, page_token: str) -> Page[str]:
        return Page.of(["1"], "")

    def runs(self, experiments: object, run_ids: list[str]) -> list[Run]:
        self.asked.append(len(run_ids))
        if len(run_ids) > self.most:
            raise ErrorAnswer(400, b'{"error_code": "INVALID_PARAMETER_VALUE", "message": "too many"}', {})
        return [Run(run_id) for run_id in run_ids]


def test_runs_by_as_many_ids_as_the_server_takes() -> None:
    """A refusal halves the request, for the following ones too; no run is lost."""
    door = Counting(most=1500)
    registry = Registry(replace(connect("http://127.0.0.1:9"), door=door), ONCE)  # type: ignore[arg-type]
    ids = [f"r{number:04}" for number in range(6000)]
    assert list(registry._runs(ids)) == ids
    assert set(door.asked) == {2250, 1125, 375}
    assert door.asked.count(2250) <= 2, "none is as large again"
    door.most = 0
    with pytest.raises(
        RegistryError, match=r"^reading the runs of the versions: INVALID_PARAMETER_VALUE: too many$"
    ):
        registry._runs(["r1", "r2"])
    assert door.asked[-2:] == [2, 1]


@pytest.mark.parametrize(
    ("uri", "environ", "choice"),
    [
        ("http://mlflow:5000", {}, Choice("http")),
        ("https://mlflow/prefix", {}, Choice("http")),
        ("sqlite:///m.db", {}, Choice("store", "a database or a folder is opened directly")),
        ("mlruns", {}, Choice("store", "a database or a folder is opened directly")),
        *(  # that of the method `file-store`, say, whichever door leads to the server
            (
                "mlruns",
                {"JENKINS_MLFLOW_DOOR": door},
                Choice("store", "a database or a folder is opened directly"),
            )
            for door in ("http", "store")
        ),
        ("http://m", {"JENKINS_MLFLOW_DOOR": "store"}, Choice("store", "JENKINS_MLFLOW_DOOR is store")),
        ("https://m", {"JENKINS_MLFLOW_DOOR": "http", "MLFLOW_TRACKING_AUTH": "x"}, Choice("http")),
        ("https://m", {"MLFLOW_TRACKING_AUTH": "x"}, Choice("store", "MLFLOW_TRACKING_AUTH names a plugin")),
        (
            "https://m",
            {"MLFLOW_TRACKING_AWS_SIGV4": "True"},
            Choice("store", "MLFLOW_TRACKING_AWS_SIGV4 is set"),
        ),
        ("https://m", {"MLFLOW_TRACKING_AWS_SIGV4": "false"}, Choice("http")),
        *(
            (f"https://a{domain}", {}, Choice("store", f"a{domain} is Databricks"))
            for domain in (
                ".cloud.databricks.com",
                ".cloud.databricks.us",
                ".1.azuredatabricks.net",
                ".1.azuredatabricks.us",
                ".databricks.azure.cn",
            )
        ),
    ],
)
def test_which_door(uri: str, environ: dict[str, str], choice: Choice) -> None:
    assert choose_door(uri, environ) == choice


def test_a_plugin_for_headers_needs_mlflows_client(monkeypatch: pytest.MonkeyPatch) -> None:
    class Plugin:
        name = "gateway"

    monkeypatch.setattr("importlib.metadata.entry_points", lambda group: [Plugin()])
    assert choose_door("http://m", {}) == Choice("store", "the plugin gateway adds headers to requests")


def test_no_such_door() -> None:
    with pytest.raises(UsageError) as caught:
        choose_door("http://m", {"JENKINS_MLFLOW_DOOR": "window"})
    assert caught.value.message == "JENKINS_MLFLOW_DOOR is 'window', which is not a way to open a registry"


class Recorder(ThreadingHTTPServer):
    """Answers every request with an empty page, and keeps path and headers of each."""

    daemon_threads = True

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        recorder = self
        self.seen: list[tuple[str, dict[str, str]]] = []

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                recorder.seen.append((self.path.partition("?")[0], dict(self.headers)))
                self.send_response(200)
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"{}")

            def log_message(self, *arguments: object) -> None:
                """Say nothing."""

        super().__init__(("127.0.0.1", 0), Handler)
        if context:
            self.socket = context.wrap_socket(self.socket, server_side=True)
        self.place = f"127.0.0.1:{self.server_address[1]}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that breaks a handshake off is what some tests are about."""


@contextlib.contextmanager
def recorder(context: ssl.SSLContext | None = None) -> Iterator[Recorder]:
    with Recorder(context) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def asked(uri: str, environ: dict[str, str], home: Path, door: str = "http") -> None:
    """One search for models."""
    HttpDoor(uri, {"HOME": str(home), **environ}, home).models("", limit=1, page_token="")


BASIC, SAVED = "Basic YWRhOnBhJHM=", "Basic YWRhOjUwJQ=="
SETTINGS: dict[str, tuple[dict[str, str], str | None]] = {
    "nothing": ({}, None),
    "user": ({"MLFLOW_TRACKING_USERNAME": "ada", "MLFLOW_TRACKING_PASSWORD": "pa$s"}, BASIC),
    "token": ({"MLFLOW_TRACKING_TOKEN": "t0ken"}, "Bearer t0ken"),
    "user and token": (
        {"MLFLOW_TRACKING_USERNAME": "ada", "MLFLOW_TRACKING_PASSWORD": "pa$s", "MLFLOW_TRACKING_TOKEN": "t"},
        BASIC,
    ),
    "user without password": ({"MLFLOW_TRACKING_USERNAME": "ada", "MLFLOW_TRACKING_TOKEN": "t"}, "Bearer t"),
}


@pytest.mark.parametrize("what", SETTINGS)
def test_logins(what: str, tmp_path: Path) -> None:
    environ, expected = SETTINGS[what]
    with recorder() as server:
        asked(f"http://{server.place}", environ, tmp_path)
    assert server.seen[0][1].get("Authorization") == expected


def test_saved_login_netrc_and_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A saved login is used; an address' own password wins over it, and a .netrc over all, as in MLflow."""
    saved = tmp_path / ".mlflow" / "credentials"
    saved.parent.mkdir()
    saved.write_text("[mlflow]\nmlflow_tracking_username = ada\nmlflow_tracking_password = 50%%\n")
    with recorder() as server:
        asked(f"http://{server.place}", {}, tmp_path)
        asked(f"http://ada:pa$s@{server.place}", {}, tmp_path)
        netrc = tmp_path / "netrc"
        netrc.write_text("machine 127.0.0.1 login net password rc\n")
        monkeypatch.setenv("NETRC", str(netrc))
        asked(f"http://{server.place}", {}, tmp_path)
    assert [headers["Authorization"] for _, headers in server.seen] == [SAVED, BASIC, "Basic bmV0OnJj"]


@pytest.mark.parametrize("what", ["user", "token"])
def test_a_login_that_was_given_wins_over_netrc(
    what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Jenkins gives it; the home is the workspace in many a container, and its .netrc whoever committed it."""
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login net password rc\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    environ, expected = SETTINGS[what]
    with recorder() as server:
        asked(f"http://{server.place}", environ, tmp_path)
        asked(f"http://ada:50%25@{server.place}", environ, tmp_path)
    assert [headers["Authorization"] for _, headers in server.seen] == [expected, SAVED]


def test_prefix_and_workspace(tmp_path: Path) -> None:
    with recorder() as server:
        asked(f"http://{server.place}/mlflow/", {"MLFLOW_WORKSPACE": " team "}, tmp_path)
    path, headers = server.seen[0]
    assert path == "/mlflow/api/2.0/mlflow/registered-models/search"
    assert headers["X-MLFLOW-WORKSPACE"] == "team"


def test_a_proxy_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with recorder() as server:
        monkeypatch.setenv("HTTP_PROXY", f"http://{server.place}")
        monkeypatch.setenv("http_proxy", f"http://{server.place}")
        monkeypatch.setenv("no_proxy", "")
        asked("http://mlflow.invalid", {}, tmp_path)
    assert server.seen[0][0] == "http://mlflow.invalid/api/2.0/mlflow/registered-models/search"


def test_a_connection_keeps_the_proxy_and_the_login_that_it_began_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The environment is read once for all requests, not again for each of them."""
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login net password rc\n")
    monkeypatch.setenv("NETRC", str(netrc))
    with recorder() as server, recorder() as other:
        door = HttpDoor(f"http://{server.place}", {}, tmp_path)
        netrc.write_text("machine 127.0.0.1 login other password other\n")
        monkeypatch.setenv("HTTP_PROXY", f"http://{other.place}")
        monkeypatch.setenv("http_proxy", f"http://{other.place}")
        monkeypatch.setenv("no_proxy", "")
        door.models("", limit=1, page_token="")
    assert [headers["Authorization"] for _, headers in server.seen] == ["Basic bmV0OnJj"]
    assert not other.seen


@pytest.mark.parametrize(
    ("environ", "message"),
    [
        (
            {"MLFLOW_TRACKING_TOKEN": "hunter2\n"},
            "MLFLOW_TRACKING_TOKEN has a line break or another character that an HTTP header cannot contain",
        ),
        ({"MLFLOW_TRACKING_INSECURE_TLS": "perhaps"}, "MLFLOW_TRACKING_INSECURE_TLS is 'perhaps'"),
        (
            {"MLFLOW_TRACKING_INSECURE_TLS": "true", "MLFLOW_TRACKING_SERVER_CERT_PATH": "ca.pem"},
            "MLFLOW_TRACKING_INSECURE_TLS and MLFLOW_TRACKING_SERVER_CERT_PATH exclude each other",
        ),
        ({"MLFLOW_HTTP_REQUEST_TIMEOUT": "soon"}, "MLFLOW_HTTP_REQUEST_TIMEOUT is 'soon'"),
    ],
)
def test_settings_that_cannot_be(environ: dict[str, str], message: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        HttpDoor("http://mlflow", environ, tmp_path)
    assert caught.value.message == message


@pytest.mark.parametrize("password", ["hunter2", "hun:ter2", "hun@ter2"])
def test_no_error_shows_a_password(password: str) -> None:
    """Neither the address nor what a library says about it; an unquoted @ belongs to the login."""
    registry = Registry(connect(f"http://ada:{password}@127.0.0.1:9"), ONCE)
    with pytest.raises(ConnectionFailed) as caught:
        registry.snapshot(["*"])
    assert caught.value.message == (
        "reading the registry: no usable answer from http://***@127.0.0.1:9: connection refused"
    )


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("mlflow_tracking_password = hunter2\n", "MissingSectionHeaderError"),
        ("[mlflow]\nmlflow_tracking_password = hunter2%\n", "InterpolationSyntaxError"),
    ],
)
def test_a_file_of_credentials_that_is_broken(text: str, error: str, tmp_path: Path) -> None:
    path = tmp_path / ".mlflow" / "credentials"
    path.parent.mkdir()
    path.write_text(text)
    with pytest.raises(UsageError) as caught:
        HttpDoor("http://mlflow", {}, tmp_path)
    assert caught.value.message == f"{path} cannot be read: {error}"


def test_tls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server with a CA of one's own, that asks for a client's certificate."""
    ca, client_certificate = make_certificates(tmp_path)
    both = {
        "MLFLOW_TRACKING_SERVER_CERT_PATH": str(ca),
        "MLFLOW_TRACKING_CLIENT_CERT_PATH": str(client_certificate),
    }
    insecure = {
        "MLFLOW_TRACKING_INSECURE_TLS": "true",
        "MLFLOW_TRACKING_CLIENT_CERT_PATH": str(client_certificate),
    }
    with recorder(server_context(ca, client_certificate)) as server:
        uri = f"https://{server.place}"
        with pytest.raises(Exception, match="certificate verify failed") as caught:
            asked(uri, {}, tmp_path)
        assert classify(caught.value).summary.startswith("TLS failed: ")
        assert not classify(caught.value).transient
        with pytest.raises(Exception, match=r"certificate required|EOF|reset|alert"):
            asked(uri, {"MLFLOW_TRACKING_SERVER_CERT_PATH": str(ca)}, tmp_path)
        assert server.seen == []
        asked(uri, both, tmp_path)
        with pytest.warns(match="Unverified HTTPS request"):
            asked(uri, insecure, tmp_path)
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(ca))
        asked(uri, {"MLFLOW_TRACKING_CLIENT_CERT_PATH": str(client_certificate)}, tmp_path)
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "nothing.pem"))
        asked(uri, both, tmp_path)
    assert len(server.seen) == 4


def test_each_answer_is_acknowledged_at_once(
    make_server: MakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On one kept connection, before every answer."""
    socks = []
    acknowledge = quick_connections._acknowledge_at_once

    def seen(sock: Any) -> None:
        socks.append(sock)
        acknowledge(sock)

    monkeypatch.setattr(quick_connections, "_acknowledge_at_once", seen)
    through("http", make_server().url, monkeypatch).snapshot(["none-of-them*"])
    assert len(socks) == 2
    assert socks[0] is socks[1] is not None


@pytest.mark.parametrize("door", ["http", "store"])
@pytest.mark.parametrize("scheme", ["mlflow-artifacts", "http"])
def test_the_login_goes_to_no_host_that_a_source_names(
    scheme: str, door: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A rollback looks whether a version's files are there, and anybody may have named their place."""
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "ada")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "pa$s")
    monkeypatch.setenv("JENKINS_MLFLOW_DOOR", door)
    with recorder() as other, recorder() as server:
        registry = Registry(connect(f"http://{server.place}"), ONCE)
        monkeypatch.setattr(registry, "storage_uri", lambda name, number: f"{scheme}://{other.place}/1/model")
        with pytest.raises(FilesUnknown) as caught:
            registry.has_files("m", 1)
        assert (
            str(caught.value)
            == f"its files are on another host, {other.place}, and the login is not sent there"
        )
    assert other.seen == []


@pytest.mark.parametrize("uri", ["runs:/0123/model", "models:/m-1", "models:/m/1", "mlflow-artifacts://{}/1"])
def test_mlflows_client_takes_no_login_to_another_server(uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has the environment's login, which is of the first server; runs and models are looked up with that, too."""
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "ada")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "pa$s")
    with recorder() as server:
        registry = Registry(connect(f"http://{server.place}", account={}), ONCE)
        where = uri.format(server.place)
        monkeypatch.setattr(registry, "storage_uri", lambda name, number: where)
        with pytest.raises(FilesUnknown, match="MLflow's client would send it the login of another server"):
            registry.has_files("m", 1)
        if where.startswith(("runs:", "models:")):
            with pytest.raises(OutOfReach, match="it has the login of another server"):
                Files(registry).listing(where)
    assert server.seen == []
