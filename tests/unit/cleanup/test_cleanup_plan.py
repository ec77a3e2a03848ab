"""The retention policy as a pure plan: examples for each protection, then the invariant over random registries."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

import pytest
from builders import snapshot, version
from hypothesis import given, strategies as st
from jenkins_mlflow.cleanup.plan import CleanupPlan, Objection, plan_cleanup
from jenkins_mlflow.cleanup.policy import describe, keep
from jenkins_mlflow.config.cleanup import Cleanup, KeepBest, KeepRules, Protect
from jenkins_mlflow.config.schema import load
from jenkins_mlflow.config.select import Select
from jenkins_mlflow.history.event import moment
from jenkins_mlflow.registry.snapshot import Snapshot
from jenkins_mlflow.registry.version import Run, Version
from jenkins_mlflow.results.base import day
from jenkins_mlflow.tags import (
    BEFORE,
    CHANGE_TAG,
    CHECK_TAG,
    FAILED,
    KEEP_TAG,
    LEASE_TAG,
    LOST,
    OTHER_RECORDS,
    OUTCOME_TAG,
    PREVIOUS_MODEL,
    PREVIOUS_VERSION,
)
from jenkins_mlflow.times import LATEST
from support.registries import NOW, REGISTRIES, RULES, TARGET
from support.steps import steps_of


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


@pytest.mark.parametrize("name", KeepRules.model_fields)
def test_each_rule_keeps_something_and_is_described(name: str) -> None:
    """A policy without a description counts as empty, and its cleanup is refused."""
    off: dict[str, Any] = dict.fromkeys(KeepRules.model_fields, 0) | {"keep_best": None}
    rules = KeepRules().model_copy(update=off | {name: KeepBest() if name == "keep_best" else 1})
    made = version("m", 1, created=1000, run=Run("r", metrics={"roc_auc": 0.8}))
    assert len(keep([made], rules, Select(), now=1.5)) == 1
    assert len(describe(rules, Select())) == 1


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
        ({"created": int(NOW * 1000) - 3_600_000}, "within 7 d (1 h old)"),
    ],
)
def test_what_is_protected_stays_with_the_reason(fields: dict[str, Any], reason: str) -> None:
    """Each protection alone keeps a version that keep_last 0 would delete."""
    rules = {"keep_last": 0, "keep_within": "7d", "protect": Protect(tags={"keep": "true"})}
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


def at(number: int, moment: str, **fields: Any) -> Version:
    """A version made at a time of 1970, such as `03-02 10:00`."""
    when = datetime.strptime(f"1970-{moment} +0000", "%Y-%m-%d %H:%M %z")
    return version("m", number, created=int(when.timestamp() * 1000), **fields)


def reasons(result: CleanupPlan) -> dict[int, str]:
    return {item.version.number: item.reason for item in result.items if item.action == "keep"}


def test_calendar_thinning() -> None:
    """Borg's own way: the last of a day, then of a week that no day kept, then of a month, and the oldest of all."""
    group = snapshot(
        at(1, "01-05 10:00"),
        at(2, "02-10 10:00"),
        at(3, "03-20 10:00"),
        at(4, "03-26 10:00"),
        at(5, "04-01 10:00"),
        at(6, "04-09 09:00"),
        at(7, "04-10 09:00"),
        at(8, "04-10 10:00"),
    )
    result = plan(group, keep_last=0, keep_daily=2, keep_weekly=2, keep_monthly=3)
    assert reasons(result) == {
        8: "daily #1",
        6: "daily #2",
        5: "weekly #1",
        4: "weekly #2",
        2: "monthly #1",
        1: "monthly #2",
    }
    assert deleted(result) == [7, 3]


def test_the_oldest_stays_until_the_coarsest_rule_is_full() -> None:
    """Two versions of one day, twelve months to keep: the older one stands for the months to come."""
    result = plan(snapshot(at(1, "04-10 09:00"), at(2, "04-10 10:00")), keep_last=0, keep_monthly=12)
    assert reasons(result) == {2: "monthly #1", 1: "monthly #2 (oldest)"}


