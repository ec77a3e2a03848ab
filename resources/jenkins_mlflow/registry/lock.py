"""Allows one promotion at a time in any part of a registry, across agents and with no service except MLflow itself.

To take the lock, a command creates a flag: a registered model with a unique name starting with
``FLAG_PREFIX``. Then it lists all flags. If no other live flag is in its way, it holds the lock; otherwise it
removes its flag and waits. If two commands create their flags at the same time, at least one of them sees the
other's, in any store. Unlike a flag with a fixed name, this needs no atomic creation, which MLflow's file
store does not have (1 of 60 four-way races had two winners, MLflow 3.17.2). And since no name is ever reused,
removing a dead flag can never hit a live one.

A flag is dead if, by the store's clock, its stamp was older than its lease before the flags were read. Its
holder stops writing once its lease has expired by its machine's steady clock (lease.py). So a holder that
renews in time is never considered dead, and one that is considered dead no longer writes, whether or not its
flag could be removed.

With a signing key, an unsigned flag is waited for like any other and then ignored: it may come from a command
without the key, or from somebody who only wants others to wait. A flag that is created later does no harm,
because its owner first sees the flag of this lock.
"""

from __future__ import annotations

import contextlib
import math
import random
import time
import uuid
from collections.abc import Callable
from dataclasses import replace
from types import TracebackType
from typing import TypeVar

from jenkins_mlflow.errors import Busy, Interrupted, LockLost
from jenkins_mlflow.registry.client import Registry
from jenkins_mlflow.registry.clock import steady
from jenkins_mlflow.registry.faults import classify, may_take_effect
from jenkins_mlflow.registry.flags import Flag, Flags
from jenkins_mlflow.registry.holder import DEFAULT_LEASE, Holder
from jenkins_mlflow.registry.lease import Lease
from jenkins_mlflow.registry.retries import RetryPolicy, call_with_retries
from jenkins_mlflow.tags import FLAG_PREFIX, HOLDER_TAG
from jenkins_mlflow.text import printable

T = TypeVar("T")

_FIRST_POLL, _LONGEST_POLL = 0.1, 2.0
# A flag that is just being created or removed may be seen without its tag, because a store reads models and tags one
# after the other (seen with MLflow 3.17.2 on SQLite and PostgreSQL). So even a command with wait 0 looks once more.
_HALF_SEEN = 1.0
# If several commands want the lock, one may keep its flag for this long until the others have stepped back.
_INSISTS = 1.0
_STEPS_BACK = 3 * _INSISTS
_LAPSES = 4
# Unsigned flags are waited for at least this long, however short the configured wait is.
UNSIGNED_SECONDS = 60.0
_NAMED = 5


