"""What no cleanup may delete: rollback targets and what unfinished promotions work on, as pure decisions."""

from __future__ import annotations

import json
from typing import Any

import pytest
from builders import version
from jenkins_mlflow.cleanup.lease import lease_tag
from jenkins_mlflow.cleanup.protection import Protection, has_record, recorded_champions, unfinished
from jenkins_mlflow.config.cleanup import Protect
from jenkins_mlflow.registry.version import Target
from jenkins_mlflow.tags import (
    BEFORE,
    CHECK_TAG,
    INTENT_TAG,
    KEEP_TAG,
    LEASE_TAG,
    PREVIOUS_MODEL,
    PREVIOUS_VERSION,
    PROMOTED_AT,
)

TARGET = Target("Production", "champion")


def history(*entries: object) -> dict[str, str]:
    return {BEFORE: json.dumps(entries)}


CHAIN = (
    version("m", 1),
    version("m", 2, tags={PREVIOUS_VERSION: "1"}),
    version("m", 3, tags={PREVIOUS_VERSION: "2"}),
)


@pytest.mark.parametrize(
    ("depth", "tags", "targets"),
    [
        (1, {PREVIOUS_VERSION: "1"}, [("m", 1)]),
        (1, {PREVIOUS_MODEL: "a", PREVIOUS_VERSION: "7"}, [("a", 7)]),
        (1, {PREVIOUS_VERSION: "3"}, [("m", 3)]),
        (2, {PREVIOUS_VERSION: "3"}, [("m", 2), ("m", 3)]),
        (3, {PREVIOUS_VERSION: "3"}, [("m", 1), ("m", 2), ("m", 3)]),
        (1, history(["m", 1, 0], ["a", 4, 0]), [("a", 4)]),
        (2, history(["m", 1, 0], ["a", 4, 0]), [("a", 4), ("m", 1)]),
        (1, {**history(["m", 1, 0], ["a", 4, 0]), PREVIOUS_VERSION: "2"}, [("a", 4), ("m", 2)]),
        (1, {BEFORE: "no json"}, []),
        (1, {BEFORE: '{"a": 1}'}, []),
        (1, history("a", ["m"], ["m", "1"], [1, 1], None), []),
        (1, {PREVIOUS_VERSION: "none"}, []),
        (1, {BEFORE: "[" * 4900}, []),
        (1, {BEFORE: f"[{'9' * 4900}]"}, []),
        (1, {PREVIOUS_VERSION: "9" * 4900}, []),
        (9, {PREVIOUS_VERSION: "9"}, [("m", 9)]),
    ],
)
def test_rollback_targets(depth: int, tags: dict[str, str], targets: list[tuple[str, int]]) -> None:
    """The last `depth` promotions before it, from both records; what anybody else wrote there is passed over."""
    champion = version("m", 9, stage="Production", tags=tags)
    naming = Protection(Protect(), TARGET, depth).rollback_targets((*CHAIN, champion))
    places = [(model, number) for model in ("a", "m") for number in range(10)]
    assert [place for place in places if champion in naming.of(version(*place))] == targets


@pytest.mark.parametrize(
    ("tags", "is_target"),
    [
        (history(["former name", 2, 2000]), True),
        (history(["m", 2, 2000]), True),
        (history(["former name", 2, 2001]), False),
        (history(["former name", 1, 2000]), False),
        (history(["former name", 2, 0]), False),
        (history(["former name", 2]), False),
        (history(["former name", 2, "2000"]), False),
    ],
)
def test_a_rollback_target_is_known_by_its_number_and_creation_after_a_rename(
    tags: dict[str, str], *, is_target: bool
) -> None:
    """The record has the name that the model had then."""
    champion = version("m", 9, stage="Production", tags=tags)
    naming = Protection(Protect(), TARGET).rollback_targets([champion])
    assert naming.of(version("m", 2, created=2000)) == ((champion,) if is_target else ())


@pytest.mark.parametrize(
    ("marks", "reason"),
    [
        ({"stage": "Production"}, "rollback target of m version 9"),
        ({"stage": "Staging"}, "rollback target of m version 9"),
        ({"aliases": ("live",)}, "rollback target of m version 9"),
        ({"stage": "Archived"}, ""),
        ({}, ""),
    ],
)
def test_the_target_of_what_serves_anybody_stays(marks: dict[str, Any], reason: str) -> None:
    """Another team's config may mean production by any alias; a version that left production names nothing."""
    protection = Protection(Protect(), TARGET)
    assert protection.reason(version("m", 1), [version("m", 9, **marks)]) == reason


