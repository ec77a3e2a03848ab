"""`list`: the registry as a tree."""

from __future__ import annotations

from jenkins_mlflow.commands.select import read_group
from jenkins_mlflow.commands.session import Document, Session
from jenkins_mlflow.text import plural, redact


def show_registry(session: Session, *, brief: bool = False) -> Document:
    """`list`: the group's models and versions with stage, aliases and the configured metric.

    Args:
        session: Configuration and connection.
        brief: Whether its text has versions and stages only.
    """
    metric = session.config.select.metric
    snapshot = read_group(session)
    target = session.target
    models = [
        {
            "name": model.name,
            "aliases": dict(model.aliases),
            "versions": [
                {
                    "version": version.number,
                    "stage": version.stage,
                    "production": version.in_production(target),
                    "aliases": list(version.aliases),
                    "created": version.created,
                    "status": version.status,
                    "run_id": version.run_id,
                    "value": version.metric(metric),
                }
                for version in model.versions
            ],
        }
        for model in snapshot.models
    ]
    count = sum(len(model.versions) for model in snapshot.models)
    message = f"{plural(len(models), 'model')}, {plural(count, 'version')} in {redact(session.uri)}"
    return {
        "command": "list",
        "status": "listed",
        "message": message,
        "metric": metric,
        "brief": brief,
        "models": models,
    }
