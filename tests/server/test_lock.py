"""The lock on real registries: one at a time, waiting with a deadline, taking over from the dead, losing it."""

from __future__ import annotations

import multiprocessing
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import requests
from conftest import MakeServer
from jenkins_mlflow.build import BuildContext
from jenkins_mlflow.errors import Busy, LockLost, RegistryError
from jenkins_mlflow.registry.client import Registry
from jenkins_mlflow.registry.connection import connect
from jenkins_mlflow.registry.holder import Holder
from jenkins_mlflow.registry.lock import Lock
from jenkins_mlflow.registry.retries import RetryPolicy
from jenkins_mlflow.tags import HOLDER_TAG
from support.promoting import QUICK, without_flags
from support.proxy import (
    Answer,
    CountingProxy,
    Dropped,
    Request,
    Send,
    drop_after,
    drop_before,
    meanwhile,
    respond,
)
from support.seeding import Spec, give_files, seed
from support.servers import Server, Store, clean_environ

ME = Holder.this_process("promote", ("m",), ("m",), BuildContext(id="b-1", user="me"), 60)
OTHER = replace(ME, host="elsewhere", build="b-2", by="other")


def lock(registry: Registry, holder: Holder = ME, wait: float = 5, **options: object) -> Lock:
    return Lock(registry, holder, wait=wait, retry=QUICK, **options)  # type: ignore[arg-type]


def raise_flag(registry: Registry, holder: Holder, name: str = "jenkins-mlflow.lock.0") -> None:
    """A flag as a holder that is gone left it."""
    registry.raise_flag(name, {HOLDER_TAG: holder.to_tag()}, holder.description)


