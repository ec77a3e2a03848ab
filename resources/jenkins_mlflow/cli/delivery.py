"""The commands that bring a model into production: train, select, promote, rollback."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from jenkins_mlflow.cli.ending import finish, open_session
from jenkins_mlflow.cli.options import (
    Related,
    VersionNumber,
    build,
    common,
    configured,
    dry_run as dry_run_option,
    marks,
    place,
    selecting,
    to_server as to_server_option,
)
from jenkins_mlflow.cli.reporting import reporting
from jenkins_mlflow.text import printable
from jenkins_mlflow.whole_number import WholeNumber

if TYPE_CHECKING:
    from jenkins_mlflow.commands.train import TrainMode

_ONE_MODE = "give only one of them; --dry-run shows the candidates and trains none"


@click.command(short_help="Run the training commands and report what they registered.")
@configured(
    "--jobs",
    key="train.jobs",
    type=WholeNumber(min=1),
    help="Candidates trained at once [one for each core].",
)
@click.option("--only", multiple=True, metavar="CANDIDATE", help="Train only these candidates [all].")
@configured(
    "--on-failure",
    key="train.on_failure",
    metavar="stop|continue",
    help="Whether a failed candidate stops the others.",
)
@configured(
    "--timeout", key="train.timeout", metavar="DURATION", help="Maximum time per candidate, e.g. 30m."
)
@click.option(
    "--resume",
    cls=Related,
    excludes=("gather", "dry_run"),
    hint=_ONE_MODE,
    is_flag=True,
    help="Skip the candidates that this build has trained already.",
)
@click.option(
    "--gather",
    cls=Related,
    excludes=("resume", "dry_run"),
    hint=_ONE_MODE,
    is_flag=True,
    help="Train nothing; report what other commands of this build have trained.",
)
@click.option("--dry-run", is_flag=True, help="Show the candidates, run nothing.")
@build
@common
def train(only: tuple[str, ...], resume: bool, gather: bool, dry_run: bool, **options: Any) -> None:
    """Run the config's training commands and report the runs and versions that they made."""
    from jenkins_mlflow.commands.train import train as run_training

    mode: TrainMode = "plan" if dry_run else "gather" if gather else "resume" if resume else "run"
    session = open_session(options, writes="always" if mode in ("run", "resume") else "never")
    finish(run_training(session, only, mode=mode), options, session)


@click.command(short_help="Rank the candidates, apply the gates, compare with the champion.")
@marks
@to_server_option
@selecting
@common
def select(to_server: str | None, **options: Any) -> None:
    """Rank the candidates by metric, apply the gates, compare the best with the champion."""
    from jenkins_mlflow.commands.select import choose, selection_result
    from jenkins_mlflow.selection.gates_report import write_gates_report

    session = open_session(options, writes="never")
    if to_server is None:
        selection = choose(session)
    else:
        from jenkins_mlflow.commands.promote.to_server import choose_for

        selection = choose_for(session, to_server)
    if options["report"]:
        with reporting(session.warn):
            write_gates_report(selection, options["report"])
    finish(selection_result(selection), options, session)


@click.command(short_help="Promote a named version or the one that `select` chooses.")
@click.option("--model", help="Promote this registered model instead of selecting one.")
@click.option(
    "--version",
    cls=Related,
    needs="model",
    hint="say which registered model the version belongs to",
    type=VersionNumber(),
    help="Its version [the newest that is READY].",
)
@marks
@dry_run_option
@configured(
    "--force-method",
    key="promote.force_methods",
    multiple=True,
    metavar="METHOD",
    help="Try this method even if the server is known to fail with it.",
)
@click.option("--approved-by", metavar="NAME", help="Who approved it; recorded as a tag of the version.")
@click.option(
    "--over",
    callback=place,
    metavar="MODEL/VERSION",
    help="Refuse unless this is the version in production that it replaces; `nothing` for a first promotion.",
)
@click.option(
    "--run",
    metavar="RUN_ID",
    help="Refuse unless the version comes from this MLflow run; a deleted and registered model repeats its numbers.",
)
@click.option(
    "--recover",
    cls=Related,
    excludes=("model", "dry_run", "over", "run", "approved_by", "to_server"),
    hint="choose models with --models, another server with --tracking-uri",
    is_flag=True,
    help="Only finish or undo interrupted promotions.",
)
@to_server_option
@selecting
@common
def promote(
    model: str | None,
    version: int | None,
    dry_run: bool,
    approved_by: str | None,
    over: str | None,
    run: str | None,
    recover: bool,
    to_server: str | None,
    **options: Any,
) -> None:
    """Promote a named version or the one that `select` chooses; if every method fails, say how to do it by hand."""
    from jenkins_mlflow.commands.promote.promote import promote as run_promotion, recover as run_recovery
    from jenkins_mlflow.commands.promote.wish import PromoteWish

    session = open_session(options)
    if recover:
        finish(run_recovery(session), options, session)
    wish = PromoteWish(model, version, dry_run, printable(approved_by or ""), over, run)
    if to_server is not None:
        from jenkins_mlflow.commands.promote.to_server import promote_to

        other, result = promote_to(session, to_server, wish)
        finish(result, options, other)
    finish(run_promotion(session, wish), options, session)


@click.command(short_help="Return a model to the version that was in production before.")
@click.option("--model", required=True, help="Registered model to roll back.")
@click.option("--to", type=VersionNumber(), metavar="V", help="Version to return to [the one before].")
@click.option(
    "--recorded",
    cls=Related,
    excludes=("to",),
    hint="name the version with --to, or leave that to --recorded",
    is_flag=True,
    help="Return to the version that was promoted last, after a change made without this tool.",
)
@marks
@dry_run_option
@common
def rollback(model: str, to: int | None, recorded: bool, dry_run: bool, **options: Any) -> None:
    """Return a model to the version that was in production before, or to any other."""
    from jenkins_mlflow.commands.rollback import rollback as run_rollback

    session = open_session(options)
    result = run_rollback(session, model=model, to=to, recorded=recorded, plan_only=dry_run)
    finish(result, options, session)