def test_garbage_pushes_nothing_out() -> None:
    """Three broken nights: not READY, below the gate, without the gate's metric. The last good two stay."""
    group = snapshot(
        version("m", 1, metrics={"auc": 0.9}),
        version("m", 2, metrics={"auc": 0.8}),
        version("m", 3, metrics={"auc": 0.9}),
        version("m", 4, metrics={"auc": 0.9}, status="FAILED_REGISTRATION"),
        version("m", 5, metrics={"auc": 0.1}),
        version("m", 6, metrics={"loss": 1.0}),
    )
    select = Select(metric="auc", gates={"auc": ">= 0.5"})  # type: ignore[dict-item]
    result = plan_cleanup(group, group, Cleanup(keep_last=2), TARGET, now=NOW, select=select)
    assert reasons(result) == {3: "last 1 of 2", 2: "last 2 of 2"}
    gone = {item.version.number: item.reason for item in result.deletions}
    assert {
        number: "no rule counts it (not READY, or a gate fails)" in reason for number, reason in gone.items()
    } == {
        1: False,
        4: True,
        5: True,
        6: True,
    }


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"run_tags": {CHANGE_TAG: "PR-7"}}, "trained by the change request PR-7, which is no branch"),
        ({"run_tags": {OUTCOME_TAG: "failed"}}, "its training did not end well (failed)"),
        ({"run_tags": {OUTCOME_TAG: LOST}}, "its training was lost with its agent, before it had ended"),
        ({"status": "FAILED"}, "its run is FAILED in MLflow"),
        ({"deleted": True}, "its run is in MLflow's trash"),
        ({"tags": {CHECK_TAG: FAILED}}, "it failed the check after its promotion"),
        (
            {"tags": {OTHER_RECORDS: f'[{{"{CHECK_TAG}": "{FAILED}"}}]'}},
            "it failed the check after its promotion",
        ),
    ],
)
def test_what_no_selection_chooses_displaces_nothing(fields: dict[str, Any], why: str) -> None:
    """Three versions that no selection may choose, newer and better: the last and the best of the others stay."""
    of_run = {name: fields[name] for name in ("status", "deleted") if name in fields}
    of_version = {name: value for name, value in fields.items() if name not in of_run}

    def unfit(number: int) -> Version:
        made = version("m", number, metrics={"auc": 0.99}, **of_version)
        assert made.run is not None
        return replace(made, run=replace(made.run, **of_run))

    group = snapshot(
        version("m", 1, metrics={"auc": 0.9}),
        version("m", 2, metrics={"auc": 0.8}),
        *(unfit(number) for number in (3, 4, 5)),
    )
    cleanup = Cleanup(keep_last=1, keep_best=KeepBest(metric="auc"))
    found = plan_cleanup(group, group, cleanup, TARGET, now=NOW)
    assert reasons(found) == {2: "last 1 of 1", 1: "best 1 of 1 (auc 0.9)"}
    assert {item.reason for item in found.deletions} == {f"no rule counts it: {why}, 99 d old"}


@pytest.mark.parametrize(("hours", "stays"), [(23, True), (25, False)])
def test_the_build_of_a_change_request_may_still_select_its_version(hours: int, stays: bool) -> None:
    """It trains, then selects what it has trained; a cleanup in between leaves it the version."""
    young = version(
        "m", 2, metrics={}, run_tags={CHANGE_TAG: "PR-7"}, created=int((NOW - hours * 3600) * 1000)
    )
    found = plan(snapshot(version("m", 1, metrics={}), young), keep_last=1)
    why = "trained by the change request PR-7, whose build may still select it"
    assert reasons(found) == {1: "last 1 of 1", **({2: why} if stays else {})}


UNREADABLE = Run("r", {"loss": 1.0}, unclear=True)
SEVERAL = "its run logged several models, and which of them this version is cannot be determined"
ONLY_BY_NAME = "only --allow-remove-all with --model deletes it"


@pytest.mark.parametrize(
    ("fields", "why"),
    [({"run": None}, "its run cannot be read"), ({"run": UNREADABLE}, SEVERAL)],
    ids=["hidden or purged", "unclear"],
)
@pytest.mark.parametrize(
    "rules", [{"gates": {"auc": ">= 0.5"}}, {"keep_best": KeepBest(metric="auc")}], ids=["gates", "keep_best"]
)
def test_a_metric_that_cannot_be_read_is_no_failed_gate(
    fields: dict[str, Any], why: str, rules: dict[str, Any]
) -> None:
    """The unknown versions may be the best ones: they stay, say how they go, and take nobody's place."""
    group = snapshot(
        *(version("m", n, metrics={"auc": 0.9 - n / 10}) for n in (1, 2, 3)),
        *(version("m", n, run_id=f"hidden-{n}", **fields) for n in (4, 5)),
        version("m", 6, run_id="hidden-6", status="FAILED_REGISTRATION", **fields),
    )
    select = Select(metric="auc", gates=rules.get("gates", {}))
    cleanup = Cleanup(keep_last=1, keep_best=rules.get("keep_best"))
    found = plan_cleanup(group, group, cleanup, TARGET, now=NOW, select=select)
    unknown = f"auc is unknown: {why}; {ONLY_BY_NAME}"
    best = {1: "best 1 of 1 (auc 0.8)"} if cleanup.keep_best else {}
    assert reasons(found) == {5: unknown, 4: unknown, 3: "last 1 of 1", **best}
    assert {item.version.number: item.rule for item in found.items}[5] == "unknown"


