"""A server that cannot be reached, or gives no answer that ends: each message says why, and what a person can do."""

from __future__ import annotations

import base64
import socket
import ssl
import struct
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import MakeServer, RunCli
from jenkins_mlflow.errors import ConnectionFailed, JenkinsMlflowError, RegistryError, UsageError
from jenkins_mlflow.registry import quick_connections, rest, sending, timely_heads
from jenkins_mlflow.registry.asking import Asker
from jenkins_mlflow.registry.client import Registry
from jenkins_mlflow.registry.connection import connect
from jenkins_mlflow.registry.door_types import Page
from jenkins_mlflow.registry.faults import ErrorAnswer, UnusableAnswer
from jenkins_mlflow.registry.http import HttpDoor
from jenkins_mlflow.registry.retries import RetryPolicy
from jenkins_mlflow.registry.timely_heads import TimelyHead
from support.certificates import make_certificates, server_context
from support.scripted import Talk, answer, scripted
from support.seeding import Spec, seed
from support.servers import Store

ONCE = RetryPolicy(attempts=1)
CA, CLIENT = "MLFLOW_TRACKING_SERVER_CERT_PATH", "MLFLOW_TRACKING_CLIENT_CERT_PATH"
PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")


@pytest.fixture(autouse=True)
def no_settings_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (CA, CLIENT, "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", *PROXIES, *map(str.lower, PROXIES)):
        monkeypatch.delenv(name, raising=False)


def said(uri: str) -> tuple[str, str]:
    """What is said of a search at this address: reason and next step."""
    with pytest.raises(JenkinsMlflowError) as caught:
        Registry(connect(uri), ONCE).names()
    error = caught.value
    return error.message.removeprefix(f"reading the registry: no usable answer from {uri}: "), error.next_step


FILES = (
    "MLFLOW_TRACKING_SERVER_CERT_PATH or REQUESTS_CA_BUNDLE is the file of the server's CA; "
    "MLFLOW_TRACKING_CLIENT_CERT_PATH is one file with the client's certificate and its key; all are PEM"
)


def test_why_tls_failed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A CA that is unknown or no CA, another name, no TLS at all, a certificate without its key."""
    ca, own = make_certificates(tmp_path)
    context = server_context(ca, own)
    context.verify_mode = ssl.CERT_NONE
    junk = tmp_path / "junk.pem"
    junk.write_text("no certificate")

    def shake(connection: socket.socket) -> None:
        context.wrap_socket(connection, server_side=True)

    with scripted(shake) as server:
        uri = f"https://{server.place}"
        assert said(uri) == (
            "TLS failed: certificate verify failed: self-signed certificate in certificate chain",
            "set MLFLOW_TRACKING_SERVER_CERT_PATH or REQUESTS_CA_BUNDLE to the file of the CA that signed it",
        )
        monkeypatch.setenv(CA, str(junk))
        assert said(uri) == ("TLS failed: no certificate or crl found", FILES)
        monkeypatch.setenv(CA, str(ca))
        named = uri.replace("127.0.0.1", "localhost")
        assert said(named) == (
            "TLS failed: certificate verify failed: Hostname mismatch, certificate is not valid for 'localhost'.",
            "give the address by a name that the server's certificate has",
        )
        monkeypatch.setenv(CLIENT, str(ca))
        assert said(uri) == ("TLS failed: PEM lib", FILES)
        monkeypatch.delenv(CLIENT)
    with scripted(answer("HTTP/1.1 400 Bad Request")) as server:
        assert said(f"https://{server.place}") == (
            "TLS failed: wrong version number",
            "begin the address with http://, or with the port at which the server speaks TLS",
        )


def test_a_client_without_a_certificate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ca, own = make_certificates(tmp_path)
    context = server_context(ca, own)
    context.maximum_version = ssl.TLSVersion.TLSv1_2  # a later one tells the client after the handshake
    monkeypatch.setenv(CA, str(ca))

    def shake(connection: socket.socket) -> None:
        context.wrap_socket(connection, server_side=True)

    with scripted(shake) as server:
        assert said(f"https://{server.place}") == ("TLS failed: sslv3 alert handshake failure", FILES)


PROXY = "correct HTTP_PROXY or HTTPS_PROXY, or name the server in NO_PROXY if it needs no proxy"


def test_why_a_proxy_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody there, no such host, and one that wants a login; its own login is not shown."""
    refused = answer("HTTP/1.1 407 Proxy Authentication Required")
    with scripted(refused) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://ada:hunter2@{proxy.place}")
        assert said("https://mlflow.invalid") == (
            "the proxy cannot be used: Tunnel connection failed: 407 Proxy Authentication Required",
            PROXY,
        )
        monkeypatch.setenv("HTTP_PROXY", f"http://ada:hunter2@{proxy.place}")
        assert said("http://mlflow.invalid") == (
            "reading the registry: HTTP 407 from the proxy",
            PROXY,
        )
    monkeypatch.setenv("HTTPS_PROXY", "http://ada:hunter2@127.0.0.1:9")
    assert said("https://mlflow.invalid") == ("the proxy cannot be used: Connection refused", PROXY)
    monkeypatch.setenv("HTTPS_PROXY", "http://ada:hunter2@proxy.invalid:9")
    assert said("https://mlflow.invalid") == (
        "the proxy cannot be used: Name or service not known",
        PROXY,
    )


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_host_that_does_not_exist(scheme: str) -> None:
    assert said(f"{scheme}://mlflow.invalid") == (
        "the host's name cannot be resolved: Name or service not known",
        "check the name of the host in the address, and that this machine can resolve it",
    )


