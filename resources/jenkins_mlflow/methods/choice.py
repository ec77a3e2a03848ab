"""Creates the methods that a config names, for one registry."""

from __future__ import annotations

from collections.abc import Callable

from jenkins_mlflow.config.promote import Promote
from jenkins_mlflow.methods.alias import NAME as ALIAS
from jenkins_mlflow.methods.base import Method
from jenkins_mlflow.methods.file_store import FileStore
from jenkins_mlflow.methods.known_faults import ServerFaults
from jenkins_mlflow.methods.stage import Stage, StageArchive
from jenkins_mlflow.registry.client import Registry


def load_methods(registry: Registry, rules: Promote) -> list[Method]:
    """Create the ways to change stages, in the config's order.

    ``alias`` and ``copy`` have no class here: there is only one way to move an alias, and a copy gets no
    stage. If promotions copy, the stage methods are used to archive other models of an exclusive group.

    Args:
        registry: The registry to change.
        rules: The config's ``promote`` section.
    """
    faults = ServerFaults(registry.connection)

    def unless_forced(name: str) -> ServerFaults | None:
        return None if name in rules.force_methods else faults

    made: dict[str, Callable[[], Method]] = {
        StageArchive.name: lambda: StageArchive(registry, unless_forced(StageArchive.name)),
        Stage.name: lambda: Stage(registry, unless_forced(Stage.name)),
        FileStore.name: lambda: FileStore(registry, rules.file_store),
    }
    names = (Stage.name, FileStore.name) if rules.copies else rules.methods
    return [made[name]() for name in names if name != ALIAS]