@pytest.mark.parametrize("gates", [{"auc": ">= 0.5"}, {}], ids=["gates", "keep_best"])
def test_allow_remove_all_takes_an_unknown_metric_for_a_missing_one(gates: dict[str, Any]) -> None:
    group = snapshot(
        *(version("m", n, metrics={"auc": 0.9 - n / 10}) for n in (1, 2)),
        *(version("m", n, run_id=f"hidden-{n}") for n in (3, 4)),
    )
    cleanup = Cleanup(keep_last=1, keep_best=KeepBest(metric="auc"))
    found = plan_cleanup(
        group, group, cleanup, TARGET, now=NOW, select=Select(gates=gates), allow_remove_all=True
    )
    last = {2: "last 1 of 1"} if gates else {4: "last 1 of 1"}
    assert reasons(found) == {1: "best 1 of 1 (auc 0.8)", **last}


def test_what_surely_fails_a_gate_is_not_unknown() -> None:
    """One known metric is enough to fail; a version without any run has no metric that anybody could read."""
    select = Select(gates={"loss": "<= 0.5", "auc": ">= 0.5"})  # type: ignore[dict-item]
    group = snapshot(
        version("m", 1, metrics={"auc": 0.9, "loss": 0.1}),
        version("m", 2, run_id="r", run=UNREADABLE),
        version("m", 3),
    )
    assert deleted(plan_cleanup(group, group, Cleanup(keep_last=3), TARGET, now=NOW, select=select)) == [3, 2]


def test_without_gates_the_age_alone_decides() -> None:
    """No metric matters, so a run that was purged long ago keeps no version for ever."""
    group = snapshot(*(version("m", n, run_id=f"hidden-{n}") for n in range(1, 4)))
    assert reasons(plan(group, keep_last=1)) == {3: "last 1 of 1"}


def test_a_version_inside_the_grace_period_uses_up_no_count() -> None:
    """The two of today stay for their age; the last two of before stay too."""
    today, before = int(NOW * 1000), int((NOW - 9 * 86_400) * 1000)
    group = snapshot(*(version("m", n, created=today if n > 3 else before) for n in range(1, 6)))
    assert reasons(plan(group, keep_last=2, keep_within="7d")) == {
        5: "within 7 d (0 s old)",
        4: "within 7 d (0 s old)",
        3: "last 1 of 2",
        2: "last 2 of 2",
    }


def test_what_was_just_made_is_not_kept_for_its_age() -> None:
    """A server tells its time in whole seconds: a version of the same second seems to be of the future."""
    group = snapshot(version("m", 1, created=int(NOW * 1000) + 900))
    assert deleted(plan(group, keep_last=0)) == [1]
    assert reasons(plan(group, keep_last=0, keep_within="1h")) == {1: "within 1 h (0 s old)"}


def test_min_age_still_works() -> None:
    """The former name of keep_within: the longer of both counts."""
    for rules in ({"min_age": "7d"}, {"min_age": "7d", "keep_within": "1d"}):
        result = plan(snapshot(version("m", 1, created=int(NOW * 1000))), keep_last=0, **rules)
        assert reasons(result) == {1: "within 7 d (0 s old)"}


@pytest.mark.parametrize(("direction", "best"), [("maximize", 2), ("minimize", 1)])
def test_the_best_stay(direction: Literal["maximize", "minimize"], best: int) -> None:
    """By the metric of select, in its direction; a version without the metric is never the best."""
    group = snapshot(
        version("m", 1, metrics={"auc": 0.25}),
        version("m", 2, metrics={"auc": 0.75}),
        version("m", 3, metrics={"auc": 0.5}),
        version("m", 4, metrics={}),
    )
    select = Select(metric="auc", direction=direction)
    rules = Cleanup(keep_last=0, keep_best=KeepBest())
    result = plan_cleanup(group, group, rules, TARGET, now=NOW, select=select)
    value = {1: 0.25, 2: 0.75}[best]
    assert reasons(result) == {best: f"best 1 of 1 (auc {value})"}


