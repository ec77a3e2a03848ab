"""The method of MLflow 3: production is a separate registered model, and a promotion copies the candidate into it.

A copy is a version with the source ``models:/NAME/N``: a pointer to the same files, with the same run and tags. It goes
into production by the alias alone, so it works where stages cannot be changed (MLflow 3.0.0 to 3.5.0 on a file store).
"""

from __future__ import annotations

from jenkins_mlflow.registry.client import Registry
from jenkins_mlflow.registry.snapshot import Model
from jenkins_mlflow.registry.version import READY, Version


def find_copy(production: Model, candidate: Version) -> int | None:
    """The number of the newest existing copy, so that a repetition makes no second one; None if there is none."""
    return max((v.number for v in production.versions if is_copy(v, candidate)), default=None)


def make_copy(registry: Registry, candidate: Version, production: str) -> None:
    """Copy the candidate into the production model, which is created if it is missing.

    A copy has no alias and no stage, so it does not change what is in production.
    """
    registry.copy_version(candidate.model, candidate.number, production)


def source_of(candidate: Version) -> str:
    """The source of a copy of this version."""
    return f"models:/{candidate.model}/{candidate.number}"


def is_copy(version: Version, candidate: Version) -> bool:
    """Whether a version is a finished copy of the candidate.

    Its run and time distinguish it from a copy of an earlier version with the same name and number. Such a
    version exists if the model was deleted and created again, or if a file store reused the number of its
    newest version after that was deleted.
    """
    return (
        version.source == source_of(candidate)
        and version.run_id == candidate.run_id
        and version.created >= candidate.created
        and version.status == READY
    )
