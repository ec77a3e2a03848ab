"""The click group `jobs`: parses and calls. Has few imports, because every command line loads it."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from jenkins_mlflow.errors import Interrupted, Refused, UsageError
from jenkins_mlflow.jenkins_jobs.options import (
    connect,
    file_option,
    finish,
    netrc_option,
    output_option,
    quiet_option,
    resolve,
    seconds,
    timeout_option,
    url_option,
)
from jenkins_mlflow.terminal import Terminal
from jenkins_mlflow.text import plural, printable
from jenkins_mlflow.whole_number import WholeNumber

if TYPE_CHECKING:
    from jenkins_mlflow.jenkins_jobs.plan import Plan

_DIFF_COLORS = {"+": "green", "-": "red", "@": "cyan"}


@click.group()
def jobs() -> None:
    """Create, run and watch the Jenkins jobs defined in jobs.yaml.

    The account comes from JENKINS_USER and JENKINS_TOKEN (an API token), or from ~/.netrc with --netrc; a CA
    of your own from REQUESTS_CA_BUNDLE. JOB is a job of jobs.yaml, or any job by its full name, such as
    mlops/nightly.
    """


@jobs.command("apply", short_help="Create or update the jobs of jobs.yaml.")
@file_option
@click.option("--dry-run", is_flag=True, help="Show the difference, change nothing.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option(
    "--adopt",
    multiple=True,
    metavar="JOB",
    help="Manage this existing job, which was not created by this tool.",
)
@url_option
@netrc_option
@output_option
@quiet_option
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
    """Create or update the jobs of jobs.yaml: show the difference, ask (or --yes), write. Nothing is deleted."""
    from jenkins_mlflow.jenkins_jobs import apply as applying
    from jenkins_mlflow.jenkins_jobs.definition import load
    from jenkins_mlflow.jenkins_jobs.plan import plan as make_plan
    from jenkins_mlflow.jenkins_jobs.results import ApplyResult, plan_items, stopped

    definition, terminal = load(file), Terminal(quiet)
    server = connect(url, by_netrc=netrc)
    plan = make_plan(definition, applying.read(server, definition), adopt)
    _show(plan, terminal)
    plan.require_allowed()
    changes = plural(len(plan.changes), "change")
    result = ApplyResult(status="planned", message=f"{changes} to make", items=plan_items(plan, {}))
    if not plan.changes:
        finish(replace(result, status="nothing", message="every job is up to date"), output)
    if dry_run:
        finish(result, output)
    if not yes and not _agreed(terminal, changes, server.url):
        finish(replace(result, status="nothing", message="nothing was changed: the answer was no"), output)
    try:
        done = applying.apply(server, plan, terminal.say)
    except Interrupted as interruption:
        interruption.state = "the changes listed above were made, and perhaps the one after them"
        interruption.next_step = "run the command again: it shows the changes that are still missing"
        raise
    result = ApplyResult(status="applied", message=f"{changes} made", items=plan_items(plan, done.outcomes))
    if done.stopped:
        made = sum(outcome in ("created", "updated") for outcome in done.outcomes.values())
        result = stopped(result, done.stopped, f"stopped after {made} of {changes}")
        terminal.alert(
            f"error: {done.stopped.message}\nnext:  {done.stopped.next_step or 'run the command again'}"
        )
    finish(result, output)


@jobs.command("run", short_help="Start a build and watch it from the queue to its end.")
@click.argument("job")
@click.argument("parameters", nargs=-1, metavar="[KEY=VALUE]...")
@click.option(
    "--from-env",
    multiple=True,
    metavar="KEY[=VARIABLE]",
    help="Take this parameter's value from the environment, and never show it.",
)
@click.option("--no-wait", is_flag=True, help="Only queue the build.")
@timeout_option
@file_option
@url_option
@netrc_option
@output_option
@quiet_option
def run_job(
    *,
    job: str,
    parameters: tuple[str, ...],
    from_env: tuple[str, ...],
    no_wait: bool,
    timeout: str | None,
    file: Path | None,
    url: str | None,
    netrc: bool,
    output: str,
    quiet: bool,
) -> None:
    """Start a build with parameters, and watch it from the queue to its end.

    Keys and values are checked against the job's own parameters before anything is queued. Ctrl-C asks
    whether to abort the build, to leave it, or to continue watching; SIGTERM leaves it. The exit code is 0
    for SUCCESS, 1 for FAILURE and NOT_BUILT, 130 for ABORTED. For UNSTABLE it is 4 if a person must promote
    by hand, 7 if production was changed without this tool, else 3. It is 1 if --timeout is over.
    """
    from jenkins_mlflow.jenkins_jobs import parameters as checking
    from jenkins_mlflow.jenkins_jobs.watch import BuildResult, watch

    hidden = checking.from_environment(from_env, os.environ)
    name, limit = resolve(job, file), seconds(timeout)
    server, terminal = connect(url, by_netrc=netrc), Terminal(quiet)
    known = server.job(name, checking.TREE)
    given = checking.check(name, known, parameters, hidden)
    if known.get("buildable") is False:
        raise Refused(
            f"{printable(name)} is disabled", state="nothing was queued", next_step="enable it in Jenkins"
        )
    try:
        item = server.start(name, given.values)
    except Interrupted as interruption:
        interruption.state = "it is not known whether a build was queued"
        interruption.next_step = f"look at {server.page(name)}"
        raise
    with_values = ", ".join(f"{key}={printable(value)}" for key, value in given.shown.items())
    terminal.say(f"queued {printable(name)} as item {item}{with_values and ' with ' + with_values}")
    queued = BuildResult(
        status="queued",
        message=f"queued: {server.page(name)}",
        job=name,
        queue_item=item,
        parameters=given.shown,
    )
    finish(queued if no_wait else watch(server, queued, terminal, limit), output)


@jobs.command("status", short_help="Show the last builds of the jobs and what they did.")
@click.argument("names", nargs=-1, metavar="[JOB]...")
@click.option(
    "--last",
    type=WholeNumber(min=1),
    default=3,
    show_default=True,
    help="Number of builds to show for each job.",
)
@file_option
@url_option
@netrc_option
@output_option
def show_status(
    *, names: tuple[str, ...], last: int, file: Path | None, url: str | None, netrc: bool, output: str
) -> None:
    """Show the last builds of the jobs, with their result and what they did to the registry."""
    from jenkins_mlflow.jenkins_jobs.definition import load
    from jenkins_mlflow.jenkins_jobs.status import StatusResult, last_builds

    full = [resolve(name, file) for name in names]
    if not names:
        definition = load(file)
        full = [definition.full_name(name) for name in definition.jobs]
    server = connect(url, by_netrc=netrc)
    items = last_builds(server, full, last, time.time(), named=bool(names))
    message = f"{plural(len(full), 'job')} in {server.url}"
    finish(StatusResult(message=message, items=items), output)


@jobs.command("logs", short_help="Print the log of a build, by default of the last one.")
@click.argument("job")
@click.argument("number", type=WholeNumber(min=1), required=False)
@click.option(
    "--follow", is_flag=True, help="Watch until the build's end; then the exit code is that of `jobs run`."
)
@timeout_option
@file_option
@url_option
@netrc_option
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
    """Print the log of the build with this NUMBER, or of the last build."""
    from jenkins_mlflow.jenkins_jobs.log import Lines
    from jenkins_mlflow.jenkins_jobs.watch import BuildResult, watch

    name, limit = resolve(job, file), seconds(timeout)
    server = connect(url, by_netrc=netrc)
    build = number or server.build(name, "lastBuild")["number"]
    if follow:
        begun = BuildResult(action="logs", status="queued", message="", job=name, build=build)
        finish(watch(server, begun, Terminal(), limit, write=click.echo))
    text, _, _ = server.log(name, build, 0)
    lines = Lines()
    for line in lines.feed(text.decode("utf-8", "replace")) + lines.rest():
        click.echo(line)


def _show(plan: Plan, terminal: Terminal) -> None:
    """The differences, colored at a terminal."""
    for item in plan.items:
        for line in item.diff.splitlines():
            terminal.alert(line, _DIFF_COLORS.get(line[:1], ""))


def _agreed(terminal: Terminal, changes: str, url: str) -> bool:
    if not terminal.interactive:
        raise UsageError(
            f"{changes} would be made, but there is no terminal to ask for confirmation",
            state="nothing was changed",
            next_step="review the difference above, then give --yes",
        )
    return terminal.confirm(f"Make {changes} in {url}?")
