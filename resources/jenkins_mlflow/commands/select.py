"""`select`: ranks the candidates and compares the best with the champion."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from jenkins_mlflow.commands.conflicts import halves, rivals
from jenkins_mlflow.commands.recorded import gone_from, read_recorded
from jenkins_mlflow.commands.session import Session
from jenkins_mlflow.commands.settling import Purpose, settled
from jenkins_mlflow.config.select import Select
from jenkins_mlflow.history.timeline import production_at
from jenkins_mlflow.promotion.plan import plan_promotion
from jenkins_mlflow.registry.snapshot import Snapshot
from jenkins_mlflow.registry.version import Version
from jenkins_mlflow.results.base import Place
from jenkins_mlflow.results.select import CandidatePart, GatePart, Measured, SelectResult
from jenkins_mlflow.selection.past import Past
from jenkins_mlflow.selection.plan import Selection, select
from jenkins_mlflow.text import listed, printable

MOST_NAMED = 3


def direction_doubt(rules: Select) -> tuple[str, str] | None:
    """Why the direction is probably wrong, and what to do about it; None if it is probably right."""
    if not rules.doubtful_direction:
        return None
    name = rules.metric
    why = f"select.metric is {name}, of which small values are usually good, but the largest is chosen by default"
    return why, "set select.direction to minimize, or to maximize if that is meant"


def warn_of_direction(session: Session) -> None:
    """Warn if a selection probably ranks in the wrong direction."""
    if found := direction_doubt(session.config.select):
        session.warn(": ".join(found))


def choose(session: Session, snapshot: Snapshot | None = None) -> Selection:
    """`select`: rank the group's candidates and compare the best with the champion."""
    group = snapshot or settled(
        session, session.registry(), session.scope.patterns, Purpose.LOOK, with_runs=session.runs_to_select()
    )
    warn_of_direction(session)
    target = session.target
    build = session.build.id
    choice = select(group, session.config.select, target, build=build, past=past(session, group))
    if choice.selected is None:
        restored = [f"{half.message}; {half.fix} restores it" for half in halves(group, target)]
        for text in (*restored, *rivals(group, target)):
            session.warn_once(text)
        return choice
    plan = plan_promotion(group, choice.selected.model, choice.selected.number, target)
    beside = tuple(v for v in group.production(target) if v.model not in plan.table.models)
    message = choice.message + _beside(beside)
    return replace(choice, replaces=plan.replaces, beside=beside, message=message)


def past(session: Session, group: Snapshot, uri: str = "") -> Past:
    """What the last records say was in production; what does not exist any more is only asked for if nothing is.

    Args:
        session: The session on the server.
        group: The group there.
        uri: See ``Past``.
    """
    if group.production(session.target):
        return Past(group.recorded, uri=uri)
    registry = session.registry()
    known = read_recorded(session, registry, group, gone=session.scope.patterns)
    gone = gone_from(registry, known, group, session.scope.patterns)
    recorded = production_at(known.events)
    places = [place for model in group.models for place in recorded.get(model.name, ())]
    existing = {version.identity for version in group.versions()}
    deleted = [f"{printable(place[0])} v{place[1]}" for place in places if place not in existing]
    return Past(group.recorded, gone, tuple(deleted), uri)


def _beside(versions: Sequence[Version]) -> str:
    """A sentence on champions that stay beside the new one, and on the key for a single champion."""
    if not versions:
        return ""
    named = listed([printable(version.label) for version in versions], MOST_NAMED)
    return (
        f" Still in production beside it: {named}; promote.exclusive: true makes one champion of the group."
    )


def selection_result(selection: Selection) -> SelectResult:
    """The result of `select` for a selection."""
    metric = selection.metric

    def measured(version: Version | None) -> Measured | None:
        if version is None:
            return None
        return Measured(model=version.model, version=version.number, value=version.metric(metric))

    return SelectResult(
        status=selection.status,
        message=selection.message,
        metric=metric,
        direction=selection.direction,
        selected=measured(selection.selected),
        run_id=selection.selected.run_id if selection.selected else None,
        champion=measured(selection.champion),
        replaces=measured(selection.replaces),
        beside=tuple(map(Place.of, selection.beside)),
        candidates=tuple(
            CandidatePart(
                model=verdict.version.model,
                version=verdict.version.number,
                run_id=verdict.version.run_id,
                value=verdict.value,
                verdict=verdict.verdict,
                reason=verdict.reason,
                gates=tuple(GatePart(**vars(gate)) for gate in verdict.gates),
            )
            for verdict in selection.verdicts
        ),
    )
