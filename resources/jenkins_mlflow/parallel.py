"""Calls a function for many items, several at a time."""

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
    """Call it for every item; return the results in the items' order.

    After the first error, or a signal, no further call begins; the calls that have begun are completed first.

    Args:
        call: The function. With one worker it is called in this thread, one item after the other.
        items: Its arguments.
        workers: The number of calls at a time.

    Raises:
        BaseException: The first error of a call.
        Interrupted: A signal arrived.
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

    Delays are made here, so that everything a call reads is read after its delay.

    Args:
        call: The function; returns the new item.
        items: Its arguments.
        failed: Returns the new item if its call raised an error.
        unreached: Returns the new item if its call never began, because the work was stopped.
        ended: Called with each new item, in this thread, as it is completed.
        delay: Returns the seconds that the next call has to wait. An error or a signal ends the wait.
        workers: The number of calls at a time.

    Returns:
        What stopped it: a signal, else the first error, else None. Calls that had begun were completed.
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
