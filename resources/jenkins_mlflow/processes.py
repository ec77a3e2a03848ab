"""Runs several commands at once: each line of their output goes to a log and is shown.

There is one thread with one event loop, so lines of different commands never mix. Signals are recorded, and
handled between two steps, so no process is ever started and then forgotten.
"""

from __future__ import annotations

import re
import selectors
import signal
import subprocess
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from jenkins_mlflow.child import Log, Running, cannot_start
from jenkins_mlflow.errors import Interrupted
from jenkins_mlflow.signals import interrupted_by, noting_signals, signal_name
from jenkins_mlflow.text import printable, redact

Status = Literal["ok", "failed", "timeout", "cancelled", "missing"]

GRACE_SECONDS = 10.0
_TICK_SECONDS = 0.1
_DRAIN_SECONDS = 1.0
_LAST_CHUNKS = 16  # the most that a pipe holds: 1 MiB
_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])")


@dataclass(frozen=True)
class Command:
    """One program to run; ``environment`` is all of its environment, which no repr shows, as it has secrets."""

    name: str
    argv: tuple[str, ...]
    log: Path
    environment: Mapping[str, str] = field(repr=False)


@dataclass(frozen=True)
class Ended:
    """How a command ended. ``exit_code`` is None when it never ran, negative after a signal."""

    name: str
    status: Status
    exit_code: int | None
    seconds: float
    log: Path
    error: str = ""


class _Process(Running):
    """A running command, and how it is to end."""

    def __init__(self, command: Command, log: Log, most: int | None) -> None:
        super().__init__(command.argv, command.environment, most)
        self.command = command
        self.log = log
        self.exited: float | None = None
        self.ending: Status | None = None
        self.kill_at: float | None = None


