"""What a training put into production itself, and what was there before: from two snapshots and the build's runs."""

from __future__ import annotations

from typing import Any

import pytest
from builders import snapshot, version
from jenkins_mlflow.registry.change import Change
from jenkins_mlflow.registry.snapshot import Snapshot
from jenkins_mlflow.registry.version import Target, Version
from jenkins_mlflow.tags import PRODUCTION_BEFORE, PROMOTED_AT, RESTORED_FROM
from jenkins_mlflow.training.marks import Held, Marks, Seen
from jenkins_mlflow.training.self_promotion import SelfPromotion, self_promotions

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
    return self_promotions(before, [Seen(held) for held in earlier], after, target, RUNS, 3600.0)


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
            [
                version("m", 5, run_id="other", stage="Production", aliases=("champion",)),
                ours(stage="Production"),
            ],
            [(2, "Production", "None")],
            id="the old champion was deleted, and somebody else has put another one there",
        ),
        pytest.param(
            [CHAMPION],
            [old(stage="Archived"), ours(stage="Production")],
            [(1, "Archived", "Production"), ("champion", None, 1), (2, "Production", "None")],
            id="it moved the stage and removed the alias",
        ),
    ],
)
def test_what_the_training_moved_goes_back(
    before: list[Version], after: list[Version], changes: list[tuple[int | str, object, object]]
) -> None:
    """What goes into production comes first, the alias last: production is never empty in between."""
    (item,) = found(snapshot(*before), snapshot(*after))
    assert item.model == "m"
    assert [(change.mark, change.found, change.wanted) for change in item.changes] == changes


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
    assert found(now, now) == (SelfPromotion("m", (2,), (), "what was in production before is not known"),)


@pytest.mark.parametrize(
    "after",
    [
        pytest.param([ours(stage="Production", aliases=("champion",))], id="both marks"),
        pytest.param([ours(stage="Production")], id="the stage"),
        pytest.param([ours(aliases=("champion",))], id="the alias"),
        pytest.param([old(3, stage="Production"), ours(aliases=("champion",))], id="one of the marks"),
    ],
)
def test_production_is_not_emptied_where_the_old_champion_was_deleted(after: list[Version]) -> None:
    """The script did that, or somebody else: what it promoted is all there is."""
    (item,) = found(snapshot(CHAMPION), snapshot(*after))
    assert (item.changes, item.obstacle) == ((), "v1, which was in production before, was deleted")


EXCLUSIVE = Target("Production", "champion", exclusive=True)
A1 = version("a", 1, stage="Production", aliases=("champion",), run_id="old")
A1_OUT = version("a", 1, stage="Archived", run_id="old")
B1 = version("b", 1, stage="Production", aliases=("champion",), run_id="ours")
A1_BACK = (Change("a", 1, "Archived", "Production"), Change("a", "champion", None, 1))
B1_OUT = (Change("b", 1, "Production", "None"), Change("b", "champion", 1, None))


def test_the_champion_of_another_model_of_an_exclusive_group_comes_back_first() -> None:
    (item,) = found(snapshot(A1), snapshot(A1_OUT, B1), target=EXCLUSIVE)
    assert item == SelfPromotion("b", (1,), (*A1_BACK, *B1_OUT))
    (alone,) = found(snapshot(A1), snapshot(A1_OUT, B1))
    assert alone.changes == B1_OUT, "in a group where each model has its own, nobody knows who took A's out"


def test_what_two_models_promoted_leaves_for_the_one_that_was_there() -> None:
    other = version("c", 1, stage="Production", run_id="ours-2")
    promoted = found(snapshot(A1), snapshot(A1_OUT, B1, other), target=EXCLUSIVE)
    assert [(one.model, one.changes[:2]) for one in promoted] == [("b", A1_BACK), ("c", A1_BACK)]


def test_the_champion_of_a_group_that_was_deleted_keeps_the_new_one_there() -> None:
    for after in (snapshot(B1), snapshot(version("a", 2, run_id="old"), B1)):
        (item,) = found(snapshot(A1), after, target=EXCLUSIVE)
        assert (item.changes, item.obstacle) == ((), "a v1, which was in production before, was deleted")


def test_an_alias_alone_comes_back_in_a_group() -> None:
    """The script took it from A, whose version still is in the stage, and gave it to B."""
    a1, b1 = (
        version("a", 1, stage="Production", run_id="old"),
        version("b", 1, run_id="ours", aliases=("champion",)),
    )
    (item,) = found(snapshot(A1), snapshot(a1, b1), target=EXCLUSIVE)
    assert item.changes == (Change("a", "champion", None, 1), Change("b", "champion", 1, None))


def test_what_somebody_else_put_into_a_group_stays_alone() -> None:
    """A's version 2 is there now, by another hand: version 1 does not come back beside it."""
    a2 = version("a", 2, stage="Production", aliases=("champion",), run_id="other")
    (item,) = found(snapshot(A1), snapshot(A1_OUT, a2, B1), target=EXCLUSIVE)
    assert item.changes == B1_OUT


