"""The retention policy as a pure plan: examples for each protection, then the invariant over random registries."""

from __future__ import annotations

import pytest
from builders import snapshot, version
from hypothesis import given, strategies as st
from jenkins_mlflow.cleanup.plan import CleanupPlan, plan_cleanup
from jenkins_mlflow.config.schema import Cleanup, Protect
from jenkins_mlflow.registry.snapshot import Snapshot, Target, Version

NOW = 100 * 86_400.0
TARGET = Target("Production", "champion")


def plan(group: Snapshot, **rules: object) -> CleanupPlan:
    return plan_cleanup(group, group, Cleanup(**rules), TARGET, now=NOW)  # type: ignore[arg-type]


def deleted(result: CleanupPlan) -> list[int]:
    return [item.version.number for item in result.deletions]


def test_keep_last_counts_versions_that_are_not_in_production() -> None:
    """Production at 5 of 5 and keep 2: 4 and 3 stay, 2 and 1 go (the incident's own example)."""
    group = snapshot(
        *(version("m", n, stage="Archived") for n in range(1, 5)), version("m", 5, stage="Production")
    )
    assert deleted(plan(group, keep_last=2)) == [2, 1]


def test_production_by_alias_does_not_count_either() -> None:
    """A version that carries the champion alias is in production too: kept, and not counted."""
    group = snapshot(version("m", 1), version("m", 2), version("m", 3, aliases=("champion",)))
    result = plan(group, keep_last=1)
    assert deleted(result) == [1]
    assert result.items[0].reason == "in production"


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"stage": "Production"}, "in production"),
        ({"stage": "Staging"}, "stage Staging"),
        ({"aliases": ("canary",)}, "alias canary"),
        ({"tags": {"keep": "true"}}, "tag keep=true"),
        ({"created": int(NOW * 1000) - 3_600_000}, "only 1 h old (min_age 7 d)"),
    ],
)
def test_what_is_protected_stays_with_the_reason(fields: dict[str, object], reason: str) -> None:
    """Each protection alone keeps a version that keep_last 0 would delete."""
    rules = {"keep_last": 0, "min_age": "7d", "protect": Protect(tags={"keep": "true"})}
    item = plan(snapshot(version("m", 1, **fields)), **rules).items[0]
    assert (item.action, item.reason) == ("keep", reason)


def test_the_rollback_target_stays() -> None:
    """The version that was in production before, as promotion tagged it, is kept, in another model too."""
    tags = {"jenkins_mlflow.previous_model": "a", "jenkins_mlflow.previous_version": "1"}
    group = snapshot(version("a", 1), version("a", 2), version("b", 1, stage="Production", tags=tags))
    result = plan(group, keep_last=0)
    assert [(i.version.model, i.version.number) for i in result.deletions] == [("a", 2)]


def test_narrower_protection_is_obeyed() -> None:
    """With protect.aliases and protect.stages named, others may go; production may not."""
    protect = Protect(stages=("Production",), aliases=("keep-me",))
    group = snapshot(
        version("m", 1, stage="Staging"),
        version("m", 2, aliases=("other",)),
        version("m", 3, aliases=("keep-me",)),
        version("m", 4, stage="Production"),
    )
    assert deleted(plan(group, keep_last=0, protect=protect)) == [2, 1]


def test_max_deletions_takes_the_oldest_and_leaves_the_rest_for_the_next_run() -> None:
    """A limit of 2 on 5 deletions: the 2 oldest go, 3 are deferred and say so."""
    result = plan(snapshot(*(version("m", n) for n in range(1, 6))), keep_last=0, max_deletions=2)
    assert sorted(deleted(result)) == [1, 2]
    assert [i.reason for i in result.items if i.action == "defer"] == [
        "left for the next run (max_deletions 2)"
    ] * 3


@st.composite
def registries(draw: st.DrawFn) -> Snapshot:
    found: list[Version] = []
    for model in draw(st.sets(st.sampled_from("ab"), max_size=2)):
        for number in range(1, draw(st.integers(1, 8)) + 1):
            tags = draw(
                st.sampled_from(
                    [{}, {"keep": "true"}, {"jenkins_mlflow.previous_version": "1"}, {"keep": "no"}]
                )
            )
            found.append(
                version(
                    model,
                    number,
                    stage=draw(st.sampled_from(["None", "None", "Archived", "Staging", "Production"])),
                    aliases=draw(st.sampled_from([(), (), ("champion",), ("x", "y")])),
                    tags=tags,
                    created=int((NOW - draw(st.integers(0, 20)) * 86_400) * 1000),
                )
            )
    return snapshot(*found)


@given(registries(), st.integers(0, 4), st.integers(0, 10), st.integers(1, 5))
def test_cleanup_never_deletes_what_is_protected(
    group: Snapshot, keep_last: int, days: int, limit: int
) -> None:
    """Invariant 4: no deletion in production, staged, aliased, tagged, younger than min_age, a rollback target, or
    among the newest; never more than max_deletions; and every version has its line with a reason."""
    rules = {"keep_last": keep_last, "min_age": f"{days}d", "max_deletions": limit}
    result = plan(group, protect=Protect(tags={"keep": "true"}), **rules)
    assert [item.version for item in result.items] == list(group.versions())
    assert all(item.reason for item in result.items)
    assert len(result.deletions) <= limit
    for item in result.deletions:
        v = item.version
        assert v.stage in ("None", "Archived")
        assert not v.aliases
        assert v.tags.get("keep") != "true"
        assert NOW - v.created / 1000 >= days * 86_400
        model = group.model(v.model)
        assert model is not None
        newer = [o for o in model.versions if o.number > v.number and not _in_production(o)]
        assert len(newer) >= keep_last
        assert not any(
            _in_production(o) and o.tags.get("jenkins_mlflow.previous_version") == str(v.number)
            for o in model.versions
        )


@given(registries(), st.integers(0, 4))
def test_a_second_cleanup_finds_nothing(group: Snapshot, keep_last: int) -> None:
    """Idempotent: planning again on what the first cleanup left deletes nothing."""
    doomed = {(i.version.model, i.version.number) for i in plan(group, keep_last=keep_last).deletions}
    left = snapshot(*(v for v in group.versions() if (v.model, v.number) not in doomed))
    assert plan(left, keep_last=keep_last).deletions == ()


def _in_production(v: Version) -> bool:
    return v.stage == "Production" or "champion" in v.aliases
