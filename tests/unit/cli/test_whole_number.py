"""Whole numbers on the command line: digits only, as a person means them."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import click
import pytest
from click.testing import CliRunner
from jenkins_mlflow.cli.main import cli
from jenkins_mlflow.cli.options import VersionNumber
from jenkins_mlflow.whole_number import WholeNumber

ODD = ["1_0", "\u0663", "+2", " 3 ", "3\n", "1.0", "1e1", "0x2", ""]


def whole_numbers(
    command: click.Command, path: tuple[str, ...] = ()
) -> Iterator[tuple[str, click.Parameter]]:
    """Every parameter of all commands that click reads as a whole number."""
    if isinstance(command, click.Group):
        for name, inner in command.commands.items():
            yield from whole_numbers(inner, (*path, name))
    for parameter in command.params:
        if isinstance(parameter.type, click.types.IntParamType):
            yield " ".join((*path, str(parameter.name))), parameter


def test_every_whole_number_has_the_one_type() -> None:
    found = dict(whole_numbers(cli))
    assert {"promote version", "rollback to", "cleanup workers", "train jobs", "jobs status last"} <= set(
        found
    )
    assert [name for name, each in found.items() if not isinstance(each.type, WholeNumber)] == []


@pytest.mark.parametrize(
    ("kind", "text"), list(itertools.product([WholeNumber(min=1), VersionNumber()], ODD))
)
def test_anything_but_digits_is_refused(kind: WholeNumber, text: str) -> None:
    """`--version 1_0` promoted version 10."""
    with pytest.raises(click.BadParameter, match="is not a"):
        kind.convert(text, None, None)
    assert kind.convert("12", None, None) == 12


def test_the_message_says_what_is_expected() -> None:
    """A version has its own text."""
    with pytest.raises(click.BadParameter, match="'1_0' is not a whole number: expected digits only"):
        WholeNumber(1, 16).convert("1_0", None, None)
    with pytest.raises(click.BadParameter, match=r"'1_0' is not a version number: expected 1, 2, 3, \.\.\."):
        VersionNumber().convert("1_0", None, None)
    assert CliRunner().invoke(cli, ["promote", "--model=m", "--version=1_0"]).exit_code == 2
