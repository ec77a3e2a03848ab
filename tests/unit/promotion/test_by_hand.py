"""What a person is asked to do after everything was undone: all of it, or production would be emptied by the notice."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from jenkins_mlflow.errors import RegistryError
from jenkins_mlflow.methods.stage import Stage
from jenkins_mlflow.promotion.apply import Promotion
from jenkins_mlflow.promotion.notice_steps import Facts, ui_steps
from jenkins_mlflow.promotion.outcome import Outcome
from jenkins_mlflow.promotion.plan import plan_promotion
from jenkins_mlflow.promotion.rights import forbidden
from jenkins_mlflow.registry.client import Registry
from jenkins_mlflow.registry.retries import RetryPolicy
from jenkins_mlflow.registry.version import Target
from jenkins_mlflow.registry.writer import Writer
from support.memory import Call, MemoryRegistry, World, refused

EXCLUSIVE = Target("Production", "champion", exclusive=True)


def group() -> World:
    """Version 1 of `m` and `n` version 1 are in production; the next champion is version 2 of `m`."""
    world = World()
    for name in ("m", "m", "n"):
        world.make_model(name)
        world.make_version(name)
    for name in ("m", "n"):
        world.set_stage(name, 1, "Production", archive_existing=False)
        world.set_alias(name, "champion", 1)
    return world


def test_the_notice_of_an_undone_promotion_asks_for_all_of_it() -> None:
    """The other model may not be retired: the new one is promoted by hand first, then the others leave."""
    world = group()

    def send(call: Call, effect: Callable[[], None]) -> None:
        if call[0] == "set_stage" and call[1] == "n":
            raise refused()
        effect()

    registry = MemoryRegistry(world, send)
    plan = plan_promotion(registry.snapshot(["m", "n"]), "m", 2, EXCLUSIVE)
    promotion = Promotion(
        registry, plan, [Stage(registry)], Writer(RetryPolicy(attempts=1)), group=("m", "n")
    )
    outcome = promotion.apply({})
    assert outcome.message == (
        "m version 2 could not be promoted: n version 1: stage Production -> Archived (this group has one champion) "
        "could not be set; everything was undone"
    )
    assert outcome.missing == (
        "stage Production for m version 2",
        "alias champion for m version 2",
        "n version 1: stage Production -> Archived (this group has one champion)",
        "n: alias champion on version 1 -> on no version (this group has one champion)",
    )
    steps = ui_steps(Facts(plan, outcome, "http://mlflow:5000", "3.17.2", file_store=False), str, str)
    (promoted,) = (at for at, step in enumerate(steps) if '"Transition to -> Production"' in step)
    archived = [at for at, step in enumerate(steps) if '"Transition to -> Archived"' in step]
    assert archived
    assert all(at > promoted for at in archived)
    given = next(at for at, step in enumerate(steps) if "type champion" in step)
    assert all(at > given for at, step in enumerate(steps) if "remove champion" in step)


def test_an_intent_that_may_not_be_written_says_what_to_do_about_that() -> None:
    """Nothing was changed, so there is nothing to recover."""
    world = group()

    def send(call: Call, effect: Callable[[], None]) -> None:
        if call[0] == "tag_model":
            raise refused()
        effect()

    registry = MemoryRegistry(world, send)
    plan = plan_promotion(registry.snapshot(["m"]), "m", 2, Target("Production", "champion"))
    with pytest.raises(RegistryError) as caught:
        Promotion(registry, plan, [Stage(registry)], Writer(RetryPolicy(attempts=1))).apply({})
    assert caught.value.state == "no stage and no alias was changed"
    assert "MLFLOW_TRACKING_USERNAME" in caught.value.next_step
    assert "undoes" not in caught.value.next_step


def an_account_that_may_not_delete_aliases(
    world: World, *, says_so: bool
) -> tuple[MemoryRegistry, list[Call]]:
    """EDIT on MLflow's basic-auth: it sets everything, and deletes no alias."""
    sent: list[Call] = []

    def send(call: Call, effect: Callable[[], None]) -> None:
        if call[0] == "delete_alias":
            raise refused()
        sent.append(call)
        effect()

    registry = MemoryRegistry(world, send)
    if says_so:
        registry.why_no_alias_can_be_deleted = (  # type: ignore[method-assign]
            lambda name: Registry.why_no_alias_can_be_deleted(registry, name)
        )
    return registry, sent


def group_without_alias() -> World:
    world = group()
    world.set_stage("m", 1, "Archived")
    world.delete_alias("m", "champion")
    return world


def promote(registry: MemoryRegistry) -> Outcome:
    plan = plan_promotion(registry.snapshot(["m", "n"]), "m", 2, EXCLUSIVE)
    methods, writer = [Stage(registry)], Writer(RetryPolicy(attempts=1))
    refusal = forbidden(registry, plan.table)
    return Promotion(registry, plan, methods, writer, group=("m", "n"), forbidden=refusal).apply({})


def test_who_could_not_retire_the_others_changes_nothing() -> None:
    """It is asked before the first change: what the account sets it could not take away again."""
    registry, sent = an_account_that_may_not_delete_aliases(group_without_alias(), says_so=True)
    outcome = promote(registry)
    assert (outcome.status, outcome.message) == (
        "manual",
        (
            "m version 2 could not be promoted: this account may not remove alias champion from n; "
            "nothing in production was changed"
        ),
    )
    assert sent == [("tag_model", "m"), ("untag_model", "m")]


def test_what_could_not_be_undone_is_not_said_to_be() -> None:
    """The right was taken away in the middle."""
    registry, _ = an_account_that_may_not_delete_aliases(group_without_alias(), says_so=False)
    outcome = promote(registry)
    assert outcome.message == (
        "m version 2 could not be promoted: n: alias champion on version 1 -> on no version (this group has one "
        "champion) could not be set; not everything could be undone"
    )
    assert outcome.warnings == (
        (
            "not everything could be undone: m: alias champion on version 2 -> on no version failed: "
            "PERMISSION_DENIED: Permission denied"
        ),
    )
