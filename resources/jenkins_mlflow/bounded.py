"""Running a check in a process of its own, with a deadline: nothing of it is left when this returns."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from jenkins_mlflow.text import one_line


@dataclass(frozen=True)
class Ended:
    """How the process ended: ``failure`` says in words why it did not end well; ``seconds`` is how long it took."""

    failure: str
    seconds: float


def run_bounded(argv: Sequence[str], environ: Mapping[str, str], log: Path, timeout: float) -> Ended:
    """Run a program without a shell, its output into a log file, and end it with all that it has started.

    Args:
        argv: The program and its arguments.
        environ: Its environment.
        log: Where both of its outputs go.
        timeout: In seconds.

    Raises:
        Interrupted: a signal arrived; the program was ended first.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    with log.open("wb") as output:
        try:
            process = subprocess.Popen(
                argv,
                env=dict(environ),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except OSError as error:
            return Ended(f"{argv[0]} cannot be started: {error.strerror}", 0.0)
        try:
            code = process.wait(timeout)
        except subprocess.TimeoutExpired:
            return Ended(f"it was not done after {timeout:g} s", time.monotonic() - started)
        finally:  # a check that has ended leaves no helper behind either
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    return Ended(_failure(code, log), time.monotonic() - started)


def _failure(code: int, log: Path) -> str:
    if code == 0:
        return ""
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    last = f": {one_line(lines[-1])}" if lines else ""
    return (
        f"it ended by {signal.Signals(-code).name}" if code < 0 else f"it ended with exit code {code}"
    ) + last