class Lock:
    """The lock for one piece of work; a context manager.

    Args:
        registry: The registry with the flags.
        holder: Who wants the lock, and for which models.
        wait: The longest time to wait for others, in seconds; 0 tries once.
        retry: The retry policy for each request.
        say: Called with messages about who is waited for and whose dead flag was removed.
        waiting: Called each time that others are in the way; raises Refused if waiting has become pointless.
        sleep, clock: Replaced in tests.

    Raises:
        Busy: others held it until the deadline.
        LockLost: the flag was removed repeatedly, or could not be renewed within its lease.
        ConnectionFailed, RegistryError: flags can be neither created nor read.
    """

    def __init__(
        self,
        registry: Registry,
        holder: Holder,
        *,
        wait: float,
        retry: RetryPolicy | None = None,
        say: Callable[[str], None] = lambda text: None,
        waiting: Callable[[], None] = lambda: None,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = steady,
    ) -> None:
        self._registry = registry
        self._holder = holder
        self._wait = wait
        self._retry = retry or RetryPolicy()
        self._say = say
        self._waiting = waiting
        self._sleep = sleep
        self._clock = clock
        self._lease: Lease | None = None
        self._taken = 0.0
        self.held = 0.0
        """How many seconds it was held; set when it is released."""
        self._flags = Flags(registry, holder, say, clock)
        self._unanswered: list[float] = []
        self._passed = False

    def __enter__(self) -> Lock:  # noqa: PYI034  not meant to be subclassed
        try:
            self._acquire()
        except BaseException:
            self._lower()
            raise
        self._taken = self._clock()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        open_for = max(self._unanswered, default=-math.inf) + self._registry.answer_time - self._clock()
        if open_for > 0 and self._lease and not self._lease.lost():
            self._leave(self._lease, open_for)
        else:
            self._lower()
        self.held = self._clock() - self._taken

    def check(self) -> None:
        """Make sure that the lock is still held. Called before every write; makes no request.

        Raises:
            LockLost: another process took it over, or it was not renewed within its lease.
        """
        why = self._lease.lost() if self._lease else "it was released"
        if why:
            raise LockLost(
                f"the lock for {printable(self._holder.what)} was lost: {why}",
                state="nothing more was written",
                next_step="run the command again: it finishes or undoes what is half done, if that is still needed",
            )

    def now(self) -> int:
        """The store's present time in milliseconds, derived from the flag's stamp; makes no request."""
        return int(self._flags.now())

    def confirm(self) -> None:
        """Read the flags once more, right before the first write; 1 request as long as nobody else wants the lock.

        Commands that start to wait create their flags for a moment. Only a flag that stays is in the way.

        Raises:
            LockLost: see ``check``; or the flags show that another process holds the lock.
            ConnectionFailed, RegistryError: the flags cannot be read.
        """
        until, met = self._clock() + _STEPS_BACK, None
        while True:
            self.check()
            mine, rivals = self._look()
            lease = self._lease
            if lease and not mine:
                lease.lose("another process took it over")
            seen = {rival.name for rival in rivals if rival.signed}
            met = seen if met is None else met & seen
            if lease and met and self._clock() >= until:
                lease.lose(f"it is also held by {_describe([flag for flag in rivals if flag.name in met])}")
            self.check()
            if not met:
                return
            self._sleep(_FIRST_POLL)

    def send(self, write: Callable[[], T]) -> T:
        """Send one write under this lock; every such write goes through here, from any thread.

        A write without an answer may take effect until its time-out has passed, so the lock is kept until
        then.

        Raises:
            LockLost: nothing was sent.
            Exception: what the write raises.
        """
        self.check()
        sent = self._clock()
        try:
            return write()
        except (Interrupted, Exception) as error:
            if may_take_effect(error):
                self._unanswered.append(sent)
            raise

    def _acquire(self) -> None:
        began, pause, announced = self._clock(), _FIRST_POLL, ""
        self._raise()
        lapses = 0
        unsigned_until = began + max(self._wait, UNSIGNED_SECONDS)
        while True:
            mine, rivals = self._look()
            now, lease = self._clock(), self._lease
            if now >= unsigned_until:
                rivals = self._signed(rivals)
            # The flag was removed as a dead one, or this process slept.
            if lease and (not mine or lease.lost()):
                lapses += 1
                self._start_again(lapses)
                continue
            if not rivals and lease:
                return
            if not rivals:
                self._raise()
                continue
            if lease and (lease.name > rivals[0].name or self._clock() - lease.raised > _INSISTS):
                self._lower()  # of several that want the lock, the first by name stays and the others step back
            known = [rival for rival in rivals if rival.holder.readable]
            patient = began + _HALF_SEEN
            deadline = began + self._wait if known else max(began + self._wait, patient)
            if not any(rival.signed for rival in rivals):
                deadline = unsigned_until
            self._refuse_wrong_clocks([rival for rival in known if rival.signed])
            if now >= deadline:
                raise Busy(
                    f"{printable(self._holder.what)} is being worked on by {_describe(rivals)}",
                    state="nothing was written" + (f"; waited {self._wait:g} s" if self._wait else ""),
                    next_step="wait until that is done, or stop it, then run the command again",
                )
            who = _describe(known if now < patient else rivals)
            if who and who != announced and self._wait:
                self._say(f"waiting up to {self._wait:g} s for {who}")
                announced = who
            self._waiting()
            self._sleep(min(pause * random.uniform(0.5, 1.5), max(deadline - now, 0)))  # noqa: S311
            pause = min(pause * 1.5, _LONGEST_POLL)

    def _signed(self, rivals: list[Flag]) -> list[Flag]:
        """The signed ones among these; the others are ignored, which is reported once."""
        unsigned = [rival for rival in rivals if not rival.signed]
        if unsigned and not self._passed:
            self._say(f"no longer waiting for {_describe(unsigned)}: not signed with this key")
            self._passed = True
        return [rival for rival in rivals if rival.signed]

    def _start_again(self, lapses: int) -> None:
        self._lower()
        if lapses == _LAPSES:
            raise LockLost(
                f"the lock for {printable(self._holder.what)} was lost {lapses} times before it was held: "
                f"its flag was removed, or could not be renewed within its lease of {self._holder.lease:g} s",
                state="nothing was written",
                next_step="find out why the registry answers so slowly, or set a longer promote.lock.lease",
            )
        self._raise()

    def _refuse_wrong_clocks(self, rivals: list[Flag]) -> None:
        """Refuse to wait for a flag that was stamped in the future, because nobody knows for how long."""
        for rival in rivals:
            ahead = (rival.renewed - self._flags.now()) / 1000
            if ahead > max(rival.holder.lease, DEFAULT_LEASE):
                raise Busy(
                    f"{printable(self._holder.what)} is being worked on by {rival.holder.summary}, "
                    f"and the clock that stamped its lock is {ahead:.0f} s ahead of the registry's",
                    state="nothing was written",
                    next_step=f"set the clocks right; if that work has ended, delete the registered model {rival.name}",
                )

    def _raise(self) -> None:
        name = f"{FLAG_PREFIX}{uuid.uuid4().hex}"
        tags, description = {HOLDER_TAG: self._holder.to_tag()}, self._holder.summary

        def renew() -> int:
            return self._registry.renew_flag(name, description)

        def create() -> None:
            try:
                stamp = self._registry.raise_flag(name, tags, description)
            except Exception as error:
                if not classify(error).exists:
                    raise
                stamp = renew()  # an earlier try took effect, because nobody else can have this name
            self._flags.stamped(stamp)
            self._registry.sign_flag(name)

        self._lease = Lease(name, self._holder.lease, renew, self._clock)
        self._request(f"taking the lock for {self._holder.what}", create)
        self._lease.start()

    def _look(self) -> tuple[bool, list[Flag]]:
        mine = self._lease.name if self._lease else ""
        return self._request("reading the locks", lambda: self._flags.look(mine))

    def _request(self, what: str, call: Callable[[], T]) -> T:
        try:
            return call_with_retries(call, self._retry, sleep=self._sleep)
        except Exception as error:
            raised = self._registry.translate(what, error)
            raised.state = raised.state or "nothing was written"
            raise raised from error

    def _leave(self, lease: Lease, seconds: float) -> None:
        """Keep the flag for a request that may still take effect; it expires even if this process has ended."""
        lease.end()
        abandoned = replace(self._holder, pid=0, build="", lease=seconds)
        self._say(
            f"a request that got no answer may still take effect: "
            f"the lock for {printable(self._holder.what)} expires in {seconds:.0f} s"
        )
        with contextlib.suppress(Exception):  # if this fails, it expires like any lease
            self._registry.renew_flag(lease.name, abandoned.description)
            self._registry.tag_model(lease.name, HOLDER_TAG, abandoned.to_tag())
            self._registry.sign_flag(lease.name)

    def _lower(self) -> None:
        """Remove the flag; if that fails, it expires with its lease."""
        lease, self._lease = self._lease, None
        if not lease:
            return
        lease.end()
        try:
            call_with_retries(lambda: self._registry.lower_flag(lease.name), self._retry, sleep=self._sleep)
        except Exception as error:  # noqa: BLE001  the work itself has succeeded, or failed for another reason
            why = self._registry.translate("releasing it", error).message
            self._say(
                f"the lock for {printable(self._holder.what)} could not be released ({why}); "
                f"it expires in {self._holder.lease:g} s"
            )


def _describe(flags: list[Flag]) -> str:
    more = f"; and {len(flags) - _NAMED} more" if len(flags) > _NAMED else ""
    return "; ".join(flag.holder.summary for flag in flags[:_NAMED]) + more