def test_a_promotion_in_a_group_during_the_training_is_what_was_there() -> None:
    """C was promoted, and recorded, over A; then the script put B into production and C out of it."""
    tags = {PROMOTED_AT: "2026-11-24T10:00:00Z"}
    c1 = version("c", 1, stage="Archived", run_id="other", tags=tags)
    (item,) = found(snapshot(A1), snapshot(A1_OUT, B1, c1), target=EXCLUSIVE)
    back = (Change("c", 1, "Archived", "Production"), Change("c", "champion", None, 1))
    assert item.changes == (*back, *B1_OUT)


def test_what_another_agent_of_the_build_moved_in_a_group_is_not_what_was_there_before() -> None:
    """This command began when another agent's script had put B into production and A out of it."""
    began = snapshot(A1_OUT, B1)
    (item,) = found(began, began, {"a": Held((1,), 1)}, target=EXCLUSIVE)
    assert item.changes == (*A1_BACK, *B1_OUT)


def test_a_version_put_straight_into_the_production_model_is_found() -> None:
    """Where promotions copy, the production model is outside of the group."""
    target = Target(None, "champion", copy_to="prod")
    p1 = version("prod", 1, aliases=("champion",), run_id="old")
    p2 = version("prod", 2, aliases=("champion",), run_id="ours")
    after = snapshot(
        version("prod", 1, run_id="old"), p2, version("dev", 1, aliases=("champion",), run_id="ours")
    )
    (item,) = found(snapshot(p1), after, target=target)
    assert item == SelfPromotion("prod", (2,), (Change("prod", "champion", 2, 1),))


def test_another_build_at_work_has_promoted_already() -> None:
    """Its command takes v2 out again: what goes back is what it saw when it began, though v2 served when this began."""
    saw = {PRODUCTION_BEFORE: '{"m":[[1],1,0]}'}
    theirs = version("m", 2, metrics={}, run_tags=saw, stage="Production", aliases=("champion",))
    out = old(stage="Archived")
    after = snapshot(
        out, version("m", 2, stage="Archived"), ours(3, stage="Production", aliases=("champion",))
    )
    (item,) = found(snapshot(out, theirs), after)
    back = (Change("m", 1, "Archived", "Production"), Change("m", 3, "Production", "None"))
    assert item.changes == (*back, Change("m", "champion", 3, 1))


NINE, TEN, ELEVEN = ({PROMOTED_AT: f"2026-11-24T{hour}:00:00+00:00"} for hour in ("09", "10", "11"))


def test_a_record_of_long_ago_is_no_promotion_since() -> None:
    """Version 1 was promoted once; a person has put 3 into production since, before the training."""
    before = snapshot(old(tags=TEN), version("m", 3, stage="Production", aliases=("champion",), run_id="old"))
    after = snapshot(
        old(tags=TEN), version("m", 3, stage="Production", run_id="old"), ours(4, aliases=("champion",))
    )
    (item,) = found(before, after)
    assert item.changes == (Change("m", "champion", 4, 3),)


def test_of_two_promotions_during_the_training_the_later_one_counts() -> None:
    group = [old(stage="Archived"), old(3, tags=ELEVEN), old(4, tags=NINE)]
    (item,) = found(snapshot(CHAMPION), snapshot(*group, ours(5, stage="Production", aliases=("champion",))))
    assert item.changes[:1] == (Change("m", 3, "None", "Production"),)


@pytest.mark.parametrize(
    ("target", "changes"),
    [
        (
            Target("Production", None),
            (Change("m", 3, "None", "Production"), Change("m", 4, "Production", "None")),
        ),
        (Target(None, "champion"), (Change("m", "champion", 4, 3),)),
    ],
)
def test_only_the_marks_of_production_go_back(target: Target, changes: tuple[Change, ...]) -> None:
    """What was promoted while the script trained comes back; other stages and aliases are nobody's business here."""
    after = snapshot(
        old(stage="Archived"), old(3, tags=TEN), ours(4, stage="Production", aliases=("champion",))
    )
    (item,) = found(snapshot(CHAMPION), after, target=target)
    assert item.changes == changes


def test_in_a_group_a_deleted_model_is_told_with_what_it_had() -> None:
    before = snapshot(
        version("a", 2, stage="Production", run_id="old"), version("a", 3, aliases=("champion",))
    )
    (item,) = found(before, snapshot(B1), target=EXCLUSIVE)
    assert item.obstacle == "a v2, a v3, which were in production before, were deleted"


def test_a_version_that_is_restored_during_the_training_was_not_promoted() -> None:
    """It has the record of the version that was deleted."""
    champion = version("m", 4, stage="Production", aliases=("champion",), run_id="old")
    tags = {RESTORED_FROM: "1@1000", **NINE}
    restored = version("m", 6, created=1_795_600_000_000, run_id="old", tags=tags)
    after = [version("m", 4, stage="Archived", run_id="old"), restored]
    (item,) = found(snapshot(champion), snapshot(*after, ours(5, stage="Production", aliases=("champion",))))
    assert [change.mark for change in item.changes if change.wanted == "Production"] == [4]
    assert item.changes[-1] == Change("m", "champion", 5, 4)
