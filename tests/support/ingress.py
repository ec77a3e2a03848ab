"""What often stands before an MLflow server: TLS with a company's CA, a client's certificate, a login, and a path."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from support.certificates import make_certificates, server_context
from support.proxy import Answer, CountingProxy, Request, Send

PREFIX = "/ml/flow"
USER, PASSWORD = "ada", "pa$s:w0rd"


@dataclass(frozen=True)
class Ingress:
    """Where it is, and the environment that a client needs."""

    url: str
    environ: dict[str, str]
    refused: list[str]
    """The requests that came without login or outside of the path."""


@contextlib.contextmanager
def ingress(server: str, folder: Path) -> Iterator[Ingress]:
    """Stand before a server.

    Args:
        server: Its address.
        folder: For the certificates.
    """
    ca, client = make_certificates(folder)
    refused: list[str] = []

    def known_only(request: Request, send: Send) -> Answer:
        if request.login == f"{USER}:{PASSWORD}" and request.path.startswith(f"{PREFIX}/"):
            return send()
        refused.append(str(request))
        return Answer(401, b"who are you?", (("WWW-Authenticate", "Basic"),))

    environ = {
        "MLFLOW_TRACKING_SERVER_CERT_PATH": str(ca),
        "MLFLOW_TRACKING_CLIENT_CERT_PATH": str(client),
        "MLFLOW_TRACKING_USERNAME": USER,
        "MLFLOW_TRACKING_PASSWORD": PASSWORD,
    }
    with CountingProxy(server, tls=server_context(ca, client), prefix=PREFIX) as front:
        front.inject(known_only)
        yield Ingress(front.url, environ, refused)
