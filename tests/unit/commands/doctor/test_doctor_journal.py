"""What doctor says of the journal of deletions, whoever asks."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from jenkins_mlflow.commands.doctor.diagnosis import journal
from jenkins_mlflow.errors import JenkinsMlflowError, Refused, RegistryError


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (Refused("it is in MLflow's trash", next_step="mlflow experiments restore -x 7"), "problem"),
        (RegistryError("http://x refuses access: PERMISSION_DENIED", next_step="ask for READ"), "note"),
    ],
)
def test_a_journal_that_cannot_be_read_is_a_finding(error: JenkinsMlflowError, status: str) -> None:
    """An account that is kept out of it still gets the other findings."""

    def refuse(what: str, read: object) -> None:
        raise error

    registry: Any = SimpleNamespace(retrying=refuse, connection=None)
    (found,) = journal(registry)
    assert (found.status, found.message, found.fix) == (status, error.message, error.next_step)
