"""The command line: parses, loads the configuration, runs one command, prints its document, sets the exit code.

Data goes to standard output, everything said to a person to standard error. A command's module is imported when the
command runs, so that help and a usage error come at once.
"""

from __future__ import annotations

import json
import signal
import sys
import traceback
from collections.abc import Sequence
from types import FrameType
from typing import TYPE_CHECKING, Any, NoReturn

import click

from jenkins_mlflow import VERSION, errors
from jenkins_mlflow.cli.ending import fail, finish, leave_quietly, open_session
from jenkins_mlflow.cli.options import (
    Related,
    build,
    common,
    dry_run as dry_run_option,
    mark_flags,
    marks,
    select_flags,
    selecting,
)
from jenkins_mlflow.cli.retention import cleanup, lease, restore
from jenkins_mlflow.errors import Interrupted, JenkinsMlflowError, UsageError
from jenkins_mlflow.terminal import Terminal, prepare_streams

if TYPE_CHECKING:
    from jenkins_mlflow.commands.session import Session
    from jenkins_mlflow.commands.train import TrainWay


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(VERSION, message="jenkins-mlflow %(version)s")
def cli() -> None:
    """Train, select, promote and clean up models in an MLflow registry.

    Settings come from flags, then MLOPS__SECTION__KEY environment variables, then the config file, then defaults.
    Exit codes: 0 done (or nothing to do, or champion kept), 1 failed, 2 bad usage or config, 3 no candidate passes
    the gates, 4 a person must promote by hand (a notice says how), 5 another command holds the lock, 6 a cleanup
    stopped after its first deletion.
    """


@cli.command()
@click.option("--jobs", type=click.IntRange(min=1), help="Candidates trained at once [one a core].")
@click.option("--only", multiple=True, metavar="CANDIDATE", help="Train only these candidates [all].")
@click.option(
    "--on-failure", metavar="stop|continue", help="Whether a failed candidate stops the others [stop]."
)
@click.option("--timeout", metavar="DURATION", help="Longest time for one candidate, e.g. 30m.")
@click.option(
    "--resume", "way", flag_value="resume", help="Skip the candidates that this build has trained already."
)
@click.option(
    "--gather",
    "way",
    flag_value="gather",
    help="Train nothing; report what other commands of this build have trained.",
)
@click.option("--dry-run", "way", flag_value="plan", help="Show the candidates, run nothing.")
@build
@common
def train(
    jobs: int | None,
    only: tuple[str, ...],
    on_failure: str | None,
    timeout: str | None,
    way: TrainWay | None,
    **options: Any,
) -> None:
    """Run the config's training commands and report the runs and versions they made."""
    from jenkins_mlflow.commands.train import train as run_training

    flags = {"train.jobs": jobs, "train.on_failure": on_failure, "train.timeout": timeout}
    session = open_session(flags, options, writes_report=way in (None, "resume"))
    finish(run_training(session, only, way=way or "run"), options, session)


@cli.command()
@marks
@selecting
@common
def select(
    stage: str | None,
    alias: str | None,
    metric: str | None,
    direction: str | None,
    min_improvement: str | None,
    scope: str | None,
    **options: Any,
) -> None:
    """Rank the candidates by metric, apply the gates, compare the best with the champion."""
    from jenkins_mlflow.commands.select import choose, selection_document
    from jenkins_mlflow.selection.gates_report import write_gates_report

    flags = select_flags(metric, direction, min_improvement, scope) | mark_flags(stage, alias)
    session = open_session(flags, options)
    selection = choose(session)
    if options["report"]:
        try:
            write_gates_report(selection, options["report"])
        except OSError as error:
            session.warn(f"the gates' report could not be written: {error.strerror or error}")
    finish(selection_document(selection), options, session)


@cli.command()
@click.option("--model", help="Promote this registered model instead of selecting one.")
@click.option(
    "--version",
    cls=Related,
    needs="model",
    hint="say which registered model the version belongs to",
    type=click.IntRange(min=1),
    help="Its version [the newest that is READY].",
)
@marks
@dry_run_option
@click.option(
    "--force-method",
    "force_methods",
    multiple=True,
    metavar="METHOD",
    help="Try this method even where the server is known to fail with it.",
)
@click.option("--approved-by", metavar="NAME", help="Who approved it; recorded as a tag of the version.")
@click.option(
    "--over",
    metavar="MODEL/VERSION",
    help="Refuse unless this is what it would replace in production; `nothing` for a first promotion.",
)
@click.option(
    "--recover",
    cls=Related,
    excludes=("model", "dry_run"),
    hint="name models with --models",
    is_flag=True,
    help="Only finish or undo promotions that stopped in the middle.",
)
@selecting
@common
def promote(
    model: str | None,
    version: int | None,
    stage: str | None,
    alias: str | None,
    dry_run: bool,
    force_methods: tuple[str, ...],
    approved_by: str | None,
    over: str | None,
    recover: bool,
    metric: str | None,
    direction: str | None,
    min_improvement: str | None,
    scope: str | None,
    **options: Any,
) -> None:
    """Promote a named version or the one that `select` chooses; if every method fails, say how to do it by hand."""
    from jenkins_mlflow.commands.promote import promote as run_promotion, recover as run_recovery

    flags = select_flags(metric, direction, min_improvement, scope) | mark_flags(stage, alias)
    flags["promote.force_methods"] = list(force_methods) or None
    session = open_session(flags, options)
    if recover:
        finish(run_recovery(session), options, session)
    document = run_promotion(
        session,
        model=model,
        version=version,
        plan_only=dry_run,
        approved_by=approved_by or "",
        over=over,
    )
    finish(document, options, session)


