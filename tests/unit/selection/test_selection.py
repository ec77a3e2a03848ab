"""The choice of the version to promote: examples for each rule, then properties over random registries."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
from builders import snapshot, version
from hypothesis import given, strategies as st
from jenkins_mlflow.config.gates import Gate
from jenkins_mlflow.config.select import Select
from jenkins_mlflow.errors import Refused, UsageError
from jenkins_mlflow.registry.snapshot import Snapshot
from jenkins_mlflow.registry.version import Target, Version
from jenkins_mlflow.selection.past import Past
from jenkins_mlflow.selection.plan import Selection, select
from jenkins_mlflow.tags import PROMOTED_AT, RESTORED_FROM

BUILD = "jenkins_mlflow.build"
OUTCOME = "jenkins_mlflow.outcome"


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
    assert result.message == "Selected b v1 (0.9): nothing is in Production yet."
    assert [verdict.reason for verdict in result.verdicts] == [
        "nothing is in Production yet",
        "passes, but b v1 ranks higher",
    ]


def test_production_that_was_emptied_without_this_tool_is_told() -> None:
    """What is recorded as in production is named, with the command that brings it back."""
    tags = {PROMOTED_AT: "2026-11-28T02:00:00+00:00"}
    old = version("a", 1, metrics={"roc_auc": 0.95}, stage="Archived", tags=tags)
    result = choose(snapshot(old, version("b", 1, metrics={"roc_auc": 0.9})))
    assert result.message == (
        "Selected b v1 (0.9): nothing is in Production: a v1 was taken out without this tool. "
        "`jenkins-mlflow rollback --model a --recorded` brings it back."
    )


def test_a_deleted_champion_is_told_and_not_the_record_of_another_model() -> None:
    """Of the records that are left, none says what was in production last; anybody may have written them."""
    tags = {PROMOTED_AT: "2026-11-28T02:00:00+00:00"}
    old = version("a", 1, metrics={"roc_auc": 0.95}, stage="Archived", tags=tags)
    group = snapshot(old, version("b", 1, metrics={"roc_auc": 0.9}))
    result = select(group, Select(), Target("Production", "champion"), past=Past(gone=["x"]))
    lost = "nothing is in Production: x, in production before, was deleted or renamed"
    assert result.message == f"Selected b v1 (0.9): {lost} without this tool."
    assert result.verdicts[0].reason == lost


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
        ({"roc_auc": math.nan}, "roc_auc is nan, which cannot be compared"),
        ({"roc_auc": math.inf}, "roc_auc is inf, which cannot be compared"),
        ({"roc_auc": 1.7976931348623157e308}, "roc_auc is 1.798e+308, which cannot be compared"),
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


@pytest.mark.parametrize(
    ("old", "new", "rules", "message"),
    [
        (0.9152, 0.9125, {}, "Kept m v1 (0.9152). Best challenger: v2 with 0.9125, 0.0027 lower."),
        (0.2, 0.3, {"direction": "minimize"}, "Kept m v1 (0.2). Best challenger: v2 with 0.3, 0.1 higher."),
        (0.9, 0.9, {}, "Kept m v1 (0.9). Best challenger: v2 with 0.9, the same; a tie keeps the champion."),
        (
            0.9,
            0.91,
            {"min_improvement": 0.02},
            "Kept m v1 (0.9). Best challenger: v2 with 0.91, 0.01 higher; select.min_improvement asks for 0.02.",
        ),
        (0.9, 0.95, {}, "Selected m v2 (0.95), 0.05 higher than the champion v1 (0.9)."),
        (0.3, 0.2, {"direction": "minimize"}, "Selected m v2 (0.2), 0.1 lower than the champion v1 (0.3)."),
    ],
)
def test_the_message_says_by_how_much(old: float, new: float, rules: dict[str, Any], message: str) -> None:
    group = snapshot(
        version("m", 1, metrics={"roc_auc": old}, stage="Production"),
        version("m", 2, metrics={"roc_auc": new}),
    )
    assert choose(group, **rules).message == message


def test_the_message_names_the_model_of_a_challenger_from_another() -> None:
    group = snapshot(
        version("a", 1, metrics={"roc_auc": 0.9}, stage="Production"),
        version("b", 7, metrics={"roc_auc": 0.8}),
    )
    assert choose(group).message == "Kept a v1 (0.9). Best challenger: b v7 with 0.8, 0.1 lower."


def test_a_blocked_selection_names_each_failed_gate() -> None:
    """The first three candidates in full; the others are in the verdicts."""
    group = snapshot(*(version("m", n, metrics={"roc_auc": n / 10, "brier": 0.3}) for n in range(1, 6)))
    gates = {"roc_auc": Gate(op=">=", limit=0.45), "brier": Gate(op="<=", limit=0.2)}
    assert choose(group, gates=gates).message == (
        "None of 5 candidates passes the gates; production is unchanged. m v5: brier 0.3 is not <= 0.2. "
        "m v4: roc_auc 0.4 is not >= 0.45; brier 0.3 is not <= 0.2. "
        "m v3: roc_auc 0.3 is not >= 0.45; brier 0.3 is not <= 0.2. And 2 more."
    )
    alone = snapshot(version("m", 2, metrics={"roc_auc": 0.4}))
    assert choose(alone, gates={"roc_auc": gates["roc_auc"]}).message == (
        "The only candidate does not pass the gates; production is unchanged. m v2: roc_auc 0.4 is not >= 0.45."
    )
    two = snapshot(*(version("m", n, metrics={"roc_auc": 0.4}) for n in (1, 2)))
    assert choose(two, gates=gates).message.startswith("None of 2 candidates passes the gates;")


def test_where_there_is_no_gate_no_gate_is_spoken_of() -> None:
    """What is missing then is the metric that ranks."""
    group = snapshot(*(version("m", n, metrics={"brier": 0.3}) for n in (1, 2)))
    assert choose(group).message == (
        "None of 2 candidates has a roc_auc to compare; production is unchanged. "
        "m v2: roc_auc was not logged (logged: brier). m v1: roc_auc was not logged (logged: brier)."
    )
    gated = choose(group, gates={"brier": Gate(op="<", limit=0.5)})
    assert gated.message.startswith("None of 2 candidates has a roc_auc to compare;"), (
        "nor where gates are passed"
    )
    alone = snapshot(version("m", 2, metrics={"brier": 0.3}))
    assert choose(alone).message == (
        "The only candidate has no roc_auc to compare; production is unchanged. "
        "m v2: roc_auc was not logged (logged: brier)."
    )


UNMEASURED = (
    version("a", 1, metrics={"auc": 0.9}, stage="Production"),
    version("a", 2, metrics={"roc_auc": 0.6}),
)


def test_a_champion_without_the_metric_is_kept() -> None:
    """A renamed metric or a mistyped alias promotes nothing."""
    result = choose(snapshot(*UNMEASURED))
    assert (result.status, result.selected) == ("champion_unmeasured", None)
    assert result.message == (
        "Kept a v1: it cannot be compared, roc_auc was not logged (logged: auc). Best challenger: v2 with 0.6. "
        "Promote v2 by name, or set select.unmeasured_champion: replace."
    )
    assert verdicts(result) == {("a", 2): "not better", ("a", 1): "champion"}
    assert result.verdicts[0].reason == "a v1 cannot be compared, roc_auc was not logged (logged: auc)"


def test_a_champion_without_the_metric_is_replaced_on_request() -> None:
    result = choose(snapshot(*UNMEASURED), unmeasured_champion="replace")
    assert result.status == "selected"
    assert result.message == (
        "Selected a v2 (0.6): the champion v1 cannot be compared, roc_auc was not logged (logged: auc)."
    )


@pytest.mark.parametrize(
    ("exclusive", "status"), [(False, "selected"), (True, "champion_unmeasured")], ids=["own model", "group"]
)
def test_what_would_be_replaced_must_be_measured_too(exclusive: bool, status: str) -> None:
    """Not only the best champion: every version that would leave production for the candidate."""
    group = (
        version("a", 1, metrics={"roc_auc": 0.7}, stage="Production"),
        version("a", 2, metrics={"roc_auc": 0.8}),
        version("b", 1, metrics={}, stage="Production"),
    )
    target = Target("Production", "champion", exclusive)
    assert select(snapshot(*group), Select(), target).status == status
    unmeasured = (group[0], group[2], version("b", 2, metrics={"roc_auc": 0.8}))
    assert select(snapshot(*unmeasured), Select(), target).status == "champion_unmeasured"


ELSEWHERE: dict[str, tuple[dict[str, Any], str]] = {
    "stage": ({"stage": "Production"}, "in Production, which it would leave for Staging"),
    "alias": (
        {"aliases": ("champion",)},
        "has the alias champion: promote it by name, or name the alias in select.include.aliases",
    ),
}


@pytest.mark.parametrize("case", ELSEWHERE)
def test_what_serves_elsewhere_is_no_candidate(case: str) -> None:
    """To promote it from Production to Staging would leave production empty, whatever `include` says."""
    fields, reason = ELSEWHERE[case]
    group = snapshot(
        version("m", 1, metrics={"roc_auc": 0.99}, **fields), version("m", 2, metrics={"roc_auc": 0.7})
    )
    include = {"include": {"stages": "all"}} if case == "stage" else {}
    result = select(group, Select.model_validate(include), Target("Staging", None))
    assert result.message == "Selected m v2 (0.7): nothing is in Staging yet."
    assert (result.verdicts[-1].verdict, result.verdicts[-1].reason) == ("excluded", reason)


@pytest.mark.parametrize(
    ("fields", "include"),
    [
        ({"stage": "Staging"}, {"stages": ["Staging"]}),
        ({"stage": "Staging"}, {"stages": "all"}),
        ({"aliases": ("challenger",)}, {"aliases": ["challenger"]}),
        ({"aliases": ("challenger", "x")}, {"aliases": "all"}),
        ({"stage": "Archived"}, {"stages": ["Archived"]}),
    ],
)
def test_what_is_named_in_the_config_is_a_candidate(
    fields: dict[str, object], include: dict[str, object]
) -> None:
    """A team that promotes from Staging, or marks its challenger, says so."""
    group = snapshot(version("m", 1, metrics={"roc_auc": 0.9}, **fields))
    assert choose(group).status == "no_candidate"
    assert choose(group, include=include).status == "selected"


def test_nothing_is_selected_while_stage_and_alias_disagree() -> None:
    """The champion is one of the two, and a guess may promote over the wrong one."""
    group = snapshot(
        version("it's", 1, metrics={"roc_auc": 0.9}, stage="Production"),
        version("it's", 2, metrics={"roc_auc": 0.8}, aliases=("champion",)),
        version("it's", 3, metrics={"roc_auc": 0.95}),
    )
    with pytest.raises(Refused) as refused:
        choose(group)
    assert refused.value.message == (
        "it's version 1 is in Production, but the alias champion is on version 2: which of them is in production?"
    )
    assert refused.value.state == "nothing was changed"
    command = "`jenkins-mlflow promote --model 'it'\"'\"'s' --version"
    assert refused.value.next_step == f"choose: {command} 1` or {command} 2`"


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"stage": "Archived"}, "archived: promote it by name to bring it back"),
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


@pytest.mark.parametrize(
    ("build", "record", "chosen"),
    [
        ("job-2", {}, 1),  # by the build's other script, a moment ago
        ("job-1", {}, 2),  # by a person, perhaps
        ("job-2", {"jenkins_mlflow.promoted_at": "2026-11-01T00:00:00+00:00"}, 2),  # by this tool
    ],
)
def test_what_another_script_of_the_build_archived_is_a_candidate(
    build: str, record: dict[str, str], chosen: int
) -> None:
    """Scripts that promote by themselves, side by side: the last one to end archives the better model of another."""
    tags = {"jenkins_mlflow.build": build}
    group = snapshot(
        version("a", 1, metrics={"roc_auc": 0.8}, stage="Archived", run_tags=tags, tags=record),
        version("a", 2, metrics={"roc_auc": 0.7}, run_tags={"jenkins_mlflow.build": "job-2"}),
    )
    result = choose(group, build="job-2")
    assert result.selected is not None
    assert result.selected.number == chosen


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


@pytest.mark.parametrize(
    ("tags", "status", "reason"),
    [
        ({OUTCOME: "lost"}, "FINISHED", "its training was lost with its agent, before it had ended"),
        ({OUTCOME: "failed"}, "FINISHED", "its training did not end well (failed)"),
        ({OUTCOME: "timeout"}, "FINISHED", "its training did not end well (timeout)"),
        ({OUTCOME: "cancelled"}, "FINISHED", "its training did not end well (cancelled)"),
        ({OUTCOME: "missing"}, "FINISHED", "its training did not end well (missing)"),
        ({BUILD: "job-2"}, "RUNNING", "its training has not ended"),
        ({BUILD: "job-2"}, "KILLED", "its run is KILLED in MLflow: promote it by name"),
        ({OUTCOME: "ok"}, "FAILED", "its run is FAILED in MLflow: promote it by name"),
        ({}, "FAILED", "its run is FAILED in MLflow: promote it by name"),
        ({}, "KILLED", "its run is KILLED in MLflow: promote it by name"),
    ],
)
def test_what_was_not_trained_to_the_end_is_no_candidate(
    tags: dict[str, str], status: str, reason: str
) -> None:
    """A script may register a version in its first epoch: its metrics say nothing of what it is worth."""
    early = version("a", 1, metrics={"roc_auc": 0.99}, run_tags=tags)
    assert early.run is not None
    group = snapshot(
        replace(early, run=replace(early.run, status=status)),
        version("a", 2, metrics={"roc_auc": 0.7}, run_tags={OUTCOME: "ok"}),
    )
    result = choose(group, build="job-2")
    assert result.selected is not None
    assert result.selected.number == 2
    assert result.verdicts[-1].reason.startswith(reason)


def test_a_version_whose_run_is_in_the_trash_is_no_candidate() -> None:
    """Somebody threw its training away; for the version in production it is too late."""
    a, b, c = (version("a", number, metrics={"roc_auc": 0.9 + number / 100}) for number in (1, 2, 3))
    assert a.run is not None
    assert c.run is not None
    group = snapshot(
        replace(a, stage="Production", run=replace(a.run, deleted=True)),
        b,
        replace(c, run=replace(c.run, deleted=True)),
    )
    result = choose(group)
    assert result.selected is not None
    assert result.selected.number == 2
    assert {verdict.version.number: verdict.reason for verdict in result.verdicts}[3] == (
        "its run is in MLflow's trash: `mlflow runs restore --run-id run-a-3` brings it back; "
        "or promote the version by name"
    )
    assert result.champion is not None
    assert result.champion.number == 1


@pytest.mark.parametrize("status", ["FINISHED", "RUNNING", "SCHEDULED"])
def test_what_this_tool_did_not_train_is_a_candidate(status: str) -> None:
    """Scripts that people start by hand often leave their runs open, for ever."""
    trained = version("a", 1, metrics={"roc_auc": 0.9})
    assert trained.run is not None
    result = choose(snapshot(replace(trained, run=replace(trained.run, status=status))))
    assert result.status == "selected"


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


@pytest.mark.parametrize(
    ("origin", "chosen"),
    [("1@1000", 3), ("1@9000", 4), ("", 4), ("1", 4), ("1@soon", 4), ("1@-5", 4), (f"1@{'9' * 4900}", 4)],
)
def test_a_restored_version_is_as_old_as_the_one_that_was_deleted(origin: str, chosen: int) -> None:
    """Its new number and creation time do not make it the newer one; a tag never makes a version newer."""
    restored = version("a", 4, metrics={"roc_auc": 0.9}, tags={RESTORED_FROM: origin})
    result = choose(snapshot(version("a", 3, metrics={"roc_auc": 0.9}), restored))
    assert result.selected is not None
    assert result.selected.number == chosen


def test_nothing_to_choose_from() -> None:
    """An empty group is no success; a group with only its champion keeps it."""
    empty = choose(snapshot())
    assert empty.status == "no_candidate"
    assert empty.message == "There is no candidate to choose from; production is unchanged."
    alone = choose(snapshot(version("a", 1, metrics={"roc_auc": 0.5}, stage="Production")))
    assert alone.status == "champion_kept"
    assert alone.message == "Kept a v1 (0.5): there is no other candidate."
    unmeasured = choose(snapshot(version("a", 1, stage="Production")))
    assert unmeasured.message == "Kept a v1: there is no other candidate."


def test_the_message_names_the_metrics_that_were_logged() -> None:
    """The first eight by name: a renamed metric is found among them."""
    logged = {f"m{n}": 0.5 for n in range(9, 0, -1)}
    (verdict,) = choose(snapshot(version("a", 1, metrics=logged))).verdicts
    assert verdict.reason == "roc_auc was not logged (logged: m1, m2, m3, m4, m5, m6, m7, m8)"


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
    """Whatever the registry holds: the selected one is READY, in no stage, passes the gate, is beaten by no other such
    version, and gains what is needed over every champion; what it replaces can be compared."""
    result = choose(
        group, direction=direction, gates={"roc_auc": Gate(op=">=", limit=gate)}, min_improvement=needed
    )
    sign = 1 if direction == "maximize" else -1
    fit = [
        (sign * value, v)
        for v in group.versions()
        if v.status == "READY"
        and v.stage == "None"
        and (value := v.metric("roc_auc")) is not None
        and value >= gate
    ]
    serving = [v for v in group.versions() if v.stage == "Production"]
    champions = [sign * value for v in serving if (value := v.metric("roc_auc")) is not None]
    if result.status == "champion_unmeasured":
        assert fit
        assert len(champions) < len(serving)
    elif result.selected is None:
        best = max((value for value, _ in fit), default=-math.inf)
        assert not fit or (champions and best - max(champions) <= needed + 1e-9)
    else:
        value = result.selected.metric("roc_auc")
        assert value is not None
        assert (sign * value, result.selected) in fit
        assert all(sign * value >= other for other, _ in fit)
        assert all(sign * value > old for old in champions)
        assert all(v.metric("roc_auc") is not None for v in serving if v.model == result.selected.model)
        assert all(sign * value - old >= needed - 1e-9 for old in champions)


@given(groups())
def test_every_version_gets_exactly_one_verdict_with_a_reason(group: Snapshot) -> None:
    """Nothing is dropped silently."""
    result = choose(group)
    assert sorted((v.version.model, v.version.number) for v in result.verdicts) == sorted(
        (v.model, v.number) for v in group.versions()
    )
    assert all(verdict.reason for verdict in result.verdicts)
