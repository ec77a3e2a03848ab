"""The click group `jobs`: parses, calls, prints the document. Imports little: every command line loads it."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from jenkins_mlflow import errors
from jenkins_mlflow.errors import Interrupted, Refused, UsageError
from jenkins_mlflow.render import FORMATS, render
from jenkins_mlflow.terminal import Terminal
from jenkins_mlflow.text import plural, printable

if TYPE_CHECKING:
    from jenkins_mlflow.jenkins_jobs.plan import Plan
    from jenkins_mlflow.jenkins_jobs.server import Server

Document = dict[str, Any]

_file = click.option(
    "--file", "file", type=click.Path(path_type=Path), help="The jobs [jobs.yaml, else jobs/jobs.yaml]."
)
_url = click.option("--url", help="Jenkins' address [JENKINS_URL].")
_netrc = click.option(
    "--netrc", is_flag=True, help="User and token from ~/.netrc instead of the environment."
)
_output = click.option(
    "--output", type=click.Choice(FORMATS), default="text", show_default=True, help="Form of the result."
)
_quiet = click.option("--quiet", is_flag=True, help="Say nothing but errors, differences and questions.")
_timeout = click.option(
    "--timeout", metavar="DURATION", help="Longest time to watch, e.g. 30m; the build goes on."
)


@click.group()
def jobs() -> None:
    """Create, run and watch the Jenkins jobs that jobs.yaml describes, by python-jenkins.

    The account comes from JENKINS_USER and JENKINS_TOKEN (an API token), or from ~/.netrc with --netrc; a CA of your
    own from REQUESTS_CA_BUNDLE. JOB is a job of jobs.yaml, or any job by its full name, such as mlops/nightly.
    """


@jobs.command("apply")
@_file
@click.option("--dry-run", is_flag=True, help="Show the difference, change nothing.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--adopt", multiple=True, metavar="JOB", help="Take over this job, which somebody else made.")
@_url
@_netrc
@_output
@_quiet
def apply_jobs(
    *,
    file: Path | None,
    dry_run: bool,
    yes: bool,
    adopt: tuple[str, ...],
    url: str | None,
    netrc: bool,
    output: str,
    quiet: bool,
) -> None:
    """Create or update the jobs of jobs.yaml: shows the difference, asks (or --yes), writes. Deletes nothing."""
    from jenkins_mlflow.jenkins_jobs import apply as applying
    from jenkins_mlflow.jenkins_jobs.definition import load
    from jenkins_mlflow.jenkins_jobs.documents import failure, plan_items
    from jenkins_mlflow.jenkins_jobs.plan import plan as make_plan

    definition, terminal = load(file), Terminal(quiet)
    server = _server(url, by_netrc=netrc)
    plan = make_plan(definition, applying.read(server, definition), adopt)
    _show(plan, terminal)
    plan.require_allowed()
    if not plan.changes:
        _finish(
            {
                "action": "apply",
                "status": "nothing",
                "message": "every job is up to date",
                "items": plan_items(plan, {}),
            },
            output,
        )
    changes = plural(len(plan.changes), "change")
    if dry_run:
        _finish(
            {
                "action": "apply",
                "status": "planned",
                "message": f"{changes} to make",
                "items": plan_items(plan, {}),
            },
            output,
        )
    if not yes and not _agreed(terminal, changes, server.url):
        message = "nothing was changed: the answer was no"
        _finish(
            {"action": "apply", "status": "nothing", "message": message, "items": plan_items(plan, {})},
            output,
        )
    try:
        done = applying.apply(server, plan, terminal.say)
    except Interrupted as interruption:
        interruption.state = "what is said above is done, the change after it maybe"
        interruption.next_step = "run the command again: it shows what is left"
        raise
    document: Document = {
        "action": "apply",
        "status": "applied",
        "message": f"{changes} made",
        "items": plan_items(plan, done.outcomes),
    }
    if done.stopped:
        made = sum(outcome in ("created", "updated") for outcome in done.outcomes.values())
        document |= failure(done.stopped, f"stopped after {made} of {changes}")
        terminal.insist(
            f"error: {done.stopped.message}\nnext:  {done.stopped.next_step or 'run the command again'}"
        )
    _finish(document, output)


@jobs.command("run")
@click.argument("job")
@click.argument("parameters", nargs=-1, metavar="[KEY=VALUE]...")
@click.option("--no-wait", is_flag=True, help="Only queue the build.")
@_timeout
@_file
@_url
@_netrc
@_output
@_quiet
def run_job(
    *,
    job: str,
    parameters: tuple[str, ...],
    no_wait: bool,
    timeout: str | None,
    file: Path | None,
    url: str | None,
    netrc: bool,
    output: str,
    quiet: bool,
) -> None:
    """Start a build with parameters, and watch it from the queue to its end.

    Keys and values are checked against the job's own parameters before anything is queued. Ctrl-C asks whether to abort
    the build, to leave it, or to go on watching; SIGTERM leaves it. The exit code is 0 for SUCCESS, 1 for FAILURE and
    NOT_BUILT, 130 for ABORTED; for UNSTABLE 4 if a person must promote by hand, else 3; 1 when --timeout is over.
    """
    from jenkins_mlflow.jenkins_jobs import parameters as checking
    from jenkins_mlflow.jenkins_jobs.documents import watch

    name, limit = _resolve(job, file), _seconds(timeout)
    server, terminal = _server(url, by_netrc=netrc), Terminal(quiet)
    known = server.job(name, checking.TREE)
    given = checking.check(name, known, parameters)
    if known.get("buildable") is False:
        raise Refused(
            f"{printable(name)} is disabled", state="nothing was queued", next_step="enable it in Jenkins"
        )
    try:
        item = server.start(name, given.values)
    except Interrupted as interruption:
        interruption.state = "whether a build was queued is not known"
        interruption.next_step = f"look at {server.page(name)}"
        raise
    with_values = ", ".join(f"{key}={printable(value)}" for key, value in given.shown.items())
    terminal.say(f"queued {printable(name)} as item {item}{with_values and ' with ' + with_values}")
    document: Document = {"action": "run", "job": name, "queue_item": item, "parameters": given.shown}
    if no_wait:
        _finish({**document, "status": "queued", "message": f"queued: {server.page(name)}"}, output)
    _finish({**document, **watch(server, name, terminal, limit, item=item)}, output)


@jobs.command("status")
@click.argument("names", nargs=-1, metavar="[JOB]...")
@click.option(
    "--last", type=click.IntRange(min=1), default=3, show_default=True, help="Builds shown of each job."
)
@_file
@_url
@_netrc
@_output
def show_status(
    *, names: tuple[str, ...], last: int, file: Path | None, url: str | None, netrc: bool, output: str
) -> None:
    """Show the last builds of the jobs, with their result and what they did to the registry."""
    from jenkins_mlflow.jenkins_jobs.definition import load
    from jenkins_mlflow.jenkins_jobs.status import last_builds

    full = [_resolve(name, file) for name in names]
    if not names:
        definition = load(file)
        full = [definition.full_name(name) for name in definition.jobs]
    server = _server(url, by_netrc=netrc)
    items = last_builds(server, full, last, time.time(), named=bool(names))
    message = f"{plural(len(full), 'job')} in {server.url}"
    _finish({"action": "status", "status": "listed", "message": message, "items": items}, output)


@jobs.command("logs")
@click.argument("job")
@click.argument("number", type=click.IntRange(min=1), required=False)
@click.option(
    "--follow", is_flag=True, help="Watch until the build's end; then the exit code is that of `jobs run`."
)
@_timeout
@_file
@_url
@_netrc
def show_log(
    *,
    job: str,
    number: int | None,
    follow: bool,
    timeout: str | None,
    file: Path | None,
    url: str | None,
    netrc: bool,
) -> None:
    """Print the log of a build: of this NUMBER, else of the last."""
    from jenkins_mlflow.jenkins_jobs.documents import watch
    from jenkins_mlflow.jenkins_jobs.follow import clean

    name, limit = _resolve(job, file), _seconds(timeout)
    server = _server(url, by_netrc=netrc)
    build = number or int(server.build(name, "lastBuild")["number"])
    if follow:
        _finish(
            {
                "action": "logs",
                "job": name,
                **watch(server, name, Terminal(), limit, build=build, write=click.echo),
            }
        )
    text, _, _ = server.log(name, build, 0)
    for line in text.decode("utf-8", "replace").splitlines():
        click.echo(clean(line))


def _resolve(name: str, file: Path | None) -> str:
    """The full name of a job; jobs.yaml is only asked if it is there or was named."""
    from jenkins_mlflow.jenkins_jobs.definition import find_file, load

    return load(file).resolve(name) if find_file(file) else name.strip("/")


def _server(url: str | None, *, by_netrc: bool) -> Server:
    from jenkins_mlflow.jenkins_jobs.access import find_access
    from jenkins_mlflow.jenkins_jobs.server import Server

    return Server(find_access(url, os.environ, by_netrc=by_netrc))


def _seconds(duration: str | None) -> float | None:
    from pydantic_core import PydanticCustomError

    from jenkins_mlflow.config_values import parse_duration

    try:
        return None if duration is None else parse_duration(duration)
    except PydanticCustomError as error:
        raise UsageError(f"--timeout: expected {error.message()}, got {printable(duration or '')}") from error


def _show(plan: Plan, terminal: Terminal) -> None:
    """The differences, coloured at a terminal."""
    coloured = sys.stderr.isatty() and not os.environ.get("NO_COLOR")
    colours = {"+": "green", "-": "red", "@": "cyan"} if coloured else {}
    for item in plan.items:
        for line in item.diff.splitlines():
            terminal.insist(click.style(line, fg=colours.get(line[:1])) if coloured else line)


def _agreed(terminal: Terminal, changes: str, url: str) -> bool:
    if not terminal.interactive:
        raise UsageError(
            f"{changes} would be made, and there is no terminal to ask at",
            state="nothing was changed",
            next_step="look at the difference above, then say --yes",
        )
    return terminal.confirm(f"Make {changes} in {url}?")


def _finish(document: Document, output: str = "text") -> NoReturn:
    """Print the document and exit with its code."""
    complete: Document = {"schema": 1, "command": "jobs", "exit_code": errors.DONE, **document}
    render(complete, output, sys.stdout)
    sys.stdout.flush()
    raise click.exceptions.Exit(complete["exit_code"])
