"""What each command does, from a loaded configuration to its result document; cli.py parses and prints."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from jenkins_mlflow import errors
from jenkins_mlflow.cleanup import CleanupPlan, dry_run, plan_cleanup
from jenkins_mlflow.cleanup_apply import apply_cleanup
from jenkins_mlflow.doctor import diagnose
from jenkins_mlflow.errors import Interrupted, JenkinsMlflowError, Refused, UsageError
from jenkins_mlflow.promotion_plan import plan_promotion
from jenkins_mlflow.selection import Selection, select
from jenkins_mlflow.session import Session
from jenkins_mlflow.snapshot import Snapshot
from jenkins_mlflow.text import plural, printable, redact
from jenkins_mlflow.train import gather, train as run_training
from jenkins_mlflow.train_plan import TrainPlan, plan_training
from jenkins_mlflow.training_registry import MlflowTrainingRegistry

Document = dict[str, Any]
TrainWay = Literal["run", "resume", "gather", "plan"]


def train(session: Session, only: Sequence[str], *, way: TrainWay = "run") -> Document:
    """`train`: run the config's training commands and report what they logged and registered.

    Args:
        session: Configuration and connection.
        only: Candidates to train; none = all.
        way: ``run`` all; ``resume``: all that this build has not trained yet; ``gather``: none, other commands of
            this build have; ``plan``: none, and nothing is asked of MLflow.

    Raises:
        UsageError: the config has no ``train`` section, ``only`` names an unknown candidate, or no build is known
            whose training could be resumed or gathered.
    """
    rules = session.config.train
    if rules is None:
        raise UsageError(
            "there is nothing to train: the config has no train section",
            next_step="add train.experiment and train.candidates to mlops.yaml, or name the file with --config",
        )
    if way in ("resume", "gather") and not session.build.id:
        raise UsageError(
            f"--{way}: no build is known",
            next_step="give --build ID, or run inside a Jenkins build (BUILD_TAG)",
        )
    build = session.build.for_training(Path.cwd())
    plan = plan_training(rules, build, session.uri, dict(os.environ), session.report / "logs", only)
    if way == "plan":
        return _planned(plan)
    registry = MlflowTrainingRegistry(session.registry(may_create=True))
    if way == "gather":
        return {"command": "train", **gather(plan, registry).document()}
    session.terminal.say(
        f"training {plural(len(plan.commands), 'candidate')}, {plan.jobs} at once, as build {plan.build}"
    )
    result = run_training(plan, registry, session.terminal.say, resume=way == "resume")
    return {"command": "train", **result.document()}


def _planned(plan: TrainPlan) -> Document:
    names = [command.name for command in plan.commands]
    return {
        "command": "train",
        "status": "planned",
        "exit_code": errors.DONE,
        "message": f"{plural(len(names), 'candidate')} would be trained: {', '.join(names)}",
        "build": plan.build,
        "on_failure": plan.on_failure,
        "candidates": [
            {"name": command.name, "status": "planned", "seconds": None, "command": list(command.argv)}
            for command in plan.commands
        ],
        "runs": [],
    }


def show_registry(session: Session) -> Document:
    """`list`: the group's models and versions with stage, aliases and the configured metric."""
    metric = session.config.select.metric
    snapshot = session.settled(session.registry(), session.config.models, "read", with_runs=True)
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
    group = snapshot or session.settled(session.registry(), session.config.models, "read", with_runs=True)
    target = session.target
    build = session.build.id
    choice = select(group, session.config.select, stage=target.stage, alias=target.alias, build=build)
    if choice.selected is None:
        return choice
    plan = plan_promotion(group, choice.selected.model, choice.selected.number, target)
    return replace(choice, replaces=plan.replaces)


def selection_document(selection: Selection) -> Document:
    code = errors.NO_CANDIDATE if selection.status == "no_candidate" else errors.DONE
    return {"command": "select", "exit_code": code, **selection.document()}


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
    patterns = [model] if model else session.config.models
    snapshot = session.settled(registry, patterns, "look" if plan_only else "change")
    group = Snapshot((snapshot.require(model),)) if model else snapshot
    plan = plan_cleanup(group, rules, session.target, now=time.time())
    document: Document = {"command": "cleanup", "exit_code": errors.DONE, **dry_run(plan).document()}
    if plan_only or not plan.deletions:
        return document
    if not yes and not _agreed(session, plan, model, ask=ask):
        return {**document, "status": "nothing", "message": "nothing was deleted: the answer was no"}
    with session.terminal.progress("deleting versions", len(plan.deletions)) as advance:
        result = apply_cleanup(
            registry,
            plan,
            lambda models: session.lock(registry, "cleanup", models, models),
            progress=advance,
        )
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


def examine(session: Session) -> Document:
    """`doctor`: what is wrong, and what to do about it; changes nothing."""
    findings = diagnose(session.registry(), session.config.models, session.target)
    problems = sum(finding.status == "problem" for finding in findings)
    return {
        "command": "doctor",
        "status": "problems" if problems else "fine",
        "exit_code": errors.FAILED if problems else errors.DONE,
        "message": f"{plural(problems, 'problem')} found" if problems else "no problem found",
        "findings": [finding.document() for finding in findings],
    }


def error_document(error: JenkinsMlflowError | Interrupted) -> Document:
    """An expected failure as the document's ``error`` part."""
    return {
        "type": type(error).__name__,
        "message": error.message,
        "state": error.state,
        "next_step": error.next_step,
    }
