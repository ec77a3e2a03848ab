"""Starts and ends a command line: opens the session, passes on the result, reports a failure."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NoReturn

import click

from jenkins_mlflow import errors
from jenkins_mlflow.cli.options import DEFAULT_REPORT, overrides
from jenkins_mlflow.cli.repeated import advice_for
from jenkins_mlflow.cli.reporting import keep_early_failure, keep_result, now, reporting, value_of
from jenkins_mlflow.errors import Interrupted, JenkinsMlflowError, UsageError
from jenkins_mlflow.render import render
from jenkins_mlflow.report import probe, refuse_foreign_files, refuse_links
from jenkins_mlflow.results.base import RecoveredPart, RegistryResult, document, error_part, failure
from jenkins_mlflow.terminal import Terminal, discard
from jenkins_mlflow.text import redact

if TYPE_CHECKING:
    from jenkins_mlflow.commands.session import Session

Writes = Literal["always", "maybe", "never"]
SET_URI = (
    "set the tracking URI, for example: export MLFLOW_TRACKING_URI=http://mlflow.example:5000, or, without a server: "
    "export MLFLOW_TRACKING_URI=sqlite:///mlflow.db (a file in this folder)"
)


@dataclass
class Invocation:
    """One command line: the sessions that it opened, the report folder that it names, and its result."""

    sessions: list[Session] = field(default_factory=list)
    result: RegistryResult | None = None
    report: Path | None = None


def open_session(
    options: Mapping[str, Any], *, writes: Writes = "maybe", models: Sequence[str] = ()
) -> Session:
    """Load the configuration with the given options, determine the tracking URI, check the report folder.

    Args:
        options: The options that all commands share; those that override a config key register themselves.
        writes: Whether the command writes into the report folder even if none was given: `always`, as a
            training does with its logs; `maybe`, as a promotion with a notice; `never`. The log of a
            notification is added to that.
        models: Further models of the group, besides those of --models.

    Raises:
        UsageError: There is no tracking URI, or the configuration is wrong.
        Refused: The report folder cannot be written.
    """
    from jenkins_mlflow.build import BuildContext
    from jenkins_mlflow.commands.notify import TELLING, take_urls
    from jenkins_mlflow.commands.session import Session
    from jenkins_mlflow.config.schema import load
    from jenkins_mlflow.registry.signing import Keys
    from jenkins_mlflow.secrecy import hide_process

    context = click.get_current_context()
    given = overrides(context)
    if models:
        given["models"] = ("MODEL", [*options["models"], *models])
    loaded = load(options["config_file"], given, os.environ)
    given_uri = options["tracking_uri"] or os.environ.get("MLFLOW_TRACKING_URI") or loaded.tracking_uri
    uri = (given_uri or "").strip()  # a value from a file ends with a line break
    if not uri:
        raise UsageError(
            "no tracking URI is set, so it is not known which MLflow server or store to use",
            next_step=f"{SET_URI}; or give --tracking-uri, or put tracking_uri into mlops.yaml",
        )
    report = options["report"] or Path(DEFAULT_REPORT)
    tells = bool(loaded.notify.command) and context.command.name in TELLING  # the notification has a log
    if options["report"] or writes != "never" or tells:
        refuse_links(report)
    if options["report"]:
        refuse_foreign_files(report)
    if options["report"] or (writes == "always" and loaded.train):
        probe(report)
    keys = Keys.take(os.environ)
    notify_urls = take_urls(os.environ)
    if keys or notify_urls:
        hide_process()  # its initial environment can be read in /proc while it runs
    session = Session(
        config=loaded,
        uri=uri,
        terminal=Terminal(options["quiet"], advice_for(context)),
        report=report,
        build=BuildContext.from_environment(os.environ, build=options.get("build")),
        keys=keys,
        notify_urls=notify_urls,
        looks_only=bool(context.params.get("dry_run")),
    )
    _invocation().sessions.append(session)  # for a failure's document
    _invocation().report = options["report"]
    other = os.environ.get("MLFLOW_REGISTRY_URI", "").strip()
    if other and (named := _shown(other)) != _shown(uri):
        session.warn(
            f"MLFLOW_REGISTRY_URI is {named}: this command uses the registry of the tracking URI, "
            f"{_shown(uri)}, but MLflow's client, such as in a training script, registers versions in the former"
        )
    return session


def _shown(uri: str) -> str:
    """The address of a registry, without a login; a text that is no address is shown as it is."""
    from jenkins_mlflow.registry.connection import address

    try:
        return address(uri)
    except ValueError:
        return redact(uri)


def finish(result: RegistryResult, options: Mapping[str, Any], session: Session) -> NoReturn:
    """Print the result, keep it in the report folder if one was given, and exit with its code.

    The command's own work is done: a copy that cannot be written is a warning, and a signal that comes now
    changes the exit code, not the reported result.
    """
    ended = _complete(result, session)
    try:
        _pass_on(ended, options.get("report"), session)
    except Interrupted as stop:
        stop.state = f"{_end(result)}; the report may not be complete, and perhaps nobody was notified"
        session.terminal.alert_error(stop)
        result = replace(result, code=stop.exit_code, error=result.error or error_part(stop))
    # With later warnings.
    ended = replace(_complete(result, session), time=ended.time, event=ended.event)
    _invocation().result = ended
    _print(ended, options["output"], session.terminal.advice)
    raise click.exceptions.Exit(ended.exit_code)


def _pass_on(result: RegistryResult, report: Path | None, session: Session) -> None:
    """Make the report, and notify people."""
    if report:
        from jenkins_mlflow.commands.page import keep_page

        with reporting(session.warn):
            if problem := keep_result(result, report):
                session.warn(problem)
            keep_page(session, report, document(result))
    _tell(result, session)


def _tell(result: RegistryResult, session: Session) -> None:
    """Notify people, if the result is news for them."""
    from jenkins_mlflow.commands.notify import notify

    notify(session, result)


def _end(result: RegistryResult) -> str:
    """The command's own result, for an error that came after it."""
    return f"the command itself ended with exit code {result.exit_code}: {result.message}"


