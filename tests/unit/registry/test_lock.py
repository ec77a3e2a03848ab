"""How the lock decides, second by second: flags in memory and a clock that moves only when told."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
import requests
from jenkins_mlflow.build import BuildContext
from jenkins_mlflow.errors import Busy, Interrupted, LockLost, NotFound, RegistryError
from jenkins_mlflow.registry.client import FoundFlag
from jenkins_mlflow.registry.clock import steady
from jenkins_mlflow.registry.holder import Holder
from jenkins_mlflow.registry.lease import Lease
from jenkins_mlflow.registry.lock import Lock
from jenkins_mlflow.registry.retries import RetryPolicy
from jenkins_mlflow.registry.writer import Writer
from jenkins_mlflow.tags import FLAG_PREFIX, HOLDER_TAG
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import RESOURCE_DOES_NOT_EXIST

ME = Holder.this_process("promote", ("m",), ("m",), BuildContext(id="b-1", user="me"), 60)
OTHER = replace(ME, host="elsewhere", build="b-2", by="other", at="")
OTHERS = "promote of m by build b-2 (other on elsewhere)"


NO_ANSWER = requests.exceptions.ReadTimeout("no answer")
Make = Callable[..., Lock]


@dataclass
class Flags:
    """A registry with nothing but flags.

    ``read`` is called between the reading of the flags and the answer; ``renewing`` and ``lowering`` before a request
    takes effect.
    """

    seconds: float = 0.0
    flags: dict[str, tuple[int, dict[str, str]]] = field(default_factory=dict)
    foreign: set[str] = field(default_factory=set)
    unsigned: set[str] = field(default_factory=set)
    requests: list[str] = field(default_factory=list)
    read: Callable[[], object] = lambda: None
    renewing: Callable[[], object] = lambda: None
    lowering: Callable[[str], object] = lambda name: None
    answer_time: float = 30.0

    def clock(self) -> float:
        return self.seconds

    def pass_by(self, seconds: float) -> None:
        self.seconds += seconds

    def put(self, name: str, holder: Holder | None = OTHER, age: float = 0.0) -> str:
        tags = {HOLDER_TAG: holder.to_tag()} if holder else {}
        self.flags[FLAG_PREFIX + name] = (self._stamp() - int(age * 1000), tags)
        return FLAG_PREFIX + name

    def raise_flag(self, name: str, tags: dict[str, str], description: str) -> int:
        self.requests.append("raise")
        self.flags[name] = (self._stamp(), tags)
        return self._stamp()

    def renew_flag(self, name: str, description: str) -> int:
        self.requests.append("renew")
        self.renewing()
        if name not in self.flags:
            raise MlflowException("gone", RESOURCE_DOES_NOT_EXIST)
        self.flags[name] = (self._stamp(), self.flags[name][1])
        return self._stamp()

    def tag_model(self, name: str, key: str, value: str) -> None:
        self.requests.append("tag")
        self.flags[name][1][key] = value

    def sign_flag(self, name: str) -> None:
        pass

    def has_versions(self, name: str) -> bool:
        self.requests.append("versions")
        return False

    def lower_flag(self, name: str) -> None:
        self.requests.append("lower")
        self.lowering(name)
        if name in self.foreign:
            raise RegistryError("403")
        self.flags.pop(name, None)

    def list(self) -> list[FoundFlag]:
        self.requests.append("list")
        rows = [
            FoundFlag(name, renewed, dict(tags), name not in self.unsigned)
            for name, (renewed, tags) in self.flags.items()
        ]
        self.read()
        return rows

    def translate(self, what: str, error: Exception) -> Exception:
        return NotFound(f"{what}: {error}")

    def _stamp(self) -> int:
        return 1_000_000_000 + int(self.seconds * 1000)


class Registry:
    """What the lock asks of a registry, answered by Flags."""

    def __init__(self, flags: Flags) -> None:
        self.flags = flags.list
        self._flags = flags

    def __getattr__(self, name: str) -> Any:
        return getattr(self._flags, name)


@pytest.fixture
def flags() -> Flags:
    return Flags()


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def make(flags: Flags, said: list[str]) -> Make:
    def make(holder: Holder = ME, wait: float = 0) -> Lock:
        return Lock(
            Registry(flags),  # type: ignore[arg-type]
            holder,
            wait=wait,
            retry=RetryPolicy(attempts=1),
            say=said.append,
            sleep=flags.pass_by,
            clock=flags.clock,
        )

    return make


def test_confirming_costs_one_request(flags: Flags, make: Make) -> None:
    with make() as lock:
        flags.requests.clear()
        lock.confirm()
        assert flags.requests == ["list"]


def test_a_flag_that_is_gone_is_lost(flags: Flags, make: Make) -> None:
    with make() as lock:
        flags.flags.clear()
        lock.check()
        for ask in (lock.confirm, lock.check):
            with pytest.raises(LockLost) as caught:
                ask()
            assert caught.value.message == "the lock for m was lost: another process took it over"


def test_who_begins_to_wait_is_not_in_the_way(flags: Flags, make: Make) -> None:
    """One newcomer after the other raises its flag for a moment."""
    with make() as lock:
        comers = [flags.put(name) for name in "abc"]
        for comer in comers[1:]:
            flags.flags.pop(comer)

        def one_goes_one_comes() -> None:
            flags.flags.pop(comers.pop(0))
            if comers:
                flags.put(comers[0].removeprefix(FLAG_PREFIX))

        flags.requests.clear()
        flags.read = one_goes_one_comes
        lock.confirm()
        assert flags.requests == ["list", "list"]


def test_who_stays_in_the_way_holds_it_too(flags: Flags, make: Make) -> None:
    with make() as lock:
        flags.put("0")
        with pytest.raises(LockLost) as caught:
            lock.confirm()
        assert caught.value.message == f"the lock for m was lost: it is also held by {OTHERS}"
        assert caught.value.state == "nothing more was written"


def always(flags: Flags, names: Callable[[], str], *, signed: bool = False) -> None:
    """Somebody keeps a flag up, renewed, whatever comes."""

    def keep() -> None:
        name = flags.put(names())
        if not signed:
            flags.unsigned.add(name)

    flags.read = keep
    keep()


@pytest.mark.parametrize(("wait", "waited"), [(0, 60), (30, 60), (120, 120)])
@pytest.mark.parametrize("names", ["one", "ever new ones"])
def test_what_is_not_signed_is_waited_for_and_passed_over(
    names: str, wait: float, waited: float, flags: Flags, make: Make, said: list[str]
) -> None:
    """It may be of somebody who works without the key, and may be of somebody who wants to stop everybody."""
    numbers = iter(range(1000))
    always(flags, lambda: "0" if names == "one" else f"0{next(numbers):03}")
    with make(wait=wait) as lock:
        assert waited <= flags.seconds < waited + 5
        lock.confirm()
        lock.check()
    first = f"no longer waiting for {OTHERS}"
    (notice,) = [text for text in said if text.startswith("no longer waiting")]
    assert notice.startswith(first)
    assert notice.endswith(": not signed with this key")


def test_who_holds_it_signed_is_never_passed_over(flags: Flags, make: Make) -> None:
    """However many others are not signed."""
    always(flags, lambda: "0", signed=True)
    flags.unsigned.add(flags.put("1"))
    with pytest.raises(Busy) as caught, make(wait=100):
        pytest.fail("held")
    assert caught.value.message.startswith(f"m is being worked on by {OTHERS}")
    assert 100 <= flags.seconds < 105


def test_the_future_of_what_is_not_signed_is_no_matter(flags: Flags, make: Make) -> None:
    """The clock of its stamp refuses nobody."""
    flags.unsigned.add(flags.put("0", age=-1000))
    with make():
        assert 60 <= flags.seconds < 65


def test_who_works_without_the_key_is_waited_for(flags: Flags, make: Make) -> None:
    """Its flag goes down after a while, and nobody was at work at the same time."""
    name = flags.put("0")
    flags.unsigned.add(name)

    def end() -> None:
        if flags.seconds > 20:
            flags.flags.pop(name, None)

    flags.read = end
    with make(wait=30):
        assert 20 < flags.seconds < 30  # it looks every few seconds, at random
        assert name not in flags.flags


def test_asleep_for_longer_than_the_lease_it_is_lost_for_good(flags: Flags, make: Make) -> None:
    with make() as lock:
        flags.pass_by(60)
        lock.check()
        flags.pass_by(0.1)
        for ask in (lock.check, lock.confirm):
            with pytest.raises(LockLost, match="it was not renewed within its lease of 60 s"):
                ask()


def test_asleep_before_it_was_held_it_starts_anew(flags: Flags, make: Make) -> None:
    """The flag had been raised; while the flags were read the process slept."""
    sleeps = iter([61, 0])
    flags.read = lambda: flags.pass_by(next(sleeps))
    with make() as lock:
        lock.check()
        assert flags.requests == ["raise", "list", "lower", "raise", "list"]


def test_a_registry_slower_than_the_lease_is_an_error(flags: Flags, make: Make) -> None:
    flags.read = lambda: flags.pass_by(61)
    with pytest.raises(LockLost) as caught, make():
        pytest.fail("held")
    assert caught.value.message == (
        "the lock for m was lost 4 times before it was held: "
        "its flag was removed, or could not be renewed within its lease of 60 s"
    )
    assert flags.flags == {}


def test_the_steady_clock_goes_on_in_suspend() -> None:
    """Linux' clock since boot does; time.monotonic does not."""
    if hasattr(time, "CLOCK_BOOTTIME"):
        before = time.clock_gettime(time.CLOCK_BOOTTIME)
        assert before <= steady() <= time.clock_gettime(time.CLOCK_BOOTTIME)


