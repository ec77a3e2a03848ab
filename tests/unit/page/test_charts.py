"""The report's pictures: whatever the numbers are, each picture is drawn, and soon."""

from __future__ import annotations

import math
import re
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest
from hypothesis import example, given, settings, strategies as st
from jenkins_mlflow.page.charts import charts
from jenkins_mlflow.page.view import View, view
from support.thorough import examples

CPU_SECONDS = 5.0
"""Dozens of times what the pictures take; of this process alone, however busy the machine is."""
FINITE = st.floats(allow_nan=False, allow_infinity=False)
NEAR = st.builds(
    lambda value, steps: (value, value + steps * math.ulp(value)), FINITE, st.integers(-(10**6), 10**6)
)


@contextmanager
def in_finite_time() -> Iterator[None]:
    """Fails where the work does not come to an end."""

    def fail(*_: object) -> None:
        raise TimeoutError("no picture after many times what one takes")

    before = signal.signal(signal.SIGVTALRM, fail)
    signal.setitimer(signal.ITIMER_VIRTUAL, CPU_SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


def shown(values: Sequence[float], seconds: Sequence[float] = ()) -> View:
    """A build with these metrics of its candidates and of earlier promotions, and with tries that took so long."""
    candidates = [
        {"model": "m", "version": at, "value": value, "verdict": "rejected"}
        for at, value in enumerate(values, 1)
    ]
    items = [{**each, "metric": "loss", "since": "2026-11-28T09:15:00"} for each in candidates]
    attempts = [{"method": "stage", "outcome": "done", "seconds": each} for each in seconds]
    return view(
        {
            "select": {"command": "select", "metric": "loss", "candidates": candidates},
            "history": {"command": "history", "items": items},
            "promote": {"command": "promote", "attempts": attempts},
        },
        "",
    )


@settings(max_examples=examples(100))
@given(pair=NEAR | st.tuples(FINITE, FINITE))
@example((0.8333333333333333, 0.8333333333333334))
@example((0.9, math.nextafter(0.9, 1)))
@example((1.0, 1.0000000000000002))
@example((-1.0, -1.0000000000000002))
@example((5e-324, 1e-323))
@example((0.0, 1e-320))
@example((1e155, 1.7976931348623157e308))
@example((-1.7976931348623157e308, 1.7976931348623157e308))
def test_any_two_numbers_make_pictures(pair: tuple[float, float]) -> None:
    """Near each other or far apart: a picture whose scale never ends would hang a command that is done."""
    with in_finite_time():
        pictures = charts(shown(pair, [abs(value) for value in pair]))
    assert all(text.startswith("<svg") for text in pictures.values())
    assert "attempts.svg" in pictures


@pytest.mark.parametrize("value", [1e155, -1e300, math.inf, -math.inf, math.nan])
def test_what_no_picture_can_show_is_left_out(value: float) -> None:
    """The others are drawn."""
    with in_finite_time():
        pictures = charts(shown([0.25, value, 0.5], [0.25, value]))
        assert charts(shown([value], [0.25])).keys() == {"attempts.svg"}
    assert pictures.keys() == {"candidates.svg", "history.svg", "attempts.svg"}
    assert "m v1" in pictures["candidates.svg"]
    assert "m v2" not in pictures["candidates.svg"] + pictures["history.svg"]
    assert "m v3" in pictures["candidates.svg"]


def of_candidates(*candidates: dict[str, object]) -> View:
    return view({"select": {"command": "select", "metric": "loss", "candidates": list(candidates)}}, "")


def test_selected_and_champion_are_drawn_however_many_there_are() -> None:
    """By rank the champion may come last; what is left out is counted."""
    many = [{"model": "m", "version": at, "value": 1 / at, "verdict": "rejected"} for at in range(1, 31)]
    many[27]["verdict"], many[29]["verdict"] = "selected", "champion"
    picture = charts(of_candidates(*many))["candidates.svg"]
    drawn = [int(number) for number in re.findall(r">m v(\d+)<", picture)]
    assert drawn == [30, 28, *range(18, 0, -1)]
    assert "and 10 more, see the table" in picture
    picture = charts(of_candidates(*many[10:]))["candidates.svg"]
    assert (len(re.findall(r">m v\d+<", picture)), "more" in picture) == (20, False)


def test_long_names_leave_room_for_the_bars() -> None:
    """Their middle is left out: what tells two of them apart is mostly at an end."""
    name = "customer-churn-" * 10
    long, short = ({"version": 7, "value": 0.5, "verdict": "selected", "model": each} for each in (name, "m"))
    picture = charts(of_candidates(long, short))["candidates.svg"]
    labels = re.findall(r">([^<>]+ v7)<", picture)
    assert "m v7" in labels
    assert max(map(len, labels)) == 45
    assert [label[:15] for label in labels if label != "m v7"] == ["customer-churn-"]
