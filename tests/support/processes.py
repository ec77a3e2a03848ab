"""Background programs of the tests: each in its own process group, which ends as a whole."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

POLL = 0.1


def free_port() -> int:
    """A TCP port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Background:
    """A program in a process group of its own, with its output in a file.

    Args:
        command: The program and its arguments.
        log: File for its output.
        environ: Its whole environment.
        user: User that it runs as; None for the tests' own.
    """

    def __init__(
        self, command: Sequence[str], log: Path, environ: Mapping[str, str], *, user: int | None = None
    ) -> None:
        self.log = log
        self._name = " ".join(command)
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=dict(environ),
                cwd=log.parent,
                start_new_session=True,
                user=user,
                group=user,
                extra_groups=[] if user else None,
            )
        self.pid = self._process.pid

    def wait_until(self, ready: Callable[[], bool], seconds: float) -> None:
        """Wait until the program is ready; its log is shown if it ends or takes too long."""
        deadline = time.monotonic() + seconds
        while not ready():
            code = self._process.poll()
            if code is not None or time.monotonic() > deadline:
                self.stop()
                what = "is not ready" if code is None else f"ended with {code}"
                raise AssertionError(f"{self._name} {what}:\n{self.log.read_text(errors='replace')[-4000:]}")
            time.sleep(POLL)

    def stop(self, gently: signal.Signals = signal.SIGTERM, grace: float = 3) -> None:
        """End the program, by force after ``grace`` seconds, and then at once whatever is left of its group."""
        self._signal(gently)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(grace)
        self._signal(signal.SIGKILL)
        self._process.wait()

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, number)
