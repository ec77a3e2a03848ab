"""What to do about a command line that click refuses."""

from __future__ import annotations

from collections.abc import Sequence

import click

from jenkins_mlflow.cli.options import VersionNumber
from jenkins_mlflow.text import argument

_NAMED = ("only", "model", "models")


def way_out(error: click.ClickException, arguments: Sequence[str]) -> str:
    """The next step: the help, and how to write as options what was given without a name, as in `promote churn 2`.

    Args:
        error: Why click refused the command line.
        arguments: The command line.
    """
    context = error.ctx if isinstance(error, click.UsageError) else None
    if context is None:
        return "jenkins-mlflow --help"
    shown = f"{context.command_path} --help"
    typed = _nameless(context, arguments)
    if not typed:
        return shown
    options = _as_options(context.command, typed)
    return f"{context.command_path} takes only options{options and f': {options}'}; see {shown}"


def _nameless(context: click.Context, arguments: Sequence[str]) -> list[str]:
    """What was given without an option to a command that takes only options; empty if that is not the case."""
    depth = len(context.command_path.split()) - 1
    takes_more = isinstance(context.command, click.Group) or any(
        isinstance(parameter, click.Argument) for parameter in context.command.params
    )
    if takes_more or list(arguments[:depth]) != context.command_path.split()[1:]:
        return []
    try:
        return list(context.command.make_parser(context).parse_args(list(arguments[depth:]))[1])
    except click.UsageError:
        return []


def _as_options(command: click.Command, typed: Sequence[str]) -> str:
    """The words as options: a name, and perhaps the number of a version; empty if they are anything else."""
    parameters = {str(parameter.name): parameter for parameter in command.params}
    name = next((parameters[name] for name in _NAMED if name in parameters), None)
    number = next((each for each in command.params if isinstance(each.type, VersionNumber)), None)
    known = [each.opts[0] for each in (name, number) if each]
    numbers_fit = all(word.isascii() and word.isdecimal() for word in typed[1:])
    if not numbers_fit or len(typed) > len(known):
        return ""
    return " ".join(f"{option} {argument(word)}" for option, word in zip(known, typed, strict=False))
