"""Which version a rollback returns to: by the records of promotions, by name, or not at all."""

from __future__ import annotations

import pytest
from builders import snapshot, version
from jenkins_mlflow.errors import NotFound, Refused
from jenkins_mlflow.promotion.rollback import Return, plan_return
from jenkins_mlflow.registry.version import Target
from jenkins_mlflow.tags import BEFORE, PROMOTED_AT, RESTORED_FROM

TARGET = Target("Production", "champion")
RECORD = {PROMOTED_AT: "2026-11-01T00:00:00+00:00"}


def before(model: str, number: int) -> dict[str, str]:
    return {"jenkins_mlflow.previous_model": model, "jenkins_mlflow.previous_version": str(number)}


def test_it_returns_to_what_the_promotion_recorded() -> None:
    group = snapshot(
        version("m", 1, tags=RECORD),
        version("m", 2),
        version("m", 3, stage="Production", tags=before("m", 1)),
    )
    return_plan = plan_return(group, "m", None, TARGET)
    assert (return_plan.current, return_plan.model, return_plan.number) == (
        group.models[0].version(3),
        "m",
        1,
    )
    assert plan_return(group, "m", 2, TARGET).number == 2


def test_each_return_takes_one_step_off_what_was_there_before() -> None:
    """The next one goes one step further back; by name, it goes on from what that version's own record says."""
    steps = '[["m",1,1000],["m",2,2000]]'
    first = version("m", 1, tags=RECORD)
    second = version("m", 2, tags={**RECORD, BEFORE: '[["m",1,1000]]'})
    serving = version("m", 3, stage="Production", tags={BEFORE: steps, **RECORD})
    found = snapshot(first, second, serving)
    one_before = (("m", 1, 1000),)
    assert plan_return(found, "m", None, TARGET) == Return(serving, "m", 2, one_before)
    assert plan_return(found, "m", 2, TARGET) == Return(serving, "m", 2, one_before)
    assert plan_return(found, "m", 1, TARGET) == Return(serving, "m", 1)


def test_an_exclusive_group_returns_to_its_other_model() -> None:
    """Another model's version is returned to only in an exclusive group, and only by that version's own record."""
    group = snapshot(version("n", 4, tags=RECORD), version("m", 3, stage="Production", tags=before("n", 4)))
    return_plan = plan_return(group, "m", None, Target("Production", "champion", exclusive=True))
    assert (return_plan.model, return_plan.number) == ("n", 4)
    with pytest.raises(
        Refused, match="m version 3 says that it replaced n version 4, but its group is not exclusive"
    ):
        plan_return(group, "m", None, TARGET)


def test_what_no_promotion_put_into_production_is_no_target() -> None:
    """A training script set the alias on version 1; a rollback does not return to it unless it is named."""
    group = snapshot(version("m", 1), version("m", 2, stage="Production", tags=before("m", 1)))
    with pytest.raises(
        Refused, match="m version 1 was in production before m version 2, but no recorded promotion"
    ) as caught:
        plan_return(group, "m", None, TARGET)
    assert (
        caught.value.next_step == "to return to it all the same: `jenkins-mlflow rollback --model m --to 1`"
    )
    assert plan_return(group, "m", 1, TARGET).number == 1
    assert plan_return(group, "m", None, TARGET, unrecorded=True).number == 1


def test_a_version_made_again_under_its_number_is_no_target() -> None:
    tags = {BEFORE: '[["m", 1, 999]]', **RECORD}
    group = snapshot(version("m", 1, tags=RECORD), version("m", 2, stage="Production", tags=tags))
    with pytest.raises(NotFound, match="m version 1 cannot be returned to"):
        plan_return(group, "m", None, TARGET)


def test_the_record_of_a_renamed_model_has_its_former_name() -> None:
    """Number and creation time stay when MLflow renames a model; what only looks like it is no target."""
    champion = version("m", 3, stage="Production", tags={BEFORE: '[["former",1,1000]]', **RECORD})
    back = plan_return(snapshot(version("m", 1, tags=RECORD), champion), "m", None, TARGET)
    assert (back.model, back.number) == ("m", 1)
    with pytest.raises(NotFound, match="former version 1 cannot be returned to: it was deleted"):
        plan_return(snapshot(version("m", 1, tags=RECORD, created=1001), champion), "m", None, TARGET)


