"""How a command line begins and ends: the session, the result, and what is said of a failure."""

from __future__ import annotations

import itertools
import json
import os
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from jenkins_mlflow import errors
from jenkins_mlflow.cli.options import DEFAULT_REPORT
from jenkins_mlflow.errors import Interrupted, JenkinsMlflowError, UsageError
from jenkins_mlflow.render import render
from jenkins_mlflow.report import probe, refuse_links, write_report
from jenkins_mlflow.terminal import Terminal, discard
from jenkins_mlflow.text import redact

if TYPE_CHECKING:
    from jenkins_mlflow.commands.session import Document, Session


def open_session(
    values: Mapping[str, object], options: Mapping[str, Any], *, writes_report: bool = False
) -> Session:
    """Load the configuration under the options that were given, decide the tracking URI, try the report folder.

    Args:
        values: Configuration values by dotted key, from the command's own options.
        options: The options that all commands share.
        writes_report: Whether the command trains, and so needs the report folder even if none was named.

    Raises:
        UsageError: There is no tracking URI, or the configuration is wrong.
        Refused: The report folder cannot be written.
    """
    from jenkins_mlflow.build import BuildContext
    from jenkins_mlflow.commands.session import Session
    from jenkins_mlflow.config.schema import load

    given = {key: value for key, value in values.items() if value not in (None, ())}
    if options["models"]:
        given["models"] = list(options["models"])
    loaded = load(options["config_file"], given, os.environ)
    uri = options["tracking_uri"] or os.environ.get("MLFLOW_TRACKING_URI") or loaded.tracking_uri
    if not uri:
        raise UsageError(
            "no tracking URI: it is not known which MLflow server or store to use",
            next_step="set it, for example: export MLFLOW_TRACKING_URI=http://mlflow.example:5000 "
            "(or give --tracking-uri, or put tracking_uri into mlops.yaml)",
        )
    report = options["report"] or Path(DEFAULT_REPORT)
    refuse_links(report)
    if options["report"] or (writes_report and loaded.train):
        probe(report)
    session = Session(
        config=loaded,
        uri=uri,
        terminal=Terminal(options["quiet"]),
        report=report,
        build=BuildContext.from_environment(os.environ, build=options.get("build")),
    )
    click.get_current_context().find_root().obj.append(session)  # for a failure's document
    return session


def finish(document: Document, options: Mapping[str, Any], session: Session) -> NoReturn:
    """Print the document, keep a copy in the report folder if one was named, and exit with its code.

    A copy that cannot be written is a warning: what the command has done is done.
    """
    complete: Document = {"schema": 1, "exit_code": errors.DONE, **document, **_beside(session)}
    complete["build"] = (
        document.get("build") or session.build.id
    )  # a training outside of a build makes one up
    complete["message"] = redact(complete["message"])
    if options.get("report"):
        text = json.dumps(complete, ensure_ascii=False, indent=1) + "\n"
        if problem := write_report(options["report"], f"{complete['command']}.json", text):
            session.warn(problem)
            complete["warnings"] = _beside(session)["warnings"]
    _print(complete, options["output"])
    raise click.exceptions.Exit(complete["exit_code"])


def _beside(session: Session) -> Document:
    """What every result of a session has, however the command ended."""
    return {
        "build": session.build.id,
        "time": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "warnings": [redact(warning) for warning in session.warnings],
        "recovered": [item.document() for item in session.recovered],
        "tracking_uri": redact(session.uri),
    }


def _print(document: Document, form: str) -> None:
    try:
        render(document, form, sys.stdout)
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        discard(sys.stdout)
        raise JenkinsMlflowError(
            f"the result could not be written to standard output: {error.strerror}",
            state=f"the command itself ended with exit code {document['exit_code']}: {document['message']}",
            next_step="make room where standard output goes to",
        ) from error


def leave_quietly() -> int:
    """The reader of standard output has gone, as in `... | head`."""
    discard(sys.stdout)
    return errors.FAILED


def fail(
    error: JenkinsMlflowError | Interrupted,
    arguments: Sequence[str],
    command: str,
    sessions: Sequence[Session] = (),
) -> int:
    """Say what happened, the present state and the next step; as a document too where JSON was asked for.

    Args:
        error: What ended the command.
        arguments: The command line.
        command: The command's name, as far as it is known.
        sessions: What the command has opened.

    Returns:
        The exit code.
    """
    lines = [f"error: {line}" for line in error.message.splitlines()]
    lines += [f"state: {error.state}"] if error.state else []
    lines += [f"next:  {error.next_step}"] if error.next_step else []
    Terminal().insist("\n".join(lines), color="red")
    if "--output=json" in arguments or ("--output", "json") in itertools.pairwise(arguments):
        document: Document = {
            "schema": 1,
            "command": command,
            "status": "interrupted" if isinstance(error, Interrupted) else "error",
            "exit_code": error.exit_code,
            "message": redact(error.message),
            "error": errors.error_document(error),
        }
        for session in sessions:
            document |= _beside(session)
        try:
            render(document, "json", sys.stdout)
            sys.stdout.flush()
        except OSError:
            discard(sys.stdout)
    return error.exit_code