def test_what_the_records_say_is_in_production_stays_with_what_it_replaced() -> None:
    """Taken out by hand, it may be wanted back: the last one of each model that was promoted and did not fail."""
    day = "2026-11-{:02}T00:00:00+00:00".format
    first, second = (version("m", number, tags={PROMOTED_AT: day(number)}) for number in (1, 2))
    failed = version("m", 3, tags={PROMOTED_AT: day(3), CHECK_TAG: "failed"})
    other = version("n", 1, tags={PROMOTED_AT: day(1)})
    recorded = recorded_champions([first, second, failed, other, version("o", 1)])
    assert recorded == {("m", 2), ("n", 1)}
    protection = Protection(Protect(), TARGET)
    assert protection.reason(second, (), (), recorded) == ("recorded as in production, which it no longer is")
    assert protection.reason(first, [second], (), recorded) == "rollback target of m version 2"
    assert protection.reason(first, [failed], (), recorded) == ""


def test_a_record_is_what_names_the_version_before() -> None:
    assert has_record(version("m", 2, tags={PREVIOUS_VERSION: "1"}))
    assert has_record(version("m", 2, tags=history()))
    assert not has_record(version("m", 2, tags={PROMOTED_AT: "x"}))
    assert not has_record(version("m", 2))


@pytest.mark.parametrize(
    "end", ["9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00+23:59", "soon", "9" * 4900]
)
def test_a_lease_whose_end_is_no_moment_runs_for_ever(end: str) -> None:
    """And stops no cleanup of other versions."""
    reason = Protection(Protect(), TARGET).reason(version("m", 1, tags={f"{LEASE_TAG}x": end}))
    assert reason == "lease x forever: its end cannot be read"


def test_aliases_are_protected_by_pattern() -> None:
    """`deployed-*` keeps what carries such an alias, and nothing else."""
    protection = Protection(Protect(aliases=("deployed-*",)), TARGET)
    assert protection.reason(version("m", 1, aliases=("deployed-eu", "x"))) == "alias deployed-eu"
    assert protection.reason(version("m", 1, aliases=("x",))) == ""


@pytest.mark.parametrize(
    ("tags", "kept"),
    [
        ({}, ""),
        ({"owner": '"b"'}, ""),
        ({INTENT_TAG: "{}"}, "a"),
        ({INTENT_TAG + ".2": "{}"}, "a"),
        ({INTENT_TAG: "no json"}, "a"),
        ({INTENT_TAG: '{"group": ["b", "c-*"]}'}, "a b c-1"),
        ({INTENT_TAG: '{"changes": [["', INTENT_TAG + ".2": 'b", 1]]}'}, "a b"),
        ({INTENT_TAG: '{"x": "\\q", "y": "b"}'}, "a b"),
    ],
)
def test_a_promotion_at_work_keeps_every_model_it_mentions(tags: dict[str, str], kept: str) -> None:
    """Whatever was half done there may be needed to finish or undo it."""
    at_work = unfinished({"a": tags, "b": {}})
    protection = Protection(Protect(), TARGET)
    names = [name for name in ("a", "b", "c-1") if protection.reason(version(name, 1), (), at_work)]
    assert " ".join(names) == kept


def test_the_parts_of_a_long_intent_are_read_in_their_order() -> None:
    """Ten parts and more: a name that two of them share is whole only in the order of their numbers."""
    parts = {
        INTENT_TAG: '["x',
        **{f"{INTENT_TAG}.{n}": str(n) for n in range(2, 11)},
        f"{INTENT_TAG}.11": '"]',
    }
    assert unfinished({"a": parts}) == ("a", "x2345678910")


def test_an_intent_that_nobody_signed_keeps_its_own_model_alone() -> None:
    tags = {"a": {INTENT_TAG: '["b"]'}}
    assert unfinished(tags) == ("a", "b")
    assert unfinished(tags, unsigned=["a"]) == ("a",)


def test_an_unfinished_promotion_says_so() -> None:
    protection = Protection(Protect(), TARGET)
    assert protection.reason(version("a", 1), (), ("a",)) == "an unfinished promotion works on this model"


@pytest.mark.parametrize(
    ("tags", "reason"),
    [
        ({KEEP_TAG: ""}, "tag jenkins_mlflow.keep"),
        ({KEEP_TAG: "false"}, "tag jenkins_mlflow.keep"),
        (dict([lease_tag("eu", 86_400)]), "lease eu until 1970-01-02 00:00 UTC"),
        (dict([lease_tag("eu", 86_399)]), ""),
        (dict([lease_tag("a", 0), lease_tag("b", 90_000)]), "lease b until 1970-01-02 01:00 UTC"),
        ({LEASE_TAG + "eu": "soon"}, "lease eu forever: its end cannot be read"),
        ({LEASE_TAG + "eu": "2026-01-01"}, "lease eu forever: its end cannot be read"),
    ],
)
def test_tags_that_keep_a_version(tags: dict[str, str], reason: str) -> None:
    """The tag with the fixed name needs no config and no value; a lease keeps its version until its end."""
    assert Protection(Protect(), TARGET, now=86_399.5).reason(version("m", 1, tags=tags)) == reason
