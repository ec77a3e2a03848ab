"""The method of MLflow 3: production is a model of its own, which gets a copy of the candidate and the alias on it."""

from __future__ import annotations

from typing import ClassVar

from jenkins_mlflow.errors import NotFound
from jenkins_mlflow.promotion.plan import Plan
from jenkins_mlflow.registry.client import Registry
from jenkins_mlflow.registry.snapshot import READY, Model, Target, Version


class Copy:
    """Copies the candidate into the environment's production model, and points the target's alias at the copy.

    A copy is a version with the source ``models:/NAME/N``: a pointer to the same files, with the same run and tags.
    It needs no stage, and works where stages cannot be changed (servers 3.0.0 to 3.5.0 on a file store among them).

    Args:
        registry: The registry, of both models.
        production: Name of the production model, made if it is missing; None if it is not configured.
    """

    name: ClassVar[str] = "copy"
    in_place: ClassVar[bool] = False

    def __init__(self, registry: Registry, production: str | None) -> None:
        self._registry = registry
        self._production = production

    def obstacle(self, plan: Plan) -> str:
        if self._production is None:
            return "promote.copy_to does not name a production model"
        if plan.target.alias is None:
            return "promote.alias is not set, and it is what makes a copy the one in production"
        if self._production == plan.candidate.model:
            return f"{self._production} is the production model itself: its versions are copies already"
        return ""

    def promote(self, plan: Plan) -> None:
        production, alias = self._target(plan)
        copy = self._copy(plan.candidate) or self._make_copy(plan.candidate)
        self._registry.set_alias(production, alias, copy)

    def done(self, plan: Plan) -> bool:
        """Whether the alias of the production model is on a copy of the candidate: 2 requests."""
        alias = self._target(plan)[1]
        live = self._live()
        holder = live.version(live.aliases[alias]) if live and alias in live.aliases else None
        return holder is not None and is_copy(holder, plan.candidate)

    def production(self, plan: Plan) -> tuple[Version, ...]:
        """The production model's version that has the alias now."""
        alias, live = self._target(plan)[1], self._live()
        return live.production(Target(None, alias)) if live else ()

    def move(self, version: Version, stage: str) -> None:
        """One version's stage by the server; the copy itself never has one."""
        self._registry.set_stage(version.model, version.number, stage)

    def _target(self, plan: Plan) -> tuple[str, str]:
        assert self._production is not None, "obstacle() asks for a production model"
        assert plan.target.alias is not None, "obstacle() asks for an alias"
        return self._production, plan.target.alias

    def _live(self) -> Model | None:
        assert self._production is not None, "obstacle() asks for a production model"
        try:
            return self._registry.model(self._production)
        except NotFound:
            return None

    def _copy(self, candidate: Version) -> int | None:
        """The newest copy that is there already: a repetition after a lost answer makes no other."""
        live = self._live()
        copies = [version.number for version in live.versions if is_copy(version, candidate)] if live else []
        return max(copies, default=None)

    def _make_copy(self, candidate: Version) -> int:
        return self._registry.copy_version(candidate.model, candidate.number, str(self._production))


def source_of(candidate: Version) -> str:
    """The source that a copy of this version has."""
    return f"models:/{candidate.model}/{candidate.number}"


def is_copy(version: Version, candidate: Version) -> bool:
    """Whether a version is a finished copy of the candidate.

    Run and time tell it from a copy of an earlier version with the same name and number: the model was deleted and
    made again, or a file store gave the number of its deleted newest version to the next one.
    """
    return (
        version.source == source_of(candidate)
        and version.run_id == candidate.run_id
        and version.created >= candidate.created
        and version.status == READY
    )
