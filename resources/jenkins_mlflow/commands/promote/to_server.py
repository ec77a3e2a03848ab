"""`--to-server`: selects for another server, copies the version there, promotes the copy."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from jenkins_mlflow.commands.group import require_model
from jenkins_mlflow.commands.promote.other_server import name_there, other_session
from jenkins_mlflow.commands.promote.promote import named, promote
from jenkins_mlflow.commands.promote.wish import NOTHING, PromoteWish
from jenkins_mlflow.commands.select import past, selection_result, warn_of_direction
from jenkins_mlflow.commands.session import Session
from jenkins_mlflow.commands.settling import Purpose, settled
from jenkins_mlflow.errors import JenkinsMlflowError
from jenkins_mlflow.promotion.plan import Plan, plan_promotion, require_version
from jenkins_mlflow.promotion.smoke_test import smoke_test
from jenkins_mlflow.registry.change import NEW
from jenkins_mlflow.registry.client import Registry
from jenkins_mlflow.registry.names import matches
from jenkins_mlflow.registry.runs import RunsOf
from jenkins_mlflow.registry.snapshot import Model, Snapshot
from jenkins_mlflow.registry.version import Version
from jenkins_mlflow.results.base import Place
from jenkins_mlflow.results.promote import CheckPart, CopyPart, PromoteResult
from jenkins_mlflow.selection.plan import Selection, select
from jenkins_mlflow.text import plural, printable, redact, size
from jenkins_mlflow.transfer.copying import Copied, Copying
from jenkins_mlflow.transfer.origin import Origin, copies
from jenkins_mlflow.transfer.plan import CopyPlan
from jenkins_mlflow.transfer.reading import look
from jenkins_mlflow.transfer.view import copies_in_production, seen_with


def choose_for(session: Session, name: str) -> Selection:
    """`select --to-server`: the best candidate, compared with what is in production on the other server."""
    other, other_snapshot = _looked(session, name, None)
    return _choose(session, name, other, _here(session, None, None, other_snapshot), other_snapshot)


def promote_to(session: Session, name: str, wish: PromoteWish) -> tuple[Session, PromoteResult]:
    """`promote --to-server`: copy a version to another server, promote the copy; also return its session.

    Args:
        session: The session on the server that has the version. Nothing is written there.
        name: The other server's name in the config.
        wish: As for ``promote``; its ``over`` is in the other server's names.
    """
    model, source = wish.model, session.registry()
    if model is not None:
        session = session.for_model(model)
    other, other_snapshot = _looked(session, name, model)
    here = _here(session, model, wish.version, other_snapshot)
    result = PromoteResult(status="planned", message="")
    if model is None:
        choice = _choose(session, name, other, here, other_snapshot)
        result = replace(result, selection=selection_result(choice))
        if choice.selected is None:
            assert choice.status != "selected"
            serving = other_snapshot.production(other.target)
            wish.refuse_over_another("a promotion", serving)
            production = tuple(map(Place.of, serving))
            return other, replace(result, status=choice.status, message=choice.message, production=production)
        session.terminal.say(choice.message)
        chosen = choice.selected
        if wish.over is None:  # it may replace only the version that it was compared with
            replaced = choice.replaces
            wish = replace(wish, over=f"{replaced.model}/{replaced.number}" if replaced else NOTHING)
    else:
        found = require_model(source, here, model)
        chosen = require_version(found, named(found, wish.version, session.build.id))
    wish.refuse_another_run(chosen)
    plan = look(source, chosen, name_there(session.config.servers[name], chosen.model))
    preview = _plan_there(other_snapshot, plan.into, plan.origin, plan.version, other)
    wish.refuse_plan_over_another(preview)
    if wish.plan_only:
        return other, replace(result, **_dry(plan, name, other, preview))
    if session.config.promote.smoke_test:
        checked = smoke_test(session.config.promote.smoke_test, chosen, session.uri, session.report)
        result = replace(result, smoke_test=CheckPart(**vars(checked)))
        if not checked.passed:
            message = f"{chosen.label} failed its smoke test: {checked.reason}; nothing was copied"
            return other, replace(
                result,
                status="smoke_test_failed",
                message=printable(message),
                model=chosen.model,
                version=chosen.number,
                production=tuple(map(Place.of, other_snapshot.production(other.target))),
            )
        session.terminal.say(f"smoke test: {checked.reason}")
    copied = _copy(session, source, other, plan, name)
    group = tuple(pattern for pattern in other.scope.models if _matches(other_snapshot, pattern))
    other = replace(other, changed_scope=replace(other.scope, models=(*group, plan.into)))
    copy = replace(wish, model=copied.version.model, version=copied.version.number, run_id=None)
    promoted = promote(other, copy)
    return other, replace(
        promoted,
        selection=result.selection,
        smoke_test=result.smoke_test,
        copied=_part(plan, name, other, copied.version, copied),
    )


def _copy(session: Session, source: Registry, other: Session, plan: CopyPlan, name: str) -> Copied:
    """Copy it, under a lock for this copy alone: other work on the model can continue."""
    session.terminal.say(
        f"copy: {printable(plan.version.label)} to {printable(plan.into)} on {printable(name)}"
    )
    registry, scope = other.registry(), (f"copy/{plan.origin.id}",)
    try:
        with other.lock(registry, "copy", scope, scope) as lock:
            lock.confirm()
            copied = Copying(source, registry.under(lock), plan, session.warn).copy()
    except JenkinsMlflowError as error:
        error.state = error.state or (
            f"nothing in production on {name} was changed; the same command continues the copy"
        )
        raise
    contents = f"{plural(copied.contents.files, 'file')}, {size(copied.contents.bytes)}, compared by SHA-256"
    verb = "copied" if copied.made else "already exists"
    session.terminal.say(printable(f"  {copied.version.label}: {verb}; {contents}"))
    return copied


def _looked(session: Session, name: str, model: str | None) -> tuple[Session, Snapshot]:
    """The session on the other server, and the group's models there, with the runs of versions in production.

    A given model is included, even if it is outside the group.
    """
    other = other_session(session, name)
    target = other.target
    runs = RunsOf(lambda version: version.in_production(target))
    asked = [] if model is None else [name_there(session.config.servers[name], model)]
    with other.unwritten():
        other_snapshot = other.registry().snapshot([*other.scope.patterns, *asked], with_runs=runs)
    other_snapshot.require_agreement(target)
    return other, other_snapshot


def _here(session: Session, model: str | None, version: int | None, other_snapshot: Snapshot) -> Snapshot:
    """The group on the session's own server. Nothing is recovered there, because that would write.

    Champions are the versions whose copies are in production on the other server.
    """
    alone = model is not None and not session.target.exclusive
    patterns = [str(model)] if alone else session.scope.models
    if model is None:
        copied = copies_in_production(other_snapshot, session.target)
        runs = session.runs_to_select(lambda each: Origin.of(each, "").id in copied)
    else:
        runs = session.runs_to_promote(model, version)
    return settled(session, session.registry(), patterns, Purpose.LOOK, with_runs=runs)


def _choose(
    session: Session, name: str, other: Session, here: Snapshot, other_snapshot: Snapshot
) -> Selection:
    warn_of_direction(session)
    target = other.target
    view = seen_with(here, other_snapshot, target, name)
    with other.unwritten():
        before = past(other, other_snapshot, redact(other.uri))
    rules, here_target = session.config.select, replace(target, copy_to=None)
    choice = select(view, rules, here_target, build=session.build.id, past=before)
    if choice.selected is None:
        return choice
    server = session.config.servers[name]
    into, origin = name_there(server, choice.selected.model), Origin.of(choice.selected, session.uri)
    preview = _plan_there(other_snapshot, into, origin, choice.selected, other)
    replaces = preview.replaces
    where = (
        f"On {name} it replaces {printable(replaces.label)}."
        if replaces
        else f"On {name} it replaces nothing."
    )
    return replace(choice, replaces=replaces, message=f"{choice.message} {where}")


def _dry(plan: CopyPlan, name: str, other: Session, preview: Plan) -> dict[str, Any]:
    """The result of a dry run: the copy, unless it exists, and the changes of its promotion."""
    made = None if preview.candidate.number == NEW else preview.candidate
    changes = preview.steps() if made else [change.describe() for change in preview.table.pending]
    steps = (*([] if made else [plan.describe(name)]), *changes)
    return {
        "message": preview.describe(steps),
        "model": plan.into,
        "version": made.number if made else None,
        "plan": steps,
        "copied": _part(plan, name, other, made),
    }


def _plan_there(
    other_snapshot: Snapshot, into: str, origin: Origin, version: Version, other: Session
) -> Plan:
    """The plan of a promotion of the copy, even if the copy does not exist yet."""
    model = other_snapshot.model(into) or Model(into)
    made = next(iter(copies(model, origin)), None)
    if made is None:
        copy = Version(into, NEW, run=version.run)
        model = replace(model, versions=(*model.versions, copy))
        other_snapshot = Snapshot((*(each for each in other_snapshot.models if each.name != into), model))
    return plan_promotion(other_snapshot, into, made.number if made else NEW, other.target)


def _matches(snapshot: Snapshot, pattern: str) -> bool:
    return any(matches(model.name, [pattern]) for model in snapshot.models)


def _part(
    plan: CopyPlan, name: str, other: Session, copy: Version | None, copied: Copied | None = None
) -> CopyPart:
    return CopyPart(
        server=name,
        tracking_uri=redact(other.uri),
        from_model=plan.version.model,
        from_version=plan.version.number,
        model=plan.into,
        version=copy.number if copy else None,
        files=len(plan.targets),
        bytes=plan.bytes,
        sent=copied.sent if copied else 0,
        sha256=copied.contents.sha256 if copied else None,
    )
