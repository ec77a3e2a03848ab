"""One version in several targets: what is recorded for one of them survives what happens in the others."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from builders import version
from hypothesis import given, strategies as st
from jenkins_mlflow.promotion.record import before, before_tags, continued, fresh, is_elsewhere, is_recorded
from jenkins_mlflow.registry.promotion_records import counted, noted, record_for
from jenkins_mlflow.registry.signing import Keys
from jenkins_mlflow.registry.version import Target, Version
from jenkins_mlflow.tags import (
    APPROVED_BY,
    BEFORE,
    CHECK_TAG,
    FAILED,
    LONGEST_TAG,
    METHOD,
    OTHER_RECORDS,
    PENDING,
    PROMOTED_AT,
    ROLLED_BACK_AT,
    TARGET,
)

PRODUCTION = Target("Production", "champion")
STAGING = Target("Staging", "challenger")
EUROPE = Target(None, "champion-eu")
TARGETS = (PRODUCTION, STAGING, EUROPE)
KEYS = Keys(("k" * 32,))
TIMES = [f"2026-11-{day:02d}T00:00:00+00:00" for day in range(1, 31)]


def seen(found: Version, target: Target, keys: Keys) -> Version:
    """As a registry with this target and these keys gives it."""
    return counted(found, keys.vouched(found) if keys else None, target)


def written(found: Version, target: Target, tags: dict[str, str], keys: Keys) -> Version:
    """The version after a record for a target was written, as ``Registry.record`` does it."""
    complete = {TARGET: target.marks, **tags}
    signed = keys.record(found, complete) if keys else complete
    return replace(found, tags={**found.tags, **signed})


@pytest.mark.parametrize("keys", [Keys(), KEYS], ids=["unsigned", "signed"])
@given(steps=st.lists(st.tuples(st.sampled_from(TARGETS), st.booleans()), max_size=12))
def test_each_target_keeps_its_own_record(keys: Keys, steps: list[tuple[Target, bool]]) -> None:
    """Promotions and rollbacks of one version in any order: each target's record is what its own steps wrote."""
    found, expected = version("m", 9), dict[str, dict[str, str]]()
    for time, (target, is_rollback) in zip(TIMES, steps, strict=False):
        earlier = before_tags([("m", len(expected) + 1, 5)])
        if is_rollback:
            tags = {ROLLED_BACK_AT: time, METHOD: "alias", **earlier}
            complete = continued(seen(found, target, keys), target, tags)
            expected[target.marks] = {**expected.get(target.marks, {}), **tags}
        else:
            tags = {PROMOTED_AT: time, METHOD: "stage", APPROVED_BY: time, **earlier}
            complete = fresh(seen(found, target, keys), target, tags)
            expected[target.marks] = tags
        found = written(found, target, complete, keys)
        for other in TARGETS:
            record = seen(found, other, keys).record
            wanted = {name: text for name, text in expected.get(other.marks, {}).items() if text}
            names = {*wanted, PROMOTED_AT, ROLLED_BACK_AT, APPROVED_BY, METHOD, BEFORE}
            assert {name: text for name in names if (text := record.get(name))} == wanted, (time, other)
            assert is_recorded(seen(found, other, keys)) is bool(wanted)


def in_both(**tags: str) -> Version:
    """A version that was promoted to production, and then to Europe."""
    first = {PROMOTED_AT: TIMES[0], METHOD: "stage", **before_tags([("m", 1, 5)]), **tags}
    found = written(version("m", 9), PRODUCTION, fresh(version("m", 9), PRODUCTION, first), Keys())
    second = {PROMOTED_AT: TIMES[1], METHOD: "alias", **before_tags([("m", 2, 5)])}
    return written(found, EUROPE, fresh(found, EUROPE, second), Keys())


def test_a_target_without_a_record_has_none() -> None:
    assert is_elsewhere(seen(in_both(), STAGING, Keys()), STAGING)
    assert not is_recorded(seen(in_both(), STAGING, Keys()))
    assert not is_elsewhere(seen(in_both(), PRODUCTION, Keys()), PRODUCTION)