def lease(flags: Flags, renew: Callable[[], object]) -> Lease:
    return Lease("f", 60, renew, flags.clock)


def test_renewals_count_from_when_they_were_sent(flags: Flags) -> None:
    held = lease(flags, lambda: flags.pass_by(10))
    flags.pass_by(40)
    held.renew_once()
    flags.pass_by(50)
    assert held.lost() == ""
    flags.pass_by(1)
    assert held.lost() == "it was not renewed within its lease of 60 s"


def test_a_renewal_that_is_answered_too_late_is_none(flags: Flags) -> None:
    """Another may have read the flags before the renewal took effect."""
    held = lease(flags, lambda: flags.pass_by(10))
    flags.pass_by(55)
    held.renew_once()
    assert held.lost() == "it was not renewed within its lease of 60 s"
    held.renew_once()
    assert held.lost() == "it was not renewed within its lease of 60 s"


def test_a_renewal_that_fails_is_no_loss_yet(flags: Flags) -> None:
    answers = iter([ConnectionError("no"), None])

    def renew() -> None:
        if error := next(answers):
            raise error

    held = lease(flags, renew)
    for _ in range(2):
        flags.pass_by(25)
        held.renew_once()
    flags.pass_by(60)
    assert held.lost() == ""


def test_one_who_renews_while_another_reads_is_not_taken_for_dead(
    flags: Flags, make: Make, said: list[str]
) -> None:
    """The flags were read when its lease had 1 s to go, the answer came 2 s later; meanwhile it renewed in time."""
    name = flags.put("0", age=59)
    flags.read = lambda: flags.pass_by(2)
    with pytest.raises(Busy, match="is being worked on by promote of m by build b-2"), make():
        pytest.fail("held")
    assert name in flags.flags
    assert said == []


