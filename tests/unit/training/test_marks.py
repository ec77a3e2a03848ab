"""What was in production when a training began: from a snapshot, and from the tags of runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from builders import snapshot, version
from jenkins_mlflow.registry.version import Run, Target, Version
from jenkins_mlflow.tags import OUTCOME_TAG, PRODUCTION_BEFORE, PROMOTED_AT
from jenkins_mlflow.training.marks import Held, Marks, Seen, decode, decoded, encode, marks

TARGET = Target("Production", "champion")
CHAMPION = version("m", 1, stage="Production", aliases=("champion",), run_id="old")
NINE, TEN, ELEVEN = (f"2026-11-24T{hour}:00:00+00:00" for hour in ("09", "10", "11"))
AT_TEN = 1795514400
NOW = 3600.0
V1: Marks = {"m": Held((1,), 1)}


def test_marks_survive_a_tag() -> None:
    promoted = version("out", 1, tags={PROMOTED_AT: TEN})
    seen = marks(snapshot(CHAMPION, version("it's 📦", 7, aliases=("champion",)), promoted), TARGET, NOW)
    assert seen == Seen({"m": Held((1,), 1), "it's 📦": Held((), 7)}, {"out": AT_TEN})
    assert encode(seen) == f'{{"it\'s 📦":[[],7,0],"m":[[1],1,0],"out":[[],null,{AT_TEN}]}}'
    assert decode(encode(seen)) == seen


def test_marks_that_no_tag_can_hold_are_not_told() -> None:
    """5,000 bytes, as every store keeps them; a longer tag would make MLflow refuse the runs."""
    many: Marks = {f"{'ж' * 30}{number}": Held((1,), 1) for number in range(80)}
    assert encode(Seen(many)) == encode(None) == ""


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "{",
            "[]",
            "[" * 4900,
            '{"m": 1}',
            '{"m": [[1], 1]}',
            '{"m": [["1"], 1, 0]}',
            '{"m": [[1], "1", 0]}',
        ),
        *('{"m": [[true], 1, 0]}', '{"m": [[1], 1, "0"]}', '{"m": [1, 1, 0]}', '{"m": "abc"}', '{"m": {}}'),
    ],
)
def test_a_tag_that_anybody_wrote_is_nothing(text: str) -> None:
    assert decode(text) is None
    assert list(decoded([text, "{}", text, "{}"])) == [Seen({})]


def theirs(number: int, saw: str, outcome: str = "", started: int = 9000, **fields: Any) -> Version:
    """A version that another build's script put into production."""
    tags = {PRODUCTION_BEFORE: saw, **({OUTCOME_TAG: outcome} if outcome else {})}
    run = Run(f"run-{number}", {}, tags, started)
    return version("m", number, run=run, **{"stage": "Production", **fields})


def held_in(versions: Sequence[Version], target: Target = TARGET) -> Marks | None:
    seen = marks(snapshot(*versions), target, NOW)
    return seen.marks if seen else None


V1_AT_TEN = f'{{"m":[[1],1,{AT_TEN}]}}'


@pytest.mark.parametrize(
    ("versions", "held"),
    [
        pytest.param([theirs(2, V1_AT_TEN)], V1, id="a training at work has put it there"),
        pytest.param(
            [theirs(2, V1_AT_TEN, "ok")], {"m": Held((2,))}, id="a person did so after that training"
        ),
        pytest.param(
            [theirs(2, V1_AT_TEN, tags={PROMOTED_AT: ELEVEN})], {"m": Held((2,))}, id="a promotion did so"
        ),
        pytest.param(
            [theirs(2, V1_AT_TEN, started=-90_000_000)], {"m": Held((2,))}, id="it was lost long ago"
        ),
        pytest.param([theirs(2, "what?")], None, id="nobody knows what it saw"),
        pytest.param([theirs(2, V1_AT_TEN), theirs(3, "")], None, id="nobody knows what one of two saw"),
        pytest.param(
            [theirs(3, '{"m":[[2],2,0]}', started=9000), theirs(2, V1_AT_TEN, started=8000)],
            V1,
            id="the first of two knows",
        ),
        pytest.param(
            [theirs(2, V1_AT_TEN), version("m", 3, tags={PROMOTED_AT: ELEVEN})],
            {"m": Held((3,), 3)},
            id="promoted since that training began",
        ),
        pytest.param(
            [theirs(2, V1_AT_TEN), version("m", 3, tags={PROMOTED_AT: NINE})],
            V1,
            id="promoted before it began",
        ),
    ],
)
def test_what_a_training_at_work_has_put_into_production_was_not_there_before(
    versions: list[Version], held: Marks | None
) -> None:
    assert held_in(versions) == held


