"""`select`: rank the candidates and compare the best with the champion."""

from __future__ import annotations

from dataclasses import replace

from jenkins_mlflow.commands.session import Document, Purpose, Session
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
    """The group with its metrics.

    Raises:
        UsageError: one of the group's patterns matches no registered model.
    """
    return session.settled(session.registry(), session.patterns, Purpose.LOOK, with_runs=True)


def selection_document(selection: Selection) -> Document:
    return {"command": "select", "exit_code": selection.exit_code, **selection.document()}