def test_a_connection_that_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    with scripted(lambda connection: connection.recv(65536)) as server:
        assert said(f"http://{server.place}") == (
            "connection lost: Remote end closed connection without response",
            "check that the MLflow server runs and is reachable from here, then run the command again",
        )


@pytest.mark.parametrize("location", ["http://elsewhere.invalid/login?state=secret", "http://[bad"])
def test_a_redirect_is_neither_followed_nor_read(location: str) -> None:
    """Its body may be endless, and its target no address; no more than the beginning is held in memory."""
    sent = 0

    def talk(connection: socket.socket) -> None:
        nonlocal sent
        connection.recv(65536)
        head = f"HTTP/1.1 302 Found\r\nLocation: {location}\r\nContent-Length: 100000000\r\n\r\n"
        connection.sendall(head.encode())
        for _ in range(100):
            sent += connection.send(b"x" * 1_000_000)

    with scripted(talk) as server:
        reason, next_step = said(f"http://{server.place}")
        assert reason == (
            f"reading the registry: http://{server.place} answers HTTP 302 from the server: {'x' * 199}…, which "
            f"redirects to {location.partition('?')[0]}"
        )
    assert next_step == "give the server's own address, or log in where it asks for it"
    assert sent < 20_000_000  # what the system's buffers take


def test_a_socks_proxy_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """By the standard variables, where PySocks is installed."""
    asked = []

    def talk(connection: socket.socket) -> None:
        connection.recv(100)
        connection.sendall(b"\x05\x00")  # no login
        asked.append(connection.recv(100))
        connection.sendall(b"\x05\x00\x00\x01" + bytes(6))  # connected
        answer("HTTP/1.1 200 OK", b"{}")(connection)

    with scripted(talk) as proxy:
        monkeypatch.setenv("ALL_PROXY", f"socks5h://{proxy.place}")
        assert Registry(connect("http://mlflow.invalid"), ONCE).names() == []
    assert [request[5:-2] for request in asked] == [b"mlflow.invalid"]


