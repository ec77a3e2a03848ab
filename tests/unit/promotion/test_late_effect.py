"""A write that fails and takes effect late, between two looks at the registry."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from jenkins_mlflow.promotion.apply import Promotion
from jenkins_mlflow.promotion.plan import plan_promotion
from jenkins_mlflow.registry.retries import RetryPolicy
from jenkins_mlflow.registry.version import Target
from jenkins_mlflow.registry.writer import Writer
from support.memory import Call, MemoryRegistry, World, refused

ALIAS = Target(None, "champion")


def test_a_refused_alias_that_shows_after_all_is_undone_and_told() -> None:
    """Seen by the look that asks what is missing: no crash, the outcome is told, nothing is left behind."""
    world, looks = World(), 0
    world.make_model("m")
    for _ in range(2):
        world.make_version("m")
    world.set_alias("m", "champion", 1)

    def send(call: Call, effect: Callable[[], None]) -> None:
        if call[0] == "set_alias" and looks < 4:
            raise refused()
        effect()

    def look(names: Sequence[str]) -> None:
        nonlocal looks
        looks += 1
        if looks == 4:  # plan, apply, read-back, and now: what is missing?
            world.set_alias("m", "champion", 2)

    registry = MemoryRegistry(world, send, look)
    plan = plan_promotion(registry.snapshot(["m"]), "m", 2, ALIAS)
    outcome = Promotion(registry, plan, [], Writer(RetryPolicy(attempts=1))).apply({})
    assert (outcome.status, outcome.missing) == ("manual", ("alias champion for m version 2",))
    assert (
        outcome.message
        == "m version 2 could not be promoted: a write failed but took effect late; everything was undone"
    )
    assert [version.number for version in outcome.production] == [1]
    model = world.read("m")
    assert model is not None
    assert (model.aliases, model.tags) == ({"champion": 1}, {})
