"""`promote`, `promote --recover` and `rollback`: from a loaded configuration to the result document."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timezone

from jenkins_mlflow import errors
from jenkins_mlflow.build import TAG_PREFIX
from jenkins_mlflow.commands import Document, choose, selection_document
from jenkins_mlflow.errors import JenkinsMlflowError, NotFound, Refused
from jenkins_mlflow.intent import INTENT_TAG
from jenkins_mlflow.notice import Facts, looks_like_file_store, markdown_notice, text_notice
from jenkins_mlflow.promotion import Outcome, Promotion, previous_tags
from jenkins_mlflow.promotion_plan import Plan, plan_promotion
from jenkins_mlflow.registry import Registry, matches
from jenkins_mlflow.rollback import plan_return
from jenkins_mlflow.session import Purpose, Session
from jenkins_mlflow.snapshot import READY, Snapshot, Version
from jenkins_mlflow.text import plural, printable


def promote(session: Session, *, model: str | None, version: int | None, plan_only: bool) -> Document:
    """`promote`: a named version, a model's newest version, or whatever `select` chooses."""
    if model is not None:
        session = session.for_model(model, in_group=matches(model, session.config.models))
    registry, target, group = session.registry(), session.target, session.config.models
    alone = model is not None and not target.exclusive
    patterns = [str(model)] if alone else group
    purpose: Purpose = "look" if plan_only else "promote"
    snapshot = session.settled(registry, patterns, purpose, with_runs=True)
    selection: Document | None = None
    if model is not None:
        number = version if version is not None else _newest(snapshot, model).number
    else:
        choice = choose(session, snapshot)
        selection = selection_document(choice)
        if choice.selected is None:
            return {
                "command": "promote",
                "status": choice.status,
                "message": choice.message,
                "exit_code": selection["exit_code"],
                "selection": selection,
                "model": None,
                "version": None,
                "attempts": [],
                "notice": None,
                "production": [v.place for v in snapshot.production(target.stage, target.alias)],
            }
        session.terminal.say(choice.message)
        model, number = choice.selected.model, choice.selected.number
    plan = plan_promotion(snapshot, model, number, target)
    extra: Document = {"command": "promote", "selection": selection}
    if plan_only:
        return {**extra, **_planned(plan)}
    return {**extra, **_carry_out(session, registry, plan, "promote", _promotion_tags(session, plan))}


def recover(session: Session) -> Document:
    """`promote --recover`: finish or undo what earlier commands left half done, and nothing else."""
    registry = session.registry()
    snapshot = session.settled(registry, session.config.models, "change")
    left = [model.name for model in snapshot.models if INTENT_TAG in model.tags]
    done = session.recovered
    message = "; ".join(item.message for item in done) or "no promotion was left unfinished"
    status, code = ("recovered" if done else "nothing"), errors.DONE
    if left:
        status, code = "failed", errors.FAILED
        message = (
            f"{plural(len(left), 'promotion')} could not be recovered: {', '.join(left)}; see the warnings"
        )
    return {
        "command": "promote",
        "status": status,
        "message": message,
        "exit_code": code,
        "attempts": [],
        "notice": None,
    }


def rollback(session: Session, *, model: str, to: int | None, plan_only: bool) -> Document:
    """`rollback`: back to the version that was in production before, by the same safe path as a promotion.

    Raises:
        NotFound: the model or the version to return to does not exist (any more).
        Refused: it is not known what was before, or that version's files are gone; nothing was written.
    """
    session = session.for_model(model, in_group=matches(model, session.config.models))
    registry, target = session.registry(), session.target
    patterns = session.config.models if target.exclusive else (model,)
    snapshot = session.settled(registry, patterns, "look" if plan_only else "promote")
    way = plan_return(snapshot, model, to, target)
    plan = plan_promotion(snapshot, way.model, way.number, target)
    extra: Document = {"command": "rollback", "from": way.current.place if way.current else None}
    if plan_only:
        return {**extra, **_planned(plan)}
    _refuse_without_files(session, registry, plan)
    tags = {
        "rolled_back_at": _now(),
        "rolled_back_by": session.build.user,
        "rolled_back_from": f"{way.current.model}/{way.current.number}" if way.current else "",
        "build_url": session.build.url,
    }
    document = _carry_out(session, registry, plan, "rollback", _given(tags))
    if document["status"] == "promoted":
        left = f" from {way.current.label}" if way.current else ""
        document |= {
            "status": "rolled_back",
            "message": f"rolled back{left} to {plan.candidate.label} by {document['method']}; verified in the registry",
        }
    return {**extra, **document}


