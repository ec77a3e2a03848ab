"""One promotion at a time in any part of a registry, across agents and with no service but MLflow itself.

Whoever wants the lock raises a flag: a registered model with a name of its own below ``FLAG_PREFIX``. Then it lists
all flags, and holds the lock if no other living flag is in its way; else it takes its flag down and waits. Of two that
raise their flags at the same time, at least one sees the other, whatever the store: unlike a flag with one fixed name,
this needs no atomic creation, which MLflow's file store does not have (1 of 60 four-way races had two winners,
MLflow 3.17.2). And since no name is ever used twice, removing a dead flag can never hit a living one.

A flag's age is told by the registry's clock alone: the time it gave this flag against the time it gave the other.
"""

from __future__ import annotations

import contextlib
import random
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import TypeVar

from jenkins_mlflow.errors import Busy, LockLost
from jenkins_mlflow.registry.client import Registry
from jenkins_mlflow.registry.faults import RetryPolicy, call_with_retries, classify
from jenkins_mlflow.registry.holder import Holder, is_running
from jenkins_mlflow.tags import FLAG_PREFIX, HOLDER_TAG
from jenkins_mlflow.text import printable

T = TypeVar("T")

_FIRST_POLL, _LONGEST_POLL = 0.1, 2.0
# Whoever raises or lowers a flag meanwhile may be seen without its tag: a store reads models and tags one after the
# other (seen with MLflow 3.17.2 on SQLite and PostgreSQL). So even who waits for nobody looks once more.
_HALF_SEEN = 1.0
_RENEWALS_PER_LEASE = 4


@dataclass(frozen=True)
class Flag:
    """One raised flag; ``renewed`` is in milliseconds of the registry's clock."""

    name: str
    renewed: int
    holder: Holder


def why_gone(flag: Flag, me: Holder, now: float, running: Callable[[int, str], bool] = is_running) -> str:
    """Why the holder of a flag cannot be at work any more; empty if it may be. Pure but for ``running``.

    Args:
        flag: Another's flag.
        me: Who asks.
        now: The registry's present time in milliseconds.
        running: Whether a process of this host, known by number and start, still runs.
    """
    other = flag.holder
    here = other.host == me.host and other.machine == me.machine
    if here and other.pid and not running(other.pid, other.started):
        return f"process {other.pid} on this host has ended"
    if other.build and other.build == me.build and not here:
        return "it is this same build, which has started again"
    age = (now - flag.renewed) / 1000
    return f"it was last renewed {age:.0f} s ago, its lease is {other.lease:g} s" if age > other.lease else ""


