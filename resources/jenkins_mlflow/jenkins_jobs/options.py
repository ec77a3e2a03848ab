"""Shared parts of the `jobs` commands. Has few imports, because every command line loads it."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click

from jenkins_mlflow.errors import UsageError
from jenkins_mlflow.render import FORMATS, render
from jenkins_mlflow.results.base import Result
from jenkins_mlflow.text import printable

if TYPE_CHECKING:
    from jenkins_mlflow.jenkins_jobs.server import Server

file_option = click.option(
    "--file",
    "file",
    type=click.Path(path_type=Path),
    help="File that defines the jobs [jobs.yaml, else jobs/jobs.yaml].",
)
url_option = click.option("--url", help="Jenkins' address [JENKINS_URL].")
netrc_option = click.option(
    "--netrc", is_flag=True, help="User and token from ~/.netrc instead of the environment."
)
output_option = click.option(
    "--output", type=click.Choice(FORMATS), default="text", show_default=True, help="Output format."
)
quiet_option = click.option("--quiet", is_flag=True, help="Show only errors, differences and questions.")
timeout_option = click.option(
    "--timeout", metavar="DURATION", help="Maximum time to watch, e.g. 30m; the build continues."
)


def resolve(name: str, file: Path | None) -> str:
    """The full name of a job; jobs.yaml is read only if it exists or was given."""
    from jenkins_mlflow.jenkins_jobs.definition import find_file, load

    return load(file).resolve(name) if find_file(file) else name.strip("/")


def connect(url: str | None, *, by_netrc: bool) -> Server:
    from jenkins_mlflow.jenkins_jobs.access import find_access
    from jenkins_mlflow.jenkins_jobs.server import Server

    return Server(find_access(url, os.environ, by_netrc=by_netrc))


def seconds(duration: str | None) -> float | None:
    from pydantic_core import PydanticCustomError

    from jenkins_mlflow.config.values import parse_duration

    try:
        return None if duration is None else parse_duration(duration)
    except PydanticCustomError as error:
        raise UsageError(
            f"--timeout: expected {error.message()}, got {printable(duration or '')}",
            next_step="write, for example, --timeout 30m",
        ) from error


def finish(result: Result, output: str = "text") -> NoReturn:
    """Print the result and exit with its code."""
    render(result, output, sys.stdout)
    sys.stdout.flush()
    raise click.exceptions.Exit(result.exit_code)