def _planned(plan: Plan) -> Document:
    return {
        "status": "planned",
        "message": "; ".join(plan.steps()),
        "model": plan.candidate.model,
        "version": plan.candidate.number,
        "plan": plan.steps(),
        "attempts": [],
        "notice": None,
    }


def _carry_out(
    session: Session, registry: Registry, plan: Plan, work: str, tags: Mapping[str, str]
) -> Document:
    """Apply a plan under the lock, and give the notice if a person has to go on."""
    outcome = _apply(session, registry, plan, work, tags)
    document: Document = {**outcome.document(plan), "notice": None, "exit_code": errors.DONE}
    for warning in document.pop("warnings"):
        session.warn(warning)
    if outcome.status in ("partial", "manual"):
        document |= {"exit_code": errors.BY_HAND, "notice": _notice(session, registry, plan, outcome)}
    return document


def _apply(session: Session, registry: Registry, plan: Plan, work: str, tags: Mapping[str, str]) -> Outcome:
    name, group = plan.candidate.model, session.config.models
    session.terminal.say(f"{work}: {printable(plan.candidate.label)}")
    scope = (name, *group) if plan.target.exclusive else (name,)
    lock = session.lock(registry, work, scope, (name,))
    promotion = Promotion(
        registry,
        plan,
        session.methods(registry),
        session.writer(lock),
        group=group,
        alias_fallback=session.alias_fallback,
    )
    if done := promotion.already():
        return done
    with lock:
        return promotion.apply(tags)


def _promotion_tags(session: Session, plan: Plan) -> Mapping[str, str]:
    """What the promoted version is tagged with: when, by whom, in which build, on what metric, and over what."""
    metric = session.config.select.metric
    value = plan.candidate.metric(metric)
    tags = {
        "promoted_at": _now(),
        "promoted_by": session.build.user,
        "build_url": session.build.url,
        "metric": f"{metric}={value!r}" if value is not None else "",
    }
    return {**_given(tags), **previous_tags(plan)}


def _given(tags: Mapping[str, str]) -> dict[str, str]:
    return {TAG_PREFIX + key: value for key, value in tags.items() if value}


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="seconds")


def _newest(snapshot: Snapshot, name: str) -> Version:
    for version in snapshot.require(name).versions:
        if version.status == READY:
            return version
    raise NotFound(
        f"{name} has no version that is {READY}", state="nothing was changed", next_step="train one first"
    )


def _refuse_without_files(session: Session, registry: Registry, plan: Plan) -> None:
    """Refuse to put a version back whose files are gone; where that cannot be told, say so and go on."""
    version = plan.candidate
    there = registry.has_files(version.model, version.number)
    if there is False:
        raise Refused(
            f"{version.label} cannot be returned to: its files are gone from the artifact store",
            state="nothing was changed",
            next_step="choose another version with --to",
        )
    if there is None:
        session.warn(f"whether the files of {version.label} still are there cannot be told from this machine")


def _notice(session: Session, registry: Registry, plan: Plan, outcome: Outcome) -> Document:
    """Print the notice, write it to the report folder, and return it for the document."""
    ui, connection = session.config.ui, registry.connection
    try:
        storage = registry.storage_uri(plan.candidate.model, plan.candidate.number)
    except JenkinsMlflowError:
        storage = ""  # it only helps to guess the kind of store
    facts = Facts(
        plan,
        outcome,
        session.uri,
        connection.server_version,
        looks_like_file_store(storage),
        ui.url,
        ui.tunnel,
    )
    text = text_notice(facts)
    session.terminal.insist(text)
    files = {"notice.txt": text, "notice.md": markdown_notice(facts)}
    session.report.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (session.report / name).write_text(content, encoding="utf-8")
    return {"text": text, "files": [str(session.report / name) for name in files]}
