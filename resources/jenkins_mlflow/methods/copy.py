"""The method of MLflow 3: production is a registered model of its own, and a promotion copies the candidate into it.

A copy is a version with the source ``models:/NAME/N``: a pointer to the same files, with the same run and tags. It goes
into production by the alias alone, so it works where stages cannot be changed (MLflow 3.0.0 to 3.5.0 on a file store).
"""

from __future__ import annotations

from jenkins_mlflow.registry.client import Registry
from jenkins_mlflow.registry.snapshot import READY, Model, Version

NAME = "copy"


def find_copy(production: Model, candidate: Version) -> int | None:
    """The number of the newest copy that is there already, so that a repetition makes no other; None without one."""
    return max((v.number for v in production.versions if is_copy(v, candidate)), default=None)


def make_copy(registry: Registry, candidate: Version, production: str) -> None:
    """Copy the candidate into the production model, which is made if it is missing.

    A copy has no alias and no stage: it changes nothing that is in production.
    """
    registry.copy_version(candidate.model, candidate.number, production)


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
