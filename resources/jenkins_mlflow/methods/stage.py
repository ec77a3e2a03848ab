"""The methods that ask the server, through MLflow's client, to change stages: in one request, or version by version."""

from __future__ import annotations

from typing import ClassVar

from jenkins_mlflow.methods.known_faults import ServerFaults
from jenkins_mlflow.promotion.plan import Plan
from jenkins_mlflow.registry.client import Registry
from jenkins_mlflow.registry.snapshot import ARCHIVED, Version


class Stage:
    """The new version first, then each old one to Archived: works where archiving in one request does not.

    Args:
        registry: The registry as the server shows it.
        faults: What is known to fail on the server and is not tried there; None to try whatever is known.
    """

    name: ClassVar[str] = "stage"
    in_place: ClassVar[bool] = True

    def __init__(self, registry: Registry, faults: ServerFaults | None = None) -> None:
        self._registry = registry
        self._faults = faults

    def obstacle(self, plan: Plan) -> str:
        if not plan.target.stage:
            return "promote.stage is not set"
        return self._faults.stage_fault(plan) if self._faults else ""

    def promote(self, plan: Plan) -> None:
        assert plan.target.stage is not None, "obstacle() asks for a stage"
        self.move(plan.candidate, plan.target.stage)
        for version in plan.previous:
            self.move(version, ARCHIVED)

    def done(self, plan: Plan) -> bool:
        """Whether the candidate is the only version of its model in the stage, as the server shows it: 2 requests."""
        live = self._registry.model(plan.candidate.model)
        return [version.number for version in live.versions if version.stage == plan.target.stage] == [
            plan.candidate.number
        ]

    def production(self, plan: Plan) -> tuple[Version, ...]:
        return (plan.candidate,)

    def move(self, version: Version, stage: str) -> None:
        self._registry.set_stage(version.model, version.number, stage)


class StageArchive(Stage):
    """MLflow's own transition with ``archive_existing_versions=True``: one request for both changes."""

    name: ClassVar[str] = "stage-archive"

    def promote(self, plan: Plan) -> None:
        assert plan.target.stage is not None, "obstacle() asks for a stage"
        candidate = plan.candidate
        self._registry.set_stage(candidate.model, candidate.number, plan.target.stage, archive_existing=True)
