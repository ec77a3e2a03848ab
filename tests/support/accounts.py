"""A real MLflow server with logins: basic-auth, and accounts of different rights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

import requests

from support.postgres import Postgres
from support.servers import Server, Store, start_server

Permission = Literal["DENY", "READ", "EDIT", "MANAGE"]
Default = Literal["NO_PERMISSIONS", "READ", "EDIT", "MANAGE"]

ADMIN = "admin"


@dataclass(frozen=True)
class Accounts:
    """A server with logins. Who creates a model may MANAGE it; the default permission is everybody's on all others.

    Every account's password is made of its name, so that a name is enough to act as it.
    """

    server: Server

    def create(self, name: str, permissions: Mapping[str, Permission] | None = None) -> str:
        """Create an account.

        Args:
            name: Its name, used by no other test.
            permissions: What it may do, by registered model; those have to exist.

        Returns:
            The server's address with the account's login.
        """
        self._post("2.0/mlflow/users/create", username=name, password=password(name))
        for model, permission in (permissions or {}).items():
            self.grant(name, model, permission)
        return self.url(name)

    def ensure(self, name: str) -> str:
        """The address with an account's login; the account is created where it is not there yet."""
        auth, url = (ADMIN, password(ADMIN)), f"{self.server.url}/api/2.0/mlflow/users/get"
        exists = requests.get(url, params={"username": name}, auth=auth, timeout=30).ok
        return self.url(name) if exists else self.create(name)

    def grant(self, name: str, model: str, permission: Permission, kind: str = "registered_model") -> None:
        """Let an account do this with one registered model, or experiment by its id, whatever it might do before."""
        self._post(
            "3.0/mlflow/users/permissions/grant",
            username=name,
            resource_type=kind,
            resource_id=model,
            permission=permission,
        )

    def url(self, name: str = ADMIN) -> str:
        """The server's address with an account's login, for ``connect``: so one process can be several accounts."""
        parts = urlsplit(self.server.url)
        return f"{parts.scheme}://{name}:{password(name)}@{parts.netloc}"

    def environ(self, name: str = ADMIN) -> dict[str, str]:
        """The environment that lets a command act as an account, as Jenkins gives it."""
        return {
            "MLFLOW_TRACKING_URI": self.server.url,
            "MLFLOW_TRACKING_USERNAME": name,
            "MLFLOW_TRACKING_PASSWORD": password(name),
        }

    def _post(self, endpoint: str, **values: str) -> None:
        url = f"{self.server.url}/api/{endpoint}"
        answer = requests.post(url, json=values, auth=(ADMIN, password(ADMIN)), timeout=30)
        assert answer.ok, f"{endpoint} {values}: HTTP {answer.status_code} {answer.text}"


def password(name: str) -> str:
    """An account's password; MLflow wants 12 characters."""
    return f"password-of-{name}"


def start_accounts(
    folder: Path,
    *,
    store: Store = "sqlite",
    default: Default = "READ",
    postgres: Postgres | None = None,
) -> Accounts:
    """Start an MLflow server with logins.

    Args:
        folder: An empty folder for all that it keeps.
        store: Kind of its store; the accounts are always in a SQLite file.
        default: What every account may do with every model that nothing else was granted for.
        postgres: Where the database is made for the store ``postgresql``.
    """
    folder.mkdir(parents=True, exist_ok=True)
    config = folder / "basic_auth.ini"
    # Without the cache every request costs 100 ms of password hashing. One worker never sees a stale entry.
    config.write_text(
        "[mlflow]\n"
        f"default_permission = {default}\n"
        f"database_uri = sqlite:///{folder / 'accounts.db'}\n"
        f"admin_username = {ADMIN}\n"
        "authorization_function = mlflow.server.auth:authenticate_request_basic_auth\n"
        "auth_cache_ttl_seconds = 3600\n"
    )
    server = start_server(
        folder,
        store=store,
        postgres=postgres,
        options=("--app-name", "basic-auth"),
        environ={
            "MLFLOW_AUTH_CONFIG_PATH": str(config),
            "MLFLOW_AUTH_ADMIN_PASSWORD": password(ADMIN),
            "MLFLOW_FLASK_SERVER_SECRET_KEY": "only for tests",
        },
    )
    return Accounts(server)
