"""What follows from events: times in production, production at a moment, drift; and what is no event."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from builders import snapshot, version
from hypothesis import given, strategies as st
from jenkins_mlflow.commands.recorded import from_tags, recorded_version
from jenkins_mlflow.errors import Refused
from jenkins_mlflow.history.book import unwritten
from jenkins_mlflow.history.event import Event, Place, in_order, read_event
from jenkins_mlflow.history.timeline import Drift, drifts, production_at, reigns
from jenkins_mlflow.registry.snapshot import Model
from jenkins_mlflow.registry.version import Target
from jenkins_mlflow.tags import METRIC, PROMOTED_AT, RESTORED_FROM, ROLLED_BACK_AT, UNWRITTEN_TAG

TARGET = Target("Production", "champion")


def place(number: int, model: str = "m") -> Place:
    return (model, number, number * 1000)


def event(time: int, *production: Place, left: tuple[Place, ...] = (), **facts: object) -> Event:
    work = facts.pop("work", "promotion")
    return Event(
        f"{time:013d}",
        work,  # type: ignore[arg-type]
        str(facts.pop("model", "m")),
        production[0][1] if production else None,
        time,
        production=production,
        left=left,
        **facts,  # type: ignore[arg-type]
    )


def spans(events: list[Event]) -> list[tuple[int, int | None, int | None]]:
    return [
        (
            reign.place[1],
            reign.began.time if reign.began else None,
            reign.ended.time if reign.ended else None,
        )
        for reign in reigns(events)
    ]


def test_times_in_production() -> None:
    """What the first known promotion replaced was there before; a recovery that changes nothing begins nothing."""
    events = [
        event(10, place(2), left=(place(1),)),
        event(20, place(2), work="recovery", at="x"),
        event(30, place(3), left=(place(2),)),
        event(40, place(2), left=(place(3),), work="rollback"),
        event(50, left=(place(2),), work="check"),
    ]
    assert spans(events) == [(1, None, 10), (2, 10, 30), (3, 30, 40), (2, 40, 50)]
    assert spans(events[::-1]) == spans(events)
    assert production_at(events, 35) == {"m": (place(3),)}
    assert production_at(events) == {"m": ()}
    assert production_at(events, 5) == {}


def test_what_an_undone_promotion_left_there_was_there_before() -> None:
    undone = event(10, place(1), work="recovery")
    assert spans([undone]) == [(1, None, None)]
    assert spans([event(5, place(1)), undone]) == [(1, 5, None)]


def test_a_return_after_a_change_outside_is_a_line() -> None:
    """Somebody puts 1 into production; `rollback --recorded` returns to 2. When 2 had been taken out, nobody knows."""
    events = [
        event(10, place(2), left=(place(1),)),
        event(30, place(2), left=(place(1),), work="rollback"),
        event(40, place(3), left=(place(2),)),
    ]
    assert spans(events) == [(1, None, 10), (2, 10, 30), (2, 30, 40), (3, 40, None)]


def test_an_exclusive_group_takes_the_other_models_out() -> None:
    other = place(4, "n")
    events = [event(10, other, model="n"), event(20, place(1), left=(other,))]
    assert production_at(events) == {"n": (), "m": (place(1),)}


def test_an_event_counts_once_and_the_written_one_counts() -> None:
    written = event(10, place(1))
    assert in_order([replace(written, source="unwritten"), written])[0].source == "run"
    assert len(in_order([written, replace(written, source="unwritten")])) == 1


LIVE = {
    "as recorded": ([version("m", 2, stage="Production")], None),
    "replaced": (
        [version("m", 1, stage="Production"), version("m", 2)],
        (
            "m: version 1 was put into Production or @champion without this tool, some time after "
            "1970-01-01 00:00:01; recorded: version 2"
        ),
    ),
    "beside": (
        [version("m", 3, stage="Production"), version("m", 2, stage="Production")],
        (
            "m: version 3 was put into Production or @champion beside it without this tool, some time after "
            "1970-01-01 00:00:03; recorded: version 2"
        ),
    ),
    "emptied": (
        [version("m", 2)],
        (
            "m: version 2 was taken out of Production or @champion, or deleted without this tool, some time after "
            "1970-01-01 00:00:00; recorded: version 2"
        ),
    ),
    "made again": (
        [version("m", 2, created=9000, stage="Production")],
        (
            "m: version 2 was put into Production or @champion without this tool, some time after "
            "1970-01-01 00:00:09; recorded: version 2, which was deleted: the version 2 that exists now was "
            "registered at 1970-01-01 00:00:09"
        ),
    ),
    "made again, not in production": (
        [version("m", 2, created=9000)],
        (
            "m: version 2 was taken out of Production or @champion, or deleted without this tool, some time after "
            "1970-01-01 00:00:00; recorded: version 2, which was deleted: the version 2 that exists now was "
            "registered at 1970-01-01 00:00:09"
        ),
    ),
}


@pytest.mark.parametrize("case", LIVE)
def test_drift(case: str) -> None:
    versions, description = LIVE[case]
    found = list(drifts([event(500, place(2))], snapshot(*versions), TARGET))
    assert [drift.describe(TARGET) for drift in found] == ([description] if description else [])


def test_a_model_that_is_gone_is_drift_until_that_is_recorded() -> None:
    """Nothing is left there that could be read."""
    events = [event(500, place(2))]
    (found,) = drifts(events, snapshot(), TARGET, gone=["m"])
    assert found.describe(TARGET) == (
        "m: the registered model was deleted or renamed without this tool, some time after "
        "1970-01-01 00:00:00; recorded: version 2"
    )
    assert not list(drifts([*events, event(600, left=(place(2),))], snapshot(), TARGET, gone=["m"]))


def test_a_model_that_was_never_recorded_has_no_drift() -> None:
    assert not list(drifts([event(1, place(1))], snapshot(version("n", 1, stage="Production")), TARGET))


def test_what_has_no_single_record_offers_no_way_back() -> None:
    accept = "jenkins-mlflow history --model m --adopt --reason '...'"
    assert Drift("m", (place(2),), (place(1),), 0).fixes() == (accept,)
    back = "jenkins-mlflow rollback --model m --recorded"
    assert Drift("m", (place(2),), (place(1),), 0, returns=True).fixes() == (back, accept)


@pytest.mark.parametrize(
    ("versions", "message"),
    [
        ([version("m", 1)], "m version 2 was recorded as in production, and was deleted"),
        ([version("m", 2, created=7)], "m version 2 was recorded as in production, and was deleted"),
        ([version("m", 2)], "m version 2 is recorded as in production, but it has no promotion record"),
    ],
)
def test_the_history_alone_puts_nothing_into_production(versions: list, message: str) -> None:  # type: ignore[type-arg]
    with pytest.raises(Refused, match=f"^{message}$"):
        recorded_version(snapshot(*versions), "m", [event(1, place(2))])
    recorded = snapshot(version("m", 2, tags={PROMOTED_AT: "2026-01-01"}))
    assert recorded_version(recorded, "m", [event(1, place(2))]) == 2


def test_another_models_event_names_no_version_to_return_to() -> None:
    """Who may edit that model can write the event as a tag there; it may only say what left production."""
    recorded = snapshot(
        version("m", 1, tags={PROMOTED_AT: "2026"}), version("m", 2, tags={PROMOTED_AT: "2026"})
    )
    first, others = event(1, place(2)), event(2, place(1), model="theirs")
    with pytest.raises(Refused) as caught:
        recorded_version(recorded, "m", [first, others])
    assert caught.value.message == "the last recorded event of m belongs to theirs, and does not count for m"
    assert recorded_version(recorded, "m", [others, replace(first, time=3)]) == 2


@pytest.mark.parametrize(
    "changed",
    [
        {"time": -1},
        {"time": 10**15},
        {"time": 10**400},
        {"version": 10**20},
        {"production": [["m", 10**400, 1]]},
    ],
)
def test_an_event_with_impossible_numbers_is_none(changed: dict[str, object]) -> None:
    """Whoever may write into the experiment may write any number; later than year 9999 is no time."""
    text = json.dumps(json.loads(event(1, place(1)).to_json()) | changed)
    assert read_event(text) is None


@pytest.mark.parametrize("text", ["", "x", "[]", "{}", '{"id": 1}', "[" * 5000, '{"id":"a","work":"x"}'])
def test_what_is_no_event_is_none(text: str) -> None:
    assert read_event(text) is None
    model = Model("m", tags={UNWRITTEN_TAG + "a": text})
    assert not list(unwritten([model]))


def test_an_event_of_another_model_or_under_another_key_does_not_count() -> None:
    """Anybody who may edit one model can write tags there, but only of that model."""
    text = event(1, place(1)).to_json()
    key = f"{UNWRITTEN_TAG}{1:013d}"
    assert [e.time for e in unwritten([Model("m", tags={key: text})])] == [1]
    assert not list(
        unwritten([Model("n", tags={key: text}), Model("m", tags={UNWRITTEN_TAG + "other": text})])
    )


@pytest.mark.parametrize(
    "text",
    [
        "",
        "yesterday",
        "9999999-01-01",
        "2026-13-01T00:00:00+00:00",
        "0001-01-01T00:00:00+23:59",
        "9999-12-31T23:59:59-23:59",
    ],
)
def test_a_tag_that_is_no_time_tells_nothing(text: str) -> None:
    assert not list(from_tags([version("m", 1, tags={PROMOTED_AT: text})]))


@pytest.mark.parametrize(
    ("text", "value"),
    [("0.9", 0.9), ("nan", None), ("-inf", None), ("1e999", None), ("1.7976931348623157e308", None)],
)
def test_a_tag_says_a_value_that_can_be_compared_or_none(text: str, value: float | None) -> None:
    """Anybody may write tags."""
    tags = {PROMOTED_AT: "2026-11-21T00:00:00+00:00", METRIC: f"roc_auc={text}"}
    (told,) = from_tags([version("m", 1, tags=tags)])
    assert (told.metric, told.value) == ("roc_auc", value)


numbers = st.integers(1, 4)


@given(st.lists(st.tuples(st.integers(1, 50), st.lists(numbers, max_size=2, unique=True)), max_size=8))
def test_the_times_and_the_moments_agree(rows: list[tuple[int, list[int]]]) -> None:
    """At every moment the reigns that last are what production_at says, whatever the events are."""
    events = [event(time * 10 + at, *map(place, serving)) for at, (time, serving) in enumerate(rows)]
    for moment in range(0, 520, 5):
        lasting = {
            reign.place
            for reign in reigns(events)
            if reign.began and reign.began.time <= moment and (not reign.ended or reign.ended.time > moment)
        }
        assert lasting == {*production_at(events, moment).get("m", ())}


@pytest.mark.parametrize(
    ("at", "events"), [("2026-11-20T00:00:00+00:00", 0), ("2026-11-22T00:00:00+00:00", 1)]
)
@pytest.mark.parametrize("tag", [PROMOTED_AT, ROLLED_BACK_AT])
def test_a_restored_version_was_not_in_production_before_it_was_there(tag: str, at: str, events: int) -> None:
    """It has the record of the version that was deleted; of its own are later promotions."""
    created = 1_795_219_200_000  # 2026-11-21
    restored = version("m", 5, created=created, tags={RESTORED_FROM: "1@1000", tag: at})
    assert len(list(from_tags([restored]))) == events
