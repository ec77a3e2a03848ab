"""What "in production" means, as records name it, and which records count for it."""

from __future__ import annotations

import pytest
from builders import snapshot, version
from jenkins_mlflow.errors import Refused
from jenkins_mlflow.promotion.rollback import plan_return
from jenkins_mlflow.registry.version import Target
from jenkins_mlflow.tags import BEFORE, PROMOTED_AT, TARGET

PRODUCTION, STAGING = Target("Production", "champion"), Target("Staging", "staging")


@pytest.mark.parametrize(
    ("marks", "counts"),
    [
        ("", True),  # of version 0.2
        ("Production @champion", True),
        ("@champion", True),  # before or after a team has left stages
        ("Production", True),
        ("Production @live", True),
        ("Staging @staging", False),
        ("@champions", False),
        ("champion", False),
    ],
)
def test_a_record_counts_where_it_shares_a_mark(marks: str, counts: bool) -> None:
    assert PRODUCTION.counts(marks) is counts


@pytest.mark.parametrize(
    ("target", "marks"),
    [
        (PRODUCTION, "Production @champion"),
        (Target("Production", None), "Production"),
        (Target(None, "live"), "@live"),
        (Target("Production", "champion", copy_to="prod"), "@champion"),
    ],
)
def test_how_a_target_is_written(target: Target, marks: str) -> None:
    assert target.marks == marks


def test_what_was_in_staging_before_is_not_returned_to() -> None:
    """Version 1 had its last record of production, and was promoted to Staging since: only by its number."""
    tags = {PROMOTED_AT: "2026-11-01T00:00:00+00:00"}
    group = snapshot(
        version("m", 1, tags={**tags, TARGET: STAGING.marks}, counted={}),
        version("m", 2, stage="Production", tags={**tags, BEFORE: '[["m", 1, 0]]'}),
    )
    with pytest.raises(Refused, match="its promotion record is of Staging @staging"):
        plan_return(group, "m", None, PRODUCTION)
    assert plan_return(group, "m", 1, PRODUCTION).number == 1