class Processes:
    """Runs commands, ``jobs`` at once.

    Args:
        commands: The commands, in the order of their start.
        jobs: How many at once, at least 1.
        timeout: Seconds that each may take; None = no limit.
        stop_on_failure: Whether one failure cancels all others.
        say: Called with every line of output, prefixed by its command's name.
        grace: Seconds between SIGTERM and SIGKILL.
        on_end: Called when a command has ended.
        most: How many bytes of a command's output are logged and shown at most, besides its last lines; None for all.
    """

    def __init__(
        self,
        commands: Sequence[Command],
        *,
        jobs: int,
        timeout: float | None,
        stop_on_failure: bool,
        say: Callable[[str], None],
        grace: float = GRACE_SECONDS,
        on_end: Callable[[Ended], None] = lambda ended: None,
        most: int | None = None,
    ) -> None:
        self._order = [command.name for command in commands]
        self._width = max((len(printable(name)) for name in self._order), default=0) + 2
        self._waiting = deque(commands)
        self._running: list[_Process] = []
        self._ended: dict[str, Ended] = {}
        self._jobs = jobs
        self._timeout = timeout
        self._stop_on_failure = stop_on_failure
        self._say = say
        self._grace = grace
        self._on_end = on_end
        self._most = most
        self._signals: list[int] = []
        self.interrupted: Interrupted | None = None
        self.warnings: list[str] = []

    def run(self) -> tuple[Ended, ...]:
        """Run all commands to their end.

        Ctrl-C, SIGTERM and SIGHUP end all commands, and ``interrupted`` then says which it was; a second
        signal kills at once. Outside the main thread, signals are not handled. ``warnings`` names logs that
        could not be written.

        Returns:
            How each command ended, in the given order; those never started are ``cancelled``.
        """
        with selectors.DefaultSelector() as selector, noting_signals(self._signals):
            try:
                while self._waiting or self._running:
                    self._react_to_signals()
                    self._start(selector)
                    self._read(selector)
                    self._enforce()
                    self._collect(selector)
                self._react_to_signals()  # one may have come while the last command ended
            except (KeyboardInterrupt, Interrupted) as stop:
                # Only if another handler raises, for example outside the main thread.
                number = stop.exit_code - 128 if isinstance(stop, Interrupted) else int(signal.SIGINT)
                self.interrupted = interrupted_by(number)
            finally:
                self._abandon()
        return tuple(self._ended[name] for name in self._order)

    def _start(self, selector: selectors.BaseSelector) -> None:
        while self._waiting and len(self._running) < self._jobs:
            command = self._waiting.popleft()
            started = time.monotonic()
            log = Log(command.log)
            command = replace(command, log=log.path)  # another training may be using the file of that name
            try:
                process = _Process(command, log, self._most)
            except (OSError, ValueError) as error:
                reason = cannot_start(command.argv[0], error)
                log.write(reason)
                log.close()
                self._say_line(command.name, reason)
                self._record(command, "failed", None, started, reason)
                continue
            self._running.append(process)
            selector.register(process.pipe, selectors.EVENT_READ, process)

    def _read(self, selector: selectors.BaseSelector) -> None:
        if not self._running:
            return
        if not selector.get_map():
            time.sleep(_TICK_SECONDS / 10)  # its output is closed, but it has not ended yet
        for key, _ in selector.select(_TICK_SECONDS) if selector.get_map() else ():
            process: _Process = key.data
            self._pass_on(process, process.lines())
            if process.at_end:
                selector.unregister(process.pipe)

    def _pass_on(self, process: _Process, lines: Iterator[bytes]) -> None:
        for line in lines:
            text = redact(line.decode("utf-8", "replace"))
            process.log.write(text)
            # As on a terminal: the text after the last carriage return of a progress bar.
            self._say_line(process.command.name, text.rstrip("\r").rpartition("\r")[2])

    def _say_line(self, name: str, text: str) -> None:
        label = f"[{printable(name)}]".ljust(self._width)
        self._say(f"{label} {printable(_ESCAPES.sub('', text).expandtabs())}".rstrip())

    def _enforce(self) -> None:
        now = time.monotonic()
        for process in self._running:
            if self._timeout and now - process.started >= self._timeout:
                self._end(process, "timeout")
            if process.kill_at is not None and now >= process.kill_at:
                process.signal(signal.SIGKILL)

    def _collect(self, selector: selectors.BaseSelector) -> None:
        now = time.monotonic()
        for process in tuple(self._running):
            code = process.popen.poll()
            if code is None:
                continue
            process.exited = process.exited or now
            # A child left behind may keep the pipe open: its later output does not count.
            if not process.at_end and now - process.exited < _DRAIN_SECONDS and process.ending is None:
                continue
            if not process.at_end:
                self._pass_on(process, process.lines(_LAST_CHUNKS))
                self._pass_on(process, process.rest())
            if process.pipe in selector.get_map():
                selector.unregister(process.pipe)
            self._finish(process, code)

    def _finish(self, process: _Process, code: int) -> None:
        process.kill()  # everything that it left running
        process.pipe.close()
        process.log.close()
        if process.log.problem:
            self.warnings.append(process.log.problem)
        self._running.remove(process)
        status = process.ending or ("ok" if code == 0 else "failed")
        error = self._explain(status, code)
        self._record(process.command, status, code, process.started, error, process.exited)
        if status != "ok" and self._stop_on_failure:
            self._cancel()

    def _explain(self, status: Status, code: int) -> str:
        if status == "timeout":
            return f"stopped after its timeout of {self._timeout:g} s"
        if status == "cancelled":
            return (
                "stopped: the build was interrupted" if self._signals else "stopped: another candidate failed"
            )
        if status == "failed" and code < 0:
            return f"killed by {signal_name(-code)}"
        return f"exit code {code}" if status == "failed" else ""

    def _record(
        self,
        command: Command,
        status: Status,
        code: int | None,
        started: float,
        error: str,
        ended: float | None = None,
    ) -> None:
        seconds = round((ended or time.monotonic()) - started, 3)
        ended_command = Ended(command.name, status, code, seconds, command.log, error)
        self._ended[command.name] = ended_command
        self._on_end(ended_command)
        if status == "failed" and code is None and self._stop_on_failure:
            self._cancel()

    def _end(self, process: _Process, status: Status) -> None:
        """Ask it to end; one that has ended already has its own outcome."""
        if process.ending or process.popen.poll() is not None:
            return
        process.ending = status
        process.kill_at = time.monotonic() + self._grace
        process.signal(signal.SIGTERM)

    def _cancel(self) -> None:
        """Drop the waiting commands and ask the running ones to end."""
        while self._waiting:
            self._drop(self._waiting.popleft())
        for process in self._running:
            self._end(process, "cancelled")

    def _drop(self, command: Command) -> None:
        why = (
            "never started: the build was interrupted"
            if self._signals
            else "never started: another candidate failed"
        )
        self._record(command, "cancelled", None, time.monotonic(), why)

    def _react_to_signals(self) -> None:
        if self._signals and self.interrupted is None:
            self.interrupted = interrupted_by(self._signals[0])
            self._cancel()
        if len(self._signals) > 1:
            for process in self._running:
                process.signal(signal.SIGKILL)

    def _abandon(self) -> None:
        """Leave no process behind, whatever went wrong above."""
        self._signals = self._signals or ([int(signal.SIGTERM)] if self._running or self._waiting else [])
        while self._waiting:
            self._drop(self._waiting.popleft())
        for process in tuple(self._running):
            process.ending = process.ending or "cancelled"
            process.signal(signal.SIGTERM)
            try:
                code = process.popen.wait(self._grace)
            except subprocess.TimeoutExpired:
                process.kill()
                code = process.popen.wait()
            self._finish(process, code)