@pytest.mark.parametrize(
    ("versions", "held"),
    [
        pytest.param(
            [theirs(2, V1_AT_TEN, stage="None", aliases=("champion",)), version("m", 1, stage="Production")],
            V1,
            id="it moved the alias alone",
        ),
        pytest.param(
            [theirs(2, V1_AT_TEN), version("m", 1, stage="Archived", aliases=("champion",))],
            V1,
            id="it moved the stage alone",
        ),
        pytest.param(
            [theirs(2, V1_AT_TEN), version("m", 3, stage="Production", aliases=("champion",))],
            {"m": Held((3,), 3)},
            id="a person has chosen another one since",
        ),
    ],
)
def test_what_a_training_at_work_has_left_in_production_stays(versions: list[Version], held: Marks) -> None:
    assert held_in(versions) == held


def test_one_model_does_not_know_for_another() -> None:
    """Unless they have one champion together; nothing is known of the whole, if one is not known."""
    other = version("n", 1, stage="Production")
    assert held_in([theirs(2, V1_AT_TEN), other]) == {**V1, "n": Held((1,))}
    assert held_in([theirs(2, ""), other]) is None
    exclusive = Target("Production", "champion", exclusive=True)
    saw = '{"gone":[[4],4,0]}'
    assert held_in([theirs(2, saw)], exclusive) == {"gone": Held((4,), 4)}
    assert held_in([theirs(2, saw)]) == {}


@pytest.mark.parametrize(("counted", "known"), [(None, True), ({PROMOTED_AT: NINE}, True), ({}, False)])
def test_a_tag_puts_nothing_back_that_has_no_signed_record(
    counted: dict[str, str] | None, known: bool
) -> None:
    """Everybody may write the tag of a run; where records are signed, it can only name what passed a gate."""
    first = version("m", 1, tags={PROMOTED_AT: NINE}, counted=counted)
    seen = Seen(V1, {"m": AT_TEN})
    assert seen.since(snapshot(first).models, TARGET) == (V1 if known else None)
    assert seen.since(snapshot(version("m", 2, counted={})).models, TARGET) == V1, "v1 was deleted"


def test_what_was_promoted_before_a_training_began_is_no_promotion_since() -> None:
    """A person has put 1 into production after 3 was promoted; the same second is that promotion itself."""
    group = snapshot(version("m", 1), version("m", 3, tags={PROMOTED_AT: TEN}))
    assert Seen(V1, {"m": AT_TEN}).since(group.models, TARGET) == V1
    assert Seen(V1, {"m": AT_TEN - 1, "other": AT_TEN + 9}).since(group.models, TARGET) == {
        "m": Held((3,), 3)
    }


def test_of_two_promotions_since_the_later_one_counts() -> None:
    group = snapshot(version("m", 3, tags={PROMOTED_AT: ELEVEN}), version("m", 4, tags={PROMOTED_AT: TEN}))
    for target, held in ((Target("Production", None), Held((3,))), (Target(None, "champion"), Held((), 3))):
        assert Seen(V1).since(group.models, target) == {"m": held}
