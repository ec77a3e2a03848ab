"""The table of changes against what is there, and what is undone in which order."""

from __future__ import annotations

from typing import Any

import pytest
from builders import snapshot, version
from jenkins_mlflow.promotion.changes import State, Table, is_done, states, strangers
from jenkins_mlflow.promotion.plan import plan_promotion
from jenkins_mlflow.promotion.undo import changes_back
from jenkins_mlflow.registry.change import Change
from jenkins_mlflow.registry.snapshot import Model, Snapshot
from jenkins_mlflow.registry.version import Target, Version

BOTH = Target("Production", "champion")
EXCLUSIVE = Target("Production", "champion", exclusive=True)
OLD = version("m", 1, stage="Production", aliases=("champion",))
TABLE = plan_promotion(snapshot(OLD, version("m", 2)), "m", 2, BOTH).table
NEW_STAGE, OLD_STAGE, ALIAS = TABLE.changes


def m(number: int, stage: str = "None", *aliases: str, **fields: Any) -> Version:
    return version("m", number, stage=stage, aliases=aliases, **fields)


def test_the_table_of_a_promotion() -> None:
    """Every mark with the value found and the value wanted; what goes into production comes before what leaves it."""
    assert TABLE.changes == (
        Change("m", 2, "None", "Production"),
        Change("m", 1, "Production", "Archived"),
        Change("m", "champion", 1, 2),
    )
    assert [change.describe() for change in TABLE.changes] == [
        "m version 2: stage None -> Production",
        "m version 1: stage Production -> Archived",
        "m: alias champion on version 1 -> on version 2",
    ]


def test_the_table_of_an_exclusive_group_has_every_model() -> None:
    """The other models' changes come last: nothing leaves production before the new champion is in it."""
    group = snapshot(OLD, version("n", 4, stage="Production"), version("o", 5, aliases=("champion",)), m(2))
    table = plan_promotion(group, "m", 2, EXCLUSIVE).table
    assert table.changes[3:] == (Change("n", 4, "Production", "Archived"), Change("o", "champion", 5, None))
    assert table.models == ("m", "n", "o")


SEEN: list[tuple[str, tuple[Version, ...], tuple[State, State, State]]] = [
    ("nothing done", (OLD, m(2)), ("as found", "as found", "as found")),
    ("all done", (m(1, "Archived"), m(2, "Production", "champion")), ("as wanted", "as wanted", "as wanted")),
    (
        "killed in the middle",
        (m(1, "Production", "champion"), m(2, "Production")),
        ("as wanted", "as found", "as found"),
    ),
    ("another stage", (m(1, "Staging", "champion"), m(2)), ("as found", "foreign", "as found")),
    (
        "the alias elsewhere",
        (m(1, "Production"), m(2), m(3, "None", "champion")),
        ("as found", "as found", "foreign"),
    ),
    ("the alias removed", (m(1, "Production"), m(2)), ("as found", "as found", "foreign")),
    ("the old one deleted", (m(2, "Production"),), ("as wanted", "gone", "gone")),
    ("the new one deleted", (OLD,), ("gone", "as found", "as found")),
    (
        "the old one made again",
        (m(1, "Production", "champion", created=7), m(2)),
        ("as found", "gone", "foreign"),
    ),
    (
        "the new one made again",
        (m(1, "Archived"), m(2, "Production", "champion", created=7)),
        ("gone", "as wanted", "foreign"),
    ),
]


@pytest.mark.parametrize(("live", "expected"), [row[1:] for row in SEEN], ids=[row[0] for row in SEEN])
def test_every_mark_is_as_found_as_wanted_foreign_or_gone(
    live: tuple[Version, ...], expected: tuple[State, State, State]
) -> None:
    assert tuple(states(TABLE, snapshot(*live)).values()) == expected
    if set(expected) != {"as wanted"}:
        assert not is_done(TABLE, snapshot(*live), BOTH)


def test_a_model_that_is_gone_has_nothing_left() -> None:
    assert set(states(TABLE, Snapshot()).values()) == {"gone"}
    assert states(Table("p", 1, (Change("p", "champion", None, 1),), {}), Snapshot()) == {
        Change("p", "champion", None, 1): "as found"
    }


