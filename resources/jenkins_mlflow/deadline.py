"""Runs one program with a deadline; nothing that it has started is left running."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from jenkins_mlflow import processes
from jenkins_mlflow.signals import signal_name
from jenkins_mlflow.text import one_line

_GRACE_SECONDS = 1.0
_NAME = "check"
_MOST_BYTES = 1_000_000
"""The most output that is logged, besides its end. To log 200 MB of short lines takes minutes."""


@dataclass(frozen=True)
class Ended:
    """How the process ended.

    Attributes:
        failure: Why it failed, in words; empty if it succeeded.
        seconds: How long it took.
        warning: That its log could not be written; empty if it could.
    """

    failure: str
    seconds: float
    warning: str = ""


def run_bounded(argv: Sequence[str], environ: Mapping[str, str], log: Path, timeout: float) -> Ended:
    """Run a program without a shell, log its output up to a limit, and end it with everything that it has started.

    A log that cannot be written is only a warning: the program runs anyway.

    Args:
        argv: The program and its arguments.
        environ: Its environment.
        log: The log file for both of its outputs.
        timeout: The longest time in seconds.

    Raises:
        Interrupted: A signal arrived; the program was ended first.
    """
    last = ""

    def remember(line: str) -> None:
        nonlocal last
        last = line.removeprefix(f"[{_NAME}]").strip() or last

    command = processes.Command(_NAME, tuple(argv), log, environ)
    group = processes.Processes(
        [command],
        jobs=1,
        timeout=timeout,
        stop_on_failure=False,
        say=remember,
        grace=_GRACE_SECONDS,
        most=_MOST_BYTES,
    )
    (ended,) = group.run()
    if group.interrupted:
        raise group.interrupted
    return Ended(_failure(ended, timeout, last), ended.seconds, "; ".join(group.warnings))


def _failure(ended: processes.Ended, timeout: float, last: str) -> str:
    if ended.status == "ok":
        return ""
    if ended.status == "timeout":
        return f"it did not end within {timeout:g} s"
    if ended.exit_code is None:
        return ended.error
    how = (
        f"it ended by {signal_name(-ended.exit_code)}"
        if ended.exit_code < 0
        else f"it ended with exit code {ended.exit_code}"
    )
    return f"{how}: {one_line(last)}" if last else how
