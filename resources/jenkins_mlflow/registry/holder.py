"""Who holds a lock and for which models: what a flag's tag says, and whether that process still runs."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from pathlib import Path

from jenkins_mlflow.build import BuildContext
from jenkins_mlflow.errors import UsageError
from jenkins_mlflow.registry.client import matches
from jenkins_mlflow.tags import LONGEST_TAG

DEFAULT_LEASE = 60.0


@dataclass(frozen=True)
class Holder:
    """A process that holds a lock or wants it.

    Attributes:
        work: What it does: promote, rollback, cleanup, recover.
        scope: Names or patterns of the models that it may change.
        writes: The models that it certainly changes, by name.
        lease: Seconds after the last renewal from which on it counts as gone.
        host, machine: Where it runs; ``machine`` tells reboots and containers with the same host name apart.
        pid, started: Its process and when that began, so that a number used again is not taken for it.
        build, build_url, by, at: The Jenkins build if there is one, the user, the time of its own clock.
    """

    work: str
    scope: tuple[str, ...]
    writes: tuple[str, ...]
    lease: float = DEFAULT_LEASE
    host: str = ""
    machine: str = ""
    pid: int = 0
    started: str = ""
    build: str = ""
    build_url: str = ""
    by: str = ""
    at: str = ""

    @classmethod
    def this_process(
        cls, work: str, scope: tuple[str, ...], writes: tuple[str, ...], build: BuildContext, lease: float
    ) -> Holder:
        """The holder that this process is."""
        return cls(
            work,
            scope,
            writes,
            lease,
            host=socket.gethostname(),
            machine=_machine(),
            pid=os.getpid(),
            started=_started(os.getpid()),
            build=build.id,
            build_url=build.url,
            by=build.user,
            at=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        )

    @classmethod
    def from_tag(cls, text: str) -> Holder:
        """Read a flag's tag. One that cannot be read (a file store shows flags half written) is in everybody's way."""
        try:
            values = json.loads(text)
            return cls(**{**values, "scope": tuple(values["scope"]), "writes": tuple(values["writes"])})
        except (ValueError, TypeError, KeyError):
            return cls("something unknown", ("*",), ())

    def to_tag(self) -> str:
        """The tag's text.

        Raises:
            UsageError: the group's patterns do not fit into a tag.
        """
        text = json.dumps(asdict(self), ensure_ascii=True, separators=(",", ":"))
        if len(text) > LONGEST_TAG:
            raise UsageError(
                f"the models of the group take {len(text)} characters to write down; a lock has room for {LONGEST_TAG}",
                state="nothing was written",
                next_step="name the models by fewer or shorter patterns",
            )
        return text

    @property
    def what(self) -> str:
        """The models meant, for messages."""
        names = self.writes or self.scope
        return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")

    @property
    def words(self) -> str:
        """The holder, for people: `promote of m by build http://... (jenkins on agent-3, since 02:00:00Z)`."""
        place = ", ".join(
            part for part in (f"{self.by} on {self.host}" if self.host else "", self.at) if part
        )
        build = f" by build {self.build_url or self.build}" if self.build_url or self.build else ""
        return f"{self.work} of {self.what}{build}" + (f" ({place})" if place else "")

    @property
    def description(self) -> str:
        """What MLflow's UI shows beside the flag."""
        return f"Lock of jenkins-mlflow: {self.words}. It goes away by itself when that work ends."

    def conflicts(self, other: Holder) -> bool:
        """Whether the two may not work at once: one may change a model that the other certainly changes.

        With nothing written for certain on either side (two cleanups, say) the two may.
        """
        if not other.host:  # unreadable
            return True
        return any(matches(name, other.scope) for name in self.writes) or any(
            matches(name, self.scope) for name in other.writes
        )


def is_running(pid: int, started: str) -> bool:
    """Whether the process of this host with this number, begun at this moment, still runs."""
    if Path("/proc/self/stat").exists():
        return _started(pid) == started != ""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # it runs, as another user
        return True
    return True


def _started(pid: int) -> str:
    """When a process began, in the kernel's ticks since boot; empty where that is unknown or it has ended."""
    fields = _read(f"/proc/{pid}/stat").rpartition(")")[2].split()
    return fields[19] if len(fields) > 19 and fields[0] != "Z" else ""


def _machine() -> str:
    """Tells two boots, and two containers with one host name, apart; empty outside of Linux."""
    boot = _read("/proc/sys/kernel/random/boot_id").strip()
    return f"{boot} {_quietly(lambda: str(Path('/proc/self/ns/pid').readlink()))}".strip()


def _read(path: str) -> str:
    return _quietly(lambda: Path(path).read_text(encoding="utf-8", errors="replace"))


def _quietly(read: Callable[[], str]) -> str:
    try:
        return read()
    except OSError:
        return ""
