"""What a pipeline learns from a cleanup's exit code."""

from __future__ import annotations

import pytest
from builders import version
from jenkins_mlflow import errors
from jenkins_mlflow.cleanup.plan import CleanupResult, Item, ItemOutcome
from jenkins_mlflow.commands.cleanup import exit_code
from jenkins_mlflow.errors import Busy, Interrupted, JenkinsMlflowError, RegistryError

FAULT = RegistryError("no")


@pytest.mark.parametrize(
    ("outcomes", "stopped", "code"),
    [
        (["deleted", "kept: changed since the plan"], None, errors.DONE),
        (["deleted", "kept: in use"], None, errors.DONE),
        (["kept: in use", "kept: in use"], None, errors.BUSY),
        (["failed", "not reached"], FAULT, errors.FAILED),
        (["deleted", "failed"], FAULT, errors.PARTLY),
        (["deleted", "not reached"], Interrupted("x", signal_number=15), 143),
        ([], None, errors.DONE),
    ],
)
def test_the_code_says_what_to_do_next(
    outcomes: list[ItemOutcome], stopped: JenkinsMlflowError | Interrupted | None, code: int
) -> None:
    """A held lock, a failure before and one after the first deletion, and a signal are told apart."""
    kept = Item(version("m", 9), "keep", "in production")
    items = [Item(version("m", n), "delete", "", outcome=outcome) for n, outcome in enumerate(outcomes)]
    assert exit_code(CleanupResult("stopped", "", (kept, *items), stopped=stopped)) == code


def test_a_held_lock_has_its_code_in_every_command() -> None:
    """Wait and run again, instead of looking for a fault."""
    assert Busy("m is being worked on").exit_code == 5
