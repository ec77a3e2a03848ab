"""The choice of the version to promote: examples for each rule, then properties over random registries."""

from __future__ import annotations

import math

import pytest
from builders import snapshot, version
from hypothesis import given, strategies as st
from jenkins_mlflow.config.schema import Gate, Select
from jenkins_mlflow.errors import UsageError
from jenkins_mlflow.registry.snapshot import Snapshot, Target, Version
from jenkins_mlflow.selection.plan import Selection, select

BUILD = "jenkins_mlflow.build"


def choose(group: Snapshot, build: str | None = None, **rules: object) -> Selection:
    return select(group, Select(**rules), Target("Production", "champion"), build=build)  # type: ignore[arg-type]


def verdicts(selection: Selection) -> dict[tuple[str, int], str]:
    return {(v.version.model, v.version.number): v.verdict for v in selection.verdicts}


def test_the_best_metric_wins_when_nothing_is_in_production() -> None:
    """The highest roc_auc of two models is selected, and the other is told why it was not."""
    group = snapshot(version("a", 1, metrics={"roc_auc": 0.8}), version("b", 1, metrics={"roc_auc": 0.9}))
    result = choose(group)
    assert (result.status, result.selected) == ("selected", group.models[1].versions[0])
    assert verdicts(result) == {("b", 1): "selected", ("a", 1): "passed"}
    assert "b version 1 ranks higher" in result.verdicts[1].reason


def test_minimize_prefers_the_lowest() -> None:
    """With direction minimize, the smaller loss wins."""
    group = snapshot(version("a", 1, metrics={"loss": 0.2}), version("a", 2, metrics={"loss": 0.3}))
    result = choose(group, metric="loss", direction="minimize")
    assert result.selected is not None
    assert result.selected.number == 1


def test_a_gate_on_another_metric_rejects_the_best() -> None:
    """A candidate that ranks first but breaks a gate loses to the one that passes."""
    group = snapshot(
        version("a", 1, metrics={"roc_auc": 0.95, "brier": 0.3}),
        version("b", 1, metrics={"roc_auc": 0.90, "brier": 0.1}),
    )
    result = choose(group, gates={"brier": Gate(op="<=", limit=0.2)})
    assert result.selected == group.models[1].versions[0]
    assert verdicts(result)[("a", 1)] == "rejected"
    assert result.verdicts[0].reason == "brier 0.3 is not <= 0.2"


def test_a_value_close_to_its_limit_shows_the_digits_that_tell_them_apart() -> None:
    """Never "0.8 is not >= 0.8"."""
    group = snapshot(version("a", 1, metrics={"roc_auc": 0.79999}))
    (verdict,) = choose(group, gates={"roc_auc": Gate(op=">=", limit=0.8)}).verdicts
    assert verdict.reason == "roc_auc 0.79999 is not >= 0.8"


@pytest.mark.parametrize(
    ("metrics", "reason"),
    [
        ({}, "roc_auc was not logged (logged: nothing)"),
        ({"auc": 1.0}, "roc_auc was not logged (logged: auc)"),
        ({"roc_auc": math.nan}, "roc_auc is nan, no number to compare"),
        ({"roc_auc": math.inf}, "roc_auc is inf, no number to compare"),
        (None, "roc_auc unknown: the version has no run"),
    ],
)
def test_a_metric_that_cannot_be_compared_is_said(metrics: dict[str, float] | None, reason: str) -> None:
    """Missing, NaN and infinite metrics reject the candidate with the reason."""
    result = choose(snapshot(version("a", 1, metrics=metrics)))
    assert (result.status, result.verdicts[0].verdict) == ("no_candidate", "rejected")
    assert result.verdicts[0].reason == reason


@pytest.mark.parametrize(
    ("gain", "needed", "status"),
    [
        (0.0, 0.0, "champion_kept"),
        (0.001, 0.0, "selected"),
        (0.001, 0.002, "champion_kept"),
        (0.002, 0.002, "selected"),
        (-0.1, 0.0, "champion_kept"),
    ],
)
def test_a_challenger_must_beat_the_champion(gain: float, needed: float, status: str) -> None:
    """A tie keeps the champion; the gain must reach min_improvement, float noise aside."""
    champion = version("a", 1, metrics={"roc_auc": 0.85}, stage="Production")
    challenger = version("a", 2, metrics={"roc_auc": 0.85 + gain})
    result = choose(snapshot(champion, challenger), min_improvement=needed)
    assert result.status == status
    assert result.champion == champion


def test_a_champion_without_the_metric_cannot_defend_itself() -> None:
    """The candidate is promoted, and the reason names the champion's missing metric."""
    group = snapshot(
        version("a", 1, metrics={}, stage="Production"), version("a", 2, metrics={"roc_auc": 0.6})
    )
    result = choose(group)
    assert result.status == "selected"
    assert "a version 1 has no usable roc_auc" in result.message


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"stage": "Archived"}, "archived: it left production before"),
        ({"status": "PENDING_REGISTRATION"}, "its status is PENDING_REGISTRATION, not READY"),
    ],
)
def test_what_is_no_candidate_is_excluded(fields: dict[str, str], reason: str) -> None:
    """Archived and unready versions are not chosen, however good, and are told why."""
    group = snapshot(
        version("a", 1, metrics={"roc_auc": 0.99}, **fields), version("a", 2, metrics={"roc_auc": 0.7})
    )
    result = choose(group)
    assert result.selected is not None
    assert result.selected.number == 2
    assert result.verdicts[-1].verdict == "excluded"
    assert result.verdicts[-1].reason.startswith(reason)


