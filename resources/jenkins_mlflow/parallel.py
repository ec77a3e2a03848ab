"""The same call for many items, several at a time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError, ThreadPoolExecutor, as_completed
from typing import TypeVar

from jenkins_mlflow.errors import Interrupted, JenkinsMlflowError
from jenkins_mlflow.signals import interrupted_by, noting_signals

T = TypeVar("T")
R = TypeVar("R")

WORKERS = 8


def side_by_side(call: Callable[[T], R], items: Sequence[T], *, workers: int = WORKERS) -> list[R]:
    """Call it for every item; the results in the items' order.

    After the first error, or a signal, no further call begins; those that have begun come to their end first.

    Args:
        call: What to call. With one worker it is called in this thread, one item after the other.
        items: What with.
        workers: How many at a time.

    Raises:
        BaseException: the first error of a call.
        Interrupted: a signal came.
    """
    if workers == 1 or len(items) < 2:
        return [call(item) for item in items]
    stop, signals = threading.Event(), list[int]()

    def one(item: T) -> R:
        if stop.is_set():
            raise CancelledError
        try:
            return call(item)
        except BaseException:
            stop.set()
            raise

    with noting_signals(signals, stop.set), ThreadPoolExecutor(max_workers=workers) as pool:
        futures = [pool.submit(one, item) for item in items]
    if signals:
        raise interrupted_by(signals[0])
    failures = [error for future in futures if (error := future.exception())]
    for failure in (*(error for error in failures if not isinstance(error, CancelledError)), *failures):
        raise failure
    return [future.result() for future in futures]


def until_stopped(
    call: Callable[[T], T],
    items: Sequence[T],
    *,
    failed: Callable[[T, JenkinsMlflowError], T],
    unreached: Callable[[T], T],
    ended: Callable[[T], None],
    delay: Callable[[], float] = lambda: 0.0,
    workers: int = WORKERS,
) -> JenkinsMlflowError | Interrupted | None:
    """Call it for every item until an error or a signal, and keep a record of each item.

    The pauses are made here, so that all that a call looks at is looked at after its pause.

    Args:
        call: What to call; the item as it has become.
        items: What with.
        failed: The item whose call raised an error.
        unreached: An item for which no call began, because the work had been stopped.
        ended: Told of each of these, in this thread, as they come.
        delay: Asked right before each call: how many seconds it has to wait. An error or a signal ends the wait.
        workers: How many at a time.

    Returns:
        What stopped it: a signal, else the first error, else None. Calls that had begun came to their end.
    """
    stop, signals = threading.Event(), list[int]()
    first_error: list[JenkinsMlflowError] = []

    def work(item: T) -> T:
        if stop.wait(delay()):
            return unreached(item)
        try:
            return call(item)
        except JenkinsMlflowError as error:
            stop.set()
            first_error.append(error)
            return failed(item, error)

    with noting_signals(signals, stop.set), ThreadPoolExecutor(max_workers=workers) as pool:
        for future in as_completed([pool.submit(work, item) for item in items]):
            ended(future.result())
    return interrupted_by(signals[0]) if signals else next(iter(first_error), None)
