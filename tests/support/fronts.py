"""MLflow servers behind what companies have in front of one, each thing alone: logins, TLS, a path."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from support.accounts import start_accounts
from support.ingress import CERTIFICATE, PREFIX, ingress
from support.seeding import Spec, seed
from support.servers import Server, start_server

Front = Literal["login", "tls", "path"]
SOMEBODY_ELSES = "of somebody else"
"""A model behind logins that the account may not see; elsewhere there is none."""

ACCOUNT = "contract"


@dataclass(frozen=True)
class Reached:
    """A server, and how it is reached.

    Attributes:
        server: The server, with the address of what it is behind.
        environ: The client's settings.
        sees_all: Whether the account sees every model.
        shut_out: The settings and the address of a client that is not let in.
    """

    server: Server
    environ: Mapping[str, str] = field(default_factory=dict)
    sees_all: bool = True
    shut_out: tuple[Mapping[str, str], str] = field(default=({}, ""))


@contextlib.contextmanager
def behind(front: Front, folder: Path) -> Iterator[Reached]:
    """Start a server behind logins, TLS with its own CA and a client's certificate, or a path.

    Behind logins, the client has an account that sees only what it made.

    Args:
        front: What is in front of the server.
        folder: An empty folder for all that it keeps.
    """
    with contextlib.ExitStack() as stack:
        if front == "login":
            accounts = start_accounts(folder, default="NO_PERMISSIONS")
            stack.callback(accounts.server.stop)
            seed(accounts.url(), {SOMEBODY_ELSES: [Spec()]}, "theirs")
            accounts.create(ACCOUNT)
            environ = accounts.environ(ACCOUNT)
            del environ["MLFLOW_TRACKING_URI"]
            wrong = {**environ, "MLFLOW_TRACKING_PASSWORD": "a wrong password"}
            yield Reached(accounts.server, environ, False, (wrong, accounts.server.url))
            return
        server = start_server(folder)
        stack.callback(server.stop)
        seed(server.store_uri, {})
        prefix = PREFIX if front == "path" else ""
        found = stack.enter_context(
            ingress(server.url, folder, tls=front == "tls", login=False, prefix=prefix)
        )
        without = {name: value for name, value in found.environ.items() if name != CERTIFICATE}
        shut_out = without, found.url.removesuffix(prefix)
        yield Reached(replace(server, url=found.url), found.environ, True, shut_out)
