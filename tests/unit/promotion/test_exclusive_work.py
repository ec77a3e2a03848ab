"""An exclusive group of hundreds of champions: its lock is held as long as the server takes, not the client."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from jenkins_mlflow.methods.stage import StageArchive
from jenkins_mlflow.promotion.apply import Begun, Promotion
from jenkins_mlflow.promotion.plan import plan_promotion
from jenkins_mlflow.promotion.recovery import Recovery
from jenkins_mlflow.registry.version import Target
from jenkins_mlflow.registry.writer import Writer
from jenkins_mlflow.tags import PROMOTED_AT
from support.memory import Call, MemoryRegistry, World
from support.steps import steps_of

TARGET = Target("Production", "champion", exclusive=True)
GROUP = ("*",)


class Killed(BaseException):
    """The process ends here."""


@dataclass
class Group:
    """A registry with so many champions, one of which is to take the place of all."""

    champions: int
    ends_at: str = ""
    registry: MemoryRegistry = field(init=False)

    def __post_init__(self) -> None:
        world = World()
        for name in (f"m{number:03}" for number in range(self.champions)):
            world.make_model(name)
            for _ in range(2):
                world.make_version(name)
            world.set_stage(name, 1, "Production")
            world.set_alias(name, "champion", 1)
            world.tag_version(name, 1, PROMOTED_AT, "before")
        self.registry = MemoryRegistry(world, self.send)

    def send(self, call: Call, effect: Callable[[], None]) -> None:
        if self.ends_at in call:
            self.ends_at = ""
            raise Killed
        effect()

    def promotion(self) -> Promotion:
        self.plan = plan_promotion(self.registry.snapshot(GROUP), "m000", 2, TARGET)
        return Promotion(self.registry, self.plan, [StageArchive(self.registry)], Writer(), group=GROUP)

    def recover(self) -> None:
        recovery = Recovery(
            self.registry, [StageArchive(self.registry)], Writer(), TARGET, GROUP, by="", url=""
        )
        assert recovery.run("m000")


def planned(group: Group) -> Callable[[], object]:
    return group.promotion


def applied(group: Group) -> Callable[[], object]:
    promotion = group.promotion()
    return lambda: promotion.apply({})


def taken_back(group: Group) -> Callable[[], object]:
    promotion = group.promotion()
    promotion.apply({})
    return lambda: promotion.take_back(Begun(), group.plan.table)


def recovered(group: Group) -> Callable[[], object]:
    group.ends_at = f"m{group.champions - 1:03}"
    with pytest.raises(Killed):
        group.promotion().apply({})
    return group.recover


@pytest.mark.parametrize("work", [planned, applied, taken_back, recovered])
def test_the_work_grows_with_the_champions_and_no_faster(
    work: Callable[[Group], Callable[[], object]],
) -> None:
    """Four times the champions take four times the steps; once each looked at all others."""
    work(Group(10))()  # imports and caches
    few, many = (work(Group(champions)) for champions in (25, 100))
    assert steps_of(many) < 5 * steps_of(few)
