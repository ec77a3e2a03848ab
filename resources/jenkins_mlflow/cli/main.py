"""The command line: parses, loads the configuration, runs one command, prints its document, sets the exit code.

Data goes to standard output, every message for people to standard error. A command's module is imported when
the command runs, so that help and usage errors appear at once.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import signal
import sys
import traceback
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

import click

from jenkins_mlflow import VERSION, errors
from jenkins_mlflow.cli.delivery import promote, rollback, select, train
from jenkins_mlflow.cli.ending import SET_URI, Invocation, fail, finish, leave_quietly, open_session
from jenkins_mlflow.cli.migrating import migrate
from jenkins_mlflow.cli.options import common, configured, marks
from jenkins_mlflow.cli.retention import cleanup, lease, reclaim, restore
from jenkins_mlflow.cli.steering import doctor, history
from jenkins_mlflow.cli.usage import next_step_of
from jenkins_mlflow.errors import Interrupted, JenkinsMlflowError, UsageError
from jenkins_mlflow.signals import interrupted_by
from jenkins_mlflow.terminal import Terminal, prepare_streams
from jenkins_mlflow.text import printable


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(VERSION, message="jenkins-mlflow %(version)s")
def cli() -> None:
    """Train, select, promote and clean up models in an MLflow registry.

    Settings are read from options, then environment variables named MLOPS__SECTION__KEY, then the config
    file, then the defaults. The first that is set wins.
    Exit codes: 0 done (or nothing to do, or champion kept), 1 failed, 2 bad usage or config, 3 no candidate
    passes the gates or the smoke test, 4 a person must continue by hand (a notice says how), 5 another
    command holds the lock, 6 a cleanup or reclaim stopped after its first deletion, 7 production was changed
    without this tool.
    """


@cli.command("list")
@click.argument("names", nargs=-1, metavar="[MODEL]...")
@configured("--metric", key="select.metric", help="Metric shown beside each version.")
@click.option("--brief", is_flag=True, help="Text with versions and stages only, for tools that parse it.")
@marks
@common
def list_models(names: tuple[str, ...], brief: bool, **options: Any) -> None:
    """Show the registry as a tree. MODEL is a name or a pattern, as for --models; without it, every model is shown."""
    from jenkins_mlflow.commands.list import show_registry

    session = open_session(options, writes="never", models=names)
    finish(show_registry(session, brief=brief), options, session)


@cli.command(short_help="Write a starter config from the registry and this folder.")
@click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False, allow_dash=True),
    default="mlops.yaml",
    show_default=True,
    metavar="FILE",
    help="File to write; - for standard output.",
)
@click.option("--tracking-uri", help="MLflow server or store [MLFLOW_TRACKING_URI, else it is left out].")
@click.option("--models", multiple=True, metavar="PATTERN", help="Registered models of this project.")
def init(output: Path, tracking_uri: str | None, models: tuple[str, ...]) -> None:
    """Write a starter config from the registry's models and metrics and this folder's training scripts."""
    from jenkins_mlflow.cli.repeated import with_options
    from jenkins_mlflow.commands.init import make_starter, refuse_what_exists, write_starter
    from jenkins_mlflow.config.schema import DEFAULT_FILE

    uri = (tracking_uri or os.environ.get("MLFLOW_TRACKING_URI") or "").strip() or None
    if str(output) != "-":
        refuse_what_exists(output)
    text = make_starter(uri, models, Path.cwd(), os.environ)
    if str(output) == "-":
        click.echo(text, nl=False)
        return
    write_starter(output, text)
    done = f"wrote {printable(str(output))}"
    run = "`jenkins-mlflow train`, or `jenkins-mlflow select` if models are already registered"
    if "\ntrain:\n" not in text:
        run = "`jenkins-mlflow select`; before you train, name your training commands in the section `train`"
    if not uri:
        done += " from this folder alone: no registry was read, because no tracking URI is set"
        todo = f"review it, and {SET_URI}; then run: {run}"
    elif tracking_uri:
        todo = f"review it, set MLFLOW_TRACKING_URI to the same address, then run: {run}"
    else:
        todo = f"review it, then run: {run}"
    if output != Path(DEFAULT_FILE):
        todo = with_options(
            todo, {"--config": str(output)}, dict.fromkeys(("select", "train"), ("--config",))
        )
    Terminal().say(f"{done}\nnext:  {todo}")


@cli.command(short_help="Print the JSON Schema of the config or of a result.")
@click.option(
    "--result",
    metavar="COMMAND",
    help="Print the schema of this command's JSON result instead of the config's.",
)
def schema(result: str | None) -> None:
    """Print the JSON Schema of the config file, or of a command's result."""
    from jenkins_mlflow.config.schema import json_schema
    from jenkins_mlflow.results.schema import RESULTS, result_schema

    if result is not None and result not in RESULTS:
        raise UsageError(
            f"'{result}' is not a command that returns a result",
            next_step=f"choose one of {', '.join(RESULTS)}",
        )
    click.echo(json.dumps(result_schema(result) if result else json_schema(), indent=2))


