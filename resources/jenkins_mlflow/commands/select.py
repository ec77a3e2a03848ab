"""`select`: rank the candidates and compare the best with the champion."""

from __future__ import annotations

from dataclasses import replace

from jenkins_mlflow.commands.group import require_models
from jenkins_mlflow.commands.session import Document, Session
from jenkins_mlflow.promotion.plan import plan_promotion
from jenkins_mlflow.registry.snapshot import Snapshot
from jenkins_mlflow.selection.plan import Selection, select


def choose(session: Session, snapshot: Snapshot | None = None) -> Selection:
    """`select`: rank the group's candidates and compare the best with the champion."""
    group = snapshot or read_group(session)
    target = session.target
    build = session.build.id
    choice = select(group, session.config.select, target, build=build)
    if choice.selected is None:
        return choice
    plan = plan_promotion(group, choice.selected.model, choice.selected.number, target)
    return replace(choice, replaces=plan.replaces)


def read_group(session: Session) -> Snapshot:
    """The group with its metrics, as far as no other command is at work on it.

    Raises:
        UsageError: one of the group's patterns matches no registered model.
    """
    registry, patterns = session.registry(), session.config.models
    group = session.settled(registry, patterns, "read", with_runs=True)
    require_models(registry, group, patterns)
    return group


def selection_document(selection: Selection) -> Document:
    return {"command": "select", "exit_code": selection.exit_code, **selection.document()}
