"""A cleanup deletes what its plan names, less what changed meanwhile, and writes down each of it: random registries."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any, TypeVar

from builders import snapshot, version
from hypothesis import example, given, settings, strategies as st
from jenkins_mlflow.cleanup.apply import apply_cleanup
from jenkins_mlflow.cleanup.plan import plan_cleanup
from jenkins_mlflow.config.cleanup import Cleanup, Protect
from jenkins_mlflow.config.select import Select
from jenkins_mlflow.registry.snapshot import Snapshot
from support.registries import CHANGES, NOW, REGISTRIES, RULES, TARGET, Memory
from support.thorough import examples

T = TypeVar("T")
Key = tuple[str, int]


class Lock:
    def check(self) -> None:
        pass


CREATED = 8_640_000_000
ONE_CHANGED_TWICE = snapshot(
    *(version("b", number, created=CREATED) for number in range(1, 8)),
    version("b", 8, created=CREATED - 3_600_000),
    version("b", 9, created=CREATED - 3_600_000, tags={"jenkins_mlflow.previous_version": "1"}),
)
"""Version 9 gets an alias and is made again: its target, which nobody touched, is kept for the alias."""


@settings(deadline=None, max_examples=examples(300))
@example(ONE_CHANGED_TWICE, {"keep_last": 2, "keep_monthly": 1}, [(5, "aliased"), (5, "made again")], 1)
@given(
    REGISTRIES,
    RULES,
    st.lists(st.tuples(st.integers(0, 20), st.sampled_from(sorted(CHANGES))), max_size=5),
    st.integers(1, 9),
)
def test_apply_is_the_plan_less_what_changed(
    group: Snapshot, rules: dict[str, Any], changes: list[tuple[int, str]], workers: int
) -> None:
    """Nothing else goes, nothing goes unwritten, and the journal takes back what was kept after all."""
    cleanup = Cleanup(**{"keep_last": 0, "protect": Protect(tags={"keep": "true"}), **rules})
    plan = plan_cleanup(group, group, cleanup, TARGET, now=NOW, select=Select())
    planned = {(item.version.model, item.version.number) for item in plan.deletions}
    memory = Memory(group)
    changed: dict[Key, str] = {}
    for place, change in changes:
        keys = sorted(planned & set(memory.versions)) or sorted(memory.versions)
        if keys:
            key = keys[place % len(keys)]
            found = CHANGES[change](memory.versions[key])
            changed[key] = change
            if found is None:
                del memory.versions[key]
            else:
                memory.versions[key] = found
    before = set(memory.versions)
    result = apply_cleanup(
        memory,  # type: ignore[arg-type]
        plan,
        lambda models: nullcontext(Lock()),  # type: ignore[arg-type]
        journal=memory,  # type: ignore[arg-type]
        workers=workers,
    )
    assert result.stopped is None
    gone = before - set(memory.versions)
    assert gone <= planned
    kept = {
        (item.version.model, item.version.number)
        for item in result.items
        if item.outcome == "kept: changed since the plan"
    }
    assert gone == planned & before - kept
    # what nobody touched goes, unless it became a rollback target of what was staged or aliased meanwhile
    serving = any(change in ("staged", "aliased") for _, change in changes)
    assert serving or kept <= set(changed)
    assert not gone & {key for key, change in changed.items() if change != "gone"}
    assert memory.deleted_unwritten == []
    assert memory.withdrawn == kept
