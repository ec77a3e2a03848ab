"""The command line: parses, loads the configuration, runs one command, prints its document; alone it sets exit codes.

Data goes to standard output, everything said to a person to standard error. What only a command needs is imported in
its function: `--help` and a mistyped command need neither the commands nor the config's schema.
"""

from __future__ import annotations

import functools
import itertools
import json
import os
import signal
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import click

from jenkins_mlflow import VERSION, errors
from jenkins_mlflow.errors import Interrupted, JenkinsMlflowError, UsageError
from jenkins_mlflow.render import FORMATS, prepare_streams, render
from jenkins_mlflow.terminal import Terminal
from jenkins_mlflow.text import redact

if TYPE_CHECKING:
    from jenkins_mlflow.commands.session import Document, Session
    from jenkins_mlflow.commands.train import TrainWay

F = TypeVar("F", bound=Callable[..., Any])
DEFAULT_REPORT = "mlflow-report"


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(VERSION, message="jenkins-mlflow %(version)s")
def cli() -> None:
    """Train, select, promote and clean up models in an MLflow registry.

    Settings come from flags, then MLOPS__SECTION__KEY environment variables, then the config file, then defaults.
    Exit codes: 0 done (or nothing to do, or champion kept), 1 failed, 2 bad usage or config, 3 no candidate passes
    the gates, 4 a person must promote by hand (a notice says how).
    """


def _options(*decorators: Callable[[F], F]) -> Callable[[F], F]:
    """Several click options as one decorator, shown in the given order."""
    return lambda function: functools.reduce(lambda f, decorate: decorate(f), reversed(decorators), function)


_common = _options(
    click.option(
        "--config", "config_file", type=click.Path(path_type=Path), help="Config file [mlops.yaml, if there]."
    ),
    click.option("--tracking-uri", help="MLflow server or store [MLFLOW_TRACKING_URI, else the config's]."),
    click.option(
        "--models", multiple=True, metavar="PATTERN", help="Registered models that form the group [all]."
    ),
    click.option(
        "--output", type=click.Choice(FORMATS), default="text", show_default=True, help="Form of the result."
    ),
    click.option("--quiet", is_flag=True, help="Say nothing but errors, notices and questions."),
    click.option(
        "--report",
        type=click.Path(path_type=Path, file_okay=False),
        metavar="DIR",
        help=f"Folder for logs, notices and, if given, COMMAND.json and the gates as JUnit [{DEFAULT_REPORT}].",
    ),
)
_build = click.option("--build", help="Build id that marks runs [JENKINS_MLFLOW_BUILD, else BUILD_TAG].")
_selecting = _options(
    click.option("--metric", help="Metric that ranks the candidates [roc_auc]."),
    click.option("--direction", metavar="maximize|minimize", help="Which values are better [maximize]."),
    click.option("--min-improvement", metavar="X", help="Least gain over the champion [0]."),
    click.option(
        "--scope",
        metavar="build|group",
        help="Candidates: this build's versions, or all of the group [group].",
    ),
    _build,
)


def _session(flags: Mapping[str, object], options: dict[str, Any]) -> Session:
    """Load the configuration under the flags that were given, and decide the tracking URI."""
    from jenkins_mlflow.build import BuildContext
    from jenkins_mlflow.commands.session import Session
    from jenkins_mlflow.config import schema as config

    given = {key: value for key, value in flags.items() if value not in (None, ())}
    if options["models"]:
        given["models"] = list(options["models"])
    loaded = config.load(options["config_file"], given, os.environ)
    uri = options["tracking_uri"] or os.environ.get("MLFLOW_TRACKING_URI") or loaded.tracking_uri
    if not uri:
        raise UsageError(
            "no tracking URI: which MLflow server or store is meant?",
            next_step="set MLFLOW_TRACKING_URI, give --tracking-uri, or put tracking_uri into mlops.yaml",
        )
    session = Session(
        config=loaded,
        uri=uri,
        terminal=Terminal(options["quiet"]),
        report=options["report"] or Path(DEFAULT_REPORT),
        build=BuildContext.from_environment(os.environ, build=options.get("build")),
    )
    click.get_current_context().find_root().obj.append(session)  # for a failure's document
    return session


def _beside(session: Session) -> Document:
    """What every result of a session tells, however the command ended."""
    return {
        "warnings": session.warnings,
        "recovered": [item.document() for item in session.recovered],
        "tracking_uri": redact(session.uri),
    }


