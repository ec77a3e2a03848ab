"""The ways to move a version into production, tried in the config's order. Each is a small class, known by its name."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, Protocol

from jenkins_mlflow.config.schema import Promote
from jenkins_mlflow.methods.copy import Copy
from jenkins_mlflow.methods.file_store import FileStore
from jenkins_mlflow.methods.known_faults import ServerFaults
from jenkins_mlflow.methods.stage import Stage, StageArchive
from jenkins_mlflow.promotion.plan import Plan
from jenkins_mlflow.registry.client import Registry
from jenkins_mlflow.registry.snapshot import Version

ALIAS = "alias"


class Method(Protocol):
    """One way to promote.

    Attributes:
        name: As ``promote.methods`` names it.
        in_place: True: the candidate itself gets the stage; False: production is elsewhere (a copy of it).
    """

    name: ClassVar[str]
    in_place: ClassVar[bool]

    def obstacle(self, plan: Plan) -> str:
        """Why it cannot or should not be tried here, on one line; empty when it can. Writes nothing."""

    def promote(self, plan: Plan) -> None:
        """Bring the candidate into production and the previous versions out of it.

        Called after ``obstacle`` gave none. May be repeated, also after a lost answer; raises whatever MLflow raises.
        """

    def done(self, plan: Plan) -> bool:
        """Whether the registry, read again, shows exactly what promoted means for this method."""

    def production(self, plan: Plan) -> tuple[Version, ...]:
        """What serves production now, where this method puts it; asked only of methods that are not in place."""

    def move(self, version: Version, stage: str) -> None:
        """Set one version's stage, touching no other: for undoing, and for other models of the group."""


def load_methods(registry: Registry, rules: Promote) -> list[Method]:
    """The methods that the config names, in its order; ``alias`` is no such method and has no class.

    Args:
        registry: The registry that they promote in.
        rules: The config's ``promote`` section.
    """
    faults = ServerFaults(registry.connection)

    def unless_forced(name: str) -> ServerFaults | None:
        return None if name in rules.force_methods else faults

    built_in: dict[str, Callable[[], Method]] = {
        StageArchive.name: lambda: StageArchive(registry, unless_forced(StageArchive.name)),
        Stage.name: lambda: Stage(registry, unless_forced(Stage.name)),
        FileStore.name: lambda: FileStore(registry, rules.file_store),
        Copy.name: lambda: Copy(registry, rules.copy_to),
    }
    return [built_in[name]() for name in rules.methods if name != ALIAS]
