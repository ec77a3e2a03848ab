"""The commands of retention: cleanup, lease, restore."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import click

from jenkins_mlflow.cli.ending import finish, open_session
from jenkins_mlflow.cli.options import common, mark_flags, marks
from jenkins_mlflow.errors import UsageError


@click.command()
@click.option("--model", help="Clean up only this registered model.")
@click.option("--keep-last", metavar="N", help="Newest versions, not in production, that stay [3].")
@click.option("--keep-within", "--min-age", metavar="DURATION", help="Younger versions stay, e.g. 7d [0].")
@click.option("--max-deletions", metavar="N", help="Most deletions in one run [500].")
@click.option(
    "--allow-remove-all",
    is_flag=True,
    help="Carry out an empty policy, and let the named model lose every version that is not protected.",
)
@click.option("--dry-run", is_flag=True, help="Show the plan, change nothing.")
@click.option(
    "--plan", "write", type=click.Path(path_type=Path), metavar="FILE", help="Write the plan, change nothing."
)
@click.option(
    "--apply",
    "read",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Carry out this plan as it stands.",
)
@click.option(
    "--at",
    type=click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"]),
    help="Count ages from this time (UTC) instead of now; with --dry-run or --plan.",
)
@marks
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option(
    "--ask", is_flag=True, help="Ask even where standard input is no terminal: the answer may be piped."
)
@common
def cleanup(
    model: str | None,
    keep_last: str | None,
    keep_within: str | None,
    max_deletions: str | None,
    allow_remove_all: bool,
    dry_run: bool,
    write: Path | None,
    read: Path | None,
    at: datetime | None,
    stage: str | None,
    alias: str | None,
    yes: bool,
    ask: bool,
    **options: Any,
) -> None:
    """Delete the versions that no rule of the retention policy keeps: plan, ask (or --yes), delete."""
    from jenkins_mlflow.commands.cleanup import Wish, clean_up

    flags = {
        "cleanup.keep_last": keep_last,
        "cleanup.keep_within": keep_within,
        "cleanup.max_deletions": max_deletions,
    } | mark_flags(stage, alias)
    session = open_session(flags, options)
    wish = Wish(
        model=model,
        plan_only=dry_run,
        yes=yes,
        ask=ask,
        allow_remove_all=allow_remove_all,
        write=write,
        read=read,
        at=_epoch(at),
    )
    finish(clean_up(session, wish), options, session)


def _seconds(context: click.Context, parameter: click.Parameter, value: str | None) -> float | None:
    """A duration such as `30d`, read as the config does."""
    from pydantic_core import PydanticCustomError

    from jenkins_mlflow.config.values import parse_duration

    try:
        return None if value is None else parse_duration(value)
    except PydanticCustomError as error:
        raise click.BadParameter(f"expected {error}", context, parameter) from error


@click.command()
@click.option("--model", help="Registered model; without it, the leases of the group are listed.")
@click.option("--version", type=click.IntRange(min=1), help="Its version.")
@click.option("--holder", help="Who runs the version, such as a cluster.")
@click.option(
    "--for", "seconds", callback=_seconds, metavar="DURATION", help="How long from now on, e.g. 30d."
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
    """Say who runs a version: no cleanup deletes it until the lease ends or is released."""
    from jenkins_mlflow.commands import lease as lease_command

    session = open_session({}, options)
    given = [option is not None for option in (model, version, holder)]
    if not any(given) and seconds is None and not release:
        finish(lease_command.list_leases(session), options, session)
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
@click.option("--version", type=click.IntRange(min=1), help="Only the version that had this number.")
@click.option("--build", "build_url", metavar="URL", help="Only what this build deleted.")
@click.option(
    "--since",
    type=click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"]),
    help="Only what was deleted at this time (UTC) or later.",
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
    """Register versions again that a cleanup deleted: with new numbers, and no mark of a living version."""
    from jenkins_mlflow.commands import restore as restore_command

    session = open_session({}, options)
    choice = restore_command.Choice(version, build_url, _epoch(since))
    finish(restore_command.restore_versions(session, model, choice, plan_only=dry_run), options, session)


def _epoch(moment: datetime | None) -> float | None:
    """A time that was given in UTC, as seconds since the epoch."""
    return moment.replace(tzinfo=timezone.utc).timestamp() if moment else None