def test_versions_are_ordered_by_their_runs() -> None:
    """A copy of an old model is the newest record, but not the newest model."""
    run = Run("r", started=1)
    group = snapshot(version("m", 1, created=5000), version("m", 2, created=9000, run_id="r", run=run))
    assert deleted(plan(group, keep_last=1)) == [2]


def test_an_override_replaces_what_it_names() -> None:
    """The first pattern that fits counts; what it leaves out is as in general; the plan says both in words."""
    group = snapshot(*(version(name, n) for name in ("big", "small") for n in (1, 2, 3)))
    overrides = {"b*": KeepRules(keep_last=1), "*": KeepRules(keep_last=2)}
    result = plan(group, keep_last=9, keep_within="1h", overrides=overrides)
    assert [i.version.label for i in result.deletions] == [
        "big version 2",
        "big version 1",
        "small version 1",
    ]
    young = "every version younger than 1 h"
    assert result.policy == (
        (None, ("the last 9 versions", young)),
        ("b*", ("the last version", young)),
        ("*", ("the last 2 versions", young)),
    )


def test_models_that_are_left_out() -> None:
    """Only what include names and exclude does not is looked at."""
    group = snapshot(version("a", 1), version("ab", 1), version("b", 1))
    result = plan(group, keep_last=0, include=("a*",), exclude=("ab",))
    assert [item.version.model for item in result.items] == ["a"]


@pytest.mark.parametrize(
    ("rules", "allowed", "refusals"),
    [
        ({"keep_last": 0}, False, ["no rule keeps any version of m: the policy is empty"]),
        ({"keep_last": 0}, True, []),
        ({"keep_last": 0, "keep_within": "1h"}, False, ["m would lose every version: 4 versions"]),
        ({"keep_last": 0, "keep_within": "1h"}, True, []),
        ({"keep_last": 1, "max_share": 74}, True, ["m would lose 3 of 4 versions, 75 %: more than max_share (74 %)"]),
        ({"keep_last": 1, "max_share": 75}, False, []),
    ],
)  # fmt: skip
def test_what_is_too_much_is_refused(rules: dict[str, object], allowed: bool, refusals: list[str]) -> None:
    """An empty policy, a model that would be emptied, more than the share: said by model and number."""
    group = snapshot(*(version("m", n) for n in range(1, 5)))
    result = plan_cleanup(group, group, Cleanup(**rules), TARGET, now=NOW, allow_remove_all=allowed)  # type: ignore[arg-type]
    assert list(result.refusals) == refusals


def with_metrics(number: int, **metrics: float) -> Version:
    return version("m", number, metrics=metrics)


@pytest.mark.parametrize(
    ("versions", "why"),
    [
        pytest.param(
            [with_metrics(1, auc=0.9), with_metrics(2, auc=0.9)],
            "has no version outside production that logged auk, which select.gates asks for",
            id="no version has logged it",
        ),
        pytest.param([with_metrics(1, auc=0.9), with_metrics(2, auk=0.9)], "", id="one has"),
        pytest.param([with_metrics(1, auc=0.9), with_metrics(2, auk=0.1)], "", id="one has, and fails"),
    ],
)
@pytest.mark.parametrize("serving", [with_metrics(3, auk=0.9), version("m", 3)])
def test_a_gate_that_says_nothing_of_a_model_deletes_nothing_of_it(
    versions: list[Version], why: str, serving: Version
) -> None:
    """Its metric is mistyped, or has another name by now. What is in production is judged by nobody."""
    select = Select(gates={"auk": ">= 0.5"})  # type: ignore[dict-item]
    group = snapshot(*versions, replace(serving, stage="Production"), version("n", 1, metrics={"auk": 0.9}))
    for allowed in (False, True):
        rules = Cleanup(keep_last=1, protect=Protect(aliases=[]))  # type: ignore[arg-type]
        found = plan_cleanup(group, group, rules, TARGET, now=NOW, select=select, allow_remove_all=allowed)
        refusals = [f"m {why}"] if why and not allowed else []
        alone = {"m": Objection(why, correct="select.gates")} if why else {}
        assert (dict(found.alone), list(found.refusals)) == (alone, refusals)


