"""What a snapshot says of a model: which metrics can be compared, and whether stage and alias agree."""

from __future__ import annotations

import math

import pytest
from builders import snapshot, version
from jenkins_mlflow.registry.version import LONGEST_COPYING, Target, Version
from jenkins_mlflow.tags import METHOD, PROMOTED_AT, ROLLED_BACK_AT, TARGET

BOTH = Target("Production", "champion")
STAGED = version("m", 1, stage="Production")
ALIASED = version("m", 2, aliases=("champion",))
COMPLETE = version("m", 1, stage="Production", aliases=("champion",))
OTHER = version("m", 2, stage="Staging", aliases=("challenger",))


@pytest.mark.parametrize(
    ("versions", "target", "numbers"),
    [
        pytest.param((STAGED, ALIASED), BOTH, (1, 2), id="stage here, alias there"),
        pytest.param((STAGED, ALIASED), Target("Production", None), None, id="no alias is meant"),
        pytest.param((STAGED, ALIASED), Target(None, "champion"), None, id="no stage is meant"),
        pytest.param((STAGED, version("m", 2)), BOTH, None, id="nothing has the alias"),
        pytest.param((version("m", 1), ALIASED), BOTH, None, id="nothing has the stage"),
        pytest.param((COMPLETE, OTHER), BOTH, None, id="both on one version"),
        pytest.param(
            (COMPLETE, version("m", 2, stage="Production")),
            BOTH,
            None,
            id="one of two in the stage has the alias",
        ),
        pytest.param(
            (STAGED, version("m", 3, stage="Production"), ALIASED), BOTH, (3, 2), id="of several the newest"
        ),
    ],
)
def test_stage_and_alias_on_different_versions(
    versions: tuple[Version, ...], target: Target, numbers: tuple[int, int] | None
) -> None:
    """Both mean production, so on two versions of one model they contradict each other."""
    found = snapshot(*versions).require("m").disagreement(target)
    assert (found and (found[0].number, found[1].number)) == numbers


@pytest.mark.parametrize(
    ("logged", "value"),
    [
        (0.5, 0.5),
        (-1e300, -1e300),
        (math.nan, None),
        (math.inf, None),
        (-math.inf, None),
        pytest.param(1.7976931348623157e308, None, id="inf as MLflow's SQL stores keep it"),
        pytest.param(-1.7976931348623157e308, None, id="-inf as MLflow's SQL stores keep it"),
        pytest.param(1.797e308, None, id="inf, rounded"),
    ],
)
def test_a_metric_that_cannot_be_compared_is_none(logged: float, value: float | None) -> None:
    assert version("m", 1, metrics={"auc": logged}).metric("auc") == value


@pytest.mark.parametrize(
    "text", ["\u0663\u0660\u0662\u0666 no date", "z", "9999-99-99T00:00:00+00:00", "99999"]
)
@pytest.mark.parametrize("key", [PROMOTED_AT, ROLLED_BACK_AT])
def test_a_tag_that_is_no_time_makes_no_recorded_champion(key: str, text: str) -> None:
    """Neither on another version nor beside the champion's own record."""
    recorded = version("m", 1, tags={PROMOTED_AT: "2026-11-29T02:00:00+00:00"})
    assert snapshot(recorded, version("m", 2, tags={key: text})).require("m").recorded == recorded
    later = {PROMOTED_AT: "2026-11-29T03:00:00+00:00", ROLLED_BACK_AT: text}
    found = snapshot(recorded, version("m", 2, tags=later)).require("m").recorded
    assert found is not None
    assert found.number == 2


def test_times_of_records_are_compared_as_times() -> None:
    """A record may have another zone."""
    earlier = version("m", 1, tags={PROMOTED_AT: "2026-11-29T03:00:00+02:00"})
    later = version("m", 2, tags={PROMOTED_AT: "2026-11-29T02:00:00+00:00"})
    assert snapshot(earlier, later).require("m").recorded == later


NOON = "2026-11-30T12:00:00+00:00"
AT_NOON = 1_796_040_000_000


@pytest.mark.parametrize(
    ("source", "method", "created", "counts"),
    [
        pytest.param("runs:/r/model", "stage-archive", 1, True, id="a clock that is behind"),
        pytest.param("models:/m-0123456789abcdef0123456789abcdef", "alias", 1, True, id="a logged model"),
        pytest.param("models:/m/7", "stage-archive", 1, False, id="copied with the record of its source"),
        pytest.param("models:/m/7", "stage-archive", -1000, True, id="a copy that was promoted later"),
        pytest.param("models:/m/7", "copy", LONGEST_COPYING, True, id="copied by a promotion that waited"),
        pytest.param("models:/m/7", "recovered", LONGEST_COPYING, True, id="the same, recovered"),
        pytest.param("models:/m/7", "copy", LONGEST_COPYING + 1, False, id="a copy of a promoted copy"),
    ],
)
def test_a_copy_does_not_have_the_record_of_its_source(
    source: str, method: str, created: int, counts: bool
) -> None:
    """MLflow's own copy has all tags of its source; ``created`` is in milliseconds after the record."""
    tags = {PROMOTED_AT: NOON, METHOD: method}
    copy = version("prod", 1, source=source, created=AT_NOON + created, tags=tags)
    assert (copy.record == tags) is counts
    assert copy.recorded_at == (NOON if counts else "")
    assert copy.recorded_time == (AT_NOON if counts else 0)


@pytest.mark.parametrize(("created", "counts"), [(-1, True), (1, False)])
def test_only_a_record_of_version_0_2_may_be_older_than_its_copy(created: int, counts: bool) -> None:
    """That version wrote no target."""
    tags = {PROMOTED_AT: NOON, METHOD: "copy", TARGET: "@champion"}
    copy = version("prod", 1, source="models:/m/7", created=AT_NOON + created, tags=tags)
    assert copy.has_copied_record is not counts
