"""The lock's flags as one process sees them: which exist, whose holders are gone, and which are in its way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from jenkins_mlflow.registry.client import Registry
from jenkins_mlflow.registry.holder import LONGEST_LEASE, Holder, is_running
from jenkins_mlflow.tags import FLAG_PREFIX, HOLDER_TAG
from jenkins_mlflow.text import printable


@dataclass(frozen=True)
class Flag:
    """One existing flag; ``renewed`` is in milliseconds of the store's clock, ``signed`` is true without a key."""

    name: str
    renewed: int
    holder: Holder
    signed: bool = True


def why_gone(flag: Flag, me: Holder, now: float, running: Callable[[int, str], bool] = is_running) -> str:
    """Why the holder of a flag can no longer be running; empty if it may be. Pure except for ``running``.

    Args:
        flag: Another holder's flag.
        me: The holder that asks.
        now: The store's time in milliseconds, taken before the flags were read.
        running: Whether a process on this host, given by number and start time, is still running.
    """
    other = flag.holder
    here = other.host == me.host and other.machine == me.machine
    if here and other.pid and not running(other.pid, other.started):
        return f"process {other.pid} on this host has ended"
    if me.same_build(other) and not here:
        return "it belongs to this same build, which was restarted"
    age, lease = (now - flag.renewed) / 1000, min(other.lease, LONGEST_LEASE)
    return f"it was last renewed {age:.0f} s ago, its lease is {lease:g} s" if age > lease else ""


class Flags:
    """All flags, as one holder sees them.

    Args:
        registry: The registry with the flags.
        holder: The holder that reads them.
        say: Called with a message about each dead flag that was removed.
        clock: The steady clock.
    """

    def __init__(
        self, registry: Registry, holder: Holder, say: Callable[[str], None], clock: Callable[[], float]
    ) -> None:
        self._registry = registry
        self._holder = holder
        self._say = say
        self._clock = clock
        self._stamp, self._moment = 0, clock()
        self._left_alone: set[str] = set()

    def stamped(self, stamp: int) -> None:
        """Remember the store's time from an answer: what it has just stamped, in milliseconds."""
        self._stamp, self._moment = stamp, self._clock()

    def now(self) -> float:
        """The store's time in milliseconds. It may be too early but never too late, so ages only seem smaller."""
        return self._stamp + (self._clock() - self._moment) * 1000

    def look(self, mine: str) -> tuple[bool, list[Flag]]:
        """Read the flags and remove dead ones.

        Args:
            mine: The name of this holder's flag; empty if it has none.

        Returns:
            Whether this holder's flag exists, and the live ones in its way, by name.

        Raises:
            ConnectionFailed, RegistryError: the flags cannot be read.
        """
        now = self.now()  # taken before the flags are read, so that every renewal until then is seen
        flags = {
            flag.name: Flag(
                flag.name, flag.renewed, Holder.from_tag(flag.tags.get(HOLDER_TAG, "")), flag.signed
            )
            for flag in self._registry.flags()
        }
        up = flags.pop(mine, None) is not None
        living = [flags[name] for name in sorted(flags) if not self._gone(flags[name], now)]
        return up, [flag for flag in living if self._holder.conflicts(flag.holder)]

    def _gone(self, flag: Flag, now: float) -> bool:
        """Whether its holder is gone. If so, remove the flag, even if it is not in the way: nobody else would.

        A flag never has versions. A model that has some is somebody's, and only its name looks like a flag's.
        """
        reason = why_gone(flag, self._holder, now)
        if reason and flag.name not in self._left_alone:
            try:
                if self._registry.has_versions(flag.name):
                    self._left_alone.add(flag.name)
                    self._say(
                        f"the registered model {printable(flag.name)} has versions, so it is not a lock and stays; "
                        f"names that begin with {FLAG_PREFIX} are for locks only: rename it"
                    )
                    return True
                self._registry.lower_flag(flag.name)
            except Exception:  # noqa: BLE001  perhaps another account's; it no longer counts, removed or not
                self._left_alone.add(flag.name)
            else:
                if self._holder.conflicts(flag.holder):
                    self._say(f"taking the lock over from {flag.holder.summary}: {reason}")
        return bool(reason)
