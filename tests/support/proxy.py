"""An HTTP proxy that counts the requests to an MLflow server and breaks chosen ones."""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import socket
import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length", "host", "te", "upgrade"}


@dataclass(frozen=True)
class Request:
    """One request as the proxy got it. ``path`` includes the query, ``login`` is ``USER:PASSWORD``."""

    method: str
    path: str
    body: bytes = field(repr=False)
    login: str = field(default="", repr=False)

    @property
    def json(self) -> Any:
        """The body as JSON; None when there is none."""
        return json.loads(self.body) if self.body else None

    @property
    def endpoint(self) -> str:
        """The path from the API's version on, without the query: ``model-versions/transition-stage``."""
        path = urlsplit(self.path).path
        return path.partition("/mlflow/")[2] or path

    def __str__(self) -> str:
        return f"{self.method} {self.endpoint}"


@dataclass(frozen=True)
class Answer:
    """What the proxy sends back."""

    status: int
    body: bytes
    headers: tuple[tuple[str, str], ...] = ()


class Dropped(Exception):
    """The connection ends without an answer."""


Send = Callable[[], Answer]
Fault = Callable[[Request, Send], Answer]
"""A fault gets the request and the function that forwards it, and gives the answer or raises Dropped."""


def respond(status: int, body: str = "", content_type: str = "text/html") -> Fault:
    """Answer without asking the server: the request has no effect."""
    answer = Answer(status, body.encode(), (("Content-Type", content_type),))
    return lambda request, send: answer


def respond_after(status: int, body: str = "", content_type: str = "text/html") -> Fault:
    """Let the request take effect, then answer something else."""
    answer = Answer(status, body.encode(), (("Content-Type", content_type),))

    def fault(request: Request, send: Send) -> Answer:
        send()
        return answer

    return fault


def drop_before(request: Request, send: Send) -> Answer:
    """Lose the connection before the request reaches the server."""
    raise Dropped


def drop_after(request: Request, send: Send) -> Answer:
    """Lose the connection after the request took effect."""
    send()
    raise Dropped


def delay(seconds: float) -> Fault:
    """Forward late."""

    def fault(request: Request, send: Send) -> Answer:
        time.sleep(seconds)
        return send()

    return fault


def meanwhile(action: Callable[[], object]) -> Fault:
    """Do something else just before forwarding, as another user would; or kill somebody."""

    def fault(request: Request, send: Send) -> Answer:
        action()
        return send()

    return fault


@dataclass
class _Rule:
    fault: Fault
    matches: Callable[[Request], bool]
    skip: int
    times: float


class CountingProxy:
    """Forwards to one server, records every request, and applies faults to chosen ones.

    Use as a context manager. ``requests`` is in the order in which requests arrived.

    Args:
        target: The server's address.
        tls: How it speaks TLS; None for plain HTTP.
        prefix: A path before those of the server, which does not get it.
    """

    def __init__(self, target: str, *, tls: ssl.SSLContext | None = None, prefix: str = "") -> None:
        parts = urlsplit(target)
        self.prefix = prefix
        self.target = (parts.hostname or "", parts.port or 80)
        self._lock = threading.Lock()
        self._rules: list[_Rule] = []
        self._requests: list[Request] = []
        self._server = _Server(("127.0.0.1", 0), _handler(self))
        if tls:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True
        )
        scheme = "https" if tls else "http"
        self.url = f"{scheme}://127.0.0.1:{self._server.server_address[1]}{prefix}"

    def __enter__(self) -> CountingProxy:  # noqa: PYI034
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._server.shutdown()
        self._server.end_connections()
        self._server.server_close()
        self._thread.join()

    @property
    def requests(self) -> tuple[Request, ...]:
        """Every request so far."""
        with self._lock:
            return tuple(self._requests)

    def reset(self) -> None:
        """Forget requests and faults."""
        with self._lock:
            self._requests.clear()
            self._rules.clear()

    def inject(
        self, fault: Fault, *, method: str = "", path: str = "", nth: int = 1, times: float = float("inf")
    ) -> None:
        """Break requests that come from now on.

        Args:
            fault: What happens.
            method: HTTP method of the requests; empty for all.
            path: Part of the path of the requests; empty for all.
            nth: The first matching request that is broken, from 1.
            times: How many are broken from there on.
        """

        def matches(request: Request) -> bool:
            return (not method or request.method == method) and path in request.path

        with self._lock:
            self._rules.append(_Rule(fault, matches, nth - 1, times))

    def answer(self, request: Request, send: Send) -> Answer:
        """Record a request and give its answer, by a fault or from the server."""
        with self._lock:
            self._requests.append(request)
            fault = self._fault(request)
        return fault(request, send) if fault else send()

    def _fault(self, request: Request) -> Fault | None:
        """The first rule whose turn it is; every rule that matches counts the request."""
        chosen = None
        for rule in self._rules:
            if not rule.matches(request):
                continue
            if rule.skip:
                rule.skip -= 1
            elif rule.times and chosen is None:
                rule.times -= 1
                chosen = rule.fault
        return chosen


