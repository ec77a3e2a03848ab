"""Reads a group. Unfinished promotions of other commands are reported, or finished or undone first."""

from __future__ import annotations

import enum
import functools
from collections.abc import Sequence
from typing import NamedTuple

from jenkins_mlflow.commands.conflicts import conflicts, rivals
from jenkins_mlflow.commands.group import NAMED_BY, require_models
from jenkins_mlflow.commands.session import Session
from jenkins_mlflow.errors import Busy, JenkinsMlflowError
from jenkins_mlflow.history.book import Book
from jenkins_mlflow.history.event import Event, new_id
from jenkins_mlflow.promotion.allowed import allowed_intent
from jenkins_mlflow.promotion.intent import is_unfinished, read_intent, unsigned
from jenkins_mlflow.promotion.recovery import Recovery, Settled
from jenkins_mlflow.registry.client import Registry
from jenkins_mlflow.registry.lock import Lock
from jenkins_mlflow.registry.runs import RunsOf
from jenkins_mlflow.registry.snapshot import Model, Snapshot
from jenkins_mlflow.tags import METHOD
from jenkins_mlflow.text import argument, printable


class _Conduct(NamedTuple):
    """What a command does about what it finds when it reads the registry.

    Attributes:
        settles: Unfinished promotions are finished or undone first; otherwise they are only reported.
        keeps_to_its_plan: What it read before it waited still counts: a faster promotion defeats it.
        decides_rivals: It settles which model of an exclusive group is the champion, or refuses to; otherwise
            several champions are reported.
        lists_recovered: Its result lists what was recovered; otherwise that is said at once.
    """

    settles: bool = True
    keeps_to_its_plan: bool = False
    decides_rivals: bool = False
    lists_recovered: bool = False


class Purpose(enum.Enum):
    """The purpose for which a command reads the registry, and what follows from it."""

    LOOK = _Conduct(settles=False)
    """It changes nothing."""
    CHANGE = _Conduct()
    """It changes something."""
    RECOVER = _Conduct(lists_recovered=True)
    """It settles unfinished promotions, and does nothing else."""
    PROMOTE = _Conduct(keeps_to_its_plan=True, decides_rivals=True)
    """It promotes or rolls back."""


def settled(
    session: Session,
    registry: Registry,
    patterns: Sequence[str],
    purpose: Purpose,
    *,
    with_runs: bool | RunsOf = False,
    named_by: str = NAMED_BY,
) -> Snapshot:
    """Read the group; finish or undo unfinished promotions first, or report them: as the purpose says.

    Args:
        session: Configuration and warnings; receives the recovered promotions.
        registry: The registry to read.
        patterns: The group.
        purpose: The purpose of reading.
        with_runs: As for ``Registry.snapshot``.
        named_by: As for ``require_models``.

    Raises:
        UsageError: A pattern of the config matches no registered model.
    """
    with session.unwritten():
        snapshot = registry.snapshot(patterns, with_runs=with_runs)
        configured = [pattern for pattern in patterns if pattern in session.scope.models]
        require_models(registry, snapshot, configured, named_by)
    for text in filter(None, map(unsigned, snapshot.models)):
        session.warn(text)
    unfinished = [model for model in snapshot.models if is_unfinished(model)]
    if purpose.value.settles:
        session.book(registry).make_up(snapshot.models)
        changed = [_recover(session, registry, model, purpose) for model in unfinished]
        if any(changed):
            snapshot = registry.snapshot(patterns, with_runs=with_runs)
    else:
        for model in unfinished:
            session.warn(_unfinished(session, model))
    warnings = conflicts(snapshot, session.target)
    if not purpose.value.decides_rivals:
        warnings += rivals(snapshot, session.target)
    for text in warnings:
        session.warn(text)
    return snapshot


def _unfinished(session: Session, model: Model) -> str:
    """The warning about a model's intent from a command that changes nothing."""
    try:
        allowed_intent(model, session.target, session.scope.models)
    except JenkinsMlflowError as error:
        return f"{error.message}; {error.next_step}"
    return (
        f"{model.name} has a promotion that is not finished; "
        f"`jenkins-mlflow promote --recover --models {argument(model.name)}` finishes or undoes it"
    )


def _recover(session: Session, registry: Registry, model: Model, purpose: Purpose) -> bool:
    """Finish or undo one model's promotion; return whether the registry has to be read again.

    A failure is only a warning, because the current command may be about other models.
    """
    rules, book = session.config.promote, session.book(registry)
    try:
        intent = read_intent(model)
        models = intent.table.models if intent else (model.name,)
        with session.lock(registry, "recover", session.scope.locked_with(models), models) as lock:
            held = registry.under(lock)
            done = Recovery(
                held,
                session.methods(held),
                session.writer(),
                session.target,
                session.scope.models,
                by=session.build.user,
                url=session.build.url,
                checked=rules.check is not None,
                confirm=lock.confirm,
                keep=functools.partial(_keep_recovery, session, book, lock, held),
                now=lock.now,
            ).run(model.name)
        book.write()
    except Busy as busy:
        session.waited.add(model.name)
        session.warn(f"{busy.message}; the result may show its unfinished changes")
        return False
    except JenkinsMlflowError as error:
        session.warn(f"{error.message}; {error.state}; next: {error.next_step}")
        return False
    if done is None:  # the other command has finished
        return not purpose.value.keeps_to_its_plan
    session.recovered.append(done)
    if not purpose.value.lists_recovered:
        session.terminal.alert(printable(f"recovered: {done.message}"))
    return True


def _keep_recovery(session: Session, book: Book, lock: Lock, held: Registry, recovered: Settled) -> None:
    """Record what is in production after an unfinished promotion was finished or undone."""
    time, table = lock.now(), recovered.intent.table
    places = tuple(version.identity for version in recovered.serving)
    in_production = next((version for version in recovered.serving if version.model == table.model), None)
    book.keep(
        Event(
            new_id(time),
            "recovery",
            table.model,
            in_production.number if in_production else None,
            time,
            recovered.at,
            places,
            tuple(place for place in table.found_in_production(session.target) if place not in places),
            in_production.tags.get(METHOD, "") if in_production else "",
            session.build.user,
            build=session.build.url,
            reason=f"of {recovered.intent.title}",
        ),
        held,
    )