class Lock:
    """The lock for one piece of work; a context manager.

    Args:
        registry: Where the flags are.
        holder: Who wants it, and for which models.
        wait: Longest time to wait for others, in seconds; 0 asks once.
        retry: The policy of each request.
        say: Told who is waited for, and whose dead flag was removed.
        sleep: Replaced in tests.

    Raises:
        Busy: others held it until the deadline.
        ConnectionFailed, RegistryError: flags can be neither raised nor read.
    """

    def __init__(
        self,
        registry: Registry,
        holder: Holder,
        *,
        wait: float,
        retry: RetryPolicy | None = None,
        say: Callable[[str], None] = lambda text: None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._registry = registry
        self._holder = holder
        self._wait = wait
        self._retry = retry or RetryPolicy()
        self._say = say
        self._sleep = sleep
        self._name = ""
        self._clock: tuple[int, float] | None = (
            None  # the registry's time in ms, at this moment of time.monotonic()
        )
        self._renewed = 0.0
        self._lost = ""
        self._done = threading.Event()
        self._renewer: threading.Thread | None = None

    def __enter__(self) -> Lock:  # noqa: PYI034  no subclass is meant
        try:
            self._acquire()
        except BaseException:
            self._lower()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._lower()

    def check(self) -> None:
        """Make sure that the lock still is held; asked before every write, costs no request.

        Raises:
            LockLost: another process took it over, or it could not be renewed within its lease.
        """
        late = time.monotonic() - self._renewed > self._holder.lease
        why = self._lost or ("it could not be renewed in time" if late else "")
        if why:
            raise LockLost(
                f"the lock for {printable(self._holder.what)} was lost: {why}",
                state="nothing more was written",
                next_step="run the command again: it finishes or undoes what is half done, unless another has",
            )

    def _acquire(self) -> None:
        began, pause, told = time.monotonic(), _FIRST_POLL, ""
        self._raise()
        while True:
            rivals = self._rivals()
            if not rivals and self._name:
                return
            if not rivals:
                self._raise()
                continue
            if (
                self._name > rivals[0].name
            ):  # of several that wait, the first name stays and the others step back
                self._lower()
            who = "; ".join(printable(rival.holder.words) for rival in rivals)
            half_seen = not any(rival.holder.host for rival in rivals)
            deadline = began + max(self._wait, _HALF_SEEN if half_seen else 0)
            if time.monotonic() >= deadline:
                raise Busy(
                    f"{printable(self._holder.what)} is being worked on by {who}",
                    state=f"nothing was written; waited {self._wait:g} s",
                    next_step="wait until that is done, or stop it, then run the command again",
                )
            if who != told and self._wait:
                self._say(f"waiting up to {self._wait:g} s for {who}")
                told = who
            self._sleep(min(pause * random.uniform(0.5, 1.5), max(deadline - time.monotonic(), 0)))  # noqa: S311
            pause = min(pause * 1.5, _LONGEST_POLL)

    def _raise(self) -> None:
        name = f"{FLAG_PREFIX}{uuid.uuid4().hex}"
        tags, description = {HOLDER_TAG: self._holder.to_tag()}, self._holder.description
        self._name, self._renewed = name, time.monotonic()

        def create() -> None:
            try:
                created = self._registry.raise_flag(name, tags, description)
            except Exception as error:
                if classify(error).exists:  # an earlier try took effect: nobody else can have this name
                    return
                raise
            self._clock = self._clock or (created, time.monotonic())

        self._request(f"taking the lock for {self._holder.what}", create)
        self._start_renewing(name, description)

    def _rivals(self) -> list[Flag]:
        """The living flags in this one's way, by name; dead ones are removed."""
        flags = [
            Flag(name, renewed, Holder.from_tag(tags.get(HOLDER_TAG, "")))
            for name, renewed, tags in self._request("reading the locks", self._registry.flags)
        ]
        mine = next((flag for flag in flags if flag.name == self._name), None)
        if self._name and mine is None:  # taken for dead, and removed: start anew
            self._lower()
        if mine and self._clock is None:
            self._clock = (mine.renewed, time.monotonic())  # rather late than early: ages only seem smaller
        others = sorted((flag for flag in flags if flag.name != self._name), key=lambda flag: flag.name)
        return [flag for flag in others if not self._removed(flag) and self._holder.conflicts(flag.holder)]

    def _removed(self, flag: Flag) -> bool:
        """Whether the flag is of one who is gone; then it is removed, in this one's way or not: nobody else would."""
        reason = why_gone(flag, self._holder, self._now())
        if reason:
            if self._holder.conflicts(flag.holder):
                self._say(f"taking the lock over from {printable(flag.holder.words)}: {reason}")
            with contextlib.suppress(Exception):  # it no longer counts, removed or not
                self._registry.lower_flag(flag.name)
        return bool(reason)

    def _now(self) -> float:
        if self._clock is None:
            return 0.0
        registry_time, moment = self._clock
        return registry_time + (time.monotonic() - moment) * 1000

    def _request(self, what: str, call: Callable[[], T]) -> T:
        try:
            return call_with_retries(call, self._retry, sleep=self._sleep)
        except Exception as error:
            raised = self._registry.translate(what, error)
            raised.state = raised.state or "nothing was written"
            raise raised from error

    def _start_renewing(self, name: str, description: str) -> None:
        done = self._done = threading.Event()

        def renew() -> None:
            while not done.wait(self._holder.lease / _RENEWALS_PER_LEASE):
                started = time.monotonic()
                try:
                    self._registry.renew_flag(name, description)
                except Exception as error:  # noqa: BLE001  tried again until the lease has run out
                    if classify(error).not_found:
                        self._lost = "another process took it over"
                        return
                else:
                    self._renewed = started

        self._renewer = threading.Thread(target=renew, name="lock", daemon=True)
        self._renewer.start()

    def _lower(self) -> None:
        """Take the flag down; one that cannot be is left to its lease."""
        name, self._name = self._name, ""
        if not name:
            return
        self._done.set()
        try:
            call_with_retries(lambda: self._registry.lower_flag(name), self._retry, sleep=self._sleep)
        except Exception as error:  # noqa: BLE001  the work itself is done or has failed for its own reasons
            why = self._registry.translate("releasing it", error).message
            self._say(
                f"the lock for {printable(self._holder.what)} could not be released ({why}); "
                f"it ends by itself in {self._holder.lease:g} s"
            )
