"""What often stands before an MLflow server: TLS with a company's CA, a client's certificate, a login, and a path."""

from __future__ import annotations

import base64
import contextlib
import http.client
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from support.certificates import make_certificates
from support.proxy import HOP_BY_HOP

PREFIX = "/ml/flow"
USER, PASSWORD = "ada", "pa$s:w0rd"


@dataclass(frozen=True)
class Ingress:
    """Where it is, and the environment that a client needs."""

    url: str
    environ: dict[str, str]
    refused: list[str]
    """The requests that came without login or outside of the path."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client without a certificate breaks the handshake off."""


def _handler(server: str, refused: list[str]) -> type[BaseHTTPRequestHandler]:
    behind = urlsplit(server).netloc
    login = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if not self.path.startswith(f"{PREFIX}/") or self.headers.get("Authorization") != login:
                refused.append(f"{self.command} {self.path}")
                self.answer(401, [("WWW-Authenticate", "Basic")], b"who are you?")
                return
            kept = {k: v for k, v in self.headers.items() if k.lower() not in HOP_BY_HOP | {"authorization"}}
            connection = http.client.HTTPConnection(behind, timeout=60)
            with contextlib.closing(connection):
                connection.request(self.command, self.path[len(PREFIX) :], body, kept)
                got = connection.getresponse()
                self.answer(got.status, got.getheaders(), got.read())

        def answer(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
            self.send_response(status)
            for name, value in headers:
                if name.lower() not in HOP_BY_HOP | {"server", "date"}:
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_PATCH = do_PUT = do_DELETE = do_GET  # noqa: N815

        def log_message(self, *arguments: object) -> None:
            """Say nothing."""

    return Handler


@contextlib.contextmanager
def ingress(server: str, folder: Path) -> Iterator[Ingress]:
    """Stand before a server.

    Args:
        server: Its address.
        folder: For the certificates.
    """
    ca, client_certificate = make_certificates(folder)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(client_certificate)
    context.load_verify_locations(ca)
    context.verify_mode = ssl.CERT_REQUIRED
    refused: list[str] = []
    with _Server(("127.0.0.1", 0), _handler(server, refused)) as front:
        front.socket = context.wrap_socket(front.socket, server_side=True)
        thread = threading.Thread(target=front.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        environ = {
            "MLFLOW_TRACKING_SERVER_CERT_PATH": str(ca),
            "MLFLOW_TRACKING_CLIENT_CERT_PATH": str(client_certificate),
            "MLFLOW_TRACKING_USERNAME": USER,
            "MLFLOW_TRACKING_PASSWORD": PASSWORD,
        }
        yield Ingress(f"https://127.0.0.1:{front.server_address[1]}{PREFIX}", environ, refused)
        front.shutdown()
        thread.join()
