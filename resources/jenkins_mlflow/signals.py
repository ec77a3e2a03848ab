"""Signals that stop the work: their names, and their delay until a step has ended."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator

from jenkins_mlflow.errors import Interrupted

STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextlib.contextmanager
def noting_signals(into: list[int], tell: Callable[[], object] = lambda: None) -> Iterator[None]:
    """Record stopping signals instead of raising, so that nothing is interrupted in the middle.

    Ignored signals (nohup) stay ignored. Outside the main thread, which gets all signals, nothing is changed.

    Args:
        into: Receives the numbers of the signals.
        tell: Called at the first signal, in the main thread.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def note(number: int, _frame: object) -> None:
        first = not into
        into.append(number)
        if first:  # a second signal in the middle of `tell` must not begin it again: it may hold a lock
            tell()

    before = {number: signal.getsignal(number) for number in STOPPING}
    for number, handler in before.items():
        if handler is not signal.SIG_IGN:
            signal.signal(number, note)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler if handler is not None else signal.SIG_DFL)


def interrupted_by(number: int) -> Interrupted:
    """The error that names the signal which stopped the work."""
    return Interrupted(f"interrupted by {signal_name(number)}", signal_number=number)


def signal_name(number: int) -> str:
    """`SIGTERM`; for a signal without a name (the real-time ones) `signal 35`."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
