"""A session on another server of the config, with its address, its own login and its names of the models."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace

from jenkins_mlflow.commands.session import Session
from jenkins_mlflow.config.schema import Ui
from jenkins_mlflow.config.servers import OtherServer
from jenkins_mlflow.errors import UsageError
from jenkins_mlflow.registry.connection import address, check_uri, is_setting
from jenkins_mlflow.text import printable


def other_session(session: Session, name: str) -> Session:
    """The session on another server of the config, with its address, login and names of the group's models.

    Raises:
        UsageError: The config has no such server, it is the session's own, an address is not valid, or its
            login is not in the environment.
        ConnectionFailed: The session's own store does not exist.
    """
    config = session.config
    server = config.servers.get(name)
    if server is None:
        known = ", ".join(map(printable, config.servers)) or "none"
        raise UsageError(
            f"the config has no server {printable(name)!r} (it has: {known})",
            next_step="add it under `servers` in mlops.yaml",
        )
    for uri in (session.uri, server.uri):
        check_uri(uri, may_create=False)
    if address(server.uri) == address(session.uri):
        raise UsageError(
            f"{name} is the server that has the versions",
            next_step="omit --to-server, or use promote.copy_to",
        )
    promote = config.promote.model_copy(update={"file_store": None, "smoke_test": None})
    models = tuple(name_there(server, pattern) for pattern in session.scope.models)
    return replace(
        session,
        # What is left of the config on another server.
        config=config.model_copy(update={"promote": promote, "servers": {}, "ui": Ui()}),
        changed_scope=replace(session.scope, models=models),
        are_names={},
        uri=server.uri,
        account=_account(name, server, os.environ),
    )


def _account(name: str, server: OtherServer, environ: Mapping[str, str]) -> dict[str, str]:
    """MLflow's settings for the other server: its login, and nothing that belongs to the first one."""
    wanted = {"USERNAME": server.username_env, "PASSWORD": server.password_env, "TOKEN": server.token_env}
    missing = [variable for variable in wanted.values() if variable and not environ.get(variable)]
    if missing:
        raise UsageError(
            f"the login of the server {printable(name)} is not in the environment: {', '.join(missing)}",
            next_step="set it; in Jenkins, by withCredentials around the step",
        )
    shared = {key: environ[key] for key in environ if key.startswith("MLFLOW_") and not is_setting(key)}
    login = {f"MLFLOW_TRACKING_{part}": environ[variable] for part, variable in wanted.items() if variable}
    return {**shared, **login}


def name_there(server: OtherServer, name: str) -> str:
    """The name of a registered model, or a pattern, on the other server."""
    return server.model.replace("{model}", name)