def _invocation() -> Invocation:
    found = click.get_current_context().find_root().obj
    assert isinstance(found, Invocation)
    return found


def _complete(result: RegistryResult, session: Session) -> RegistryResult:
    """The result, with the keys that every result of a session has, however the command ended."""
    from jenkins_mlflow.commands.notify import news

    advice = session.terminal.advice
    return replace(
        result.advised(advice),
        build=result.build or session.build.id or None,  # a training outside a build invents one
        time=now(),
        warnings=tuple(redact(advice(warning)) for warning in session.warnings),
        recovered=tuple(RecoveredPart(**vars(item)) for item in session.recovered),
        tracking_uri=redact(session.uri),
        event=news(session, result),
    )


def _print(result: RegistryResult, form: str, advice: Callable[[str], str]) -> None:
    try:
        render(result, form, sys.stdout, advice)
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        discard(sys.stdout)
        raise JenkinsMlflowError(
            f"the result could not be written to standard output: {error.strerror}",
            state=_end(result),
            next_step="free some space where standard output is written",
        ) from error


def leave_quietly() -> int:
    """Exit without a message: the reader of standard output has gone, as in `... | head`."""
    discard(sys.stdout)
    return errors.FAILED


def fail(
    error: JenkinsMlflowError | Interrupted, arguments: Sequence[str], command: str, invocation: Invocation
) -> int:
    """Report the error, the current state and the next step; also as a document if JSON was requested.

    Args:
        error: What ended the command.
        arguments: The command line.
        command: The command's name, as far as it is known.
        invocation: The session that the command has opened; receives the result.

    Returns:
        The exit code.
    """
    terminal = invocation.sessions[-1].terminal if invocation.sessions else Terminal()
    terminal.alert_error(error)
    result: RegistryResult = failure(error, command)
    if invocation.sessions:
        session = invocation.sessions[-1]
        ended = _complete(result, session)
        if not invocation.result:  # after a result, people were already notified
            try:
                _pass_on(ended, invocation.report, session)
            except Interrupted as stop:
                missing = "the report may not be complete, and perhaps nobody was notified of this"
                session.warn(f"{stop.message}: {missing}")
        result = replace(_complete(result, session), time=ended.time, event=ended.event)
    else:
        result = keep_early_failure(result, arguments)
    invocation.result = result
    if value_of(arguments, "--output") == "json":
        try:
            render(result, "json", sys.stdout)
            sys.stdout.flush()
        except OSError:
            discard(sys.stdout)
    return error.exit_code