@pytest.mark.parametrize(
    ("extra", "target", "expected"),
    [
        (m(3, "Production"), BOTH, ["m version 3"]),
        (m(3, "Staging"), BOTH, []),
        (version("n", 1, stage="Production"), BOTH, []),
        (version("n", 1, stage="Production"), EXCLUSIVE, ["n version 1"]),
    ],
)
def test_strangers_are_in_production_and_in_no_row(
    extra: Version, target: Target, expected: list[str]
) -> None:
    """With one of them nothing is promoted, whatever the rows say."""
    live = snapshot(m(1, "Archived"), m(2, "Production", "champion"), extra)
    assert [found.label for found in strangers(TABLE, live, target)] == expected
    assert is_done(TABLE, live, target) == (not expected)


BACK: list[tuple[str, tuple[Version, ...], list[Change]]] = [
    ("nothing to undo", (OLD, m(2)), []),
    (
        "all of it, production first",
        (m(1, "Archived"), m(2, "Production", "champion")),
        [OLD_STAGE, ALIAS, NEW_STAGE],
    ),
    ("half of it", (m(1, "Production", "champion"), m(2, "Production")), [NEW_STAGE]),
    ("what is foreign stays", (m(1, "Staging"), m(2, "Production"), m(3, "None", "champion")), [NEW_STAGE]),
    (
        "no second one beside somebody's choice",
        (m(1, "Archived"), m(2, "Production", "champion"), m(3, "Production")),
        [ALIAS, NEW_STAGE],
    ),
    ("a version that is gone cannot come back", (m(2, "Production", "champion"),), [NEW_STAGE]),
]


@pytest.mark.parametrize(("live", "expected"), [row[1:] for row in BACK], ids=[row[0] for row in BACK])
def test_what_is_undone_and_in_which_order(live: tuple[Version, ...], expected: list[Change]) -> None:
    assert changes_back(TABLE, snapshot(*live), BOTH) == expected


def test_a_copy_gets_its_number_when_it_is_made() -> None:
    """Before that the table says so in words; nothing in the development model changes."""
    target = Target("Production", "champion", copy_to="p")
    group = snapshot(OLD, m(2), version("p", 1, aliases=("champion",)))
    plan = plan_promotion(group, "m", 2, target)
    assert plan.steps() == ["m version 2: is copied to p", "p: alias champion on version 1 -> on the copy"]
    assert [old.label for old in plan.leaving] == ["p version 1"]
    table = plan.table.with_copy(version("p", 2))
    assert table.changes == (Change("p", "champion", 1, 2),)
    assert table.label == "p version 2"


def test_a_first_copy_makes_the_production_model() -> None:
    plan = plan_promotion(snapshot(m(2)), "m", 2, Target("Production", "champion", copy_to="p"))
    assert (plan.table.changes, plan.leaving) == ((Change("p", "champion", None, 0),), ())


def test_a_copy_that_is_there_is_not_made_again() -> None:
    made = version("p", 3, created=5000, source="models:/m/2")
    group = Snapshot((*snapshot(m(2)).models, Model("p", (made,))))
    assert plan_promotion(group, "m", 2, Target(None, "champion", copy_to="p")).table.number == 3


def test_a_copy_in_an_exclusive_group_takes_every_champion_out() -> None:
    """A model of the group that was promoted in place leaves production, the candidate's own included."""
    group = snapshot(OLD, m(2), version("n", 1, stage="Production"), version("p", 1, aliases=("champion",)))
    plan = plan_promotion(group, "m", 2, Target("Production", "champion", exclusive=True, copy_to="p"))
    assert [old.label for old in plan.leaving] == ["p version 1", "n version 1", "m version 1"]


def test_a_version_of_the_production_model_is_promoted_itself() -> None:
    """A rollback, or a promotion by name: no copy of a copy."""
    group = snapshot(version("p", 1), version("p", 2, aliases=("champion",)))
    plan = plan_promotion(group, "p", 1, Target("Production", "champion", copy_to="p"))
    assert plan.table.changes == (Change("p", "champion", 2, 1),)
