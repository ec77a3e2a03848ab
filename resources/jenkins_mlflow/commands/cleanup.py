"""`cleanup`: plans by the retention policy, asks, deletes."""

from __future__ import annotations

from dataclasses import replace

from jenkins_mlflow import errors
from jenkins_mlflow.cleanup.apply import apply_cleanup
from jenkins_mlflow.cleanup.plan import CleanupPlan, CleanupResult as Cleaned, dry_run, total
from jenkins_mlflow.cleanup.plan_file import Origin, check_replaceable, digest, read_plan, write_plan
from jenkins_mlflow.cleanup.protection import Protection
from jenkins_mlflow.cleanup.reclaim_facts import Known, open_entries
from jenkins_mlflow.cleanup.restorable import what_is_held
from jenkins_mlflow.cleanup.sizes import with_sizes
from jenkins_mlflow.commands.cleanup_plan import Wish, planned_cleanup, refusal
from jenkins_mlflow.commands.reclaim import ReclaimWish, is_asked, reclaim
from jenkins_mlflow.commands.session import Session
from jenkins_mlflow.errors import Interrupted, JenkinsMlflowError, Refused
from jenkins_mlflow.registry.client import Registry
from jenkins_mlflow.registry.connection import address
from jenkins_mlflow.results.base import error_part
from jenkins_mlflow.results.cleanup import CleanupResult, ItemPart, PolicyPart
from jenkins_mlflow.text import plural, printable

GONE = ("deleted", "already gone")


def clean_up(session: Session, wish: Wish) -> CleanupResult:
    """`cleanup`: plan, show, ask, delete.

    Raises:
        UsageError: The options cannot be combined, or a plan file cannot be read or written, or is
            another file.
        Refused: A question is needed, but there is no terminal; the named model is excluded from cleanups; or
            the plan file is for another registry, too old, or was edited.
    """
    wish.check()
    if wish.write:
        check_replaceable(wish.write)
    registry, rules = session.registry(), session.config.cleanup
    with session.unwritten():
        now = registry.now()
    wish.refuse_the_future(now)
    config = digest(session.config.settled("cleanup", "select", "promote", "models"))
    origin = Origin(address(session.uri), now, config)
    if wish.read:
        protection = Protection(rules.protect, session.target, rules.rollback_depth, now)
        plan, found = read_plan(wish.read, protection, origin, rules.plan_expires)
        if found.config != origin.config:
            session.warn(
                "the config has changed since the plan was made; the plan is carried out as it stands"
            )
    else:
        plan = planned_cleanup(session, registry, wish, now)
        sizes_wanted = wish.looks_only or rules.reclaim.mode != "none"
        if sizes_wanted and wish.count_bytes and not plan.refusals:
            plan = replace(plan, items=with_sizes(registry, plan.items, wish.pace.workers))
    planned = cleanup_result(dry_run(plan))
    if plan.refusals:
        return _ended(session, planned, refusal(plan, wish.model))
    if wish.write:
        write_plan(wish.write, plan, origin)
        planned = replace(planned, plan_file=str(wish.write))
    if wish.looks_only or not plan.deletions:
        return _after(session, registry, wish, now, planned, dry_run(plan))
    if not wish.yes and not _agreed(session, plan, wish):
        return replace(planned, status="nothing", message="nothing was deleted: the answer was no")
    with session.terminal.progress("deleting versions", len(plan.deletions)) as advance:
        cleaned = apply_cleanup(
            registry,
            plan,
            lambda models: session.lock(registry, "cleanup", models, models),
            journal=session.journal(registry, now),
            progress=advance,
            pace=wish.pace.limiter(),
            workers=wish.pace.workers,
        )
    result = replace(cleanup_result(cleaned), code=exit_code(cleaned))
    if cleaned.stopped:
        return _ended(session, result, cleaned.stopped)
    return _after(session, registry, wish, now, result, cleaned)