class _Upstream:
    """The connection to the server that belongs to one connection of a client."""

    def __init__(self, target: tuple[str, int]) -> None:
        self._target = target
        self._connection: http.client.HTTPConnection | None = None

    def forward(self, request: Request, headers: dict[str, str]) -> Answer:
        """Send a request on; once more if the server had closed the kept connection before it got the request."""
        if self._connection is not None:
            try:
                return self._exchange(self._connection, request, headers)
            except (http.client.RemoteDisconnected, BrokenPipeError, ConnectionResetError):
                self.close()
        self._connection = http.client.HTTPConnection(*self._target, timeout=60)
        self._connection.connect()
        self._connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return self._exchange(self._connection, request, headers)

    def close(self) -> None:
        """Hang up."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    @staticmethod
    def _exchange(
        connection: http.client.HTTPConnection, request: Request, headers: dict[str, str]
    ) -> Answer:
        connection.request(request.method, request.path, request.body or None, headers)
        response = connection.getresponse()
        kept = [(key, value) for key, value in response.getheaders() if key.lower() not in HOP_BY_HOP]
        return Answer(response.status, response.read(), tuple(kept))


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> None:
        super().__init__(address, handler)
        self._connections: set[socket.socket] = set()

    def get_request(self) -> tuple[socket.socket, Any]:
        connection, address = super().get_request()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._connections.add(connection)
        return connection, address

    def shutdown_request(self, request: Any) -> None:
        self._connections.discard(request)
        super().shutdown_request(request)

    def end_connections(self) -> None:
        """Wake the threads that wait for the next request of a kept connection."""
        for connection in list(self._connections):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is none of the tests' business."""


def _handler(proxy: CountingProxy) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def setup(self) -> None:
            super().setup()
            self.upstream = _Upstream(proxy.target)

        def finish(self) -> None:
            self.upstream.close()
            super().finish()

        def do_GET(self) -> None:
            length = int(self.headers.get("Content-Length", 0))
            scheme, _, encoded = self.headers.get("Authorization", "").partition(" ")
            login = base64.b64decode(encoded).decode() if scheme == "Basic" else encoded
            request = Request(self.command, self.path, self.rfile.read(length), login)
            headers = {key: value for key, value in self.headers.items() if key.lower() not in HOP_BY_HOP}
            try:
                passed_on = replace(request, path=request.path.removeprefix(proxy.prefix))
                answer = proxy.answer(request, lambda: self.upstream.forward(passed_on, headers))
            except Dropped:
                self.close_connection = True
                self.connection.shutdown(socket.SHUT_RDWR)
                return
            head = [f"HTTP/1.1 {answer.status} {http.client.responses.get(answer.status, '')}"]
            head += [f"{key}: {value}" for key, value in answer.headers]
            head.append(f"Content-Length: {len(answer.body)}")
            self.wfile.write("\r\n".join(head).encode("latin-1") + b"\r\n\r\n" + answer.body)  # one packet

        do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = do_GET  # noqa: N815

        def log_message(self, *arguments: object) -> None:
            """Say nothing."""

    return Handler