@pytest.mark.parametrize("removable", [True, False])
@pytest.mark.parametrize("order", ["list, renewal, delete", "list, delete, renewal"])
def test_who_renews_between_anothers_list_and_its_delete_has_lost_the_lock(
    order: str, removable: bool, flags: Flags, make: Make
) -> None:
    """A renewal sent in time, 59.9 s after the last, reaches the store when another has listed the flags: the other
    holds the lock, and the first one knows that it has lost it, whether its flag is removed, renewed, or both."""
    name = flags.put("slow")
    flags.foreign = set() if removable else {name}
    other = make()

    def renew() -> int:
        flags.pass_by(0.3)
        if order == "list, renewal, delete":
            flags.lowering = lambda which: flags.put("slow") if which == name else None
        other.__enter__()
        flags.lowering = lambda which: None
        if name in flags.flags:
            flags.put("slow")
        return 0

    slow = Lease(name, 60, renew, flags.clock)
    flags.pass_by(59.9)
    slow.renew_once()
    assert slow.lost() == "it was not renewed within its lease of 60 s"
    other.check()


def test_a_dead_flag_that_cannot_be_removed_is_tried_once_and_not_spoken_of(
    flags: Flags, make: Make, said: list[str]
) -> None:
    """Another account's. It stands in nobody's way, also while somebody else is waited for."""
    dead = flags.put("0", age=61)
    flags.put("1")
    flags.foreign.add(dead)
    with pytest.raises(Busy), make(wait=30):
        pytest.fail("held")
    assert flags.requests.count("list") > 5
    assert flags.requests.count("lower") == 2  # the dead one, and its own
    assert said == [f"waiting up to 30 s for {OTHERS}"]


