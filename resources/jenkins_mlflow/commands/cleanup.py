"""`cleanup`: plan by the retention policy, ask, delete."""

from __future__ import annotations

import time
from collections.abc import Callable

from jenkins_mlflow import errors
from jenkins_mlflow.cleanup.apply import apply_cleanup
from jenkins_mlflow.cleanup.plan import CleanupPlan, dry_run, plan_cleanup
from jenkins_mlflow.commands.session import Document, Session
from jenkins_mlflow.errors import Refused, error_document
from jenkins_mlflow.registry.client import Registry
from jenkins_mlflow.registry.snapshot import Snapshot
from jenkins_mlflow.text import plural, printable


def store_time(registry: Registry) -> float:
    """The store's present time in seconds since the epoch: ages must not follow the agent's clock."""
    clock: Callable[[], float] = getattr(registry, "now", time.time)
    return clock()


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
    world = snapshot if "*" in patterns else registry.snapshot(["*"])
    plan = plan_cleanup(group, world, rules, session.target, now=store_time(registry))
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
