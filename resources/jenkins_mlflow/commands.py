"""What each command does, from a loaded configuration to its result document; cli.py parses and prints."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from jenkins_mlflow import errors
from jenkins_mlflow.build import TAG_PREFIX, BuildContext
from jenkins_mlflow.cleanup import CleanupPlan, apply_cleanup, dry_run, plan_cleanup
from jenkins_mlflow.config import Config
from jenkins_mlflow.connection import connect
from jenkins_mlflow.errors import Interrupted, JenkinsMlflowError, NotFound, Refused, UsageError
from jenkins_mlflow.faults import RetryPolicy
from jenkins_mlflow.methods import load_methods
from jenkins_mlflow.notice import Facts, looks_like_file_store, markdown_notice, text_notice
from jenkins_mlflow.promotion import ALIAS_METHOD, Attempt, Outcome, Promotion
from jenkins_mlflow.promotion_plan import Plan, Target, plan_promotion
from jenkins_mlflow.registry import Registry, matches
from jenkins_mlflow.selection import Selection, select
from jenkins_mlflow.snapshot import READY, Snapshot, Version
from jenkins_mlflow.terminal import Terminal
from jenkins_mlflow.text import plural, printable, redact
from jenkins_mlflow.train import train as run_training
from jenkins_mlflow.train_plan import plan_training
from jenkins_mlflow.training_registry import MlflowTrainingRegistry

Document = dict[str, Any]


@dataclass(frozen=True)
class Session:
    """What a command works with.

    Attributes:
        config: Loaded and validated.
        uri: The tracking URI that applies.
        terminal: For messages and questions.
        report: The folder for logs and notices; made when something is written.
        build: Who runs this, and in which build.
    """

    config: Config
    uri: str
    terminal: Terminal
    report: Path
    build: BuildContext

    @property
    def target(self) -> Target:
        rules = self.config.promote
        return Target(rules.stage, rules.alias, rules.exclusive)

    @property
    def retry(self) -> RetryPolicy:
        rules = self.config.promote.retry
        return RetryPolicy(rules.attempts, rules.max_wait, rules.deadline)

    def registry(self, *, may_create: bool = False) -> Registry:
        return Registry(connect(self.uri, may_create=may_create), self.retry)


def train(session: Session, only: Sequence[str]) -> Document:
    """`train`: run the config's training commands and report what they logged and registered.

    Raises:
        UsageError: the config has no ``train`` section, or ``only`` names an unknown candidate.
    """
    rules = session.config.train
    if rules is None:
        raise UsageError(
            "there is nothing to train: the config has no train section",
            next_step="add train.experiment and train.candidates to mlops.yaml, or name the file with --config",
        )
    build = session.build.for_training(Path.cwd())
    plan = plan_training(rules, build, session.uri, dict(os.environ), session.report / "logs", only)
    registry = MlflowTrainingRegistry(session.registry(may_create=True))
    session.terminal.say(
        f"training {plural(len(plan.commands), 'candidate')}, {plan.jobs} at once, as build {plan.build}"
    )
    return {"command": "train", **run_training(plan, registry, session.terminal.say).document()}


def show_registry(session: Session) -> Document:
    """`list`: the group's models and versions with stage, aliases and the configured metric."""
    metric = session.config.select.metric
    snapshot = session.registry().snapshot(session.config.models, with_runs=True)
    target = session.target
    models = [
        {
            "name": model.name,
            "aliases": dict(model.aliases),
            "versions": [
                {
                    "version": version.number,
                    "stage": version.stage,
                    "production": version.in_production(target.stage, target.alias),
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
    return {"command": "list", "status": "listed", "message": message, "metric": metric, "models": models}


def choose(session: Session, snapshot: Snapshot | None = None) -> Selection:
    """`select`: rank the group's candidates and compare the best with the champion."""
    group = snapshot or session.registry().snapshot(session.config.models, with_runs=True)
    target = session.target
    build = session.build.id
    return select(group, session.config.select, stage=target.stage, alias=target.alias, build=build)


def selection_document(selection: Selection) -> Document:
    code = errors.NO_CANDIDATE if selection.status == "no_candidate" else errors.DONE
    return {"command": "select", "exit_code": code, **selection.document()}


def promote(session: Session, *, model: str | None, version: int | None, plan_only: bool) -> Document:
    """`promote`: a named version, a model's newest version, or whatever `select` chooses."""
    registry, target, group = session.registry(), session.target, session.config.models
    if model is not None and not matches(model, group):
        target = replace(target, exclusive=False)  # a model outside the group has no say in it
    alone = model is not None and not target.exclusive
    snapshot = registry.snapshot([str(model)] if alone else group, with_runs=True)
    selection: Document | None = None
    if model is not None:
        number = version if version is not None else _newest(snapshot, model).number
    else:
        choice = choose(session, snapshot)
        selection = selection_document(choice)
        if choice.selected is None:
            code = selection["exit_code"]
            return {
                "command": "promote",
                "status": choice.status,
                "message": choice.message,
                "exit_code": code,
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
        return {
            **extra,
            "status": "planned",
            "message": "; ".join(plan.steps()),
            "model": model,
            "version": number,
            "plan": plan.steps(),
            "attempts": [],
            "notice": None,
        }
    outcome = _apply(session, registry, plan)
    document = {**extra, **outcome.document(plan), "notice": None, "exit_code": errors.DONE}
    if outcome.status in ("partial", "manual"):
        document |= {"exit_code": errors.BY_HAND, "notice": _notice(session, registry, plan, outcome)}
    return document


def _apply(session: Session, registry: Registry, plan: Plan) -> Outcome:
    rules, terminal = session.config.promote, session.terminal

    def show(attempt: Attempt) -> None:
        tries = f" (try {attempt.attempt})" if attempt.attempt else ""
        detail = f": {attempt.error}" if attempt.error else ""
        terminal.say(f"  {attempt.method}{tries}: {attempt.outcome} after {attempt.seconds:.2f} s{detail}")

    terminal.say(f"promoting {printable(plan.candidate.label)}")
    return Promotion(
        registry,
        plan,
        load_methods(registry, rules),
        alias_fallback=ALIAS_METHOD in rules.methods,
        retry=session.retry,
        show=show,
    ).apply(_tags(session, plan))


def _tags(session: Session, plan: Plan) -> Mapping[str, str]:
    """What the promoted version is tagged with: when, by whom, in which build, and on what metric."""
    metric = session.config.select.metric
    value = plan.candidate.metric(metric)
    tags = {
        "promoted_at": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "promoted_by": session.build.user,
        "build_url": session.build.url,
        "metric": f"{metric}={value!r}" if value is not None else "",
    }
    return {TAG_PREFIX + key: value for key, value in tags.items() if value}


def _newest(snapshot: Snapshot, name: str) -> Version:
    for version in snapshot.require(name).versions:
        if version.status == READY:
            return version
    raise NotFound(
        f"{name} has no version that is {READY}", state="nothing was changed", next_step="train one first"
    )


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


def clean_up(session: Session, *, model: str | None, plan_only: bool, yes: bool, ask: bool) -> Document:
    """`cleanup`: plan, show, ask, delete.

    Args:
        model: Only this model of the registry; None for the whole group.
        plan_only: Change nothing.
        yes: Do not ask.
        ask: Ask even where there is no terminal: the answer may be piped in.

    Raises:
        Refused: a person would have to be asked, and there is none.
    """
    registry, rules = session.registry(), session.config.cleanup
    snapshot = registry.snapshot([model] if model else session.config.models)
    group = Snapshot((snapshot.require(model),)) if model else snapshot
    plan = plan_cleanup(group, rules, session.target, now=time.time())
    document: Document = {"command": "cleanup", "exit_code": errors.DONE, **dry_run(plan).document()}
    if plan_only or not plan.deletions:
        return document
    if not yes and not _agreed(session, plan, model, ask=ask):
        return {**document, "status": "nothing", "message": "nothing was deleted: the answer was no"}
    with session.terminal.progress("deleting versions", len(plan.deletions)) as advance:
        result = apply_cleanup(registry, plan, progress=advance)
    document |= result.document()
    if result.stopped:
        error = result.stopped
        session.terminal.insist(
            f"error: {result.message}\nnext:  {error.next_step or 'run the command again'}"
        )
        document |= {"exit_code": error.exit_code, "error": error_document(error)}
    return document


def _agreed(session: Session, plan: CleanupPlan, model: str | None, *, ask: bool) -> bool:
    """Show what would go and ask for it."""
    if not session.terminal.interactive and not ask:
        raise Refused(
            f"{plural(len(plan.deletions), 'version')} would be deleted, and there is no terminal to ask at",
            state="nothing was deleted",
            next_step="look at the plan with --dry-run, then say --yes",
        )
    for item in plan.deletions:
        session.terminal.insist(f"  🗑️  {printable(item.version.label)}: {item.reason}")
    patterns = session.config.models
    whose = (
        printable(model) if model else "ALL models" if patterns == ("*",) else f"models {', '.join(patterns)}"
    )
    keep = session.config.cleanup.keep_last
    return session.terminal.confirm(f"⚠️  Delete old versions of {whose} (keeping last {keep})?")


def error_document(error: JenkinsMlflowError | Interrupted) -> Document:
    """An expected failure as the document's ``error`` part."""
    return {
        "type": type(error).__name__,
        "message": error.message,
        "state": error.state,
        "next_step": error.next_step,
    }
