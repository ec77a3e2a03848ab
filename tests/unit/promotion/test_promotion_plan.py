"""What a promotion will change, planned from a snapshot."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from builders import snapshot, version
from hypothesis import given, strategies as st
from jenkins_mlflow.errors import NotFound, Refused
from jenkins_mlflow.promotion.plan import plan_promotion, refuse_if_changed
from jenkins_mlflow.registry.version import Target, Version
from jenkins_mlflow.tags import TARGET

BOTH = Target("Production", "champion")


def test_a_first_promotion_needs_stage_and_alias() -> None:
    """Nothing in production: both marks are set, nothing is replaced."""
    plan = plan_promotion(snapshot(version("m", 1)), "m", 1, BOTH)
    assert (plan.needs_stage, plan.needs_alias, plan.previous, plan.replaces) == (True, True, (), None)


def test_already_in_production_needs_nothing() -> None:
    """Alone in the stage with the alias: there is nothing to do."""
    group = snapshot(version("m", 1, stage="Production", aliases=("champion",)))
    assert plan_promotion(group, "m", 1, BOTH).done


@pytest.mark.parametrize(
    ("target", "needs"),
    [
        (BOTH, (False, True)),
        (Target("Production", None), (False, False)),
        (Target(None, "champion"), (False, True)),
    ],
)
def test_only_the_missing_mark_is_planned(target: Target, needs: tuple[bool, bool]) -> None:
    """Stage there, alias not: a repeated run completes what is missing and no more."""
    plan = plan_promotion(snapshot(version("m", 1, stage="Production")), "m", 1, target)
    assert (plan.needs_stage, plan.needs_alias) == needs


def test_two_in_production_is_repaired_by_promoting_one_of_them() -> None:
    """A foreign writer left two: promoting one of them archives the other."""
    group = snapshot(
        version("m", 1, stage="Production"), version("m", 2, stage="Production", aliases=("champion",))
    )
    plan = plan_promotion(group, "m", 2, BOTH)
    assert plan.needs_stage
    assert [v.number for v in plan.previous] == [1]


def test_what_is_replaced_is_named_with_its_marks_where_it_is_more_than_one() -> None:
    """A person moved the alias: the stage is on one version, the alias on another, and both lose production."""
    group = snapshot(
        version("m", 1), version("m", 2, stage="Production"), version("m", 3, aliases=("champion",))
    )
    assert plan_promotion(group, "m", 1, BOTH).replacing == (
        "m version 3 (alias champion) and m version 2 (Production)"
    )
    assert plan_promotion(group, "m", 2, BOTH).replacing == "m version 3"
    assert plan_promotion(snapshot(version("m", 1)), "m", 1, BOTH).replacing == ""


def test_of_many_that_are_replaced_three_are_named() -> None:
    group = snapshot(version("m", 1), *(version("m", n, stage="Production") for n in range(2, 7)))
    assert plan_promotion(group, "m", 1, BOTH).replacing == (
        "m version 6 (Production), m version 5 (Production), m version 4 (Production) and 2 more"
    )


def test_other_models_are_touched_only_in_an_exclusive_group() -> None:
    """The other model's champion leaves production only where the group has one champion."""
    group = snapshot(
        version("a", 1), version("b", 1, stage="Production"), version("c", 1, aliases=("champion",))
    )
    assert plan_promotion(group, "a", 1, BOTH).others == ()
    exclusive = plan_promotion(group, "a", 1, Target("Production", "champion", exclusive=True))
    assert [v.model for v in exclusive.others] == ["b", "c"]
    assert exclusive.replaces == exclusive.others[0]


def test_alias_only_target_replaces_the_holder() -> None:
    """Where production is an alias, the version it points at now is the previous one."""
    group = snapshot(version("m", 1, aliases=("champion",)), version("m", 2))
    plan = plan_promotion(group, "m", 2, Target(None, "champion"))
    assert [v.number for v in plan.previous] == [1]
    assert (plan.needs_stage, plan.needs_alias) == (False, True)


@pytest.mark.parametrize(
    ("model", "number", "error", "reason"),
    [
        ("nope", 1, NotFound, "no registered model 'nope'"),
        ("m", 9, NotFound, "m has no version 9: it never had one, or it was deleted (existing: 2, 1)"),
        ("m", 2, Refused, "m version 2 is PENDING_REGISTRATION, not READY"),
    ],
)
def test_impossible_promotions_are_refused(
    model: str, number: int, error: type[Exception], reason: str
) -> None:
    """Missing model, missing version, unready version: each says so, and that nothing was changed."""
    group = snapshot(version("m", 1), version("m", 2, status="PENDING_REGISTRATION"))
    with pytest.raises(error) as caught:
        plan_promotion(group, model, number, BOTH)
    assert reason in str(caught.value)
    assert caught.value.state == "nothing was changed"  # type: ignore[attr-defined]