def ended_process() -> int:
    """The number of a process that is no more."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


@pytest.mark.parametrize(
    ("version", "store"),
    [("3.17.2", "sqlite"), ("3.17.2", "postgresql"), ("3.3.2", "file"), ("2.22.4", "sqlite")],
)
def test_one_at_a_time(version: str, store: Store, make_server: MakeServer) -> None:
    """The second waits, is told for whom, and goes on when the first is done; the flags never show, none is left."""
    registry = without_flags(make_server(version, store).url, QUICK)
    said: list[str] = []
    order: list[str] = []

    def second() -> None:
        with lock(registry, replace(ME, by="second"), say=said.append):
            order.append("second")

    with lock(registry, replace(ME, by="first")) as first:
        thread = threading.Thread(target=second)
        thread.start()
        time.sleep(0.6)
        order.append("first")
        first.check()
        assert not [m for m in registry.snapshot(["*"]).models if "lock" in m.name]
    thread.join()
    assert order == ["first", "second"]
    assert len(said) == 1, said
    assert said[0].startswith("waiting up to 5 s for promote of m by build b-1 (first on ")
    assert registry.flags() == []


def test_who_waits_for_nobody_looks_twice_at_a_flag_without_its_tag(make_server: MakeServer) -> None:
    """It may just be going away; one that stays is in the way, and nobody knows of whom."""
    registry = without_flags(make_server().url, RetryPolicy())
    name = "jenkins-mlflow.lock.half-seen"
    registry.raise_flag(name, {}, "")
    leaves = threading.Timer(0.3, lambda: registry.lower_flag(name))
    leaves.start()
    with lock(registry, wait=0):
        leaves.join()
    registry.raise_flag(name, {}, "")
    with pytest.raises(Busy, match="is being worked on by something unknown"), lock(registry, wait=0):
        pass
    registry.lower_flag(name)


def test_waiting_has_a_deadline(make_server: MakeServer) -> None:
    """Who holds it is named, with build and time; nothing of the one who gave up is left."""
    registry = without_flags(make_server().url, QUICK)
    holder = replace(OTHER, build_url="http://jenkins/job/m/7/", at="2026-11-23T02:00:00+00:00")
    with lock(registry, holder):
        started = time.monotonic()
        with pytest.raises(Busy) as caught, lock(registry, wait=0.5):
            pytest.fail("entered")
        assert 0.4 < time.monotonic() - started < 3
        assert len(registry.flags()) == 1
    assert caught.value.message == (
        "m is being worked on by promote of m by build http://jenkins/job/m/7/ "
        "(other on elsewhere, 2026-11-23T02:00:00+00:00)"
    )
    assert caught.value.state == "nothing was written; waited 0.5 s"


@pytest.mark.parametrize("dead", ["process", "build", "lease"])
def test_the_dead_are_taken_over_from_at_once(dead: str, make_server: MakeServer) -> None:
    registry = without_flags(make_server().url, QUICK)
    holders = {
        "process": replace(ME, pid=ended_process()),
        "build": replace(OTHER, build=ME.build),
        "lease": replace(OTHER, lease=1.0),
    }
    raise_flag(registry, holders[dead])
    time.sleep(1.2 if dead == "lease" else 0)
    said: list[str] = []
    started = time.monotonic()
    with lock(registry, say=said.append):
        assert time.monotonic() - started < 2
        assert len(registry.flags()) == 1
    assert said[0].startswith("taking the lock over from promote of m by build b-")


def test_the_dead_are_swept_away_wherever_they_worked(make_server: MakeServer) -> None:
    """A killed promotion of a model that nobody promotes again: the next lock of any model removes its flag."""
    registry = without_flags(make_server().url, QUICK)
    elsewhere = replace(ME, scope=("n",), writes=("n",))
    raise_flag(registry, replace(elsewhere, pid=ended_process()))
    raise_flag(registry, elsewhere, "jenkins-mlflow.lock.living")
    said: list[str] = []
    with lock(registry, say=said.append):
        pass
    assert ([flag.name for flag in registry.flags()], said) == (["jenkins-mlflow.lock.living"], [])
    registry.lower_flag("jenkins-mlflow.lock.living")


def test_a_model_that_only_has_the_name_of_a_flag_is_not_removed(make_server: MakeServer) -> None:
    """Its versions would go with it. Only the first look says so, and nobody waits for it."""
    server = make_server()
    registry = without_flags(server.url, QUICK)
    name = "jenkins-mlflow.lock.mine"
    seed(server.url, {name: [Spec()] * 2})
    registry.tag_model(name, HOLDER_TAG, replace(ME, pid=ended_process()).to_tag())
    said: list[str] = []
    with lock(registry, wait=0, say=said.append) as held:
        held.confirm()
    [why] = said
    assert why == (
        f"the registered model {name} has versions, so it is not a lock and stays; "
        "names that begin with jenkins-mlflow.lock. are for locks only: rename it"
    )
    assert [version.number for version in registry.model(name).versions] == [2, 1]
    registry.lower_flag(name)


def test_the_living_renew_their_lease(make_server: MakeServer) -> None:
    """Three leases later the holder still holds it, and nobody else got in."""
    registry = without_flags(make_server().url, QUICK)
    with lock(registry, replace(OTHER, lease=1.0)) as held:
        with pytest.raises(Busy), lock(registry, wait=3):
            pytest.fail("entered")
        held.check()


def test_whoever_cannot_renew_stops_writing(
    make_server: MakeServer, make_proxy: Callable[[Server], CountingProxy]
) -> None:
    """The registry does not answer for a lease: from then on the holder must not write."""
    proxy = make_proxy(make_server())
    registry = Registry(connect(proxy.url), QUICK)
    with lock(registry, replace(ME, lease=1.0)) as held:
        proxy.inject(drop_before, path="registered-models/update")
        held.check()
        time.sleep(1.3)
        with pytest.raises(
            LockLost, match="the lock for m was lost: it was not renewed within its lease of 1 s"
        ):
            held.check()


def test_whoever_was_taken_for_dead_notices(make_server: MakeServer) -> None:
    registry = without_flags(make_server().url, QUICK)
    with lock(registry, replace(ME, lease=1.0)) as held:
        registry.lower_flag(registry.flags()[0][0])
        time.sleep(0.5)
        with pytest.raises(LockLost, match="another process took it over"):
            held.check()


def test_a_lost_answer_raises_no_second_flag(
    make_server: MakeServer, make_proxy: Callable[[Server], CountingProxy]
) -> None:
    """The flag was raised though the answer was lost: the repetition finds it there, and the registry's clock in it."""
    proxy = make_proxy(make_server())
    registry = Registry(connect(proxy.url), QUICK)
    raise_flag(registry, replace(OTHER, lease=1.0), "jenkins-mlflow.lock.1")
    proxy.inject(drop_after, path="registered-models/create", times=1)
    time.sleep(1.2)
    with lock(registry):
        assert len(registry.flags()) == 1
    assert registry.flags() == []


def test_a_flag_that_cannot_be_raised_is_an_error(
    make_server: MakeServer, make_proxy: Callable[[Server], CountingProxy]
) -> None:
    proxy = make_proxy(make_server())
    proxy.inject(respond(403, "no"), path="registered-models/create")
    with (
        pytest.raises(RegistryError, match="taking the lock for m") as caught,
        lock(Registry(connect(proxy.url), QUICK)),
    ):
        pytest.fail("entered")
    assert caught.value.state == "nothing was written"


def contend(uri: str, inside: Path, together: object, number: int) -> None:
    # A file store answers "not found" to a search while another process takes its flag down, the more the busier it is.
    patient = RetryPolicy(attempts=300, max_wait=0.2, deadline=60)
    registry = Registry(connect(uri), patient)
    together.wait()  # type: ignore[attr-defined]
    with Lock(registry, ME, wait=60, retry=patient):
        (inside / str(number)).touch()
        assert [path.name for path in inside.iterdir()] == [str(number)]
        time.sleep(0.05)
        (inside / str(number)).unlink()