@pytest.mark.parametrize(("check", "chosen"), [("failed", 2), ("passed", 1), ("pending", 1)])
def test_what_failed_its_check_is_not_promoted_night_after_night(check: str, chosen: int) -> None:
    group = snapshot(
        version("a", 1, metrics={"roc_auc": 0.99}, tags={"jenkins_mlflow.check": check}),
        version("a", 2, metrics={"roc_auc": 0.7}),
    )
    result = choose(group)
    assert result.selected is not None
    assert result.selected.number == chosen
    assert any("promote it by name" in verdict.reason for verdict in result.verdicts) == (check == "failed")


def test_what_a_lost_agent_registered_is_no_candidate() -> None:
    """Its training never ended, so its metrics may be those of the half; a failed one's are complete."""
    lost = {"jenkins_mlflow.outcome": "lost"}
    group = snapshot(
        version("a", 1, metrics={"roc_auc": 0.99}, run_tags=lost),
        version("a", 2, metrics={"roc_auc": 0.7}, run_tags={"jenkins_mlflow.outcome": "ok"}),
    )
    result = choose(group)
    assert result.selected is not None
    assert result.selected.number == 2
    assert "lost with its agent" in result.verdicts[-1].reason


def test_scope_build_takes_only_runs_of_this_build() -> None:
    """With scope build a better version of another build does not count."""
    group = snapshot(
        version("a", 1, metrics={"roc_auc": 0.99}, run_tags={BUILD: "job-1"}),
        version("a", 2, metrics={"roc_auc": 0.7}, run_tags={BUILD: "job-2"}),
    )
    result = choose(group, build="job-2", scope="build")
    assert result.selected is not None
    assert result.selected.number == 2
    assert "not trained by build job-2" in result.verdicts[-1].reason


def test_scope_build_needs_a_build() -> None:
    """Without a build id, scope build is refused rather than read as everything."""
    with pytest.raises(UsageError, match="no build is known"):
        choose(snapshot(), scope="build")


def test_a_tie_goes_to_the_newer_version() -> None:
    """Equal metrics: the version created later is selected."""
    group = snapshot(
        version("a", 1, metrics={"roc_auc": 0.9}, created=2000),
        version("b", 1, metrics={"roc_auc": 0.9}, created=3000),
    )
    result = choose(group)
    assert result.selected is not None
    assert result.selected.model == "b"


def test_nothing_to_choose_from() -> None:
    """An empty group is no success; a group with only its champion keeps it."""
    assert choose(snapshot()).status == "no_candidate"
    alone = snapshot(version("a", 1, metrics={"roc_auc": 0.5}, stage="Production"))
    assert choose(alone).status == "champion_kept"


VALUES = st.one_of(st.none(), st.floats(allow_nan=True, allow_infinity=True), st.floats(0, 1))


@st.composite
def groups(draw: st.DrawFn) -> Snapshot:
    """Any group: several models, any stage, any status, metrics missing, NaN or infinite."""
    found: list[Version] = []
    for model in draw(st.sets(st.sampled_from("abc"), max_size=3)):
        for number in range(1, draw(st.integers(1, 5)) + 1):
            value = draw(VALUES)
            found.append(
                version(
                    model,
                    number,
                    metrics=draw(st.sampled_from([None, {} if value is None else {"roc_auc": value}])),
                    stage=draw(st.sampled_from(["None", "Staging", "Production", "Archived"])),
                    status=draw(st.sampled_from(["READY", "READY", "READY", "FAILED_REGISTRATION"])),
                    created=draw(st.integers(0, 3)),
                )
            )
    return snapshot(*found)


@given(groups(), st.sampled_from(["maximize", "minimize"]), st.floats(0, 1), st.floats(0, 1))
def test_the_selected_version_is_the_best_that_may_be(
    group: Snapshot, direction: str, gate: float, needed: float
) -> None:
    """Whatever the registry holds: the selected one is READY, out of production, not archived, passes the gate, is
    beaten by no other such version, and gains what is needed over every comparable champion."""
    result = choose(
        group, direction=direction, gates={"roc_auc": Gate(op=">=", limit=gate)}, min_improvement=needed
    )
    sign = 1 if direction == "maximize" else -1
    fit = [
        (sign * value, v)
        for v in group.versions()
        if v.status == "READY"
        and v.stage not in ("Production", "Archived")
        and (value := v.metric("roc_auc")) is not None
        and value >= gate
    ]
    champions = [
        sign * value
        for v in group.versions()
        if v.stage == "Production" and (value := v.metric("roc_auc")) is not None
    ]
    if result.selected is None:
        best = max((value for value, _ in fit), default=-math.inf)
        assert not fit or (champions and best - max(champions) <= needed + 1e-9)
    else:
        value = result.selected.metric("roc_auc")
        assert value is not None
        assert (sign * value, result.selected) in fit
        assert all(sign * value >= other for other, _ in fit)
        assert all(sign * value > old for old in champions)
        assert all(sign * value - old >= needed - 1e-9 for old in champions)


@given(groups())
def test_every_version_gets_exactly_one_verdict_with_a_reason(group: Snapshot) -> None:
    """Nothing is dropped silently."""
    result = choose(group)
    assert sorted((v.version.model, v.version.number) for v in result.verdicts) == sorted(
        (v.model, v.number) for v in group.versions()
    )
    assert all(verdict.reason for verdict in result.verdicts)
