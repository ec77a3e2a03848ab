"""The same call for many items at a time: results in order, nothing begins after an error."""

from __future__ import annotations

import signal
import threading

import pytest
from jenkins_mlflow.parallel import side_by_side


def test_results_have_the_order_of_the_items() -> None:
    """Whichever ends first; here the second waits for nobody, the first for the second."""
    second = threading.Event()

    def call(item: int) -> int:
        if item == 1:
            assert second.wait(10)
        else:
            second.set()
        return item * 10

    assert side_by_side(call, [1, 2], workers=2) == [10, 20]


def test_one_worker_calls_in_this_thread() -> None:
    here = threading.get_ident()
    assert side_by_side(lambda item: threading.get_ident(), [1, 2], workers=1) == [here, here]


def test_after_an_error_nothing_more_begins() -> None:
    """What has begun comes to its end, then the first error is raised."""
    begun: list[int] = []
    failed = threading.Event()

    def call(item: int) -> None:
        begun.append(item)
        if item == 0:
            failed.set()
            raise ValueError("first")
        assert failed.wait(10)

    with pytest.raises(ValueError, match="first"):
        side_by_side(call, range(100), workers=2)
    assert len(begun) < 100


def test_a_signal_stops_what_has_not_begun() -> None:
    """It arrives in the main thread, while that waits."""
    begun: list[int] = []
    main = threading.main_thread()

    def call(item: int) -> None:
        begun.append(item)
        if len(begun) == 1:
            signal.pthread_kill(main.ident or 0, signal.SIGUSR1)
        arrived.wait(10)

    arrived = threading.Event()

    def stop(number: int, frame: object) -> None:
        arrived.set()
        raise InterruptedError("stopped")

    before = signal.signal(signal.SIGUSR1, stop)
    try:
        with pytest.raises(InterruptedError, match="stopped"):
            side_by_side(call, range(100), workers=2)
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert len(begun) < 100
