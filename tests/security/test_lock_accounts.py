"""The lock between two accounts that cannot remove each other's flags, on a real server with basic-auth."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from dataclasses import replace
from multiprocessing.connection import Connection as Pipe
from typing import Any

from conftest import MakeAccounts
from jenkins_mlflow.build import BuildContext
from jenkins_mlflow.errors import LockLost
from jenkins_mlflow.registry.client import Registry
from jenkins_mlflow.registry.connection import connect
from jenkins_mlflow.registry.holder import Holder
from jenkins_mlflow.registry.lock import Lock
from support.promoting import QUICK

ME = Holder.this_process("promote", ("m",), ("m",), BuildContext(id="b-1", user="me"), 60)
ELSEWHERE = replace(ME, host="elsewhere", build="b-2", by="other", lease=1.5)


def hold(uri: str, holder: Holder, pipe: Pipe) -> None:
    """Hold the lock; on each word from the pipe say whether a write would be made."""
    with Lock(Registry(connect(uri), QUICK), holder, wait=5, retry=QUICK) as lock:
        pipe.send("held")
        while pipe.recv() == "write":
            try:
                lock.check()
            except LockLost as lost:
                pipe.send(lost.message)
            else:
                pipe.send("written")


def test_a_holder_that_slept_through_its_lease_never_writes_again(make_accounts: MakeAccounts) -> None:
    """Another account goes on without it, though it cannot remove the flag; awake again, the sleeper is told at once,
    and still after its flag has been renewed in its name."""
    accounts = make_accounts()
    sleeper, other = accounts.create("lock-sleeper"), accounts.create("lock-other")
    context = multiprocessing.get_context("spawn")
    mine, theirs = context.Pipe()
    process = context.Process(target=hold, args=(sleeper, ELSEWHERE, theirs))
    process.start()
    pid = process.pid
    assert pid
    assert mine.recv() == "held"
    mine.send("write")
    assert mine.recv() == "written"
    os.kill(pid, signal.SIGSTOP)
    time.sleep(ELSEWHERE.lease + 0.3)
    said: list[str] = []
    with Lock(Registry(connect(other), QUICK), ME, wait=0, retry=QUICK, say=said.append) as held:
        os.kill(pid, signal.SIGCONT)
        time.sleep(ELSEWHERE.lease / 2)  # time enough to renew
        for _ in range(2):
            mine.send("write")
            assert mine.recv() == "the lock for m was lost: it was not renewed within its lease of 1.5 s"
        held.check()
    mine.send("end")
    process.join(20)
    assert process.exitcode == 0
    assert said == []


def test_what_another_account_left_is_outlived_without_a_word(make_accounts: MakeAccounts) -> None:
    """Its dead flag cannot be removed: every later command goes on at once, and none says that it takes it over."""
    accounts = make_accounts()
    gone, other = (Registry(connect(accounts.create(name)), QUICK) for name in ("lock-gone", "lock-heir"))
    name = "jenkins-mlflow.lock.left"
    model: dict[str, Any] = {"scope": ("left",), "writes": ("left",)}
    gone.raise_flag(name, {"jenkins_mlflow.lock": replace(ELSEWHERE, lease=0.1, **model).to_tag()}, "")
    time.sleep(0.2)
    said: list[str] = []
    for _ in range(2):
        with Lock(other, replace(ME, **model), wait=0, retry=QUICK, say=said.append):
            assert name in [flag.name for flag in other.flags()]
    assert said == []
    gone.lower_flag(name)