@pytest.mark.parametrize(
    ("version", "store"), [("3.17.2", "sqlite"), ("3.3.2", "file"), ("2.22.4", "sqlite")]
)
def test_a_page_that_is_too_large_is_read_in_smaller_ones(
    version: str, store: Store, make_server: MakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server's token says where a page begins, not how long it is; nothing is left out or read twice."""
    server = make_server(version, store)
    names = [f"large-{number}" for number in range(3)]
    seed(server.url, {name: [Spec(tags={"long": "x" * 900})] * 5 for name in names}, "large pages")
    monkeypatch.setattr(sending, "LARGEST_ANSWER", 5000)
    found = Registry(connect(server.url), ONCE).snapshot(["large-*"])
    assert [version.label for version in found.versions()] == [
        f"{name} version {number}" for name in names for number in range(5, 0, -1)
    ]
    monkeypatch.setattr(sending, "LARGEST_ANSWER", 500)
    with pytest.raises(ConnectionFailed, match="the answer is larger than"):
        Registry(connect(server.url), ONCE).snapshot(["large-*"])


def test_a_page_that_a_gateway_refuses_is_read_in_smaller_ones() -> None:
    limits = []

    def search(*, limit: int, page_token: str) -> Page[int]:
        limits.append(limit)
        if limit > 3:
            raise ErrorAnswer(413, b"", {})
        start = int(page_token or 0)
        return Page.of(list(range(start, start + limit)), str(start + limit) if start < 9 else "")

    asker = Asker(connect("http://127.0.0.1:9"), ONCE)
    assert list(asker.pages("numbers", search, limit=10)) == list(range(12))
    assert limits == [10, 3, 3, 3, 3]


def old_server(connection: socket.socket) -> None:
    """One with logins, before 3.12: it knows no `users/current`, and an administrator named ada."""
    head = connection.recv(65536).decode()
    if "/users/get?username=ada " in head:
        answer("HTTP/1.1 200 OK", b'{"user": {"username": "ada", "is_admin": true}}', read=False)(connection)
    elif "/users/get" in head:
        answer("HTTP/1.1 403 Forbidden", b"Permission denied", read=False)(connection)
    else:
        answer("HTTP/1.1 404 Not Found", b"<html>", read=False)(connection)


@pytest.mark.parametrize("where", ["address", "environment", "saved", "netrc", "token", "nobody"])
def test_who_an_account_is_on_a_server_before_3_12(
    where: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the login that is sent, wherever it is from; a token names nobody."""
    environ, login = {}, "ada:pa$s@" if where == "address" else ""
    if where == "environment":
        environ = {"MLFLOW_TRACKING_USERNAME": "ada", "MLFLOW_TRACKING_PASSWORD": "pa$s"}
    if where == "token":
        environ = {"MLFLOW_TRACKING_TOKEN": "t0ken", "MLFLOW_TRACKING_USERNAME": "ada"}
    if where in ("saved", "netrc"):
        (tmp_path / ".mlflow").mkdir()
        user = "ada" if where == "saved" else "another"
        text = f"[mlflow]\nmlflow_tracking_username = {user}\nmlflow_tracking_password = pass\n"
        (tmp_path / ".mlflow" / "credentials").write_text(text)
    if where == "netrc":
        (tmp_path / "netrc").write_text("machine 127.0.0.1 login ada password pass\n")
        monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    with scripted(old_server) as server:
        door = HttpDoor(f"http://{login}{server.place}", environ, tmp_path)
        assert door.sees_all() is (None if where in ("token", "nobody") else True)


def test_an_account_without_a_home(monkeypatch: pytest.MonkeyPatch) -> None:
    """OpenShift gives a container a user that no list of users has."""
    monkeypatch.delenv("HOME", raising=False)

    def unknown(number: int) -> None:
        raise KeyError(number)

    monkeypatch.setattr("pwd.getpwuid", unknown)
    assert said("http://127.0.0.1:9")[0] == "connection refused"


@pytest.mark.parametrize("reset", [False, True])
def test_a_handshake_that_is_broken_off_is_tried_again(reset: bool) -> None:
    """A server that is starting, or a load balancer between two of them; a certificate is wrong again each time."""

    def hang_up(connection: socket.socket) -> None:
        connection.recv(65536)
        if reset:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    with scripted(hang_up) as server:
        with pytest.raises(ConnectionFailed) as caught:
            Registry(connect(f"https://{server.place}"), RetryPolicy(max_wait=0.01)).names()
        assert server.connections == 3
    lost = (
        "connection lost: Connection reset by peer"
        if reset
        else "TLS failed: EOF occurred in violation of protocol"
    )
    assert caught.value.message.endswith(lost)


def drip(connection: socket.socket, data: bytes) -> None:
    """One byte every 0.2 s."""
    for byte in data:
        connection.sendall(bytes([byte]))
        time.sleep(0.2)


def drip_body(connection: socket.socket) -> None:
    connection.recv(65536)
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
    drip(connection, b" " * 1000)


def drip_head(connection: socket.socket) -> None:
    connection.recv(65536)
    connection.sendall(b"HTTP/1.1 200 OK\r\nX-Long: ")
    drip(connection, b"x" * 1000)


def drip_continue(connection: socket.socket) -> None:
    """Each says that the answer is still to come."""
    connection.recv(65536)
    for _ in range(1000):
        connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        time.sleep(0.2)


@pytest.mark.parametrize("talk", [drip_head, drip_continue, drip_body])
def test_an_answer_that_drips_ends_at_the_time_out(talk: Talk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its headers as well as its body: each piece comes in time, the whole never does."""
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    with scripted(talk) as server:
        started = time.monotonic()
        assert said(f"http://{server.place}")[0] == "the server did not answer in time"
        assert time.monotonic() - started < 20


def test_a_proxy_whose_answer_drips_ends_at_the_time_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """That to CONNECT, before there is any TLS."""
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    with scripted(drip_head) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://{proxy.place}")
        started = time.monotonic()
        assert said("https://mlflow.invalid")[0] == "the server did not answer in time"
        assert time.monotonic() - started < 20


def test_a_body_has_time_when_that_of_the_headers_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    here, there = socket.socketpair()
    with here, there:
        here.settimeout(60)
        there.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n")
        found = TimelyHead(here)
        found.begin()
        now = time.monotonic()
        monkeypatch.setattr(timely_heads, "monotonic", lambda: now + 1000)
        there.sendall(b"{}")
        assert found.read() == b"{}"


def test_an_answer_that_is_cut_off() -> None:
    def talk(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{")

    with scripted(talk) as server:
        assert (
            said(f"http://{server.place}")[0]
            == "connection lost: IncompleteRead(1 bytes read, 999 more expected)"
        )


def test_empty_pages_without_end() -> None:
    """Each names another one as the next."""
    asked = []

    def search(*, limit: int, page_token: str) -> Page[int]:
        asked.append(page_token)
        return Page.of([], str(len(asked)))

    with pytest.raises(RegistryError) as caught:
        list(Asker(connect("http://127.0.0.1:9"), ONCE).pages("numbers", search, limit=10))
    assert (
        caught.value.message
        == "reading numbers: the server sends one empty page after another, so its search never ends"
    )
    assert len(asked) == 100


@pytest.mark.parametrize(
    ("talk", "reason"),
    [
        (
            answer("HTTP/1.1 200 OK", b'{"x": ' + b"[" * 100_000),
            "the answer does not fit MLflow's REST API: it is nested too deep",
        ),
        (
            answer("HTTP/1.1 200 OK\nContent-Encoding: gzip", b"no gzip"),
            "the answer is not encoded as its header Content-Encoding says",
        ),
    ],
    ids=["nested", "gzip"],
)
def test_answers_that_cannot_be_read(talk: Talk, reason: str) -> None:
    with scripted(talk) as server:
        assert said(f"http://{server.place}")[0] == reason


def test_a_path_that_the_server_does_not_have() -> None:
    with scripted(answer("HTTP/1.1 404 Not Found", b"<html>")) as server:
        assert said(f"http://{server.place}/foo") == (
            "reading the registry: HTTP 404 from the server (is this address an MLflow server?)",
            "check the address and its path: that of the page that MLflow shows in a browser, up to its #",
        )


@pytest.mark.parametrize(
    "proxy", ["http://u:p@", "http://u:hunter2/x@h:9", "127.0.0.1:x", "http://a..b:9", "foo://h"]
)
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_that_is_no_address(scheme: str, proxy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"{scheme.upper()}_PROXY", proxy)
    with pytest.raises(UsageError) as caught:
        Registry(connect(f"{scheme}://mlflow.invalid"), ONCE).names()
    assert caught.value.message == "HTTP_PROXY, HTTPS_PROXY or ALL_PROXY names no proxy that can be used"
    assert caught.value.next_step == (
        "for example http://proxy.example:3128; a SOCKS proxy (socks5h://) needs PySocks"
    )


def test_an_address_that_no_request_can_be_sent_to() -> None:
    with pytest.raises(UsageError) as caught:
        Registry(connect(f"http://ada:hunter2@{'a' * 70}.example"), ONCE).names()
    assert caught.value.message == f"tracking URI 'http://***@{'a' * 70}.example': not a valid address"


def test_a_login_with_any_character(tmp_path: Path) -> None:
    """In UTF-8, as the server reads it; in the address as in the environment."""
    seen = []

    def talk(connection: socket.socket) -> None:
        seen.append(connection.recv(65536).decode().partition("Authorization: Basic ")[2].split("\r\n")[0])
        answer("HTTP/1.1 200 OK", b"{}", read=False)(connection)

    with scripted(talk) as server:
        by_name = {"MLFLOW_TRACKING_USERNAME": "ünï", "MLFLOW_TRACKING_PASSWORD": "1€"}
        for login, environ in (("ünï:1€@", {}), ("", by_name)):
            HttpDoor(f"http://{login}{server.place}", environ, tmp_path).models("", limit=1, page_token="")
    assert [base64.b64decode(each).decode() for each in seen] == ["ünï:1€"] * 2


@pytest.mark.parametrize(
    ("environ", "message"),
    [
        (
            {"MLFLOW_TRACKING_USERNAME": "ada", "MLFLOW_TRACKING_PASSWORD": "\udcff"},
            "MLFLOW_TRACKING_USERNAME or MLFLOW_TRACKING_PASSWORD is not in UTF-8",
        ),
        (
            {"MLFLOW_HTTP_REQUEST_TIMEOUT": "99999999999999"},
            "MLFLOW_HTTP_REQUEST_TIMEOUT is '99999999999999'",
        ),
        ({CLIENT: "/"}, f"{CLIENT}: cannot read /: Is a directory"),
        (
            {"REQUESTS_CA_BUNDLE": "/no.pem"},
            "REQUESTS_CA_BUNDLE: cannot read /no.pem: No such file or directory",
        ),
        ({"CURL_CA_BUNDLE": "/no.pem"}, "CURL_CA_BUNDLE: cannot read /no.pem: No such file or directory"),
    ],
)
def test_settings_that_no_request_can_be_sent_with(
    environ: dict[str, str], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(UsageError) as caught:
        connect("https://127.0.0.1:9")
    assert caught.value.message == message


def test_no_content_is_a_success(tmp_path: Path) -> None:
    """Some gateways answer a deletion with it; where something is read, nothing is no answer."""
    with scripted(answer("HTTP/1.1 204 No Content")) as server:
        door = HttpDoor(f"http://{server.place}", {}, tmp_path)
        door.delete_alias("m", "a")
        assert said(f"http://{server.place}")[0] == "the answer was empty (is this address an MLflow server?)"


ENDPOINTS = {name: found for name, found in vars(rest).items() if isinstance(found, sending.Endpoint)}


@pytest.mark.parametrize("name", ENDPOINTS)
def test_no_endpoint_takes_the_answer_of_another_program(name: str, tmp_path: Path) -> None:
    """With status 200: a write that such a program answers has not happened, and a search has found nothing."""
    answers = [b'{"status": "ok"}', b"<html>", b"[]", b""]
    reasons = []
    for body in answers:
        with scripted(answer("HTTP/1.1 200 OK", body)) as server:
            sender = sending.Sender(f"http://{server.place}", {}, tmp_path)
            with pytest.raises(UnusableAnswer) as caught:
                sender.send(ENDPOINTS[name], {})
            reasons.append((str(caught.value), caught.value.transient))
    fits = "the answer does not fit MLflow's REST API: "
    fields = ", ".join(ENDPOINTS[name].answer.__struct_fields__)
    known = f"it has none of {fields}" if fields else "it should be empty, and has status"
    assert reasons == [
        (fits + known, True),
        ("the answer was not JSON (is this address an MLflow server?)", True),
        (fits + "Expected `object`, got `array`", False),
        ("the answer was empty (is this address an MLflow server?)", True),
    ]


def test_a_file_that_another_program_takes(tmp_path: Path) -> None:
    """MLflow 3.17 answers nothing to a file, earlier ones an empty object."""
    file = tmp_path / "file"
    file.write_text("text")
    for body in (b"", b"{}"):
        with scripted(answer("HTTP/1.1 200 OK", body)) as server:
            sending.Sender(f"http://{server.place}", {}, tmp_path).upload("/file", file)
    with scripted(answer("HTTP/1.1 200 OK", b"<html>log in</html>")) as server:
        sender = sending.Sender(f"http://{server.place}", {}, tmp_path)
        puts: list[Callable[[], None]] = [
            lambda: sender.upload("/file", file),
            lambda: sender.put("/file", b"text"),
        ]
        for put in puts:
            with pytest.raises(UnusableAnswer) as caught:
                put()
            assert str(caught.value) == (
                "the answer to a file was not MLflow's (is this address an MLflow server?)"
            )


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, [1, 30, 10, 3]),
        ({"MLFLOW_HTTP_TCP_KEEPALIVE_IDLE": "7"}, [1, 7, 10, 3]),
        ({"MLFLOW_HTTP_TCP_KEEPALIVE": "false"}, [0]),
    ],
    ids=["default", "set", "off"],
)
def test_connections_are_kept_alive(
    environ: dict[str, str], expected: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the settings of MLflow's client: a firewall forgets a connection on which nothing is sent."""
    options, asked = (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT), []

    def seen(sock: socket.socket) -> None:
        asked.append(min(1, sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)))
        asked.extend(sock.getsockopt(socket.IPPROTO_TCP, option) for option in options)

    monkeypatch.setattr(quick_connections, "_acknowledge_at_once", seen)
    with scripted(answer("HTTP/1.1 200 OK", b"{}")) as server:
        HttpDoor(f"http://{server.place}", environ, tmp_path).models("", limit=1, page_token="")
    assert asked[: len(expected)] == expected


def test_a_keepalive_that_cannot_be() -> None:
    with pytest.raises(UsageError) as caught:
        HttpDoor("http://127.0.0.1:9", {"MLFLOW_HTTP_TCP_KEEPALIVE_COUNT": "many"}, Path("/"))
    assert caught.value.message == "MLFLOW_HTTP_TCP_KEEPALIVE_COUNT is 'many'"


@pytest.mark.parametrize(
    "arguments",
    [
        "list",
        "cleanup --dry-run",
        "reclaim --mode=artifacts",
        "lease",
        "restore --model=m",
        "init --output=new.yaml",
    ],
)
def test_a_command_that_reaches_no_server_says_what_state_it_leaves(arguments: str, run_cli: RunCli) -> None:
    """The first request differs from command to command; nobody should have to know that it only reads."""
    done = run_cli(*arguments.split(), "--tracking-uri=http://127.0.0.1:9")
    assert done.code == 1
    assert done.stderr.splitlines()[1:] == [
        "state: nothing was written",
        "next:  check that the MLflow server runs and is reachable from here, then run the command again",
    ]
