"""Copying to another server, the pure parts: what is copied where, what is a copy of what, what a selection sees."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import replace

import pytest
from hypothesis import given, strategies as st
from jenkins_mlflow.config.select import Select
from jenkins_mlflow.errors import Refused
from jenkins_mlflow.registry.door_types import Point, WholeRun
from jenkins_mlflow.registry.snapshot import Model, Snapshot
from jenkins_mlflow.registry.version import Run, Target, Version
from jenkins_mlflow.selection.plan import select
from jenkins_mlflow.tags import PROMOTED_AT, TARGET
from jenkins_mlflow.transfer.origin import Contents, Origin, copies, read_contents, read_origin
from jenkins_mlflow.transfer.plan import CopyPlan, may_go_on, missing, own_points, plan_copy
from jenkins_mlflow.transfer.view import seen_with

RUN, MODEL = "a" * 32, "m-" + "b" * 32
ROOT = f"mlflow-artifacts:/1/{RUN}/artifacts"
BOTH = Target("Production", "champion")
CHURN = Version("churn", 2, created=5, run_id=RUN)
ORIGIN = Origin.of(CHURN, "http://user:secret@here:5000")


def whole(**tags: str) -> WholeRun:
    return WholeRun(RUN, "exp", "brave-bird", "FINISHED", 1, 2, ROOT, {}, (), tags)


def plan(
    uri: str, files: Mapping[str, int], artifacts: Mapping[str, int], run: WholeRun | None = None
) -> CopyPlan:
    return plan_copy(ORIGIN, CHURN, "prod-churn", run or whole(), (uri, files), artifacts, {})


@pytest.mark.parametrize(
    ("uri", "files", "artifacts", "into", "targets"),
    [
        (
            f"{ROOT}/model",
            {"MLmodel": 3},
            {"model/MLmodel": 3, "roc.png": 9},
            "model",
            {"model/MLmodel", "roc.png"},
        ),
        (f"{ROOT}/a/b", {"MLmodel": 3}, {"a/b/MLmodel": 3, "a/c": 9}, "a/b", {"a/b/MLmodel", "a/c"}),
        (ROOT, {"MLmodel": 3, "x/y": 1}, {"MLmodel": 3, "x/y": 1}, "", {"MLmodel", "x/y"}),
        (
            f"mlflow-artifacts:/1/models/{MODEL}/artifacts",
            {"x": 3},
            {"roc.png": 9},
            "model",
            {"model/x", "roc.png"},
        ),
        (
            f"mlflow-artifacts:/1/models/{MODEL}/artifacts",
            {"x": 3},
            {"model/z": 9},
            "model-2",
            {"model-2/x", "model/z"},
        ),
    ],
    ids=["in the run", "deeper", "the run itself", "a logged model", "beside a folder of its name"],
)
def test_where_the_files_go(
    uri: str, files: dict[str, int], artifacts: dict[str, int], into: str, targets: set[str]
) -> None:
    """Each file once, where it was in the run; those of a logged model get a folder of their own."""
    made = plan(uri, files, artifacts)
    assert made.model.into == into
    assert set(made.targets) == targets
    assert len(made.beside.files) + len(made.model.files) == len(targets)
    assert made.bytes == sum({**artifacts, **made.model.targets}.values())


def test_a_version_without_files_is_refused() -> None:
    with pytest.raises(Refused, match=rf"^churn version 2 has no files at {ROOT}/model$"):
        plan(f"{ROOT}/model", {}, {"roc.png": 9})


def test_what_is_true_of_its_own_server_alone_stays_there() -> None:
    """No promotion record, no parent run; what a selection needs goes along."""
    tags = {"jenkins_mlflow.promoted_at": "x", "jenkins_mlflow.keep": "1", "team": "blue"}
    run = whole(
        **{"jenkins_mlflow.build": "b-1", "mlflow.parentRunId": "c", "jenkins_mlflow.record": "production"}
    )
    made = replace(plan(f"{ROOT}/model", {"x": 1}, {}, run), version=replace(CHURN, tags=tags))
    assert made.version_tags == {"team": "blue", **ORIGIN.tags()}
    assert made.run_tags == {"jenkins_mlflow.build": "b-1", **ORIGIN.tags()}
    assert made.experiment == "exp"


def test_a_run_with_other_files_is_not_gone_on_with() -> None:
    made = plan(f"{ROOT}/model", {"x": 1}, {"roc.png": 9})
    assert may_go_on(made, {})
    assert may_go_on(made, {"model/x": 0})
    assert not may_go_on(made, {"model/y": 1})


def test_the_origin_in_a_tag() -> None:
    """Read back as it was, without the login; the id is of the version, not of the address; nonsense is none."""
    copy = Version("prod-churn", 7, run_id="r", tags=ORIGIN.tags())
    assert read_origin(copy) == replace(ORIGIN, server="http://***@here:5000")
    assert "secret" not in str(copy.tags)
    assert Origin.of(CHURN, "https://there").id == ORIGIN.id
    for other in (
        replace(CHURN, number=3),
        replace(CHURN, created=6),
        replace(CHURN, run_id="z"),
        replace(CHURN, model="c"),
    ):
        assert Origin.of(other, "http://here:5000").id != ORIGIN.id
    for text in ("", "[]", "{", '{"server": 1}'):
        assert read_origin(replace(copy, tags={"jenkins_mlflow.copied_from": text})) is None
        assert read_contents(replace(copy, tags={"jenkins_mlflow.copied_files": text})) is None


def test_only_whole_copies_count() -> None:
    """The newest first; not READY, without a run, of another version: none."""
    tags = ORIGIN.tags()
    one, two = (Version("prod-churn", number, run_id="r", tags=tags) for number in (1, 2))
    others = (
        Version("prod-churn", 3, run_id="r", tags=tags, status="PENDING_REGISTRATION"),
        Version("prod-churn", 4, tags=tags),
        Version("prod-churn", 5, run_id="r", tags=Origin.of(replace(CHURN, number=1), "x").tags()),
    )
    model = Model("prod-churn", tuple(sorted((one, two, *others), key=lambda v: -v.number)))
    assert copies(model, ORIGIN) == [two, one]


def test_the_digest_is_that_of_sha256sum() -> None:
    """Any change of a byte, a name or the number of files changes it; the order does not."""
    digests, sizes = {"b": "1" * 64, "a/c": "2" * 64}, {"b": 1, "a/c": 2}
    seen = Contents.of(digests, sizes)
    lines = f"{'2' * 64}  a/c\n{'1' * 64}  b\n"
    assert seen == Contents(hashlib.sha256(lines.encode()).hexdigest(), 2, 3)
    assert Contents.of(dict(reversed(digests.items())), sizes) == seen
    assert read_contents(replace(CHURN, tags=seen.tag())) == seen
    for changed in ({"b": "1" * 64}, {**digests, "b": "3" * 64}, {"b2": "1" * 64, "a/c": "2" * 64}):
        assert Contents.of(changed, sizes) != seen


POINTS = st.lists(
    st.builds(Point, st.just("auc"), st.floats(), st.integers(0, 3), st.integers(-1, 2)), max_size=12
)


@given(POINTS, POINTS)
def test_what_is_missing_of_a_history(wanted: list[Point], logged: list[Point]) -> None:
    """Logged after what is there, nothing is missing; nothing twice, nothing that nobody wanted."""
    found = missing(wanted, logged)
    assert missing(wanted, [*logged, *found]) == []
    assert missing(found, []) == found
    assert all(any(point is each for each in wanted) for point in found)


def test_the_last_value_of_its_own_model_is_copied() -> None:
    """Other metrics have their whole history; NaN and infinities are found in every form; none is found: it is made."""
    points = [Point("auc", value, when, 0) for when, value in enumerate((0.9, 0.9, 0.3, math.nan, math.inf))]
    assert own_points(points, "auc", {"loss": 1.0}) == points
    assert own_points(points, "auc", {"auc": 0.9}) == [points[1]]
    assert own_points(points, "auc", {"auc": math.nan}) == [points[3]]
    assert own_points(points, "auc", {"auc": 1.7976931348623157e308}) == [points[4]]
    assert own_points(points, "auc", {"auc": 0.5}) == [Point("auc", 0.5, 4, 0)]
    assert own_points([], "auc", {"auc": 0.5}) == []


def test_metrics_of_other_models_are_not_copied() -> None:
    """Of a run with several models; if it is not known which one the version is, only what was logged for none."""
    run = whole()._replace(metrics=("auc", "other", "seconds"))
    for seen, names in (
        (Run(RUN, {"auc": 0.9, "seconds": 3}, of_model="m-1"), ["auc", "seconds"]),
        (Run(RUN, {"seconds": 3}, unclear=True), ["seconds"]),
        (Run(RUN, {"auc": 0.9}), ["auc", "other", "seconds"]),
        (None, ["auc", "other", "seconds"]),
    ):
        version = replace(CHURN, run=seen)
        made = plan_copy(ORIGIN, version, "prod-churn", run, (ROOT, {"MLmodel": 3}), {}, {})
        assert made.run is not None
        assert list(made.run.metrics) == names


def test_an_infinity_in_the_form_of_a_database_is_not_missing() -> None:
    point = Point("auc", math.inf, 1, 0)
    assert missing([point], [point._replace(value=1.7976931348623157e308)]) == []
    assert missing([point], [point._replace(value=-math.inf)]) == [point]
    assert missing([point._replace(value=math.nan)], [point._replace(value=math.nan)]) == []


def test_a_selection_sees_the_other_servers_production() -> None:
    """Marks of its own server do not count; a copy makes its origin the champion; others stand beside."""
    one = Version("churn", 1, "Production", ("champion", "blue"), created=1, run_id="r1")
    two = Version("churn", 2, "Archived", created=2, run_id="r2")
    here = Snapshot((Model("churn", (two, one), {"champion": 1, "blue": 1}),))
    copy = Version("churn", 1, "Production", ("champion",), run_id="c", tags=Origin.of(two, "x").tags())
    idle = Version("churn", 3, "None", ("blue",), run_id="c", tags=Origin.of(one, "x").tags())
    other = Version("fraud", 9, "Production", run=Run("f", {"auc": 0.5}))
    lost = Version("churn", 4, "Production", run_id="l", tags=Origin.of(replace(one, created=9), "x").tags())
    on_other_server = Snapshot((Model("churn", (lost, idle, copy)), Model("fraud", (other,))))
    seen = seen_with(here, on_other_server, BOTH, "prod")
    marks = [(v.number, v.stage, v.aliases) for v in seen.models[0].versions]
    assert marks == [(2, "Production", ("champion",)), (1, "None", ("blue",))]
    assert seen.models[0].aliases == {"champion": 2, "blue": 1}
    beside = [version for model in seen.models[1:] for version in model.versions]
    assert [version.label for version in beside] == ["churn on prod version 4", "fraud on prod version 9"]
    assert seen.production(BOTH) == (seen.models[0].versions[0], *beside)


@pytest.mark.parametrize("target", [Target("Staging", "challenger"), Target(None, "challenger"), BOTH])
def test_what_is_in_production_here_is_a_candidate_for_any_place_there(target: Target) -> None:
    """A copy takes nothing from it: it stays in production here. That it was promoted here counts only here."""
    tags = {PROMOTED_AT: "2026-11-24T10:00:00+00:00", TARGET: target.marks}
    serving = Version("churn", 1, "Production", created=1, tags=tags, run=Run("r", {"roc_auc": 0.9}))
    seen = seen_with(Snapshot((Model("churn", (serving,)),)), Snapshot(), target, "prod")
    chosen = select(seen, Select(), target)
    assert chosen.status == "selected"
    assert chosen.selected is not None
    assert (chosen.selected.label, chosen.selected.stage) == ("churn version 1", "None")


def test_what_was_in_production_there_is_not_selected_again() -> None:
    """A rollback on the other server took the copy out."""
    here = Version("churn", 1, created=1, run=Run("r", {"roc_auc": 0.9}))
    tags = {PROMOTED_AT: "2026-11-24T10:00:00+00:00", **Origin.of(here, "x").tags()}
    copy = Version("churn", 4, tags=tags)
    seen = seen_with(Snapshot((Model("churn", (here,)),)), Snapshot((Model("churn", (copy,)),)), BOTH, "prod")
    chosen = select(seen, Select(), BOTH)
    assert chosen.status == "no_candidate"
    assert "was in production before" in chosen.verdicts[0].reason