def test_a_dead_flag_that_was_removed_is_spoken_of(flags: Flags, make: Make, said: list[str]) -> None:
    flags.put("0", age=61)
    with make():
        assert len(flags.flags) == 1
    assert said == [f"taking the lock over from {OTHERS}: it was last renewed 61 s ago, its lease is 60 s"]


def test_a_flag_that_is_going_away_is_not_waited_for_aloud(flags: Flags, make: Make, said: list[str]) -> None:
    """It is seen without its tag, the next time it is gone."""
    name = flags.put("0", None)
    flags.read = lambda: flags.flags.pop(name, None) if flags.requests.count("list") > 1 else None
    with make(wait=30):
        pass
    assert said == []


def test_a_flag_without_its_tag_is_in_the_way_for_ten_seconds(
    flags: Flags, make: Make, said: list[str]
) -> None:
    flags.put("0", None)
    with pytest.raises(Busy) as caught, make():
        pytest.fail("held")
    assert caught.value.message == "m is being worked on by something unknown of *"
    assert 1 <= flags.seconds < 2
    with make(wait=30):
        assert 10 < flags.seconds < 13
    waiting, taking = said
    assert waiting == "waiting up to 30 s for something unknown of *"
    assert taking.startswith("taking the lock over from something unknown of *: it was last renewed 1")


def test_who_waits_leaves_its_flag_up_for_a_moment_only(flags: Flags, make: Make) -> None:
    """The first name of those who want the lock stays until the others have stepped back, but the holder never does."""
    flags.put("zzz")
    with pytest.raises(Busy), make(wait=30):
        pytest.fail("held")
    lowered = flags.requests.index("lower")
    assert flags.requests[lowered + 1 :] == ["list"] * (len(flags.requests) - lowered - 1)
    assert "raise" not in flags.requests[1:]


def test_a_stamp_from_the_future_is_refused(flags: Flags, make: Make) -> None:
    """Nobody can say when such a lease has run out."""
    name = flags.put("0", age=-120)
    with pytest.raises(Busy) as caught, make(wait=30):
        pytest.fail("held")
    assert caught.value.message == (
        f"m is being worked on by {OTHERS}, and the clock that stamped its lock is 120 s ahead of the registry's"
    )
    assert caught.value.state == "nothing was written"
    assert caught.value.next_step == (
        f"set the clocks right; if that work has ended, delete the registered model {name}"
    )


def lose_an_answer(lock: Lock, error: BaseException = NO_ANSWER) -> None:
    def write() -> None:
        raise error

    with pytest.raises(type(error)):
        lock.send(write)


