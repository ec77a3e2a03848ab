"""The times of promotion records: they tell which version was promoted last, whatever the clocks of agents say."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest
from builders import version
from hypothesis import HealthCheck, example, given, settings, strategies as st
from jenkins_mlflow.promotion.record import next_time
from jenkins_mlflow.registry.snapshot import Version, last_recorded
from jenkins_mlflow.tags import PROMOTED_AT, RESTORED_FROM, ROLLED_BACK_AT
from jenkins_mlflow.times import LATEST

clocks = st.integers(0, LATEST // 1000 - 60)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    changes=st.lists(
        st.tuples(st.integers(1, 4), st.sampled_from([PROMOTED_AT, ROLLED_BACK_AT]), clocks), min_size=1
    )
)
@example(changes=[(4, PROMOTED_AT, 5000), (1, PROMOTED_AT, 1000)])  # the first agent's clock is ahead
@example(changes=[(4, PROMOTED_AT, 5000), (1, PROMOTED_AT, 5000)])  # within a second
def test_the_version_promoted_last_is_the_recorded_one(
    changes: list[tuple[int, str, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    versions: dict[int, Version] = {number: version("m", number) for number in range(1, 5)}
    for number, tag, clock in changes:
        monkeypatch.setattr(time, "time", lambda clock=clock: clock + 0.5)
        tags = {**versions[number].tags, tag: next_time(versions.values())}
        versions[number] = replace(versions[number], tags=tags)
        assert last_recorded(versions.values()) == versions[number]


def test_a_clock_that_is_right_is_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time", lambda: 1795514400.7)
    assert next_time([]) == "2026-11-24T10:00:00+00:00"
    earlier = version("m", 1, tags={PROMOTED_AT: "2026-11-24T09:59:59+00:00"})
    assert next_time([earlier]) == "2026-11-24T10:00:00+00:00"


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
