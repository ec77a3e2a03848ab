"""What a training put into production itself, and what was there before: from two snapshots and the build's runs."""

from __future__ import annotations

from typing import Any

import pytest
from builders import snapshot, version
from jenkins_mlflow.registry.change import Change
from jenkins_mlflow.registry.snapshot import Snapshot, Target, Version
from jenkins_mlflow.tags import PROMOTED_AT
from jenkins_mlflow.training.marks import Held, Marks, SelfPromotion, decode, encode, marks, self_promotions

TARGET = Target("Production", "champion")
CHAMPION = version("m", 1, stage="Production", aliases=("champion",), run_id="old")
RUNS = frozenset({"ours", "ours-2"})


def old(number: int = 1, **fields: Any) -> Version:
    return version("m", number, run_id="old", **fields)


def ours(number: int = 2, **fields: Any) -> Version:
    """A version that this build's training registered."""
    return version("m", number, run_id="ours", **fields)


def found(
    before: Snapshot, after: Snapshot, *earlier: Marks, target: Target = TARGET
) -> tuple[SelfPromotion, ...]:
    return self_promotions(before, earlier, after, target, RUNS)


@pytest.mark.parametrize(
    ("before", "after", "changes"),
    [
        pytest.param(
            [CHAMPION],
            [old(stage="Production"), ours(aliases=("champion",))],
            [("champion", 2, 1)],
            id="it moved the alias",
        ),
        pytest.param(
            [CHAMPION],
            [old(stage="Archived", aliases=("champion",)), ours(stage="Production")],
            [(1, "Archived", "Production"), (2, "Production", "None")],
            id="it moved the stage",
        ),
        pytest.param(
            [CHAMPION],
            [old(stage="Archived"), ours(stage="Production", aliases=("champion",))],
            [(1, "Archived", "Production"), (2, "Production", "None"), ("champion", 2, 1)],
            id="both",
        ),
        pytest.param(
            [CHAMPION],
            [CHAMPION, ours(stage="Production")],
            [(2, "Production", "None")],
            id="beside the champion",
        ),
        pytest.param(
            [], [ours(aliases=("champion",))], [("champion", 2, None)], id="where nothing was before"
        ),
        pytest.param(
            [CHAMPION],
            [
                old(stage="Production"),
                ours(stage="Production"),
                ours(3, stage="Production", aliases=("champion",)),
            ],
            [(3, "Production", "None"), (2, "Production", "None"), ("champion", 3, 1)],
            id="two of its versions",
        ),
        pytest.param(
            [CHAMPION, ours(stage="Staging")],
            [CHAMPION, ours(stage="Production")],
            [(2, "Production", "Staging")],
            id="from the stage that it had",
        ),
        pytest.param(
            [CHAMPION],
            [version("m", 5, run_id="other"), ours(aliases=("champion",))],
            [("champion", 2, None)],
            id="the old champion was deleted",
        ),
    ],
)
def test_what_the_training_moved_goes_back(
    before: list[Version], after: list[Version], changes: list[tuple[int | str, object, object]]
) -> None:
    """What goes into production comes first, the alias last: production is never empty in between."""
    (item,) = found(snapshot(*before), snapshot(*after))
    assert item.model == "m"
    assert [(change.mark, change.found, change.wanted) for change in item.changes or ()] == changes


@pytest.mark.parametrize(
    "after",
    [
        pytest.param([CHAMPION, ours()], id="nothing was moved"),
        pytest.param([CHAMPION, ours(aliases=("challenger",), stage="Staging")], id="other marks"),
        pytest.param(
            [old(), version("m", 3, run_id="other", stage="Production")], id="somebody else promoted"
        ),
        pytest.param([old(), ours(stage="Production", tags={PROMOTED_AT: "t"})], id="a recorded promotion"),
    ],
)
def test_what_the_training_did_not_do_is_left_alone(after: list[Version]) -> None:
    assert found(snapshot(CHAMPION), snapshot(*after)) == ()


def test_the_alias_alone_means_production() -> None:
    """A target without a stage: stages are nobody's business."""
    after = snapshot(old(), ours(stage="Production", aliases=("champion",)))
    (item,) = found(snapshot(CHAMPION), after, target=Target(None, "champion"))
    assert item.changes == (Change("m", "champion", 2, 1),)


def test_another_model_of_the_group_is_found_too() -> None:
    before = snapshot(CHAMPION, version("other", 1, run_id="old"))
    after = snapshot(
        CHAMPION, version("other", 1, run_id="old"), version("other", 2, run_id="ours", stage="Production")
    )
    assert found(before, after) == (
        SelfPromotion("other", (2,), (Change("other", 2, "Production", "None"),)),
    )


def test_a_promotion_during_the_training_is_what_was_there() -> None:
    """v3 was promoted, and recorded, while this build trained; then its script took the alias from v3."""
    promoted = version("m", 3, run_id="other", stage="Production", tags={PROMOTED_AT: "2026-11-24T10:00:00Z"})
    after = snapshot(old(stage="Archived"), promoted, ours(4, aliases=("champion",)))
    (item,) = found(snapshot(CHAMPION), after)
    assert item.changes == (Change("m", "champion", 4, 3),)


def test_what_another_agent_of_the_build_moved_is_not_what_was_there_before() -> None:
    """This command began when a candidate on another agent had moved the alias: its runs know what was there."""
    began = snapshot(old(stage="Production"), ours(aliases=("champion",)))
    after = snapshot(old(stage="Production"), ours(), version("m", 3, run_id="ours-2", aliases=("champion",)))
    also_late: Marks = {"m": Held((1,), 2)}
    (item,) = found(began, after, also_late, {"m": Held((1,), 1)}, {"m": Held((9,), 9)})
    assert item == SelfPromotion("m", (3,), (Change("m", "champion", 3, 1),))


def test_a_training_that_is_gathered_knows_it_from_its_runs() -> None:
    """The agent was lost after its script had moved the alias: nothing else has seen what was there."""
    now = snapshot(old(stage="Production"), ours(aliases=("champion",)))
    (item,) = found(now, now, {"m": Held((1,), 1)})
    assert item.changes == (Change("m", "champion", 2, 1),)
    (first,) = found(now, now, {})
    assert first.changes == (Change("m", "champion", 2, None),), "nothing was in production before"


def test_what_was_there_before_may_be_unknown() -> None:
    """Then nothing is moved: production is not emptied on a guess."""
    now = snapshot(old(stage="Production"), ours(aliases=("champion",)))
    assert found(now, now) == (SelfPromotion("m", (2,), None),)


def test_marks_survive_a_tag() -> None:
    held = marks(snapshot(CHAMPION, version("it's 📦", 7, aliases=("champion",)), version("out", 1)), TARGET)
    assert held == {"m": Held((1,), 1), "it's 📦": Held((), 7)}
    assert encode(held) == '{"it\'s 📦":[[],7],"m":[[1],1]}'
    assert decode(encode(held)) == held


def test_marks_that_no_tag_can_hold_are_not_told() -> None:
    """5,000 bytes, as every store keeps them; a longer tag would make MLflow refuse the runs."""
    many: Marks = {f"{'ж' * 30}{number}": Held((1,), 1) for number in range(80)}
    assert encode(many) == ""


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "[" * 4900, '{"m": 1}', '{"m": [["1"], 1]}', '{"m": [[1], "1"]}', '{"m": [[true], 1]}'],
)
def test_a_tag_that_anybody_wrote_is_nothing(text: str) -> None:
    assert decode(text) is None
