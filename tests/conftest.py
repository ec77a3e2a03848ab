"""Fixtures for all tests: servers shared by the session, the counting proxy, the command as a process."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

import pytest
from hypothesis import settings
from jenkins_mlflow.registry.records import EXPERIMENT
from support.accounts import Accounts, Default, start_accounts
from support.command import Finished, run_command
from support.environments import OWN_VERSION
from support.jenkins import FakeJenkins
from support.postgres import Postgres
from support.proxy import CountingProxy
from support.seeding import client, seed
from support.servers import Artifacts, Server, Store, start_server

settings.register_profile("any machine", deadline=None)  # no test depends on being quick
settings.load_profile("any machine")


FreshServer = Callable[[Artifacts], Server]


class MakeServer(Protocol):
    """``make_server(version=, store=, artifacts=)``: a running server, shared by all who ask for the same.

    Tests that share one use model names of their own (``fresh_name``), and leave the journal's experiment alive.
    """

    def __call__(
        self, version: str = ..., store: Store = ..., artifacts: Artifacts = ..., *, workers: int = ...
    ) -> Server: ...


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A PostgreSQL for the session; ``create_database()`` gives a fresh database."""
    server = Postgres()
    yield server
    server.stop()


SharedServers = dict[tuple[str, str, str, int], Server]


@pytest.fixture(scope="session")
def shared_servers() -> SharedServers:
    """The servers that ``make_server`` has started, by what was asked for."""
    return {}


@pytest.fixture(scope="module", autouse=True)
def shared_servers_stay_as_they_were(shared_servers: SharedServers) -> Iterator[None]:
    """A test that deletes the journal's experiment changes the requests of every test after it."""
    yield
    for server in shared_servers.values():
        journal = client(server.url).get_experiment_by_name(EXPERIMENT)
        assert journal is None or journal.lifecycle_stage == "active", f"{server.url}: restore {EXPERIMENT}"


@pytest.fixture(scope="session")
def make_server(
    tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest, shared_servers: SharedServers
) -> Iterator[MakeServer]:
    """Starts real MLflow servers, see MakeServer; all end with the session."""
    with contextlib.ExitStack() as stack:

        def make(
            version: str = OWN_VERSION,
            store: Store = "sqlite",
            artifacts: Artifacts = "served",
            *,
            workers: int = 1,
        ) -> Server:
            key = (version, store, artifacts, workers)
            if key in shared_servers:
                return shared_servers[key]
            server = start_server(
                tmp_path_factory.mktemp(f"mlflow-{version}-{store}"),
                version=version,
                store=store,
                artifacts=artifacts,
                postgres=request.getfixturevalue("postgres") if store == "postgresql" else None,
                workers=workers,
            )
            stack.callback(server.stop)
            if version == OWN_VERSION:  # where its files lie must not depend on which test comes first
                seed(server.store_uri, {})
            shared_servers[key] = server
            return server

        yield make


@pytest.fixture
def fresh_server(tmp_path: Path) -> Iterator[FreshServer]:
    """``fresh_server(artifacts)``: a running server for this test alone, which ends with it."""
    with contextlib.ExitStack() as stack:

        def make(artifacts: Artifacts) -> Server:
            server = start_server(tmp_path / "fresh", artifacts=artifacts)
            stack.callback(server.stop)
            seed(server.store_uri, {})
            return server

        yield make


class MakeAccounts(Protocol):
    """``make_accounts(store=, default=)``: a running server with logins, shared by all who ask for the same."""

    def __call__(self, store: Store = ..., default: Default = ...) -> Accounts: ...


@pytest.fixture(scope="session")
def make_accounts(
    tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[MakeAccounts]:
    """Starts MLflow servers with basic-auth, see MakeAccounts; all end with the session."""
    shared: dict[tuple[str, str], Accounts] = {}
    with contextlib.ExitStack() as stack:

        def make(store: Store = "sqlite", default: Default = "READ") -> Accounts:
            key = (store, default)
            if key not in shared:
                shared[key] = start_accounts(
                    tmp_path_factory.mktemp(f"accounts-{store}"),
                    store=store,
                    default=default,
                    postgres=request.getfixturevalue("postgres") if store == "postgresql" else None,
                )
                stack.callback(shared[key].server.stop)
            return shared[key]

        yield make


@pytest.fixture
def make_proxy() -> Iterator[Callable[[Server], CountingProxy]]:
    """``make_proxy(server)``: a counting proxy in front of a server, for this test."""
    with contextlib.ExitStack() as stack:
        yield lambda server: stack.enter_context(CountingProxy(server.url))


class RunCli(Protocol):
    """``run_cli("list", "--output=json", env={...}, stdin=...)``: code, stdout, stderr and doc of the command."""

    def __call__(
        self,
        *arguments: str,
        env: dict[str, str] | None = ...,
        stdin: str | None = ...,
        cwd: Path | None = ...,
    ) -> Finished: ...


@pytest.fixture
def run_cli(tmp_path: Path) -> RunCli:
    """Runs the command as a process, by default in the test's own empty folder; see RunCli."""

    def run(
        *arguments: str, env: dict[str, str] | None = None, stdin: str | None = None, cwd: Path | None = None
    ) -> Finished:
        return run_command(*arguments, cwd=cwd or tmp_path, env=env, stdin=stdin)

    return run


@pytest.fixture
def jenkins() -> Iterator[FakeJenkins]:
    """A small Jenkins with one user and no jobs, for this test."""
    with FakeJenkins() as fake:
        yield fake
