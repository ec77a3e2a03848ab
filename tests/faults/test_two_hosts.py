"""Agents whose clocks are wrong (libfaketime), and two hosts (namespaces): processes of their own, real stores."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
from conftest import MakeServer, RunCli
from jenkins_mlflow.registry.client import Registry
from jenkins_mlflow.registry.connection import connect
from support.seeding import Spec, seed
from support.servers import clean_environ
from support.thorough import THOROUGH

LIBRARY = next(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"), None)
HOST = ["unshare", "--uts", "--pid", "--fork", "--mount-proc", "--kill-child"]
MINUTES_SLOW, DAYS_FAST = -120, 8 * 86400
HOLD = """
import sys
from jenkins_mlflow.build import BuildContext
from jenkins_mlflow.registry.client import Registry
from jenkins_mlflow.registry.connection import connect
from jenkins_mlflow.registry.holder import Holder
from jenkins_mlflow.registry.lock import Lock

uri, name, lease = sys.argv[1:]
holder = Holder.this_process("promote", (name,), (name,), BuildContext(), float(lease))
with Lock(Registry(connect(uri)), holder, wait=0) as lock:
    print("held", flush=True)
    sys.stdin.readline()
    lock.confirm()
    print("still held", flush=True)
"""

needs_faketime = pytest.mark.skipif(LIBRARY is None, reason="libfaketime is not installed")


def wrong_by(seconds: int) -> dict[str, str]:
    """The environment of a process whose clock is wrong. File systems, and how fast time passes, stay as they are."""
    return {
        "LD_PRELOAD": str(LIBRARY),
        "FAKETIME": f"{seconds:+d}",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "NO_FAKE_STAT": "1",
    }


def end(process: subprocess.Popen[str]) -> None:
    """Kill it, with what it has started, unless it has ended."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)


@dataclass
class Holder:
    """A process that holds the lock of a model until it is told to go on."""

    process: subprocess.Popen[str]

    def goes_on(self) -> str:
        """Let it look at its lock and end; what it says."""
        said, _ = self.process.communicate("\n", timeout=60)
        return said.strip()


Hold = Callable[..., Holder]


@pytest.fixture
def hold() -> Iterator[Hold]:
    """``hold(uri, name)``: a process that holds the lock, on another host if ``host`` is given."""
    with ExitStack() as stack:

        def start(
            uri: str, name: str, *, lease: float = 60, env: Mapping[str, str] | None = None, host: str = ""
        ) -> Holder:
            holder_command = [sys.executable, "-c", HOLD, uri, name, str(lease)]
            named = ["sh", "-c", 'hostname "$0" && exec "$@"', host, *holder_command]
            process = subprocess.Popen(
                [*HOST, *named] if host else holder_command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                env=clean_environ(MLFLOW_ALLOW_FILE_STORE="true", **(env or {})),
                start_new_session=True,
            )
            stack.enter_context(process)
            stack.callback(end, process)
            assert process.stdout
            assert process.stdout.readline() == "held\n"
            return Holder(process)

        yield start


@pytest.fixture(params=["sqlite", "postgresql", "http"] if THOROUGH else ["sqlite", "http"])
def uri(request: pytest.FixtureRequest, make_server: MakeServer) -> str:
    """A database opened directly, whose clients MLflow lets stamp with their own clocks; and a server."""
    server = make_server(store="sqlite" if request.param == "http" else request.param)
    return server.url if request.param == "http" else server.store_uri


@needs_faketime
@pytest.mark.parametrize("seconds", [MINUTES_SLOW, DAYS_FAST])
def test_a_wrong_clock_neither_loses_nor_takes_a_lock(
    seconds: int, uri: str, hold: Hold, run_cli: RunCli
) -> None:
    """The holder's clock is wrong, the other's right, and the other way round: the other is told to wait."""
    name = f"skew-{seconds}-{uri.partition(':')[0]}"
    seed(uri, {name: [Spec()]})
    promote = ("promote", f"--model={name}", f"--models={name}", "--version=1", f"--tracking-uri={uri}")
    for holders, others in ((wrong_by(seconds), {}), ({}, wrong_by(seconds))):
        holder = hold(uri, name, env=holders)
        done = run_cli(*promote, env={"MLOPS__PROMOTE__LOCK__WAIT": "0s", **others})
        assert (done.code, "is being worked on by promote of" in done.stderr) == (5, True), done.stderr
        assert holder.goes_on() == "still held"
    assert run_cli(*promote, env=wrong_by(seconds)).code == 0


@needs_faketime
def test_a_clock_eight_days_fast_deletes_nothing_of_today(uri: str, run_cli: RunCli) -> None:
    """`keep_within: 7d` counts from the store's time."""
    name = f"fast-{uri.partition(':')[0]}"
    seed(uri, {name: [Spec(), Spec(), Spec()]})
    command = (
        "cleanup",
        f"--model={name}",
        f"--models={name}",
        "--yes",
        f"--tracking-uri={uri}",
        "--output=json",
    )
    policy = {"MLOPS__CLEANUP__KEEP_LAST": "1", "MLOPS__CLEANUP__KEEP_WITHIN": "7d"}
    done = run_cli(*command, env={**policy, **wrong_by(DAYS_FAST)})
    assert done.code == 0, done.stderr
    assert [item["action"] for item in done.doc["items"]] == ["keep"] * 3
    assert len(Registry(connect(uri)).model(name).versions) == 3


def namespaces() -> str:
    """Why no other host can be had here; empty if it can."""
    if shutil.which("unshare") is None:
        return "there is no unshare"
    tried = subprocess.run([*HOST, "true"], capture_output=True, text=True, check=False)
    return f"namespaces are not allowed here: {tried.stderr.strip()}" if tried.returncode else ""


@pytest.mark.skipif(bool(namespaces()), reason=namespaces())
def test_a_holder_on_another_host_is_outlived_not_overrun(
    make_server: MakeServer, hold: Hold, run_cli: RunCli
) -> None:
    """Its process cannot be seen from here, whatever number it has: alive it is waited for, killed it counts until its
    lease has run out."""
    server, name = make_server(), "another-host"
    seed(server.url, {name: [Spec()]})
    promote = (
        "promote",
        f"--model={name}",
        f"--models={name}",
        "--version=1",
        f"--tracking-uri={server.url}",
    )
    holder = hold(server.url, name, lease=4, host="agent-7")
    time.sleep(5)  # it renews
    done = run_cli(*promote, env={"MLOPS__PROMOTE__LOCK__WAIT": "0s"})
    assert done.code == 5, done.stderr
    assert " on agent-7, " in done.stderr
    os.killpg(holder.process.pid, signal.SIGKILL)
    killed = time.monotonic()
    done = run_cli(*promote, env={"MLOPS__PROMOTE__LOCK__WAIT": "60s"})
    assert done.code == 0, done.stderr
    assert time.monotonic() - killed > 4 - 4 / 4 - 0.5, (
        "its last renewal was a quarter of the lease ago at most"
    )
    assert "its lease is 4 s" in done.stderr