for command in (cleanup, doctor, history, lease, migrate, promote, reclaim, restore, rollback, select, train):
    cli.add_command(command)

try:
    from jenkins_mlflow.jenkins_jobs.commands import jobs
except ModuleNotFoundError as missing:
    if missing.name != "jenkins_mlflow.jenkins_jobs":
        raise
else:  # an agent's copy of the package has no jobs
    cli.add_command(jobs)


def _collect_rarely() -> None:
    """Let Python look for garbage after 100,000 new objects instead of 700 (2,000 since Python 3.13).

    A command makes tens of thousands at its start, for its modules and the config's schema, and none of them is
    garbage. Looking for it took 5 % of a promotion's CPU time and 10 % of a list's.
    """
    gc.set_threshold(100_000)


@contextlib.contextmanager
def _stopping_on_signals() -> Iterator[None]:
    """Turn Ctrl-C and SIGTERM (a Jenkins abort) into an error that unwinds cleanly, for the time of a command."""

    def stop(number: int, _frame: FrameType | None) -> None:
        raise interrupted_by(number)

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler if handler is not None else signal.SIG_DFL)


def run(arguments: Sequence[str], invocation: Invocation | None = None) -> int:
    """Run one command line. Every expected failure is printed as a message, without a traceback.

    Args:
        arguments: The arguments, without the program's name.
        invocation: Receives the command's result.

    Returns:
        The exit code.
    """
    invocation = invocation or Invocation()
    prepare_streams()
    _collect_rarely()
    with _stopping_on_signals():
        return _run(arguments, invocation)


def _run(arguments: Sequence[str], invocation: Invocation) -> int:
    command = next((word for word in arguments if word in cli.commands), "")
    try:
        code = cli.main(list(arguments), prog_name="jenkins-mlflow", standalone_mode=False, obj=invocation)
        return code if isinstance(code, int) else errors.DONE
    except click.exceptions.NoArgsIsHelpError as error:
        sys.stderr.write(f"{error.format_message()}\n")
        return errors.USAGE
    except click.ClickException as error:
        wrong = UsageError(error.format_message(), next_step=next_step_of(error, arguments))
        return fail(wrong, arguments, command, invocation)
    except (JenkinsMlflowError, Interrupted) as error:
        return fail(error, arguments, command, invocation)
    except BrokenPipeError:
        return leave_quietly()
    except Exception as error:  # noqa: BLE001  whatever the error, the pipeline gets a document
        Terminal().alert(traceback.format_exc().rstrip())
        bug = JenkinsMlflowError(
            f"this is a bug: {type(error).__name__}: {error}",
            next_step="run `jenkins-mlflow list` to see what is in production, and report the bug with the lines above",
        )
        return fail(bug, arguments, command, invocation)


def main() -> NoReturn:
    """The `jenkins-mlflow` command."""
    sys.exit(run(sys.argv[1:]))
