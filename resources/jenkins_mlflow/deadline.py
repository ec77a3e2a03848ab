"""Running one check with a deadline; nothing that it has started is left when this returns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from jenkins_mlflow import processes
from jenkins_mlflow.signals import signal_name
from jenkins_mlflow.text import one_line

_GRACE_SECONDS = 1.0
_NAME = "check"


@dataclass(frozen=True)
class Ended:
    """How the process ended.

    Attributes:
        failure: Says in words why it did not end well; empty if it did.
        seconds: How long it took.
        warning: Says that its log could not be written; empty if it was.
    """

    failure: str
    seconds: float
    warning: str = ""


def run_bounded(argv: Sequence[str], environ: Mapping[str, str], log: Path, timeout: float) -> Ended:
    """Run a program without a shell, its output into a log file, and end it with all that it has started.

    A log that cannot be written is a warning: the program runs all the same.

    Args:
        argv: The program and its arguments.
        environ: Its environment.
        log: Where both of its outputs go.
        timeout: In seconds.

    Raises:
        Interrupted: a signal arrived; the program was ended first.
    """
    last = ""

    def remember(line: str) -> None:
        nonlocal last
        last = line.removeprefix(f"[{_NAME}]").strip() or last

    command = processes.Command(_NAME, tuple(argv), log, environ)
    group = processes.Processes(
        [command], jobs=1, timeout=timeout, stop_on_failure=False, say=remember, grace=_GRACE_SECONDS
    )
    (ended,) = group.run()
    if group.interrupted:
        raise group.interrupted
    return Ended(_failure(ended, timeout, last), ended.seconds, "; ".join(group.warnings))


def _failure(ended: processes.Ended, timeout: float, last: str) -> str:
    if ended.status == "ok":
        return ""
    if ended.status == "timeout":
        return f"it was not done after {timeout:g} s"
    if ended.exit_code is None:
        return ended.error
    how = (
        f"it ended by {signal_name(-ended.exit_code)}"
        if ended.exit_code < 0
        else f"it ended with exit code {ended.exit_code}"
    )
    return f"{how}: {one_line(last)}" if last else how
