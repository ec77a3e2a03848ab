"""Who holds a lock and for which models: the content of a flag's tag, and whether that process is still running."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import socket
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Annotated

from pydantic import Field, TypeAdapter, ValidationError

from jenkins_mlflow.build import BuildContext
from jenkins_mlflow.registry.scope import Scope
from jenkins_mlflow.tags import LONGEST_TAG
from jenkins_mlflow.text import printable

DEFAULT_LEASE = 60.0
# Others wait no longer than this, whatever a flag says, because anybody who may create a model can create a flag.
LONGEST_LEASE = 3600.0
# A flag that cannot be read counts for this long, because a file store shows half-written flags.
_UNREADABLE_LEASE = 10.0
_SHOWN = 300  # characters kept of texts that are only displayed

_Count = Annotated[int, Field(ge=0, le=2**31)]
_Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]


@dataclass(frozen=True)
class Holder(Scope):
    """A process that holds or wants a lock, and for which models.

    Attributes:
        work: What it does: promote, rollback, cleanup, recover.
        lease: Seconds after the last renewal until it counts as gone.
        host, machine: Where it runs; ``machine`` distinguishes reboots, and containers with the same host
            name.
        pid, started: Its process and when that started, so that a reused number is not mistaken for it.
        build, build_url, by, at: The Jenkins build if there is one, the user, and the time by its own clock.
    """

    work: str
    lease: _Seconds = DEFAULT_LEASE
    host: str = ""
    machine: str = ""
    pid: _Count = 0
    started: str = ""
    build: str = ""
    build_url: str = ""
    by: str = ""
    at: str = ""

    @classmethod
    def this_process(
        cls, work: str, scope: tuple[str, ...], writes: tuple[str, ...], build: BuildContext, lease: float
    ) -> Holder:
        """The holder for this process."""
        return cls(
            scope,
            writes,
            work,
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
        """Read a flag's tag. If it cannot be read, return a holder that is in everybody's way for some seconds."""
        if len(text) <= LONGEST_TAG:  # no tag of ours is longer
            with contextlib.suppress(ValidationError):
                holder = _reader().validate_json(text.encode(errors="replace"), strict=True)
                if holder.readable:
                    return holder
        return cls(("*",), (), "something unknown", _UNREADABLE_LEASE)

    def to_tag(self) -> str:
        """The tag's text in at most LONGEST_TAG bytes, with the longest form of the models' names that fits."""
        shown = replace(
            self, build=self.build[:_SHOWN], build_url=self.build_url[:_SHOWN], by=self.by[:_SHOWN]
        )
        texts = [
            json.dumps(asdict(form), ensure_ascii=False, separators=(",", ":")) for form in shown.forms()
        ]
        return next((text for text in texts if len(text.encode(errors="replace")) <= LONGEST_TAG), texts[-1])

    @property
    def summary(self) -> str:
        """The holder in words: `promote of m by build http://... (jenkins on agent-3, since 02:00:00Z)`."""
        place = ", ".join(
            part for part in (f"{self.by} on {self.host}" if self.host else "", self.at) if part
        )
        build = f" by build {self.build_url or self.build}" if self.build_url or self.build else ""
        return printable(f"{self.work} of {self.what}{build}" + (f" ({place})" if place else ""))

    @property
    def readable(self) -> bool:
        """Whether the flag said who created it."""
        return bool(self.host)

    @property
    def description(self) -> str:
        """The text that MLflow's UI shows next to the flag."""
        return f"Lock of jenkins-mlflow: {self.summary}. It disappears when that work ends."

    def same_build(self, other: Holder) -> bool:
        """Whether both belong to one build. Two addresses are never one build, even if somebody gave both one id."""
        urls = {holder.build_url[:_SHOWN] for holder in (self, other) if holder.build_url}
        return bool(self.build) and self.build == other.build and len(urls) < 2

    def conflicts(self, other: Holder) -> bool:
        """Whether the two must not work at the same time. A holder that cannot be read conflicts with everybody."""
        return not other.readable or self.overlaps(other)


@functools.cache
def _reader() -> TypeAdapter[Holder]:
    return TypeAdapter(Holder)


def is_running(pid: int, started: str) -> bool:
    """Whether the process on this host with this number and this start time is still running."""
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
    """When a process started, in the kernel's ticks since boot; empty if that is unknown or it has ended."""
    fields = _read(f"/proc/{pid}/stat").rpartition(")")[2].split()
    return fields[19] if len(fields) > 19 and fields[0] != "Z" else ""


def _machine() -> str:
    """A text that distinguishes boots, and containers with the same host name; empty outside Linux."""
    boot = _read("/proc/sys/kernel/random/boot_id").strip()
    return f"{boot} {_quietly(lambda: str(Path('/proc/self/ns/pid').readlink()))}".strip()


def _read(path: str) -> str:
    return _quietly(lambda: Path(path).read_text(encoding="utf-8", errors="replace"))


def _quietly(read: Callable[[], str]) -> str:
    try:
        return read()
    except OSError:
        return ""
