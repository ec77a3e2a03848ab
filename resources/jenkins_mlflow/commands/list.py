"""`list`: shows the registry as a tree."""

from __future__ import annotations

from jenkins_mlflow.commands.session import Session
from jenkins_mlflow.commands.settling import Purpose, settled
from jenkins_mlflow.registry.runs import RunsOf
from jenkins_mlflow.registry.version import Version
from jenkins_mlflow.results.list import ListResult, ModelPart, VersionPart
from jenkins_mlflow.text import plural, redact


def show_registry(session: Session, *, brief: bool = False) -> ListResult:
    """`list`: the group's models and versions with stage, aliases and the configured metric.

    Args:
        session: Configuration and connection.
        brief: Whether its text has only versions and stages.
    """
    metric, target = session.config.select.metric, session.target
    snapshot = settled(
        session,
        session.registry(),
        session.scope.patterns,
        Purpose.LOOK,
        with_runs=RunsOf.every_version(metric),
        named_by="`models` in the config, --models or MODEL",
    )

    def shown(version: Version) -> VersionPart:
        return VersionPart(
            version=version.number,
            stage=version.stage,
            production=version.in_production(target),
            aliases=version.aliases,
            created=version.created,
            status=version.status,
            run_id=version.run_id,
            value=version.metric(metric),
        )

    models = tuple(
        ModelPart(name=model.name, aliases=model.aliases, versions=tuple(map(shown, model.versions)))
        for model in snapshot.models
    )
    count = sum(len(model.versions) for model in models)
    return ListResult(
        message=f"{plural(len(models), 'model')}, {plural(count, 'version')} in {redact(session.uri)}",
        metric=metric,
        brief=brief,
        models=models,
    )
