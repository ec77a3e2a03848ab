"""How fast deletions follow each other, and what a build log says of it."""

from __future__ import annotations

import pytest
from jenkins_mlflow.cleanup.pace import Pace
from jenkins_mlflow.terminal import Terminal, _plain_progress


def test_a_rate_is_a_gap_between_two_deletions() -> None:
    """Four a second: the first at once, each other one a quarter of a second after the last, however late it comes."""
    time, slept = [100.0], []
    delay = Pace(rate=4.0).limiter(lambda: time[0])

    def wait() -> None:
        slept.append(delay())
        time[0] += slept[-1]

    for _ in range(3):
        wait()
    time[0] += 10
    wait()
    wait()
    assert slept == [0, 0.25, 0.25, 0, 0.25]


@pytest.mark.parametrize(("rate", "most"), [(None, 100), (0.001, 1), (0.1, 60), (100.0, 100)])
def test_what_is_under_one_lock_lasts_ten_minutes(rate: float | None, most: int) -> None:
    """A look at the registry is made under each lock: what a reclaim deletes for good was looked at lately."""
    assert Pace(rate=rate).batch(100) == most


def test_a_build_log_has_rate_and_time_left(capsys: pytest.CaptureFixture[str]) -> None:
    """A line now and then; the last one has no time left."""
    ticks = iter([0.0, 20.0, 20.0, 40.0, 40.0])
    advance = _plain_progress(Terminal(), "deleting versions", 2, lambda: next(ticks))
    advance()
    advance()
    assert capsys.readouterr().err.splitlines() == [
        "deleting versions: 1 of 2 (0.1 a second, 20 s left)",
        "deleting versions: 2 of 2 (0.1 a second)",
    ]
