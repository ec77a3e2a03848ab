"""The read-only commands: doctor, history."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import click

from jenkins_mlflow.cli.ending import finish, open_session
from jenkins_mlflow.cli.options import TIMES, Related, common, duration, epoch, marks
from jenkins_mlflow.errors import UsageError


@click.command(short_help="Show who put which version into production, when and why.")
@click.option("--model", help="Only this registered model.")
@click.option(
    "--since",
    type=TIMES,
    metavar="TIME",
    help="Only what was in production at this time (UTC) or later, e.g. 2026-12-01.",
)
@click.option(
    "--at",
    type=TIMES,
    metavar="TIME",
    help="Only what was in production at this time (UTC), e.g. 2026-12-01T14:30.",
)
@click.option(
    "--adopt",
    cls=Related,
    needs="model",
    excludes=("since", "at"),
    hint="give --model and --reason",
    is_flag=True,
    help="Record a version that was put into production without this tool as if it had been promoted.",
)
@click.option("--reason", metavar="TEXT", help="Why the version is adopted.")
@marks
@common
def history(
    model: str | None,
    since: datetime | None,
    at: datetime | None,
    adopt: bool,
    reason: str | None,
    **options: Any,
) -> None:
    """Show who put which version into production, when, why and by which method, and how long it stayed.

    It lists the changes that this tool made or adopted, not those that somebody made without it.
    """
    from jenkins_mlflow.commands.adopt import adopt as run_adoption
    from jenkins_mlflow.commands.history import tell

    session = open_session(options, writes="never")
    if adopt != bool(reason and reason.strip()):
        raise UsageError(
            "--adopt needs --reason, and --reason needs --adopt",
            next_step="explain why the version is accepted",
        )
    if adopt:
        finish(run_adoption(session, str(model), str(reason).strip()), options, session)
    finish(tell(session, model=model, since=epoch(since), at=epoch(at)), options, session)


@click.command(short_help="Check server, store, locks and models; find drift.")
@click.option(
    "--probe",
    is_flag=True,
    help="Also test write access: create a model, change its stage and alias, store a file, then remove them again "
    "(the run goes to MLflow's trash).",
)
@click.option(
    "--storage",
    is_flag=True,
    help="Check whether the files of versions exist, and what could delete them.",
)
@click.option(
    "--load",
    cls=Related,
    needs="storage",
    hint="give --storage, too",
    is_flag=True,
    help="Load the versions in production, as promote.smoke_test configures.",
)
@click.option(
    "--max-duration",
    cls=Related,
    needs="storage",
    hint="give --storage, too",
    callback=duration,
    metavar="DURATION",
    help="Time limit for --storage, e.g. 10m. The next run continues where this one stopped.",
)
@marks
@common
def doctor(probe: bool, storage: bool, load: bool, max_duration: float | None, **options: Any) -> None:
    """Check server, store, permissions, locks and models, and find drift.

    For each problem it says how to fix it. Drift is production that was changed without this tool. Exit code
    1 means a problem; 7 means that drift is the only problem. Production is compared with this tool's
    records, so models that it has never promoted, rolled back or adopted are not compared. Without --probe,
    nothing is written.
    """
    from jenkins_mlflow.commands.doctor.diagnosis import doctor as run_doctor
    from jenkins_mlflow.commands.doctor.storage import StorageWish

    session = open_session(options, writes="maybe" if storage else "never")
    wish = StorageWish(load, max_duration) if storage else None
    finish(run_doctor(session, probe=probe, storage=wish), options, session)