@pytest.mark.parametrize("allowed", [False, True])
@pytest.mark.parametrize(
    ("rules", "missing"),
    [
        ({"keep_best": {"metric": "roc_acu", "count": 3}}, "roc_acu"),
        ({"keep_best": {"count": 3}}, "roc_auc"),
        ({"overrides": {"m": {"keep_best": {"metric": "roc_acu"}}}}, "roc_acu"),
        ({"keep_best": {"metric": "auc", "count": 3}}, ""),
        ({"keep_last": 5, "keep_best": {"metric": "roc_acu"}}, ""),
    ],
)
def test_keep_best_by_a_metric_that_no_version_has_deletes_nothing(
    rules: dict[str, Any], missing: str, allowed: bool
) -> None:
    """The metric is mistyped, or select.metric means another one: the best versions would go with the others."""
    serving = version("m", 6, stage="Production", metrics={"roc_acu": 1.0, "roc_auc": 1.0})
    group = snapshot(*(with_metrics(n, auc=1 - n / 10) for n in range(1, 6)), serving)
    cleanup = Cleanup(**{"keep_last": 1, **rules})
    found = plan_cleanup(group, group, cleanup, TARGET, now=NOW, allow_remove_all=allowed)
    why = f"has no version outside production that logged {missing}, which cleanup.keep_best asks for"
    assert dict(found.alone) == ({"m": Objection(why, correct="cleanup.keep_best")} if missing else {})
    assert list(found.refusals) == ([f"m {why}"] if missing and not allowed else [])


@pytest.mark.parametrize(
    ("running", "hours", "reason"),
    [
        (True, 1, "its training run has not ended"),
        (False, 1, "no rule counts it (not READY, or a gate fails), 1 h old"),
        (
            True,
            25,
            "no rule counts it (not READY, or a gate fails), 25 h old",
        ),  # killed: it counts as running for ever
    ],
)
def test_a_version_in_training_may_still_log_what_the_gates_ask_for(
    running: bool, hours: int, reason: str
) -> None:
    select = Select(gates={"auc": ">= 0.5"})  # type: ignore[dict-item]
    young = version(
        "m",
        2,
        created=int(NOW * 1000) - hours * 3_600_000,
        run=Run("r", status="RUNNING" if running else "FINISHED", started=1),
    )
    group = snapshot(version("m", 1, metrics={"auc": 0.9}), young)
    found = plan_cleanup(group, group, Cleanup(keep_last=1), TARGET, now=NOW, select=select)
    assert {item.version.number: item.reason for item in found.items}[2] == reason


def test_the_config_in_the_docs_is_one(tmp_path: Path) -> None:
    """The page's example loads, and its override counts for its model alone."""
    page = Path(__file__).parents[3] / "docs/retention.md"
    path = tmp_path / "mlops.yaml"
    path.write_text(
        page.read_text(encoding="utf-8").partition("```yaml\n")[2].partition("```")[0], encoding="utf-8"
    )
    cleanup = load(path, {}, {}).cleanup
    experimental, other = (cleanup.rules_for(f"heart-disease-{name}") for name in ("experimental", "svm"))
    assert (experimental.keep_last, experimental.keep_daily, experimental.keep_weekly) == (1, 0, 4)
    assert (other.keep_last, other.keep_daily) == (3, 7)


LARGER: dict[str, Callable[[Any, Any], Any]] = {
    "keep_within": lambda a, b: max(a, b, key=lambda text: int(text[:-1])),
    "keep_best": lambda a, b: max(a, b, key=lambda best: best.count),
}
SELECTS = st.sampled_from([Select(), Select(gates={"roc_auc": ">= 0.5"}), Select(direction="minimize")])  # type: ignore[dict-item]


def doomed(group: Snapshot, rules: dict[str, object], select: Select, **more: object) -> set[tuple[str, int]]:
    cleanup = Cleanup(**{"protect": Protect(tags={"keep": "true"}), **rules, **more})  # type: ignore[arg-type]
    found = plan_cleanup(group, group, cleanup, TARGET, now=NOW, select=select)
    assert {item.version.label for item in found.items} == {version.label for version in group.versions()}
    assert all(item.reason for item in found.items)
    return {(item.version.model, item.version.number) for item in found.deletions}