def test_a_version_that_was_deleted_and_restored_is_named() -> None:
    """It has another number now, so a person says that it is meant."""
    found = snapshot(
        version("m", 4, created=9000, tags={RESTORED_FROM: "1@1000"}),
        version("m", 5, created=9500, tags={RESTORED_FROM: "3@3000"}),
        version("m", 2, stage="Production", tags=before("m", 1)),
    )
    with pytest.raises(NotFound, match="m version 1 cannot be returned to: it was deleted") as caught:
        plan_return(found, "m", None, TARGET)
    command = "`jenkins-mlflow rollback --model m --to 4`"
    assert caught.value.next_step == f"version 4 was restored from it: {command}"


@pytest.mark.parametrize("asked", [1, 5])
def test_a_version_that_was_restored_twice_is_named_too(asked: int) -> None:
    """Version 1 was restored as 5, and that as 8: the tag names the last of them, and the first one's registration."""
    again = version("m", 8, created=9000, tags={RESTORED_FROM: "5@1000"})
    steps = f'[["m",{asked},{asked * 1000}]]'
    found = snapshot(again, version("m", 2, stage="Production", tags={BEFORE: steps, **RECORD}))
    with pytest.raises(NotFound, match=f"m version {asked} cannot be returned to") as caught:
        plan_return(found, "m", None, TARGET)
    assert caught.value.next_step.endswith("`jenkins-mlflow rollback --model m --to 8`")


def test_what_was_promoted_without_this_tool_can_be_left_for_what_is_recorded() -> None:
    """Otherwise somebody has to know the number to return to."""
    by_hand = version("m", 2, stage="Production")
    recorded = version("m", 1, stage="Archived", tags={PROMOTED_AT: "2026-01-01T00:00:00+00:00"})
    with pytest.raises(Refused, match="no promotion recorded what was there before it") as caught:
        plan_return(snapshot(recorded, by_hand), "m", None, TARGET)
    assert caught.value.next_step == (
        "`jenkins-mlflow rollback --model m --recorded` returns to version 1, which is recorded as in production; "
        "or name a version with --to"
    )


@pytest.mark.parametrize("text", ["", "x", "{}", '[["m"]]', '[["m", "1", 5]]x', "[" * 2000])
def test_a_record_that_cannot_be_read_counts_as_none(text: str) -> None:
    group = snapshot(version("m", 1), version("m", 2, stage="Production", tags={BEFORE: text}))
    with pytest.raises(Refused, match="no promotion recorded what was there before it"):
        plan_return(group, "m", None, TARGET)


@pytest.mark.parametrize(
    ("versions", "to", "error", "message"),
    [
        (
            [version("m", 1)],
            None,
            Refused,
            "no version of m is in production, so there is no single previous version",
        ),
        (
            [version("m", 1, stage="Production")],
            None,
            Refused,
            "no promotion recorded what was there before it",
        ),
        (
            [version("m", 1, stage="Production"), version("m", 2, stage="Production")],
            None,
            Refused,
            "2 versions of m are in production",
        ),
        (
            [version("m", 2, stage="Production", tags=before("m", 1))],
            None,
            NotFound,
            "m version 1 cannot be returned to",
        ),
        (
            [version("m", 2, stage="Production", tags=before("n", 1))],
            None,
            NotFound,
            "n version 1 cannot be returned to",
        ),
        (
            [version("m", 2, stage="Production")],
            7,
            NotFound,
            "m version 7 cannot be returned to: it was deleted",
        ),
        ([version("n", 1)], 1, NotFound, "there is no registered model 'm'"),
    ],
)
def test_what_cannot_be_returned_to(versions: list, to: int | None, error: type, message: str) -> None:  # type: ignore[type-arg]
    with pytest.raises(error, match=message) as caught:
        plan_return(snapshot(*versions), "m", to, TARGET)
    assert getattr(caught.value, "state", "") == "nothing was changed"
