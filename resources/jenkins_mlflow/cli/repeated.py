"""Adds the current command's options to advised commands, so that they act on the same server and target."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping

import click

from jenkins_mlflow.text import argument, redact

OPTIONS = {
    "config_file": "--config",
    "tracking_uri": "--tracking-uri",
    "stage": "--stage",
    "alias": "--alias",
}
"""The options that determine server and target, by the name of their parameter."""

_COMMAND = re.compile(r"`jenkins-mlflow ([a-z]+)\b([^`]*)`")


def advice_for(context: click.Context) -> Callable[[str], str]:
    """A function that completes the commands in a message, see ``with_options``, with the given options.

    An address with a password is not repeated. With two servers (--to-server) no address is: a message may be
    about either of them.
    """
    given: dict[str, str] = {}
    for name, option in OPTIONS.items():
        value = str(context.params.get(name) or "")
        if value and redact(value) == value:
            given[option] = value
    if context.params.get("to_server"):
        given.pop("--tracking-uri", None)
    group = context.find_root().command
    accepted: Mapping[str, Collection[str]] = (
        {name: _options_of(command) for name, command in group.commands.items()}
        if isinstance(group, click.Group)
        else {}
    )
    return lambda text: with_options(text, given, accepted)


def with_options(text: str, given: Mapping[str, str], accepted: Mapping[str, Collection[str]]) -> str:
    """A message whose commands, in backticks, have the given options. Pure and idempotent.

    Args:
        text: The message.
        given: Options and their values.
        accepted: The options that each command takes.
    """

    def complete(found: re.Match[str]) -> str:
        command, rest = found.groups()
        options, dashes, names = rest.partition(" -- ")
        more = "".join(
            f" {option} {argument(value)}"
            for option, value in given.items()
            if option in accepted.get(command, ()) and option not in options.split()
        )
        return f"`jenkins-mlflow {command}{options}{more}{dashes}{names}`"

    return _COMMAND.sub(complete, text) if given else text


def _options_of(command: click.Command) -> set[str]:
    return {name for parameter in command.params for name in parameter.opts}
