"""Makes the copy that a promotion puts into production, before anything in production is changed."""

from __future__ import annotations

from jenkins_mlflow.errors import RegistryError
from jenkins_mlflow.methods.copy import find_copy, make_copy
from jenkins_mlflow.promotion.changes import Table
from jenkins_mlflow.promotion.plan import Plan
from jenkins_mlflow.promotion.record import dated
from jenkins_mlflow.registry.client import Registry
from jenkins_mlflow.registry.snapshot import Model
from jenkins_mlflow.registry.version import Version
from jenkins_mlflow.registry.writer import Writer
from jenkins_mlflow.tags import COPY


def with_the_copy(registry: Registry, writer: Writer, plan: Plan) -> Table:
    """Copy the candidate into the production model.

    Returns:
        The plan's table with the number of the copy.

    Raises:
        RegistryError: it could not be copied; nothing in production was changed.
    """
    candidate, name = plan.candidate, plan.table.model

    def find() -> Version | None:
        model = registry.find_model(name) or Model(name)
        number = find_copy(model, candidate)
        return model.version(number) if number else None

    writer.write(COPY, lambda: make_copy(registry, candidate, name), lambda: find() is not None)
    copy = find()
    if copy is None:
        why = writer.attempts[-1].error if writer.attempts else "no answer"
        raise RegistryError(
            f"{candidate.label} could not be copied to {name}: {why}",
            state="nothing in production was changed",
            next_step="fix that, then run the command again",
        )
    return plan.table.with_copy(copy)


def later_than_the_copy(at: str, table: Table) -> str:
    """The time for a copy's record, which must not be older than the copy: that would be the record of its source."""
    return dated(at, table.created[table.model, table.number] + 1000)
