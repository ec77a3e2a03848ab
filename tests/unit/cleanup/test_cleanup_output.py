"""What a person reads of a cleanup: the policy in words, what stays by which rule, what goes, what failed."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from builders import snapshot, version
from jenkins_mlflow.cleanup.plan import CleanupPlan, dry_run, plan_cleanup
from jenkins_mlflow.cleanup.restorable import HeldBack
from jenkins_mlflow.commands.cleanup import cleanup_result
from jenkins_mlflow.config.cleanup import Cleanup
from jenkins_mlflow.registry.version import Target
from jenkins_mlflow.render import render

PLAN: CleanupPlan = plan_cleanup(
    (group := snapshot(
        version("m", 1), version("m", 2), version("m", 3), version("m", 4, stage="Production", aliases=("champion",))
    )),
    group,
    Cleanup(keep_last=1, keep_weekly=2, max_deletions=1),
    Target("Production", "champion"),
    now=172_800,
)  # fmt: skip


def shown(plan: CleanupPlan, form: str = "text") -> str:
    stream = io.StringIO()
    render(cleanup_result(dry_run(plan)), form, stream)
    return stream.getvalue()


def test_the_plan_as_text() -> None:
    """Policy first, each kept version with its rule and rank, then the outcome in one line."""
    assert shown(PLAN).splitlines() == [
        "Keep for each model: the last version, the last version of each of 2 weeks.",
        "📦 m",
        "   keep         v4    1970-01-01 00:00  Production  @champion  in production",
        "   keep         v3    1970-01-01 00:00  last 1 of 1",
        "   🗑️  delete   v2    1970-01-01 00:00  no rule keeps it, 47 h old",
        "   keep         v1    1970-01-01 00:00  weekly #1 (oldest)",
        "DRY RUN: would delete 1 version of 1 model; nothing was changed",
        "next:  run it without --dry-run to delete these versions",
    ]


def test_a_plan_file_is_what_comes_next() -> None:
    """The next step carries out the file that was written, whatever its name is."""
    result = replace(cleanup_result(dry_run(PLAN)), plan_file="my plan.json")
    assert result.next_step == "`jenkins-mlflow cleanup --apply 'my plan.json'` deletes these versions"


@pytest.mark.parametrize("form", ["text", "csv", "md"])
def test_every_form_says_why_a_deletion_failed(form: str) -> None:
    """Every form says why it failed."""
    items = tuple(
        replace(item, outcome="failed", error="403 no access") if item.action == "delete" else item
        for item in PLAN.items
    )
    assert "403 no access" in shown(replace(PLAN, items=items), form)


def test_a_size_of_some_is_not_told_as_that_of_all() -> None:
    """What was deleted without a measurement has no size in the journal."""
    told = [HeldBack(11, 1000, uncounted, None, None).description for uncounted in (0, 10, 11)]
    assert told == [
        "; 11 deleted versions (1.0 kB) can be restored; their files stay",
        "; 11 deleted versions (those that were measured take 1.0 kB) can be restored; their files stay",
        "; 11 deleted versions can be restored; their files stay",
    ]


def test_a_cleanup_without_a_model_counts_none() -> None:
    """Every model was left alone, each with a warning: "in 0 models" would be a riddle."""
    assert shown(replace(PLAN, items=())).splitlines()[-1] == "nothing to delete"