def test_a_write_that_got_no_answer_keeps_the_flag_until_its_time_out(
    flags: Flags, make: Make, said: list[str]
) -> None:
    """The process may be gone by then: neither its end nor its build's restart makes the flag a dead one's."""
    with make() as lock:
        flags.pass_by(5)
        lose_an_answer(lock)
        flags.pass_by(10)
    ((renewed, tags),) = flags.flags.values()
    holder = Holder.from_tag(tags[HOLDER_TAG])
    assert (renewed, holder) == (1_000_015_000, replace(ME, scope=(), pid=0, build="", lease=20))
    assert said == ["a request that got no answer may still take effect: the lock for m expires in 20 s"]
    with pytest.raises(Busy), make(replace(ME, by="next"), wait=15):
        pytest.fail("held")
    with make(replace(ME, by="next"), wait=15):
        assert flags.seconds > 35


@pytest.mark.parametrize("open_for", [0.0, 30.0])
def test_a_write_whose_time_is_over_keeps_nothing(open_for: float, flags: Flags, make: Make) -> None:
    """So it is with a store opened directly: a connection that ends takes its transaction with it."""
    flags.answer_time = open_for
    with make() as lock:
        lose_an_answer(lock)
        flags.pass_by(30)
    assert flags.flags == {}


UNANSWERED = pytest.mark.parametrize(
    ("error", "unanswered"),
    [
        (Interrupted("stopped", signal_number=15), True),
        (requests.exceptions.ReadTimeout("no answer"), True),
        (requests.exceptions.ConnectionError("connection refused"), False),
        (MlflowException("no"), False),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else str(value),
)


@UNANSWERED
def test_only_a_write_without_an_answer_keeps_the_flag(
    error: BaseException, unanswered: bool, flags: Flags, make: Make
) -> None:
    with make() as lock:
        lose_an_answer(lock, error)
    assert len(flags.flags) == unanswered


def test_the_last_write_without_an_answer_counts(flags: Flags, make: Make) -> None:
    """Of several at once, as a cleanup sends them."""
    with make() as lock:
        lose_an_answer(lock)
        flags.pass_by(5)
        lose_an_answer(lock)
    ((_, tags),) = flags.flags.values()
    assert Holder.from_tag(tags[HOLDER_TAG]).lease == 30


def test_nothing_is_sent_when_the_lock_is_lost(flags: Flags, make: Make) -> None:
    sent: list[str] = []
    with make() as lock:
        flags.pass_by(61)
        with pytest.raises(LockLost):
            lock.send(lambda: sent.append("x"))
    assert sent == []


@UNANSWERED
def test_a_writer_knows_of_writes_without_an_answer(error: BaseException, unanswered: bool) -> None:
    def write() -> None:
        raise error

    writer = Writer(RetryPolicy(attempts=1))
    with pytest.raises(type(error)):
        writer.run(write)
    assert writer.open_ended == unanswered


def test_who_waits_in_vain_goes_at_once(flags: Flags) -> None:
    """It asks each time that others are in the way, takes its flag down, and waits for nobody."""
    flags.put("a")
    asked: list[float] = []

    def waiting() -> None:
        asked.append(flags.seconds)
        if len(asked) == 3:
            raise NotFound("out of date")

    lock = Lock(
        Registry(flags),  # type: ignore[arg-type]
        ME,
        wait=600,
        retry=RetryPolicy(attempts=1),
        waiting=waiting,
        sleep=flags.pass_by,
        clock=flags.clock,
    )
    with pytest.raises(NotFound, match="out of date"), lock:
        pass
    assert asked[-1] < 1
    assert list(flags.flags) == [FLAG_PREFIX + "a"]


def test_how_long_it_was_held_is_known_afterwards(flags: Flags, make: Make) -> None:
    """From the moment that it was taken, not that it was wanted."""
    flags.read = lambda: flags.pass_by(5)
    with make() as lock:
        flags.read = lambda: None
        flags.pass_by(7)
    assert lock.held == 7