@pytest.mark.parametrize(("version", "store"), [("3.17.2", "postgresql"), ("3.3.2", "file")])
def test_eight_processes_are_never_in_together(
    version: str, store: Store, make_server: MakeServer, tmp_path: Path
) -> None:
    """They start in the same moment; each gets in, alone, in the end: on a database and on a file store."""
    server = make_server(version, store)
    context = multiprocessing.get_context("spawn")
    together = context.Barrier(8)
    processes = [
        context.Process(target=contend, args=(server.url, tmp_path, together, number)) for number in range(8)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join(100)
    assert [process.exitcode for process in processes] == [0] * 8


def test_an_abort_keeps_the_lock_while_a_request_is_under_way(
    make_server: MakeServer, make_proxy: Callable[[Server], CountingProxy]
) -> None:
    """SIGTERM while the stage is being set: nobody gets in before the request's time-out has passed, though the
    process is gone from this host; then somebody does."""
    server, name = make_server(), "aborted"
    seed(server.store_uri, {name: [Spec()]})
    proxy = make_proxy(server)
    under_way, goes_on = threading.Event(), threading.Event()

    def hold_up() -> None:
        under_way.set()
        goes_on.wait(30)

    proxy.inject(meanwhile(hold_up), path="transition-stage", times=1)
    command = ["promote", f"--model={name}", "--version=1", f"--tracking-uri={proxy.url}"]
    process = subprocess.Popen(
        [sys.executable, "-m", "jenkins_mlflow", *command],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env=clean_environ(MLFLOW_HTTP_REQUEST_TIMEOUT="6"),
        text=True,
    )
    assert under_way.wait(60)
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 143
    assert f"a request that got no answer may still take effect: the lock for {name} expires in" in said
    registry = Registry(connect(server.url), QUICK)
    me = replace(ME, scope=(name,), writes=(name,))
    with pytest.raises(Busy), lock(registry, me, wait=0):
        pytest.fail("entered")
    goes_on.set()
    with lock(registry, me, wait=30):
        assert registry.version(name, 1).stage == "Production"


@pytest.mark.parametrize(
    ("command", "path"),
    [
        (["promote", "--version=2"], "transition-stage"),
        (["cleanup", "--yes", "--keep-last=1"], "model-versions/delete"),
        (["restore", "--version=1"], "model-versions/create"),
        (["lease", "--version=2", "--holder=me", "--for=1h"], "model-versions/set-tag"),
        (["lease", "--version=2", "--holder=me", "--release"], "model-versions/delete-tag"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_no_write_that_got_no_answer_is_outlived_by_its_lock(
    command: list[str], path: str, make_server: MakeServer, make_proxy: Callable[[Server], CountingProxy]
) -> None:
    """The connection is lost while the write is under way: after no command anybody gets in before its time is over."""
    server, name = make_server(), f"unanswered-{len(path)}-{len(command)}"
    seed(server.url, {name: [Spec(), Spec(), Spec()]})
    if command[0] == "restore":
        give_files(server.url, name)
        assert run(server.url, "cleanup", f"--model={name}", "--yes", "--keep-last=2").startswith("exit 0")
    proxy = make_proxy(server)
    goes_on, arrived = threading.Event(), threading.Event()

    def lose(request: Request, send: Send) -> Answer:
        def arrive_late() -> None:
            goes_on.wait(60)
            requests.request(request.method, f"{server.url}{request.path}", json=request.json, timeout=30)
            arrived.set()

        threading.Thread(target=arrive_late, daemon=True).start()
        raise Dropped

    proxy.inject(lose, path=path, times=1)
    once = {"MLOPS__PROMOTE__RETRY__ATTEMPTS": "1", "MLOPS__PROMOTE__METHODS": "[stage]"}
    once["MLFLOW_HTTP_REQUEST_TIMEOUT"] = "600"  # the lock is up longer than this test takes
    said = run(proxy.url, *command, f"--model={name}", **once)
    assert "a request that got no answer may still take effect: the lock for" in said
    registry = Registry(connect(server.url), QUICK)
    me = replace(ME, scope=(name,), writes=(name,), pid=0, host="elsewhere")
    with pytest.raises(Busy), lock(registry, me, wait=0):
        pytest.fail("entered")
    goes_on.set()
    assert arrived.wait(30)
    for flag, _, tags, _ in registry.flags():
        if name in Holder.from_tag(tags[HOLDER_TAG]).writes:
            registry.lower_flag(flag)


def run(uri: str, *command: str, **env: str) -> str:
    """What a command said, after its exit code."""
    command_line = [sys.executable, "-m", "jenkins_mlflow", *command, f"--tracking-uri={uri}"]
    ended = subprocess.run(
        command_line, capture_output=True, text=True, env=clean_environ(**env), check=False
    )
    return f"exit {ended.returncode}: {ended.stderr}"
