"""One running command: its output in whole lines, its log, and the end of everything that it has started."""

from __future__ import annotations

import fcntl
import math
import os
import secrets
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from jenkins_mlflow.text import printable

_MARK = "JENKINS_MLFLOW_STARTED"
_LONGEST_LINE = 65_536
_CHUNK = 65_536
_ROUNDS = 20


class Log:
    """A log file. If it cannot be written, the command runs anyway, and ``problem`` says why.

    If another command is still writing a log of this name, ``path`` gets a number: `knn.2.log` instead of
    `knn.log`.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.problem = ""
        self._file: BinaryIO | None = None
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self._open()
        except OSError as error:
            self._give_up(error)

    def _open(self) -> BinaryIO:
        """Open the first file of this name that no other command uses, and empty it."""
        first, number = self.path, 1
        while not _is_free(file := self.path.open("ab", buffering=0)):
            file.close()
            number += 1
            self.path = first.with_suffix(f".{number}{first.suffix}")
        if file.tell():  # a device cannot be truncated
            file.truncate(0)
        return file

    def write(self, text: str) -> None:
        """Append a line."""
        if self._file is not None:
            try:
                self._file.write(f"{text}\n".encode(errors="backslashreplace"))
            except OSError as error:
                self._give_up(error)

    def close(self) -> None:
        if self._file is not None:
            with suppress(OSError):
                self._file.close()
            self._file = None

    def _give_up(self, error: OSError) -> None:
        self.problem = f"the log {self.path} cannot be written: {error.strerror or error}"
        self.close()


def _is_free(file: BinaryIO) -> bool:
    """Whether no other command uses this file as a log; if so, it is reserved."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks
        return True
    return True


class Running:
    """A running command, in its own session.

    Everything that it starts inherits a mark in its environment. So helpers that have left its process group
    or session are found and ended, too, unless they have cleared their environment (or the system has no
    /proc).

    Args:
        argv: The program and its arguments.
        environment: All of its environment.
        most: How many bytes of its output are passed on at most. After that, only its last lines are; None for all.

    Raises:
        OSError, ValueError: The command cannot be started.
    """

    def __init__(self, argv: Sequence[str], environment: Mapping[str, str], most: int | None = None) -> None:
        self._mark = secrets.token_hex(16)
        self.popen = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env={**environment, _MARK: self._mark},
        )
        assert self.popen.stdout is not None
        self.pipe = self.popen.stdout
        self.started = time.monotonic()
        self.at_end = False
        self._pending = b""
        self._room = math.inf if most is None else most
        self._dropped = 0
        os.set_blocking(self.pipe.fileno(), False)

    def lines(self, chunks: int = 1) -> Iterator[bytes]:
        """The complete lines so far; lines longer than 64 KiB come in parts, an unfinished one at the end.

        Args:
            chunks: How many times 64 KiB to read at most: a program may print faster than its lines are passed on.
        """
        for _ in range(chunks):
            try:
                chunk = os.read(self.pipe.fileno(), _CHUNK)
            except BlockingIOError:
                break
            self.at_end = not chunk
            self._room -= len(chunk)
            if self._room < 0:
                self._drop(chunk)
            else:
                *whole, self._pending = (self._pending + chunk).split(b"\n")
                yield from whole
                if len(self._pending) >= _LONGEST_LINE:
                    yield self._pending
                    self._pending = b""
            if len(chunk) < _CHUNK:
                break
        if self.at_end:
            yield from self.rest()

    def _drop(self, chunk: bytes) -> None:
        """Keep only the end of the output so far, from the beginning of a line, because a part may show a secret."""
        output = self._pending + chunk
        kept = output[-_LONGEST_LINE:]
        if len(kept) < len(output):
            kept = kept[kept.find(b"\n", 0, -1) + 1 :]
        self._dropped += len(output) - len(kept)
        self._pending = kept

    def rest(self) -> Iterator[bytes]:
        """The last line, if it has no line break; if output was dropped, that, and all lines after it."""
        last, self._pending = self._pending, b""
        if self._dropped:
            yield f"... {self._dropped} bytes of output were dropped here ...".encode()
            self._dropped = 0
        if last:
            yield from last.removesuffix(b"\n").split(b"\n")

    def signal(self, number: signal.Signals) -> None:
        """Signal the command and everything that it has started; these may have ended."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.popen.pid, number)
        for pid in self._strays():
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, number)

    def kill(self) -> None:
        """Kill the command and everything that it has started, including processes started meanwhile."""
        for _ in range(_ROUNDS):
            self.signal(signal.SIGKILL)
            if not any(True for _ in self._strays()):
                return

    def _strays(self) -> Iterator[int]:
        """Processes with this command's mark that have left its process group."""
        mark = f"{_MARK}={self._mark}".encode()
        for entry in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                pid = int(entry.name)
                if (
                    mark in (entry / "environ").read_bytes().split(b"\0")
                    and os.getpgid(pid) != self.popen.pid
                ):
                    yield pid


def cannot_start(program: str, error: OSError | ValueError) -> str:
    """Why a program cannot be started."""
    if isinstance(error, FileNotFoundError):
        return f"command not found: {printable(program)}"
    reason = error.strerror if isinstance(error, OSError) else str(error)
    return f"cannot run {printable(program)}: {reason}"