@cli.command()
@click.option("--model", required=True, help="Registered model to roll back.")
@click.option("--to", type=click.IntRange(min=1), metavar="V", help="Version to return to [the one before].")
@marks
@dry_run_option
@common
def rollback(
    model: str, to: int | None, stage: str | None, alias: str | None, dry_run: bool, **options: Any
) -> None:
    """Return a model to the version that was in production before, or to any other."""
    from jenkins_mlflow.commands.rollback import rollback as run_rollback

    session = open_session(mark_flags(stage, alias), options)
    finish(run_rollback(session, model=model, to=to, plan_only=dry_run), options, session)


@cli.command("list")
@click.argument("names", nargs=-1, metavar="[MODEL]...")
@click.option("--metric", help="Metric shown beside each version [roc_auc].")
@click.option("--brief", is_flag=True, help="Text with versions and stages only, for tools that parse it.")
@marks
@common
def list_models(
    names: tuple[str, ...],
    metric: str | None,
    brief: bool,
    stage: str | None,
    alias: str | None,
    **options: Any,
) -> None:
    """Show the registry as a tree: all of it, or each MODEL, a name or a pattern as with --models."""
    from jenkins_mlflow.commands.list import show_registry

    options["models"] = (*options["models"], *names)
    session = open_session({"select.metric": metric, **mark_flags(stage, alias)}, options)
    finish(show_registry(session, brief=brief), options, session)


@cli.command()
@marks
@common
def doctor(stage: str | None, alias: str | None, **options: Any) -> None:
    """Diagnose server, store, locks and models, and say what to do. Changes nothing; a problem is exit code 1."""
    from jenkins_mlflow.commands.doctor import doctor as run_doctor

    session = open_session(mark_flags(stage, alias), options)
    finish(run_doctor(session), options, session)


@cli.command()
def schema() -> None:
    """Print the JSON Schema of the config file."""
    from jenkins_mlflow.config.schema import json_schema

    click.echo(json.dumps(json_schema(), indent=2))


for command in (cleanup, lease, restore):
    cli.add_command(command)

try:
    from jenkins_mlflow.jenkins_jobs.commands import jobs
except ModuleNotFoundError as missing:
    if missing.name != "jenkins_mlflow.jenkins_jobs":
        raise
else:  # an agent's copy of the package has no jobs
    cli.add_command(jobs)


def _stop_on_signals() -> None:
    """Turn Ctrl-C and SIGTERM (a Jenkins abort) into an error that unwinds cleanly."""

    def stop(number: int, _frame: FrameType | None) -> None:
        raise Interrupted(f"interrupted by {signal.Signals(number).name}", signal_number=number)

    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGTERM, stop)


def run(arguments: Sequence[str]) -> int:
    """Run one command line and return its exit code; every expected failure is printed, none has a traceback."""
    prepare_streams()
    _stop_on_signals()
    sessions: list[Session] = []
    command = next((word for word in arguments if word in cli.commands), "")
    try:
        code = cli.main(list(arguments), prog_name="jenkins-mlflow", standalone_mode=False, obj=sessions)
        return code if isinstance(code, int) else errors.DONE
    except click.ClickException as error:
        where = (
            error.ctx.command_path if isinstance(error, click.UsageError) and error.ctx else "jenkins-mlflow"
        )
        return fail(UsageError(error.format_message(), next_step=f"{where} --help"), arguments, command)
    except (JenkinsMlflowError, Interrupted) as error:
        return fail(error, arguments, command, sessions)
    except BrokenPipeError:
        return leave_quietly()
    except Exception as error:  # noqa: BLE001  whatever it is, the pipeline gets a document
        Terminal().insist(traceback.format_exc().rstrip())
        bug = JenkinsMlflowError(f"this is a bug: {type(error).__name__}: {error}")
        return fail(bug, arguments, command, sessions)


def main() -> NoReturn:
    """The `jenkins-mlflow` command."""
    sys.exit(run(sys.argv[1:]))
