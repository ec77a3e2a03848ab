"""Carries out a plan under the lock, for `promote` and `rollback`; prints the notice if one is needed."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TypeVar

from jenkins_mlflow.commands.session import Session
from jenkins_mlflow.errors import JenkinsMlflowError
from jenkins_mlflow.history.book import Book
from jenkins_mlflow.history.event import Event, new_id
from jenkins_mlflow.methods.known_faults import keeps_files, looks_like_file_store
from jenkins_mlflow.promotion.apply import Begun, Promotion, refuse_if_overtaken
from jenkins_mlflow.promotion.notice import Facts, markdown_notice, text_notice
from jenkins_mlflow.promotion.outcome import NO_KEEPER, Keeper, Outcome, already
from jenkins_mlflow.promotion.plan import Plan
from jenkins_mlflow.promotion.record import dated, given
from jenkins_mlflow.promotion.rights import Forbidden, forbidden
from jenkins_mlflow.registry.client import Registry
from jenkins_mlflow.registry.lock import Lock
from jenkins_mlflow.registry.version import Version
from jenkins_mlflow.report import write_report
from jenkins_mlflow.results.base import Place
from jenkins_mlflow.results.promote import AttemptPart, NoticePart, PromotionResult
from jenkins_mlflow.tags import APPROVED_BY, BUILD_URL, ROLLED_BACK_AT, ROLLED_BACK_BY, ROLLED_BACK_FROM
from jenkins_mlflow.text import printable

R = TypeVar("R", bound=PromotionResult)


def carry_out(
    session: Session, registry: Registry, plan: Plan, begun: Begun, tags: Mapping[str, str]
) -> tuple[Outcome, NoticePart | None]:
    """Carry out a plan under the lock; return the outcome, and the notice if a person must continue."""
    outcome = _apply(session, registry, plan, begun, tags)
    for warning in outcome.warnings:
        session.warn(warning)
    return outcome, _notice(session, registry, plan, outcome) if outcome.by_hand else None


def reported(result: R, plan: Plan, outcome: Outcome, notice: NoticePart | None) -> R:
    """The result of a promotion or a rollback, completed with the outcome of its plan."""
    return replace(
        result,
        model=plan.candidate.model,
        version=plan.candidate.number,
        method=outcome.method,
        previous=Place.of(plan.replaces) if plan.replaces else None,
        replaced=tuple(map(Place.of, plan.leaving)),
        attempts=tuple(AttemptPart(**vars(attempt)) for attempt in outcome.attempts),
        production=tuple(map(Place.of, outcome.production)),
        lock_seconds=outcome.lock_seconds,
        missing=outcome.missing,
        notice=notice,
    )


def planned(result: R, plan: Plan) -> R:
    """The result of a dry run."""
    steps = tuple(plan.steps())
    return replace(
        result,
        message=plan.describe(steps),
        model=plan.candidate.model,
        version=plan.candidate.number,
        plan=steps,
    )


@dataclass(frozen=True)
class Kept:
    """Records a promotion in the history, see ``outcome.Keeper``."""

    session: Session
    plan: Plan
    begun: Begun
    tags: Mapping[str, str]
    book: Book
    lock: Lock
    held: Registry

    def done(self, outcome: Outcome) -> None:
        plan, select, time = self.plan, self.session.config.select, self.lock.now()
        chosen = plan.candidate.metric(select.metric)
        replaced = plan.replaces.metric(select.metric) if plan.replaces else None
        values = {name: plan.candidate.metric(name) for name in select.gates}
        production = tuple(version.identity for version in outcome.production)
        self.book.keep(
            Event(
                new_id(time),
                self.begun.work,
                outcome.table.model,
                outcome.table.number,
                time,
                outcome.at,
                production,
                tuple(version.identity for version in plan.leaving if version.identity not in production),
                outcome.method or "",
                self.begun.by,
                self.tags.get(APPROVED_BY, ""),
                self.begun.url,
                select.metric if chosen is not None else "",
                chosen,
                replaced,
                {
                    name: f"{rule} ({values[name]!r})"
                    for name, rule in select.gates.items()
                    if (value := values[name]) is not None and rule.holds(value)
                },
            ),
            self.held,
        )

    def undone(self) -> None:
        self.book.withdraw()


def promotion(
    session: Session,
    registry: Registry,
    plan: Plan,
    lock: Lock,
    keeper: Keeper = NO_KEEPER,
    refused: Forbidden | None = None,
) -> Promotion:
    """The promotion of a plan under a lock, by the config's methods."""
    held = registry.under(lock)
    return Promotion(
        held,
        plan,
        session.methods(held),
        session.writer(),
        group=session.scope.models,
        alias_fallback=session.alias_fallback,
        confirm=lock.confirm,
        keeper=keeper,
        forbidden=refused,
    )


def _apply(
    session: Session, registry: Registry, plan: Plan, begun: Begun, tags: Mapping[str, str]
) -> Outcome:
    if plan.done:
        return already(plan)
    work = "rollback" if begun.work == "rollback" else "promote"
    session.terminal.say(f"{work}: {printable(plan.candidate.label)}")
    book = session.book(registry)
    refused = forbidden(registry, plan.table)  # before the lock, for which others wait

    def waiting() -> None:
        refuse_if_overtaken(registry, plan, session.scope.models)

    with session.lock_for(registry, work, plan.table, waiting) as lock:
        begun = replace(begun, at=dated(begun.at, lock.now()))
        keeper = Kept(session, plan, begun, tags, book, lock, registry.under(lock))
        outcome = promotion(session, registry, plan, lock, keeper, refused).apply(tags, begun)
    outcome = replace(outcome, lock_seconds=round(lock.held, 3))
    book.write(_as_artifact(outcome, plan))
    return outcome


def _as_artifact(outcome: Outcome, plan: Plan) -> dict[str, object]:
    """The outcome as an artifact of the run that records the promotion."""
    return {
        "status": outcome.status,
        "message": outcome.message,
        "model": plan.candidate.model,
        "version": plan.candidate.number,
        "method": outcome.method,
        "attempts": [vars(attempt) for attempt in outcome.attempts],
        "warnings": list(outcome.warnings),
    }


def rollback_tags(session: Session, source: Version | None, at: str) -> dict[str, str]:
    """The tags of the version that a rollback returns to: when, by whom, in which build, from where."""
    return given(
        {
            ROLLED_BACK_AT: at,
            ROLLED_BACK_BY: session.build.user,
            ROLLED_BACK_FROM: f"{source.model}/{source.number}" if source else "",
            BUILD_URL: session.build.url,
        }
    )


def _notice(session: Session, registry: Registry, plan: Plan, outcome: Outcome) -> NoticePart:
    """Print the notice, write it to the report folder, and return it for the result."""
    ui, connection = session.config.ui, registry.connection
    file_store = keeps_files(connection)
    if file_store is None:
        with suppress(JenkinsMlflowError):  # only a hint
            file_store = looks_like_file_store(
                registry.storage_uri(plan.candidate.model, plan.candidate.number)
            )
    facts = Facts(
        plan,
        outcome,
        session.uri,
        connection.server_version,
        file_store,
        ui.url,
        ui.tunnel,
    )
    text = text_notice(facts)
    session.terminal.alert(text)
    files = {"notice.txt": text, "notice.md": markdown_notice(facts)}
    for name, content in files.items():
        if warning := write_report(session.report, name, content):
            session.warn(warning)
    return NoticePart(text=text, files=tuple(str(session.report / name) for name in files))
