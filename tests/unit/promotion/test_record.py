"""The times of promotion records: they tell which version was promoted last, whatever the clocks of agents say."""

from __future__ import annotations

from dataclasses import replace

import pytest
from builders import version
from hypothesis import example, given, strategies as st
from jenkins_mlflow.promotion.record import before, before_tags, dated, next_time, tags_over
from jenkins_mlflow.registry.version import Version, last_recorded
from jenkins_mlflow.tags import METHOD, PROMOTED_AT, RESTORED_FROM, ROLLED_BACK_AT
from jenkins_mlflow.times import LATEST

clocks = st.integers(0, LATEST // 1000 - 60)


@given(
    changes=st.lists(
        st.tuples(st.integers(1, 4), st.sampled_from([PROMOTED_AT, ROLLED_BACK_AT]), clocks), min_size=1
    )
)
@example(changes=[(4, PROMOTED_AT, 5000), (1, PROMOTED_AT, 1000)])  # the first agent's clock is ahead
@example(changes=[(4, PROMOTED_AT, 5000), (1, PROMOTED_AT, 5000)])  # within a second
def test_the_version_promoted_last_is_the_recorded_one(changes: list[tuple[int, str, int]]) -> None:
    versions: dict[int, Version] = {number: version("m", number) for number in range(1, 5)}
    for number, tag, clock in changes:
        tags = {**versions[number].tags, tag: next_time(versions.values(), clock * 1000 + 500)}
        versions[number] = replace(versions[number], tags=tags)
        assert last_recorded(versions.values()) == versions[number]


def test_the_time_is_that_of_the_store() -> None:
    now, at = 1_795_514_400_700, "2026-11-24T10:00:00+00:00"
    assert next_time([], now) == at
    earlier = version("m", 1, tags={PROMOTED_AT: "2026-11-24T09:59:59+00:00"})
    assert next_time([earlier], now) == at
    later = version("m", 1, tags={PROMOTED_AT: at})
    assert next_time([later], now) == "2026-11-24T10:00:01+00:00"


def test_a_plan_knows_only_the_earliest_time() -> None:
    """It asks no clock; the lock has the store's."""
    earliest = next_time([version("m", 1, created=1_795_514_400_700)])
    assert earliest == "2026-11-24T10:00:01+00:00"
    assert dated(earliest, 0) == earliest
    assert dated(earliest, 1_795_600_800_000) == "2026-11-25T10:00:00+00:00"


@pytest.mark.parametrize("forged", ["9999-12-31T23:59:59+00:00", "soon", "-1"])
def test_a_time_that_anybody_wrote_is_no_error(forged: str) -> None:
    assert next_time([version("m", 1, tags={PROMOTED_AT: forged})])


def test_a_record_is_later_than_the_registration() -> None:
    """Else a restored version could not be told from one that was promoted after it was restored."""
    created = 4_000_000_000_500
    restored = version(
        "m", 2, created=created, tags={RESTORED_FROM: "1@1000", PROMOTED_AT: "2026-11-24T10:00:00+00:00"}
    )
    assert restored.recorded_time == 0
    promoted = replace(restored, tags={**restored.tags, PROMOTED_AT: next_time([restored])})
    assert promoted.recorded_time > created


def steps(number: int, *entries: int, second: int) -> Version:
    """A version with a promotion record over these versions."""
    at = {PROMOTED_AT: f"2026-11-24T10:00:{second:02d}+00:00", METHOD: "stage"}
    return version("m", number, tags={**at, **before_tags([("m", entry, 0) for entry in entries])})


ONE, TWO, BY_HAND = steps(1, second=1), steps(2, 1, second=2), version("m", 3)


@pytest.mark.parametrize(
    ("replaced", "recorded", "promoted", "expected"),
    [
        pytest.param(None, None, BY_HAND, [], id="the first promotion"),
        pytest.param(TWO, TWO, BY_HAND, [1, 2], id="over the recorded champion"),
        pytest.param(TWO, TWO, None, [1, 2], id="the same, as a copy"),
        pytest.param(None, TWO, TWO, [1], id="the champion lost a mark, and gets it back"),
        pytest.param(None, TWO, BY_HAND, [1, 2], id="over a champion that somebody took out"),
        pytest.param(BY_HAND, TWO, TWO, [1, 3], id="the champion comes back after a change by hand"),
        pytest.param(BY_HAND, TWO, steps(4, second=0), [1, 2, 3], id="over a change by hand"),
        pytest.param(ONE, TWO, BY_HAND, [1], id="somebody went back by hand"),
        pytest.param(BY_HAND, None, ONE, [3], id="over a version that nobody recorded"),
    ],
)
def test_a_change_without_this_tool_erases_no_recorded_step(
    replaced: Version | None, recorded: Version | None, promoted: Version | None, expected: list[int]
) -> None:
    tags = tags_over(replaced, recorded, promoted)
    assert [number for _, number, _ in before(version("m", 9, tags=tags))] == expected
