"""The commands of retention: cleanup, lease, reclaim, restore."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import click

from jenkins_mlflow.cli.ending import finish, open_session
from jenkins_mlflow.cli.options import (
    TIMES,
    Related,
    VersionNumber,
    common,
    configured,
    duration,
    epoch,
    marks,
    overrides,
)
from jenkins_mlflow.errors import UsageError
from jenkins_mlflow.whole_number import WholeNumber

SHAPING = ("models", "cleanup.keep_last", "cleanup.keep_within", "cleanup.max_deletions")
"""The keys whose options shape a plan of a cleanup; a plan that is applied no longer takes them."""

workers = click.option(
    "--workers",
    type=WholeNumber(1, 16),
    default=8,
    show_default=True,
    help="Number of parallel deletions; use fewer on a shared server.",
)
rate = click.option(
    "--rate",
    type=click.FloatRange(min=0, min_open=True),
    metavar="N",
    help="Maximum deletions per second [no limit].",
)


@click.command(short_help="Delete the versions that no rule of the retention policy keeps.")
@click.option("--model", help="Clean up only this registered model.")
@configured(
    "--keep-last",
    key="cleanup.keep_last",
    metavar="N",
    help="Number of newest versions to keep, besides those in production.",
)
@configured(
    "--keep-within",
    key="cleanup.keep_within",
    metavar="DURATION",
    help="Keep versions younger than this, e.g. 7d.",
)
@configured("--min-age", key="cleanup.keep_within", metavar="DURATION", help="Former name of --keep-within.")
@configured("--max-deletions", key="cleanup.max_deletions", metavar="N", help="Maximum deletions per run.")
@click.option(
    "--allow-remove-all",
    is_flag=True,
    cls=Related,
    needs="model",
    hint="give the model that may lose every version",
    help="Allow a policy that keeps nothing of --model except protected versions.",
)
@click.option("--dry-run", is_flag=True, help="Show the plan, change nothing.")
@click.option(
    "--plan",
    "write",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write the plan to this file, delete nothing.",
)
@click.option(
    "--apply",
    "read",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Apply this plan unchanged, even if the policy has changed since.",
)
@click.option(
    "--at",
    type=TIMES,
    metavar="TIME",
    help="Count ages from this time (UTC), e.g. 2026-12-01, instead of now; with --dry-run, or with --plan if past.",
)
@configured(
    "--reclaim",
    key="cleanup.reclaim.mode",
    metavar="none|artifacts|runs",
    help="At the end, free the files of versions whose grace period (cleanup.reclaim.grace) is over.",
)
@click.option("--no-bytes", is_flag=True, help="Do not measure the size of the files.")
@workers
@rate
@marks
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option(
    "--ask", is_flag=True, help="Ask even if standard input is not a terminal; the answer may be piped."
)
@common
def cleanup(
    model: str | None,
    allow_remove_all: bool,
    dry_run: bool,
    write: Path | None,
    read: Path | None,
    at: datetime | None,
    no_bytes: bool,
    workers: int,
    rate: float | None,
    yes: bool,
    ask: bool,
    **options: Any,
) -> None:
    """Delete the versions that no rule of the retention policy keeps: plan, ask (or --yes), delete."""
    from jenkins_mlflow.cleanup.pace import Pace
    from jenkins_mlflow.commands.cleanup import clean_up
    from jenkins_mlflow.commands.cleanup_plan import Wish

    session = open_session(options, writes="never")
    given = overrides(click.get_current_context())
    wish = Wish(
        model=model,
        plan_only=dry_run,
        yes=yes,
        ask=ask,
        allow_remove_all=allow_remove_all,
        write=write,
        read=read,
        at=epoch(at),
        count_bytes=not no_bytes,
        shaping=tuple(option for key, (option, _) in given.items() if key in SHAPING),
        pace=Pace(workers, rate),
    )
    finish(clean_up(session, wish), options, session)


@click.command()
@click.option("--model", help="Registered model; without it, the leases of the group are listed.")
@click.option("--version", type=VersionNumber(), help="Its version.")
@click.option("--holder", help="Who uses the version, such as a cluster.")
@click.option(
    "--for",
    "seconds",
    callback=duration,
    metavar="DURATION",
    help="How long the lease lasts from now, e.g. 30d.",
)
@click.option("--release", is_flag=True, help="End the lease.")
@common
def lease(
    model: str | None,
    version: int | None,
    holder: str | None,
    seconds: float | None,
    release: bool,
    **options: Any,
) -> None:
    """Lease a version to a holder that uses it. No cleanup deletes it until the lease ends or is released."""
    from jenkins_mlflow.commands import lease as lease_command

    session = open_session(options, writes="never")
    given = [option is not None for option in (model, version, holder)]
    if not any(given) and seconds is None and not release:
        finish(lease_command.list_leases(session), options, session)
    if seconds == 0:
        raise UsageError("--for must be more than 0", next_step="end a lease with --release")
    if model is None or version is None or holder is None or (seconds is None) != release:
        raise UsageError(
            "a lease needs --model, --version and --holder, and either --for or --release",
            next_step="leave all of them out to list the leases",
        )
    if seconds is None:
        finish(lease_command.release_lease(session, model, version, holder), options, session)
    finish(lease_command.take_lease(session, model, version, holder, seconds), options, session)


@click.command()
@click.option("--model", required=True, help="Registered model.")
@click.option("--version", type=VersionNumber(), help="Only the version that had this number.")
@click.option("--build", "build_url", metavar="URL", help="Only versions that this build deleted.")
@click.option(
    "--since",
    type=TIMES,
    metavar="TIME",
    help="Only versions that were deleted at this time (UTC) or later, e.g. 2026-12-01.",
)
@click.option("--dry-run", is_flag=True, help="Show what would be restored, change nothing.")
@common
def restore(
    model: str,
    version: int | None,
    build_url: str | None,
    since: datetime | None,
    dry_run: bool,
    **options: Any,
) -> None:
    """Restore versions that a cleanup deleted. They get new version numbers.

    A stage or alias that means production, or that another version has now, is not restored.
    """
    from jenkins_mlflow.commands import restore as restore_command

    session = open_session(options, writes="never")
    choice = restore_command.Choice(version, build_url, epoch(since))
    finish(restore_command.restore_versions(session, model, choice, plan_only=dry_run), options, session)


@click.command()
@click.option("--model", help="Only deleted versions of this registered model.")
@configured(
    "--mode",
    key="cleanup.reclaim.mode",
    metavar="artifacts|runs",
    help="What to delete: the files of the versions, or their whole runs.",
)
@configured(
    "--grace",
    key="cleanup.reclaim.grace",
    metavar="DURATION",
    help="Grace period: how long a deleted version can be restored.",
)
@click.option(
    "--orphans",
    is_flag=True,
    help="Instead, free the files of ended runs that no registered version comes from, deleted runs included. "
    "Such runs may be any team's, so this needs --models '*'.",
)
@click.option(
    "--older-than",
    callback=duration,
    metavar="DURATION",
    help="With --orphans: only runs that ended longer ago than this.",
)
@workers
@rate
@click.option("--dry-run", is_flag=True, help="Show what would be freed, change nothing.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@common
def reclaim(
    model: str | None,
    orphans: bool,
    older_than: float | None,
    workers: int,
    rate: float | None,
    dry_run: bool,
    yes: bool,
    **options: Any,
) -> None:
    """Permanently delete the files of versions that a cleanup deleted.

    Files are deleted only once the grace period is over, and only if nothing refers to them.
    """
    from jenkins_mlflow.cleanup.pace import Pace
    from jenkins_mlflow.commands.reclaim import ReclaimWish, reclaim as run_reclaim

    session = open_session(options, writes="never")
    wish = ReclaimWish(
        model=model,
        plan_only=dry_run,
        yes=yes,
        orphans=orphans,
        older_than=older_than,
        pace=Pace(workers, rate),
    )
    finish(run_reclaim(session, wish), options, session)