def test_what_a_check_found_belongs_to_the_promotion_that_it_checked() -> None:
    """It may end after the version was promoted to another target."""
    found = in_both(**{CHECK_TAG: PENDING})
    tags = noted(found, PRODUCTION, {CHECK_TAG: FAILED})
    after = replace(found, tags={**found.tags, **tags})
    assert [record_for(after.tags, target).get(CHECK_TAG) for target in (PRODUCTION, EUROPE)] == [
        FAILED,
        "",
    ]
    assert noted(found, EUROPE, {CHECK_TAG: FAILED}) == {CHECK_TAG: FAILED}
    assert noted(version("m", 9), EUROPE, {CHECK_TAG: FAILED}) == {CHECK_TAG: FAILED}


@pytest.mark.parametrize("text", ["", "x", "{}", "[1]", '[{"a": 1}]', "[" * 3000, '[{"a":"\\ud800"}]'])
def test_a_tag_that_cannot_be_read_holds_no_record(text: str) -> None:
    spoilt = in_both()
    spoilt = replace(spoilt, tags={**spoilt.tags, OTHER_RECORDS: text})
    assert not is_recorded(seen(spoilt, PRODUCTION, Keys()))
    assert is_recorded(seen(spoilt, EUROPE, Keys()))


def test_other_records_fit_into_a_tag() -> None:
    """The oldest of what was in production before is left out first, then whole records, the oldest first."""
    name = "a-long-name-of-a-model" * 5
    entries = [(name, number, 1795545447398) for number in range(1, 20)]
    first = {PROMOTED_AT: TIMES[0], METHOD: "stage", **before_tags(entries)}
    targets = [Target(None, f"alias-{number}") for number in range(60)]
    found = version("m", 99)
    for target in targets:
        found = written(found, target, fresh(found, target, first), Keys())
        assert len(found.tags.get(OTHER_RECORDS, "")) <= LONGEST_TAG
    steps = [before(seen(found, target, Keys())) for target in targets]
    assert steps[-1] == entries
    assert steps[-2][-1] == entries[-1], "the record before keeps at least its last step"
    assert steps[0] == []


def test_a_copy_inherits_no_record() -> None:
    """MLflow's "Promote" button copies all tags of a version, these too."""
    made = replace(in_both(), source="models:/m/9", created=1_900_000_000_000)
    assert not is_recorded(seen(made, PRODUCTION, Keys()))
    tags = fresh(made, STAGING, {PROMOTED_AT: "2031-01-01T00:00:00+00:00", METHOD: "stage"})
    assert tags[OTHER_RECORDS] == ""


def test_a_record_for_another_target_cannot_be_added_without_the_key() -> None:
    found = written(version("m", 9), EUROPE, {PROMOTED_AT: TIMES[0], METHOD: "alias"}, KEYS)
    forged = json.dumps([{TARGET: PRODUCTION.marks, PROMOTED_AT: TIMES[0], METHOD: "stage"}])
    found = replace(found, tags={**found.tags, OTHER_RECORDS: forged})
    assert not is_recorded(seen(found, PRODUCTION, KEYS))


@pytest.mark.parametrize("forged", ["in the tags", "beside them"])
def test_no_promotion_signs_what_somebody_else_wrote(forged: str) -> None:
    """Who may edit a version writes a record of production; then it is promoted to Staging by this tool."""
    record = {TARGET: PRODUCTION.marks, PROMOTED_AT: TIMES[0], METHOD: "stage"}
    found = written(version("m", 9), EUROPE, {PROMOTED_AT: TIMES[0], METHOD: "alias"}, KEYS)
    added = record if forged == "in the tags" else {OTHER_RECORDS: json.dumps([record])}
    found = replace(found, tags={**found.tags, **added})
    before_it = seen(found, STAGING, KEYS)
    staged = fresh(before_it, STAGING, {PROMOTED_AT: TIMES[1], METHOD: "stage"})
    after = written(found, STAGING, staged, KEYS)
    assert is_recorded(seen(after, STAGING, KEYS))
    assert not is_recorded(seen(after, PRODUCTION, KEYS))
    tags = KEYS.record(found, noted(before_it, PRODUCTION, {CHECK_TAG: FAILED}))
    checked = replace(found, tags={**found.tags, **tags})
    assert not is_recorded(seen(checked, PRODUCTION, KEYS))
