"""The store's clock: ages and leases go by it, whatever time the agent believes it is."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timezone
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from conftest import MakeServer
from jenkins_mlflow.build import BuildContext
from jenkins_mlflow.errors import Busy, RegistryError
from jenkins_mlflow.registry.client import Registry
from jenkins_mlflow.registry.connection import connect
from jenkins_mlflow.registry.holder import Holder
from jenkins_mlflow.registry.lock import Lock
from support.postgres import Postgres
from support.promoting import QUICK

ME = Holder.this_process("promote", ("m",), ("m",), BuildContext(id="b-1", user="me"), 60)
OTHER = replace(ME, host="elsewhere", build="b-2", by="other")
CLOCKS = "mlflow.store.model_registry.{}.get_current_time_millis"


@pytest.fixture(scope="module", params=["sqlite", "postgresql", "file"])
def opened(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Registry:
    """A store opened directly."""
    folder = tmp_path_factory.mktemp("opened")
    if request.param == "postgresql":
        postgres: Postgres = request.getfixturevalue("postgres")
        uri = postgres.create_database()
    else:
        uri = f"sqlite:///{folder}/mlflow.db" if request.param == "sqlite" else str(folder)
    return Registry(connect(uri, may_create=True), QUICK)


@pytest.fixture
def agents_clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Puts the agent's clock wrong by so many seconds; a file system and a database keep theirs."""
    right = time.time

    def put_wrong(seconds: float) -> None:
        monkeypatch.setattr(time, "time", lambda: right() + seconds)
        for store in ("sqlalchemy_store", "file_store"):
            monkeypatch.setattr(CLOCKS.format(store), lambda: int((right() + seconds) * 1000))

    return put_wrong


@pytest.mark.parametrize("wrong", [-120.0, 120.0])
def test_a_wrong_clock_neither_loses_nor_steals_the_lock(
    wrong: float, opened: Registry, agents_clock: Callable[[float], None]
) -> None:
    """The holder's clock is two minutes slow or fast, with a lease of one; so is the other's, once it looks."""
    agents_clock(wrong)
    with Lock(opened, OTHER, wait=0, retry=QUICK) as held:
        agents_clock(0)
        with pytest.raises(Busy, match="m is being worked on by promote of m"), Lock(opened, ME, wait=0):
            pytest.fail("held")
        agents_clock(-wrong)
        with pytest.raises(Busy, match="m is being worked on by promote of m"), Lock(opened, ME, wait=0):
            pytest.fail("held")
        held.confirm()


def test_the_dead_are_dead_whatever_the_clock_of_who_looks(
    opened: Registry, agents_clock: Callable[[float], None]
) -> None:
    opened.raise_flag(
        "jenkins-mlflow.lock.0", {"jenkins_mlflow.lock": replace(OTHER, lease=0.1).to_tag()}, ""
    )
    time.sleep(0.2)
    agents_clock(-120)
    with Lock(opened, ME, wait=0, retry=QUICK):
        assert len(opened.flags()) == 1


def test_a_store_opened_directly_tells_its_own_time(
    opened: Registry, agents_clock: Callable[[float], None]
) -> None:
    """An agent eight days ahead takes no version of today for an old one."""
    before = time.time()
    agents_clock(8 * 86400)
    assert before - 0.1 <= opened.now() <= before + 10


def test_a_folder_that_cannot_be_written_has_no_time_but_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry = Registry(connect(str(tmp_path)))
    monkeypatch.setattr("tempfile.TemporaryFile", lambda **_: (_ for _ in ()).throw(PermissionError))
    assert abs(registry.now() - time.time()) < 5


def test_a_server_tells_its_time(make_server: MakeServer) -> None:
    """Its Date header has whole seconds."""
    assert abs(Registry(connect(make_server().url)).now() - time.time()) < 3


@pytest.fixture
def dated() -> Iterator[Callable[[str | None], str]]:
    """``dated("...")``: a server whose answers have that Date header, or none."""
    dates: list[str | None] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response_only(404)
            if dates[-1] is not None:
                self.send_header("Date", dates[-1])
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()

    def say(date: str | None) -> str:
        dates.append(date)
        return f"http://127.0.0.1:{server.server_port}"

    yield say
    server.shutdown()
    server.server_close()


def test_a_servers_time_counts_not_the_agents(dated: Callable[[str | None], str]) -> None:
    moment = datetime(2020, 2, 29, 12, tzinfo=timezone.utc)
    assert Registry(connect(dated(format_datetime(moment, usegmt=True)))).now() == moment.timestamp()


@pytest.mark.parametrize("date", [None, "yesterday", "Sat, 29 Feb 99999 12:00:00 GMT"])
def test_a_server_without_a_time_is_an_error(date: str | None, dated: Callable[[str | None], str]) -> None:
    """Nothing is deleted by a time that nobody knows."""
    url = dated(date)
    with pytest.raises(RegistryError) as caught:
        Registry(connect(url)).now()
    assert caught.value.message == f"{url} does not say what time it is: its answer has no valid Date header"