@given(REGISTRIES, RULES, SELECTS, st.integers(1, 5))
def test_no_protected_version_is_ever_deleted(
    group: Snapshot, rules: dict[str, object], select: Select, limit: int
) -> None:
    """Invariant 4, written down once more without the code's own helpers; and never more than max_deletions."""
    going = doomed(group, rules, select, max_deletions=limit)
    assert len(going) <= limit
    named = {
        target
        for v in group.versions()
        if v.stage in ("Production", "Staging") or v.aliases
        for target in before(v)
    }
    for v in group.versions():
        if (v.model, v.number) in going:
            assert v.stage in ("None", "Archived")
            assert not v.aliases
            assert v.tags.get("keep") != "true"
            assert KEEP_TAG not in v.tags
            assert v.tags.get(LEASE_TAG + "eu", "") < "1970-04-11T00:00:00"
            assert (v.model, v.number) not in named


def before(v: Version) -> list[tuple[str, int]]:
    """What a promotion recorded as the last one before this version."""
    found = (
        [(v.tags.get(PREVIOUS_MODEL, v.model), int(v.tags[PREVIOUS_VERSION]))]
        if PREVIOUS_VERSION in v.tags
        else []
    )
    return found + ([("a", 4)] if BEFORE in v.tags else [])


ODD_TIMES = st.sampled_from(
    [-(2**63), -62_135_596_800_001, -1, 0, 1, LATEST, LATEST + 1, 1_764_547_200 * 10**9, 2**63 - 1]
) | st.integers(-(2**63), 2**63 - 1)


@given(st.lists(st.tuples(ODD_TIMES, ODD_TIMES), min_size=1, max_size=9), RULES, SELECTS)
def test_no_time_in_the_registry_stops_a_cleanup(
    times: list[tuple[int, int]], rules: dict[str, object], select: Select
) -> None:
    """A client may send anything as the start of its run, such as nanoseconds: the plan and its words are made."""
    group = snapshot(
        *(
            version("m", n, created=created, run=Run("r", {"roc_auc": 0.9}, started=started))
            for n, (started, created) in enumerate(times, start=1)
        )
    )
    found = plan(group, **{"keep_last": 0, "keep_daily": 1, **rules})
    assert len(found.items) == len(times)
    assert all(day(time) and moment(time) for pair in times for time in pair if time)


def test_a_clock_that_is_ahead_displaces_no_newer_version() -> None:
    """The training machine's clock was a year ahead for 1 and 2: they count as trained when they were registered."""
    ahead = int(NOW * 1000) + 365 * 86_400_000
    group = snapshot(
        *(version("m", n, run=Run("r", {}, started=ahead + n if n < 3 else n * 1000)) for n in range(1, 5))
    )
    assert [(i.version.number, i.reason.partition(",")[0]) for i in plan(group, keep_last=2).items] == [
        (4, "last 1 of 2"),
        (3, "last 2 of 2"),
        (2, "no rule keeps it"),
        (1, "no rule keeps it"),
    ]


@given(REGISTRIES, RULES, RULES, SELECTS)
def test_a_further_rule_never_deletes_more(
    group: Snapshot, rules: dict[str, Any], more: dict[str, Any], select: Select
) -> None:
    """Rules only keep: with another rule, or a larger number in one, nothing goes that stayed before."""
    joined = {**rules}
    for name, value in more.items():
        known = rules.get(name)
        larger = LARGER.get(name, max)
        joined[name] = value if known is None else larger(known, value)
    assert doomed(group, {"keep_last": 0, **joined}, select) <= doomed(
        group, {"keep_last": 0, **rules}, select
    )


@given(REGISTRIES, RULES, SELECTS)
def test_a_second_cleanup_finds_nothing(group: Snapshot, rules: dict[str, object], select: Select) -> None:
    """Idempotent: planning again on what the first cleanup left deletes nothing."""
    going = doomed(group, rules, select)
    remaining = snapshot(*(v for v in group.versions() if (v.model, v.number) not in going))
    assert doomed(remaining, rules, select) == set()


def test_the_work_grows_with_the_versions_and_no_faster() -> None:
    """Eight times the models take eight times the steps; once it was models x versions, 12 s of CPU at 100,000."""
    few, many = (
        snapshot(*(version(f"m{model}", number) for model in range(models) for number in (1, 2)))
        for models in (25, 200)
    )
    rules = {"keep_last": 1}
    plan(few, **rules)  # imports and caches
    assert steps_of(lambda: plan(many, **rules)) < 10 * steps_of(lambda: plan(few, **rules))
