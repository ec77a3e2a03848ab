"""What the report tells of a cleanup: by model what stays by which rule and what goes, the bytes, each version."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from builders import snapshot, version
from jenkins_mlflow.cleanup.plan import dry_run, plan_cleanup
from jenkins_mlflow.commands.cleanup import cleanup_result
from jenkins_mlflow.config.cleanup import Cleanup
from jenkins_mlflow.page.retention import LISTED, Fate, OfModel, cleaned
from jenkins_mlflow.page.view import view
from jenkins_mlflow.page.writing import page, twin
from jenkins_mlflow.registry.version import Target
from jenkins_mlflow.results.base import document
from jenkins_mlflow.results.cleanup import CleanupResult, HeldPart

GROUP = snapshot(
    version("m", 1), version("m", 2), version("m", 3), version("m", 4, stage="Production"), version("n", 1)
)
PLAN = plan_cleanup(GROUP, GROUP, Cleanup(keep_last=1), Target("Production", "champion"), now=172_800)


def result() -> CleanupResult:
    """The plan, with the bytes of what goes: m v1 and v2 share their files."""
    planned = cleanup_result(dry_run(PLAN))
    sizes = {1: 2_000, 2: 2_000}
    items = tuple(
        replace(item, bytes=sizes[item.version], storage="s3://b/x") if item.action == "delete" else item
        for item in planned.items
    )
    return replace(planned, items=items, bytes=2_000)


def written(found: CleanupResult) -> dict[str, Any]:
    """As it lies in the report's folder."""
    loaded: dict[str, Any] = json.loads(json.dumps(document(found)))
    return loaded


def test_a_plan() -> None:
    """What goes comes first. Files that two versions share count once."""
    found = cleaned(written(result()))
    assert found
    assert found.policy == ("Keep for each model: the last version.",)
    assert found.models == (
        OfModel("m", "1 protected, 1 by keep_last", "2 would be deleted", "2.0 kB"),
        OfModel("n", "1 by keep_last", "", ""),
    )
    assert found.versions == (
        Fate("m v2", "would be deleted", "no rule keeps it, 47 h old", "2.0 kB"),
        Fate("m v1", "would be deleted", "no rule keeps it, 47 h old", "2.0 kB"),
        Fate("m v4", "kept", "protected: in production", ""),
        Fate("m v3", "kept", "last: last 1 of 1", ""),
        Fate("n v1", "kept", "last: last 1 of 1", ""),
    )
    assert found.storage == (("files of deleted versions", "2.0 kB"),)


def test_what_came_of_it_and_what_is_held() -> None:
    """One was deleted, one is in use: that one stays, and frees nothing."""
    outcomes = {2: "deleted", 1: "kept: in use"}
    planned = result()
    items = tuple(
        replace(item, outcome=outcomes[item.version], storage=str(item.version))  # type: ignore[arg-type]
        if item.action == "delete"
        else item
        for item in planned.items
    )
    held = HeldPart(versions=3, bytes=1_500_000, uncounted=1, first=1_000_000.0, last=2_000_000.0)
    found = cleaned(
        written(replace(planned, items=items, held=held)) | {"reclaim": {"status": "reclaimed", "freed": 70}}
    )
    assert found
    assert found.models[0] == OfModel("m", "1 protected, 1 by keep_last, 1 in use", "1 deleted", "2.0 kB")
    assert found.storage == (
        ("files of deleted versions", "2.0 kB"),
        ("can be restored", "3 versions, 1.5 MB, 1 not measured, the first until 1970-01-12 13:46 UTC"),
        ("freed", "70 B"),
    )
    planned_too = cleaned(
        {"held": {"versions": 1, "uncounted": 1}, "reclaim": {"status": "planned", "bytes": 5}}
    )
    assert planned_too
    assert planned_too.storage == (
        ("can be restored", "1 version, 1 not measured"),
        ("would be freed", "5 B"),
    )


def test_a_thousand_versions_make_no_endless_page() -> None:
    """The models are all told of, of the versions those that go and as many of the rest as fit."""
    items = [{"model": "m", "version": number, "action": "keep", "rule": "last"} for number in range(LISTED)]
    items.append({"model": "m", "version": 9999, "action": "delete", "outcome": "deleted"})
    found = cleaned({"items": items})
    assert found
    assert (len(found.versions), found.more, found.versions[0].name) == (LISTED, 1, "m v9999")
    assert found.models == (OfModel("m", f"{LISTED} by keep_last", "1 deleted", ""),)
    assert "and 1 more, see cleanup.csv" in page(view({"cleanup": {"items": items}}, ""), {})


@pytest.mark.parametrize(
    "value", [None, "x", 7, -1, 10**400, [], {}, [[]], [{}], {"a": 1}, True, float("nan")]
)
def test_a_file_of_somebody_else_breaks_nothing(value: Any) -> None:
    """Any value in any place of a cleanup.json that a checkout brought."""
    keys = ("message", "policy", "items", "bytes", "held", "reclaim", "warnings")
    inner = (
        "model",
        "version",
        "action",
        "outcome",
        "rule",
        "reason",
        "error",
        "bytes",
        "storage",
        "keep",
        "models",
    )
    held = ("versions", "bytes", "uncounted", "first", "freed", "status")
    for found in (
        *({key: value} for key in keys[:-1]),
        *({"items": [{"action": "delete", key: value}], "policy": [{key: value}]} for key in inner),
        *(
            {"held": {"versions": 1, key: value}, "reclaim": {"status": "planned", key: value}}
            for key in held
        ),
    ):
        shown = view({"cleanup": found}, "")
        page(shown, {})
        twin(shown)


def test_the_page_and_its_twin() -> None:
    """A table of models and one of versions; hostile names are text."""
    hostile = "<script>alert(1)</script>"
    found = written(result())
    found["items"][0]["model"] = hostile
    shown = view({"cleanup": found}, "")
    text = page(shown, {})
    assert "<script" not in text
    assert (
        '<tr><td>m</td><td>1 by keep_last</td><td>2 would be deleted</td><td class="number">2.0 kB</td></tr>'
    ) in text
    assert "<dt>files of deleted versions</dt><dd>2.0 kB</dd>" in text
    markdown = twin(shown)
    assert "- files of deleted versions: 2.0 kB" in markdown
    assert "| m | `1 by keep_last` | 2 would be deleted | 2.0 kB |" in markdown
