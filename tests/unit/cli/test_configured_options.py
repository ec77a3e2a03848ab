"""Options that override the config: a default is written once, in the config's schema; the option names its key."""

from __future__ import annotations

import click
import pytest
from jenkins_mlflow.cli.main import cli
from jenkins_mlflow.cli.options import Configured, overrides
from jenkins_mlflow.cli.retention import SHAPING
from jenkins_mlflow.config.schema import default_of

OPTIONS = [
    pytest.param(name, option, id=f"{name} {option.opts[0]}")
    for name, command in sorted(cli.commands.items())
    for option in command.params
    if isinstance(option, Configured)
]


@pytest.mark.parametrize(("command", "option"), OPTIONS)
def test_the_help_shows_the_schemas_default(command: str, option: Configured) -> None:
    """And nowhere beside it a second one."""
    default = default_of(option.key)
    record = option.get_help_record(click.Context(cli.commands[command]))
    assert record is not None
    if default:
        assert "[" not in (option.help or "")
        assert record[1].endswith(f" [{default}].")


def test_only_what_was_given_overrides_the_config() -> None:
    """An option that is left out leaves the file's value alone."""
    command = cli.commands["promote"]
    context = command.make_context("promote", ["--alias", "live", "--force-method", "stage", "--models", "a"])
    assert overrides(context) == {
        "promote.alias": ("--alias", "live"),
        "promote.force_methods": ("--force-method", ["stage"]),
        "models": ("--models", ["a"]),
    }


def test_a_former_name_sets_the_same_key_and_is_named_as_it_was_typed() -> None:
    context = cli.commands["cleanup"].make_context("cleanup", ["--min-age=7"])
    assert overrides(context) == {"cleanup.keep_within": ("--min-age", "7")}


def test_the_name_of_today_wins_over_a_former_one() -> None:
    context = cli.commands["cleanup"].make_context("cleanup", ["--keep-within=30d", "--min-age=7d"])
    assert overrides(context) == {"cleanup.keep_within": ("--keep-within", "30d")}


def test_every_option_that_shapes_a_plan_is_refused_beside_one() -> None:
    """`cleanup --apply` would ignore it, and delete what it was to keep."""
    keys = {one.key for one in cli.commands["cleanup"].params if isinstance(one, Configured)}
    assert {key for key in keys if key.startswith("cleanup.") and ".reclaim" not in key} <= {*SHAPING}