@given(
    st.lists(st.sampled_from(["None", "Staging", "Production", "Archived"]), min_size=1, max_size=5),
    st.booleans(),
    st.data(),
)
def test_a_plan_names_every_version_that_must_move_and_no_other(
    stages: list[str], exclusive: bool, data: st.DataObject
) -> None:
    """``previous`` is exactly the rest of the model in production; ``others`` never has the model itself."""
    group = snapshot(
        *(version("m", n, stage=s) for n, s in enumerate(stages, 1)), version("x", 1, stage="Production")
    )
    number = data.draw(st.integers(1, len(stages)))
    plan = plan_promotion(group, "m", number, Target("Production", None, exclusive))
    expected = {n for n, s in enumerate(stages, 1) if s == "Production" and n != number}
    assert {v.number for v in plan.previous} == expected
    assert [v.model for v in plan.others] == (["x"] if exclusive else [])
    assert plan.done == (stages[number - 1] == "Production" and not expected and not exclusive)


@pytest.mark.parametrize(
    ("then", "now", "message"),
    [
        ((), (), ""),
        ((), (version("m", 3),), ""),
        ((), (version("m", 3, stage="Staging"),), ""),
        ((), (version("m", 3, stage="Production"),), "m version 2 lost: m version 3 went into production"),
        (
            (version("m", 3, stage="Production"),),
            (
                version(
                    "m",
                    3,
                    stage="Production",
                    aliases=("champion",),
                    tags={"jenkins_mlflow.promoted_at": "now"},
                ),
            ),
            "m version 2 lost: m version 3 went into production",
        ),
        (
            (version("m", 3, stage="Production"),),
            (version("m", 3, stage="Production", aliases=("blue",)),),
            "",
        ),
        (
            (version("m", 3, stage="Production"),),
            (version("m", 3),),
            "m version 3 was changed by someone else",
        ),
    ],
)
def test_what_a_plan_builds_on_must_still_be_so(
    then: tuple[Version, ...], now: tuple[Version, ...], message: str
) -> None:
    """A promotion that was faster is named as such, even if the plan saw it half done."""
    plan = plan_promotion(snapshot(version("m", 2), *then), "m", 2, Target("Production", "champion"))
    live = snapshot(version("m", 2), *now)
    if not message:
        refuse_if_changed(plan, live)
    else:
        with pytest.raises(Refused, match=message):
            refuse_if_changed(plan, live)


def test_a_candidate_that_is_gone_is_refused() -> None:
    plan = plan_promotion(snapshot(version("m", 2)), "m", 2, Target("Production", "champion"))
    with pytest.raises(Refused, match="m version 2 was deleted after this promotion was planned"):
        refuse_if_changed(plan, snapshot(version("m", 1)))


@pytest.mark.parametrize(
    "change", [{"run_id": "r2"}, {"created": 9}, {"status": "PENDING_REGISTRATION"}], ids=str
)
def test_another_version_of_the_same_number_is_refused(change: dict[str, Any]) -> None:
    """Under the lock, too, `promote --run` promotes only the version from that run."""
    planned = version("m", 2, run_id="r1", created=5)
    plan = plan_promotion(snapshot(planned), "m", 2, Target("Production", "champion"))
    refuse_if_changed(plan, snapshot(planned))
    with pytest.raises(Refused, match="m version 2 was deleted after this promotion was planned"):
        refuse_if_changed(plan, snapshot(replace(planned, **change)))


STAGING = Target("Staging", "challenger")
SERVING: dict[str, Any] = {"stage": "Production", "aliases": ("champion",)}


@pytest.mark.parametrize(
    ("target", "fields", "message"),
    [
        (STAGING, SERVING, ""),
        (Target("Staging", "champion"), SERVING, "m version 2 would take the alias champion"),
        (Target(None, "champion"), SERVING, ""),
        # After Staging and Production a version has both aliases; what it is recorded by is not taken.
        (STAGING, {**SERVING, "aliases": ("challenger", "champion")}, ""),
        (STAGING, {"stage": "Production", "aliases": ("challenger",)}, "m version 2 would take the alias"),
        (
            STAGING,
            {**SERVING, "aliases": ("challenger", "x"), "tags": {TARGET: "Production @challenger"}},
            "m version 2 would take the alias challenger from m version 1, which is in Production",
        ),
        (
            STAGING,
            {"stage": "Production", "aliases": ("challenger",), "tags": {TARGET: "Production @champion"}},
            "",
        ),
        # A person moved it on from Staging: the alias is still that of Staging.
        (
            STAGING,
            {"stage": "Production", "aliases": ("challenger",), "tags": {TARGET: "Staging @challenger"}},
            "",
        ),
    ],
)
def test_staging_takes_no_alias_that_production_is_loaded_by(
    target: Target, fields: dict[str, Any], message: str
) -> None:
    group = snapshot(version("m", 1, **fields), version("m", 2))
    if message:
        with pytest.raises(Refused) as caught:
            plan_promotion(group, "m", 2, target)
        assert caught.value.message.startswith(message)
    else:
        stages = [c for c in plan_promotion(group, "m", 2, target).table.pending if c.is_stage]
        assert all(change.mark == 2 for change in stages)


@pytest.mark.parametrize("target", [STAGING, Target("Staging", None)])
def test_staging_takes_no_version_from_production(target: Target) -> None:
    with pytest.raises(Refused, match="in Staging it would be out of production"):
        plan_promotion(snapshot(version("m", 1, **SERVING)), "m", 1, target)