def _finish(document: Document, options: dict[str, Any], session: Session) -> NoReturn:
    """Print the document, keep a copy in the report folder if one was asked for, and exit with its code."""
    complete: Document = {
        "schema": 1,
        "exit_code": errors.DONE,
        **document,
        **_beside(session),
    }
    if options.get("report"):
        options["report"].mkdir(parents=True, exist_ok=True)
        text = json.dumps(complete, ensure_ascii=False, indent=1) + "\n"
        (options["report"] / f"{complete['command']}.json").write_text(text, encoding="utf-8")
    render(complete, options["output"], sys.stdout)
    sys.stdout.flush()
    raise click.exceptions.Exit(complete["exit_code"])


@cli.command()
@click.option("--jobs", type=click.IntRange(min=1), help="Candidates trained at once [one a core].")
@click.option(
    "--only", multiple=True, metavar="CANDIDATE", help="Train only this candidate; may be repeated."
)
@click.option(
    "--on-failure", metavar="stop|continue", help="What a failed candidate means for the others [stop]."
)
@click.option("--timeout", metavar="DURATION", help="Longest time for one candidate, e.g. 30m.")
@click.option("--resume", "way", flag_value="resume", help="Leave alone what this build has trained already.")
@click.option(
    "--gather",
    "way",
    flag_value="gather",
    help="Train nothing: report what other commands of this build trained.",
)
@click.option("--dry-run", "way", flag_value="plan", help="Show the candidates, run nothing.")
@_build
@_common
def train(
    jobs: int | None,
    only: tuple[str, ...],
    on_failure: str | None,
    timeout: str | None,
    way: TrainWay | None,
    **options: Any,
) -> None:
    """Run the config's training commands and report the runs and versions they made."""
    from jenkins_mlflow.commands import train as train_command

    flags = {"train.jobs": jobs, "train.on_failure": on_failure, "train.timeout": timeout}
    session = _session(flags, options)
    _finish(train_command.train(session, only, way=way or "run"), options, session)


@cli.command()
@_selecting
@_common
def select(
    metric: str | None, direction: str | None, min_improvement: str | None, scope: str | None, **options: Any
) -> None:
    """Rank the candidates by metric, apply the gates, compare the best with the champion."""
    from jenkins_mlflow.commands import select as select_command
    from jenkins_mlflow.selection.gates_report import write_gates_report

    session = _session(_select_flags(metric, direction, min_improvement, scope), options)
    selection = select_command.choose(session)
    if options["report"]:
        write_gates_report(selection, options["report"])
    _finish(select_command.selection_document(selection), options, session)


def _select_flags(
    metric: str | None, direction: str | None, min_improvement: str | None, scope: str | None
) -> dict[str, object]:
    return {
        "select.metric": metric,
        "select.direction": direction,
        "select.min_improvement": min_improvement,
        "select.scope": scope,
    }


@cli.command()
@click.option("--model", help="Promote this registered model instead of selecting one.")
@click.option("--version", type=click.IntRange(min=1), help="Its version [the newest that is READY].")
@click.option("--stage", help="Stage that means production [Production].")
@click.option("--alias", help="Alias that means production [champion].")
@click.option("--dry-run", is_flag=True, help="Show what would be changed, change nothing.")
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
    help="Refuse to replace anything else in production; `nothing` for a first promotion.",
)
@click.option("--recover", is_flag=True, help="Only finish or undo promotions that stopped in the middle.")
@_selecting
@_common
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
    """Promote a named version, or the one that `select` chooses; print a notice if every method fails."""
    from jenkins_mlflow.commands import promote as promote_command

    if version is not None and model is None:
        raise UsageError(
            "--version needs --model", next_step="say which registered model the version belongs to"
        )
    flags = _select_flags(metric, direction, min_improvement, scope)
    flags |= {
        "promote.stage": stage,
        "promote.alias": alias,
        "promote.force_methods": list(force_methods) or None,
    }
    session = _session(flags, options)
    if recover:
        if model or dry_run:
            raise UsageError(
                "--recover goes with neither --model nor --dry-run", next_step="name models with --models"
            )
        _finish(promote_command.recover(session), options, session)
    document = promote_command.promote(
        session,
        model=model,
        version=version,
        plan_only=dry_run,
        approved_by=approved_by or "",
        over=over,
    )
    _finish(document, options, session)


@cli.command()
@click.option("--model", required=True, help="Registered model to roll back.")
@click.option("--to", type=click.IntRange(min=1), metavar="V", help="Version to return to [the one before].")
@click.option("--stage", help="Stage that means production [Production].")
@click.option("--alias", help="Alias that means production [champion].")
@click.option("--dry-run", is_flag=True, help="Show what would be changed, change nothing.")
@_common
def rollback(
    model: str, to: int | None, stage: str | None, alias: str | None, dry_run: bool, **options: Any
) -> None:
    """Return a model to the version that was in production before, or to any other."""
    from jenkins_mlflow.commands import promote as promote_command

    session = _session({"promote.stage": stage, "promote.alias": alias}, options)
    _finish(promote_command.rollback(session, model=model, to=to, plan_only=dry_run), options, session)


