"""Writes a result into the report folder, also that of a command that failed before it opened a session."""

from __future__ import annotations

import contextlib
import io
import json
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path

from jenkins_mlflow.errors import JenkinsMlflowError
from jenkins_mlflow.render import render
from jenkins_mlflow.report import refuse_foreign_files, refuse_links, write_report
from jenkins_mlflow.results.base import RegistryResult, document
from jenkins_mlflow.terminal import Terminal
from jenkins_mlflow.text import one_line, printable


@contextlib.contextmanager
def reporting(warn: Callable[[str], None]) -> Iterator[None]:
    """Make a part of the report: an exception is only a warning, because the command's work is done."""
    try:
        yield
    except Exception as error:  # noqa: BLE001  numbers and names of a registry, in libraries that draw and write
        warn(one_line(f"the report could not be finished: {type(error).__name__}: {error}"))


def keep_result(result: RegistryResult, folder: Path) -> str:
    """Write the result into the report folder, as JSON and its table as CSV; return a warning or ""."""
    table = io.StringIO()
    render(result, "csv", table)
    whole = json.dumps(document(result), ensure_ascii=False, indent=1) + "\n"
    copies = {"json": whole, "csv": table.getvalue()}
    problems = (write_report(folder, f"{result.command}.{form}", text) for form, text in copies.items())
    return next(filter(None, problems), "")


def now() -> str:
    """The time for a result, in UTC."""
    return datetime.now(timezone.utc).isoformat(timespec="seconds")


def keep_early_failure(failed: RegistryResult, arguments: Sequence[str]) -> RegistryResult:
    """Complete the result of a command that failed before it opened a session, and report it.

    Without this, the report folder would show an earlier command's result as if it were this one's.

    Args:
        failed: The result.
        arguments: The command line, which may be wrong itself.

    Returns:
        The result with its build, its time, and warnings about the report.
    """
    from jenkins_mlflow.build import BuildContext

    build = BuildContext.from_environment(os.environ, build=value_of(arguments, "--build"))
    result = replace(failed, build=build.id or None, time=now())
    report = value_of(arguments, "--report")
    if not (report and _can_report(result.command, Path(report))):
        return result
    from jenkins_mlflow.commands.page import keep_failure_page

    folder, warnings = Path(report), list[str]()
    with reporting(warnings.append):
        warnings += filter(None, [keep_result(result, folder)])
        warnings += keep_failure_page(build, folder, document(result))
    for warning in warnings:
        Terminal().alert(f"warning: {printable(warning)}")
    return replace(result, warnings=tuple(warnings))


def _can_report(command: str, folder: Path) -> bool:
    """Whether the command is one that reports, and may write into the folder."""
    from jenkins_mlflow.results.schema import RESULTS

    if command not in RESULTS:
        return False
    with contextlib.suppress(JenkinsMlflowError, OSError):  # perhaps this is why the command failed
        refuse_links(folder)
        refuse_foreign_files(folder)
        return True
    return False


def value_of(arguments: Sequence[str], option: str) -> str:
    """The value of an option on a command line that is perhaps wrong, so that nothing has parsed it.

    >>> value_of(["list", "--report=old", "--report", "new", "--output"], "--report")
    'new'
    >>> value_of(["list", "--report"], "--report")
    ''
    """
    found = ""
    for at, word in enumerate(arguments):
        name, equals, value = word.partition("=")
        if name == option:
            found = value if equals else "".join(arguments[at + 1 : at + 2])
    return found
