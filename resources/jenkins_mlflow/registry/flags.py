"""The flags of the lock as one process sees them: which are up, whose holders are gone, which are in its way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from jenkins_mlflow.registry.client import Registry
from jenkins_mlflow.registry.holder import LONGEST_LEASE, Holder, is_running
from jenkins_mlflow.tags import HOLDER_TAG


@dataclass(frozen=True)
class Flag:
    """One raised flag; ``renewed`` is in milliseconds of the store's clock, ``signed`` true where there is no key."""

    name: str
    renewed: int
    holder: Holder
    signed: bool = True


def why_gone(flag: Flag, me: Holder, now: float, running: Callable[[int, str], bool] = is_running) -> str:
    """Why the holder of a flag cannot be at work any more; empty if it may be. Pure but for ``running``.

    Args:
        flag: Another's flag.
        me: Who asks.
        now: The store's time in milliseconds, before the flags were asked for.
        running: Whether a process of this host, known by number and start, still runs.
    """
    other = flag.holder
    here = other.host == me.host and other.machine == me.machine
    if here and other.pid and not running(other.pid, other.started):
        return f"process {other.pid} on this host has ended"
    if other.build and other.build == me.build and not here:
        return "it is this same build, which has started again"
    age, lease = (now - flag.renewed) / 1000, min(other.lease, LONGEST_LEASE)
    return f"it was last renewed {age:.0f} s ago, its lease is {lease:g} s" if age > lease else ""


class Flags:
    """All flags, as one holder looks at them.

    Args:
        registry: Where they are.
        holder: Who looks.
        say: Told whose dead flag was removed.
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
        """Take the store's time from an answer: what it has just stamped, in milliseconds."""
        self._stamp, self._moment = stamp, self._clock()

    def now(self) -> float:
        """The store's time in milliseconds, rather too early than too late: ages only seem smaller."""
        return self._stamp + (self._clock() - self._moment) * 1000

    def look(self, mine: str) -> tuple[bool, list[Flag]]:
        """Whether this holder's flag is up, and the living ones in its way, by name; dead ones are removed.

        Args:
            mine: The name of this holder's flag; empty if it has none.

        Raises:
            ConnectionFailed, RegistryError: the flags cannot be read.
        """
        now = self.now()  # before they are read: a renewal that took effect by then is seen
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
        """Whether its holder is gone; then the flag is removed, in this one's way or not: nobody else would."""
        reason = why_gone(flag, self._holder, now)
        if reason and flag.name not in self._left_alone:
            try:
                self._registry.lower_flag(flag.name)
            except Exception:  # noqa: BLE001  another account's, perhaps: it counts no more, removed or not
                self._left_alone.add(flag.name)
            else:
                if self._holder.conflicts(flag.holder):
                    self._say(f"taking the lock over from {flag.holder.summary}: {reason}")
        return bool(reason)