@cli.command()
@click.option("--model", help="Clean up only this registered model.")
@click.option("--keep-last", metavar="N", help="Newest versions, not in production, that stay [3].")
@click.option("--min-age", metavar="DURATION", help="Younger versions stay, e.g. 7d [0].")
@click.option("--max-deletions", metavar="N", help="Most deletions in one run [500].")
@click.option("--dry-run", is_flag=True, help="Show the plan, change nothing.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option(
    "--ask", is_flag=True, help="Ask even where standard input is no terminal: the answer may be piped."
)
@_common
def cleanup(
    model: str | None,
    keep_last: str | None,
    min_age: str | None,
    max_deletions: str | None,
    dry_run: bool,
    yes: bool,
    ask: bool,
    **options: Any,
) -> None:
    """Delete old versions by the retention policy: plan, ask (or --yes), delete."""
    from jenkins_mlflow.commands import cleanup as cleanup_command

    flags = {
        "cleanup.keep_last": keep_last,
        "cleanup.min_age": min_age,
        "cleanup.max_deletions": max_deletions,
    }
    session = _session(flags, options)
    document = cleanup_command.clean_up(session, model=model, plan_only=dry_run, yes=yes, ask=ask)
    _finish(document, options, session)


@cli.command("list")
@click.option("--metric", help="Metric shown beside each version [roc_auc].")
@_common
def list_models(metric: str | None, **options: Any) -> None:
    """Show the registry as a tree."""
    from jenkins_mlflow.commands import list as list_command

    session = _session({"select.metric": metric}, options)
    _finish(list_command.show_registry(session), options, session)


@cli.command()
@click.option("--stage", help="Stage that means production [Production].")
@click.option("--alias", help="Alias that means production [champion].")
@_common
def doctor(stage: str | None, alias: str | None, **options: Any) -> None:
    """Diagnose server, store, locks and models, and say what to do; changes nothing, ends with 1 on a problem."""
    from jenkins_mlflow.commands import doctor as doctor_command

    session = _session({"promote.stage": stage, "promote.alias": alias}, options)
    _finish(doctor_command.doctor(session), options, session)


@cli.command()
def schema() -> None:
    """Print the JSON Schema of the config file."""
    from jenkins_mlflow.config import schema as config

    click.echo(json.dumps(config.json_schema(), indent=2))


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
    try:
        code = cli.main(list(arguments), prog_name="jenkins-mlflow", standalone_mode=False, obj=sessions)
        return code if isinstance(code, int) else errors.DONE
    except click.ClickException as error:
        where = (
            error.ctx.command_path if isinstance(error, click.UsageError) and error.ctx else "jenkins-mlflow"
        )
        return _fail(UsageError(error.format_message(), next_step=f"{where} --help"), arguments)
    except (JenkinsMlflowError, Interrupted) as error:
        return _fail(error, arguments, sessions)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the reader left: `... | head`
        return errors.FAILED
    except Exception as error:  # noqa: BLE001  whatever it is, the pipeline gets a document
        traceback.print_exc()
        return _fail(
            JenkinsMlflowError(f"this is a bug: {type(error).__name__}: {error}"), arguments, sessions
        )


def _fail(
    error: JenkinsMlflowError | Interrupted, arguments: Sequence[str], sessions: Sequence[Session] = ()
) -> int:
    """Say what happened, the present state and the next step; as a document too where JSON was asked for."""
    lines = [f"error: {line}" for line in error.message.splitlines()]
    lines += [f"state: {error.state}"] if error.state else []
    lines += [f"next:  {error.next_step}"] if error.next_step else []
    Terminal().insist("\n".join(redact(line) for line in lines))
    if "--output=json" in arguments or ("--output", "json") in itertools.pairwise(arguments):
        command = next((word for word in arguments if word in cli.commands), "")
        status = "interrupted" if isinstance(error, Interrupted) else "error"
        document = {
            "schema": 1,
            "command": command,
            "status": status,
            "exit_code": error.exit_code,
            "message": redact(error.message),
            "error": errors.error_document(error),
        }
        for session in sessions:
            document |= _beside(session)
        render(document, "json", sys.stdout)
    return error.exit_code


def main() -> NoReturn:
    """The `jenkins-mlflow` command."""
    sys.exit(run(sys.argv[1:]))
