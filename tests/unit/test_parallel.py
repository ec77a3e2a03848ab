"""The same call for many items at a time: results in order, nothing begins after an error."""

from __future__ import annotations

import signal
import threading
import time

import pytest
from jenkins_mlflow.errors import Interrupted
from jenkins_mlflow.parallel import side_by_side, until_stopped


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

    def call(item: int) -> None:
        begun.append(item)
        if len(begun) == 1:
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGTERM)
        time.sleep(0.02)

    with pytest.raises(Interrupted, match="interrupted by SIGTERM"):
        side_by_side(call, range(100), workers=2)
    assert len(begun) < 100


@pytest.mark.parametrize("after", [1, 5, 40])
def test_a_signal_loses_no_record(after: int) -> None:
    """Ctrl-C while results are taken in, several of which are there: each item has its record, and only one."""
    records: list[str] = []

    def call(item: str) -> str:
        time.sleep(0.002)
        return f"{item} done"

    def ended(item: str) -> None:
        records.append(item)
        if len(records) == after:
            time.sleep(0.02)  # more of them end meanwhile
            signal.raise_signal(signal.SIGINT)

    items = [str(number) for number in range(400)]
    stopped = until_stopped(
        call,
        items,
        failed=lambda item, _: item,
        unreached=lambda item: f"{item} left",
        ended=ended,
        workers=4,
    )
    assert stopped is not None
    assert stopped.message == "interrupted by SIGINT"
    assert sorted(record.split()[0] for record in records) == sorted(items)
    assert any(record.endswith("left") for record in records)