def _after(
    session: Session,
    registry: Registry,
    wish: Wish,
    now: float,
    result: CleanupResult,
    cleaned: Cleaned,
) -> CleanupResult:
    """The result with what can still be restored, and with what was freed if the config says so."""
    rules = session.config.cleanup
    living = [item.version for item in cleaned.items if item.outcome not in GONE]
    try:
        entries = [
            entry
            for entry in session.journal(registry).read(wish.model)
            if is_asked(session, wish.model, entry.version.model)
        ]
        held = what_is_held(open_entries(Known(living, entries)), rules.reclaim, now)
        result = replace(result, held=held.part, message=f"{result.message}{held.description}")
        if rules.reclaim.mode != "none":
            ask = ReclaimWish(wish.model, plan_only=wish.looks_only, yes=wish.yes, pace=wish.pace)
            freed = reclaim(session, ask)
            code = result.exit_code or freed.exit_code
            result = replace(
                result,
                reclaim=freed,
                message=f"{result.message}; {freed.message}",
                code=code,
                error=freed.error,
            )
    except JenkinsMlflowError as error:
        deleted = any(item.outcome in GONE for item in result.items)
        code = errors.PARTLY if deleted else error.exit_code
        error.state = "" if deleted else error.state
        message = f"{result.message}; then: {error.message}"
        result = _ended(session, replace(result, code=code, message=message), error)
    return result


def cleanup_result(cleaned: Cleaned) -> CleanupResult:
    """The result of `cleanup` for a plan, carried out or not."""
    return CleanupResult(
        status=cleaned.status,
        message=cleaned.message,
        policy=tuple(PolicyPart(models=pattern, keep=rules) for pattern, rules in cleaned.policy),
        items=tuple(
            ItemPart(
                model=item.version.model,
                version=item.version.number,
                stage=item.version.stage,
                aliases=item.version.aliases,
                created=item.version.created,
                action=item.action,
                reason=item.reason,
                rule=item.rule,
                rank=item.rank,
                outcome=item.outcome,
                error=item.error,
                bytes=item.bytes,
                storage=item.storage,
            )
            for item in cleaned.items
        ),
        bytes=total(item for item in cleaned.items if item.outcome in ("", *GONE)),
    )


def exit_code(result: Cleaned) -> int:
    """The exit code: BUSY if others hold every model, PARTLY if an error came after the first deletion."""
    outcomes = [item.outcome for item in result.items if item.action == "delete"]
    if isinstance(result.stopped, Interrupted) or (result.stopped and "deleted" not in outcomes):
        return result.stopped.exit_code
    if result.stopped:
        return errors.PARTLY
    return errors.BUSY if outcomes and set(outcomes) == {"kept: in use"} else errors.DONE


def _ended(session: Session, result: CleanupResult, error: JenkinsMlflowError | Interrupted) -> CleanupResult:
    """Report what stopped a cleanup, and add it to the result."""
    session.tell_stop(error, result.message if result.status == "stopped" else "")
    code = error.exit_code if result.code is None else result.code
    return replace(result, code=code, error=error_part(error))


def _agreed(session: Session, plan: CleanupPlan, wish: Wish) -> bool:
    """Show what would be deleted and ask for confirmation."""
    if not session.terminal.interactive and not wish.ask:
        raise Refused(
            f"{plural(len(plan.deletions), 'version')} would be deleted, "
            "but there is no terminal to ask for confirmation",
            state="nothing was deleted",
            next_step="review the plan with --dry-run, then give --yes",
        )
    for item in plan.deletions:
        session.terminal.alert(f"  🗑️  {printable(item.version.label)}: {item.reason}")
    models = {item.version.model for item in plan.deletions}
    going = f"{plural(len(plan.deletions), 'version')} of {plural(len(models), 'model')}"
    session.terminal.alert(f"{going} would be deleted")
    patterns = session.scope.models
    whose = (
        printable(wish.model)
        if wish.model
        else "ALL models"
        if patterns == ("*",)
        else f"models {', '.join(patterns)}"
    )
    rules = session.config.cleanup
    keep_rules = plan.policy[0][1]
    kept = (
        f"last {rules.keep_last}"
        if rules.keep_last and len(keep_rules) == 1
        else ", ".join(keep_rules) or "nothing"
    )
    return session.terminal.confirm(f"⚠️  Delete old versions of {whose} (keeping {kept})?")
