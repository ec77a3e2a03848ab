"""`cleanup`: plan by the retention policy, ask, delete."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from jenkins_mlflow import errors
from jenkins_mlflow.cleanup.apply import apply_cleanup
from jenkins_mlflow.cleanup.plan import CleanupPlan, CleanupResult, dry_run, plan_cleanup
from jenkins_mlflow.cleanup.plan_file import Origin, digest, read_plan, write_plan
from jenkins_mlflow.cleanup.protection import Protection
from jenkins_mlflow.commands.session import Document, Purpose, Session
from jenkins_mlflow.config.schema import Cleanup
from jenkins_mlflow.errors import Interrupted, JenkinsMlflowError, Refused, UsageError, error_document
from jenkins_mlflow.registry.client import Registry, matches
from jenkins_mlflow.registry.journal import Journal
from jenkins_mlflow.registry.snapshot import Snapshot
from jenkins_mlflow.text import argument, plural, printable, redact


@dataclass(frozen=True)
class Wish:
    """What a cleanup is asked for.

    Attributes:
        model: Only this model of the registry; None for the whole group.
        plan_only: Change nothing.
        yes: Do not ask.
        ask: Ask even where there is no terminal: the answer may be piped in.
        allow_remove_all: Carry out an empty policy, and one that leaves nothing of the named model.
        write: Write the plan to this file, and change nothing.
        read: Carry out the plan in this file, and nothing else.
        at: The time that ages are counted from, in seconds since the epoch; None for now.
    """

    model: str | None = None
    plan_only: bool = False
    yes: bool = False
    ask: bool = False
    allow_remove_all: bool = False
    write: Path | None = None
    read: Path | None = None
    at: float | None = None

    @property
    def looks_only(self) -> bool:
        return self.plan_only or self.write is not None

    def check(self) -> None:
        """Refuse options that make no sense together.

        Raises:
            UsageError: with what to do instead.
        """
        if self.allow_remove_all and self.model is None:
            raise UsageError(
                "--allow-remove-all needs --model", next_step="name the model that may lose every version"
            )
        if self.read and (self.model or self.write or self.at is not None):
            raise UsageError(
                "--apply goes with none of --model, --plan and --at: the plan is carried out as it stands",
                next_step="leave them out, or write another plan",
            )
        if self.at is not None and not self.looks_only:
            raise UsageError(
                "--at needs --dry-run or --plan",
                next_step="write a plan with --plan, look at it, carry it out with --apply",
            )


def clean_up(session: Session, wish: Wish) -> Document:
    """`cleanup`: plan, show, ask, delete.

    Raises:
        UsageError: the options make no sense together, or a plan file cannot be read or written.
        Refused: a person would have to be asked, and there is none; the named model is left out of cleanups; the plan
            file is for another registry, too old, or was edited.
    """
    wish.check()
    registry, rules = session.registry(), session.config.cleanup
    now = registry.now()
    config = session.config.model_dump(mode="json", include={"cleanup", "select", "promote", "models"})
    origin = Origin(redact(session.uri), now, digest(config))
    if wish.read:
        protection = Protection(rules.protect, session.target, rules.rollback_depth, now)
        plan, found = read_plan(wish.read, protection, origin, rules.plan_expires)
        if found.config != origin.config:
            session.warn(
                "the config has changed since the plan was made; the plan is carried out as it stands"
            )
    else:
        plan = _plan(session, registry, wish, now)
    document: Document = {"command": "cleanup", "exit_code": errors.DONE, **dry_run(plan).document()}
    if plan.refusals:
        return document | _ended(session, _refusal(plan, wish.model))
    if wish.write:
        write_plan(wish.write, plan, origin)
    if wish.looks_only or not plan.deletions:
        return document
    if not wish.yes and not _agreed(session, plan, wish):
        return {**document, "status": "nothing", "message": "nothing was deleted: the answer was no"}
    with session.terminal.progress("deleting versions", len(plan.deletions)) as advance:
        result = apply_cleanup(
            registry,
            plan,
            lambda models: session.lock(registry, "cleanup", models, models),
            journal=Journal(registry, session.build.url, now),
            progress=advance,
        )
    document |= {**result.document(), "exit_code": exit_code(result)}
    if result.stopped:
        document |= {**_ended(session, result.stopped, result.message), "exit_code": exit_code(result)}
    return document


def exit_code(result: CleanupResult) -> int:
    """What a pipeline must know: BUSY if others hold every model, PARTLY if an error came after the first deletion."""
    outcomes = [item.outcome for item in result.items if item.action == "delete"]
    if isinstance(result.stopped, Interrupted) or (result.stopped and "deleted" not in outcomes):
        return result.stopped.exit_code
    if result.stopped:
        return errors.PARTLY
    return errors.BUSY if outcomes and set(outcomes) == {"kept: in use"} else errors.DONE


def _plan(session: Session, registry: Registry, wish: Wish, now: float) -> CleanupPlan:
    rules, model = session.config.cleanup, wish.model
    if model and (not matches(model, rules.include) or matches(model, rules.exclude)):
        raise Refused(
            f"{printable(model)} is left out of cleanups by cleanup.include or cleanup.exclude",
            state="nothing was deleted",
            next_step="change the config, or name another model",
        )
    if rules.min_age:
        session.warn("cleanup.min_age has a new name: write keep_within instead")
    patterns = [model] if model else session.config.models
    snapshot = session.settled(
        registry, patterns, Purpose.LOOK if wish.looks_only else Purpose.CHANGE, with_runs=True
    )
    world = snapshot if "*" in patterns else registry.snapshot(["*"])

    def planned(rules: Cleanup) -> CleanupPlan:
        return plan_cleanup(
            Snapshot((snapshot.require(model),)) if model else snapshot,
            world,
            rules,
            session.target,
            now=now if wish.at is None else wish.at,
            select=session.config.select,
            allow_remove_all=wish.allow_remove_all,
        )

    plan = planned(rules)
    if model or not plan.emptied:
        return plan
    for name in plan.emptied:  # one of many models must not turn a nightly job red
        session.warn(
            f"{name} is left alone: it would lose every version; "
            f"`jenkins-mlflow cleanup --allow-remove-all --model {argument(name)}` deletes them"
        )
    return planned(rules.model_copy(update={"exclude": (*rules.exclude, *plan.emptied)}))


def _refusal(plan: CleanupPlan, model: str | None) -> Refused:
    named = f"--model {argument(model)}" if model else "--model and the model's name"
    return Refused(
        "; ".join(plan.refusals),
        state="nothing was deleted",
        next_step="add a keep rule, leave the model out with cleanup.exclude, or, if it really may lose every version, "
        f"give --allow-remove-all with {named}",
    )


def _ended(session: Session, error: JenkinsMlflowError | Interrupted, message: str = "") -> Document:
    """Say what stopped a cleanup; the document's part about it."""
    lines = [
        f"error: {message or error.message}",
        f"state: {error.state}" if error.state else "",
        f"next:  {error.next_step or 'run the command again'}",
    ]
    session.terminal.insist("\n".join(printable(line) for line in lines if line))
    return {"exit_code": error.exit_code, "error": error_document(error)}


def _agreed(session: Session, plan: CleanupPlan, wish: Wish) -> bool:
    """Show what would go and ask for it."""
    if not session.terminal.interactive and not wish.ask:
        raise Refused(
            f"{plural(len(plan.deletions), 'version')} would be deleted, and there is no terminal to ask at",
            state="nothing was deleted",
            next_step="look at the plan with --dry-run, then say --yes",
        )
    for item in plan.deletions:
        session.terminal.insist(f"  🗑️  {printable(item.version.label)}: {item.reason}")
    patterns = session.config.models
    whose = (
        printable(wish.model)
        if wish.model
        else "ALL models"
        if patterns == ("*",)
        else f"models {', '.join(patterns)}"
    )
    keep = session.config.cleanup.keep_last
    return session.terminal.confirm(f"⚠️  Delete old versions of {whose} (keeping last {keep})?")
