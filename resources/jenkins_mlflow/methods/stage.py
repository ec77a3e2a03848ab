"""The methods that have the server change stages, in one request or version by version."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from jenkins_mlflow.methods.base import Transition
from jenkins_mlflow.methods.known_faults import ServerFaults
from jenkins_mlflow.registry.client import Registry
from jenkins_mlflow.registry.version import ARCHIVED


class Stage:
    """Changes the new version first, then archives each old one; works where archiving in one request does not.

    Args:
        registry: The registry as the server shows it.
        faults: Known faults of the server, because of which the method is skipped; None to try it anyway.
    """

    name: ClassVar[str] = "stage"

    def __init__(self, registry: Registry, faults: ServerFaults | None = None) -> None:
        self._registry = registry
        self._faults = faults

    def obstacle(self, transitions: Sequence[Transition]) -> str:
        changing = [item.version for item in transitions if item.version.stage != item.stage]
        return self._faults.stage_fault(changing) if self._faults else ""

    def carry_out(self, transitions: Sequence[Transition]) -> None:
        for item in transitions:
            self._registry.set_stage(item.version.model, item.version.number, item.stage)


class StageArchive(Stage):
    """Uses MLflow's own transition with ``archive_existing_versions=True``: one request for all changes.

    That archives everything in the stage, so it is used only if the plan archives something.
    """

    name: ClassVar[str] = "stage-archive"

    def carry_out(self, transitions: Sequence[Transition]) -> None:
        first, rest = transitions[0], transitions[1:]
        if rest and all(item.stage == ARCHIVED and item.version.stage == first.stage for item in rest):
            version = first.version
            self._registry.set_stage(version.model, version.number, first.stage, archive_existing=True)
        else:
            super().carry_out(transitions)
