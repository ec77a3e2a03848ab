"""What often stands before an MLflow server: TLS with a company's CA, a client's certificate, a login, and a path.

All of them together, or some.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from support.certificates import make_certificates, server_context
from support.proxy import Answer, CountingProxy, Request, Send

PREFIX = "/ml/flow"
CA, CERTIFICATE = "MLFLOW_TRACKING_SERVER_CERT_PATH", "MLFLOW_TRACKING_CLIENT_CERT_PATH"
USER, PASSWORD = "ada", "pa$s:w0rd"


@dataclass(frozen=True)
class Ingress:
    """Where it is, and the environment that a client needs."""

    url: str
    environ: dict[str, str]
    refused: list[str]
    """The requests that came without the login or outside of the path."""


@contextlib.contextmanager
def ingress(
    server: str, folder: Path, *, tls: bool = True, login: bool = True, prefix: str = PREFIX
) -> Iterator[Ingress]:
    """Stand before a server.

    Args:
        server: Its address.
        folder: For the certificates.
        tls: Whether it speaks TLS, with a CA of its own, and asks for a client's certificate.
        login: Whether it asks for a login.
        prefix: The path before those of the server.
    """
    context, environ, refused = None, {}, list[str]()
    if tls:
        ca, client = make_certificates(folder)
        context = server_context(ca, client)
        environ[CA], environ[CERTIFICATE] = str(ca), str(client)
    if login:
        environ |= {"MLFLOW_TRACKING_USERNAME": USER, "MLFLOW_TRACKING_PASSWORD": PASSWORD}

    def known_only(request: Request, send: Send) -> Answer:
        known = request.login == f"{USER}:{PASSWORD}" or not login
        if known and request.path.startswith(f"{prefix}/"):
            return send()
        refused.append(str(request))
        if known:
            return Answer(404, b"no such page")
        return Answer(401, b"who are you?", (("WWW-Authenticate", "Basic"),))

    with CountingProxy(server, tls=context, prefix=prefix) as front:
        front.inject(known_only)
        yield Ingress(front.url, environ, refused)
