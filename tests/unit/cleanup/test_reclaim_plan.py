"""What a reclaim would free: never what lives, never what can be restored, never what is not the version's own."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from builders import version
from hypothesis import given, settings, strategies as st
from jenkins_mlflow.cleanup.reclaim_facts import Home, Known, home
from jenkins_mlflow.cleanup.reclaim_pieces import Piece
from jenkins_mlflow.cleanup.reclaim_plan import plan_orphans, plan_reclaim
from jenkins_mlflow.cleanup.references import Unknown, claim
from jenkins_mlflow.registry.journal_entry import Entry, Reclaimed
from jenkins_mlflow.registry.locations import Location, parse_location, touches
from jenkins_mlflow.registry.version import Version
from jenkins_mlflow.tags import KEEP_TAG, LEASE_TAG, RESTORED_FROM
from support.thorough import examples

DAY = 86_400.0
NOW = 100 * DAY
RUNS = [char * 32 for char in "abcd"]
MODELS = ["m-" + char * 32 for char in "ef"]


def at(run: str, path: str = "/model") -> str:
    return f"mlflow-artifacts:/1/{run}/artifacts{path}"


def deleted(name: str, number: int, source: str, run: str = RUNS[0], **more: Any) -> Entry:
    """A deletion of ten days ago."""
    facts = {key: more.pop(key) for key in ("tags",) if key in more}
    return Entry(version(name, number, source=source, run_id=run, **facts), NOW - 10 * DAY, "", **more)


def known(living: list[Version], *entries: Entry, **more: Any) -> Known:
    """What a registry says: homes of all runs and logged models, and claims as Look makes them."""
    by_key = {(v.model, v.number): v for v in (*(entry.version for entry in entries), *living)}
    claims = [(v.label, location) for v in living for location in claim(v, by_key)]
    homes: dict[str, Home] = {run: home(run, run, at(run, "")) for run in RUNS}
    for model, run in zip(MODELS, RUNS, strict=False):
        homes[model] = home(model, run, f"mlflow-artifacts:/1/models/{model}/artifacts")
    values: dict[str, Any] = {
        "runs": {v.run_id: v.label for v in living if v.run_id},
        "homes": homes,
        "logged": {home.run_id: [home] for name, home in homes.items() if name in MODELS},
        "experiments": [parse_location("mlflow-artifacts:/1")],
        **more,
    }
    return Known(living, entries, claims, **values)


def plan(found: Known, **more: Any) -> list[tuple[str, str]]:
    return [(piece.action, piece.reason) for piece in pieces(found, **more)]


def pieces(found: Known, **more: Any) -> tuple[Piece, ...]:
    return plan_reclaim(found, **{"whole_runs": False, "grace": 7 * DAY, "now": NOW, **more})


FREE = [("reclaim", "nothing refers to it")]


@pytest.mark.parametrize(
    ("source", "run", "where"),
    [
        (at(RUNS[0]), RUNS[0], at(RUNS[0])),
        (f"runs:/{RUNS[1]}/model", RUNS[1], at(RUNS[1])),
        (f"models:/{MODELS[0]}", RUNS[0], f"mlflow-artifacts:/1/models/{MODELS[0]}/artifacts"),
        (f"mlflow-artifacts:/1/models/{MODELS[0]}/artifacts", RUNS[0], None),
    ],
)
def test_what_nothing_refers_to_is_freed(source: str, run: str, where: str | None) -> None:
    """Whatever form its source has."""
    (piece,) = pieces(known([], deleted("m", 1, source, run)))
    assert (piece.action, piece.reason) == FREE[0]
    assert [location.uri for location in piece.locations] == [where or source]


LIVES = [
    ("the same place", at(RUNS[0])),
    ("above it", at(RUNS[0], "")),
    ("below it", at(RUNS[0], "/model/data")),
    ("far above it", "mlflow-artifacts:/1"),
    ("by another host name", f"mlflow-artifacts://x:1/1/{RUNS[0]}/artifacts/model"),
    ("by the storage behind the server", f"s3://bucket/1/{RUNS[0]}/artifacts/model"),
    ("by its run", f"runs:/{RUNS[0]}/model"),
    ("by a text that is no address", f"odd:%{RUNS[0]}"),
]


@pytest.mark.parametrize("source", [s for _, s in LIVES], ids=[name for name, _ in LIVES])
def test_what_a_living_version_refers_to_stays(source: str) -> None:
    """Of any model, in any stage, however it says so."""
    living = version("other", 7, source=source, run_id=RUNS[3])
    found = known([living], deleted("m", 1, at(RUNS[0])))
    assert plan(found) == [("keep", "other version 7 refers to it")]
    assert plan(found, whole_runs=True) == plan(found)


def test_a_copy_keeps_what_its_deleted_origin_had() -> None:
    """Through any number of deleted copies."""
    origin = deleted("m", 1, at(RUNS[0]))
    between = deleted("between", 1, "models:/m/1")
    living = version("production", 3, source="models:/between/1", run_id=RUNS[0])
    found = known([living], origin, between)
    assert plan(found) == [("keep", "production version 3 refers to it")]
    assert len(pieces(known([], origin, between))) == 1  # both gone: their one place, once


def test_a_loop_of_copies_is_no_endless_search() -> None:
    """Anybody may write any source."""
    a, b = version("a", 1, source="models:/b/1"), version("b", 1, source="models:/a/1")
    with pytest.raises(Unknown, match="it is a copy of a/1"):
        claim(a, {("a", 1): a, ("b", 1): b})


def test_another_model_of_the_same_run_keeps_its_own_folder() -> None:
    """A run with two registered models: the deleted one's folder goes, the run stays."""
    living = version("b", 1, source=at(RUNS[0], "/b"), run_id=RUNS[0])
    found = known([living], deleted("a", 1, at(RUNS[0], "/a")))
    assert plan(found) == FREE
    (piece,) = pieces(found, whole_runs=True)
    assert (piece.action, piece.run_id) == ("reclaim", "")


def test_a_logged_model_stays_for_who_names_its_run() -> None:
    """`runs:/` may mean a logged model of that run."""
    living = version("b", 1, source=f"runs:/{RUNS[0]}/model", run_id=RUNS[0])
    found = known([living], deleted("a", 1, f"models:/{MODELS[0]}"), by_run={RUNS[0]: living.label})
    assert plan(found) == [("keep", "b version 1 refers to its run")]


def test_a_whole_run_goes_with_all_that_it_made() -> None:
    """Its folder and its logged models; not if it is above a living version's run, goes on, or is kept by tag."""
    entry = deleted("m", 1, at(RUNS[0]))
    (piece,) = pieces(known([], entry), whole_runs=True)
    assert [place.uri for place in piece.locations] == [
        at(RUNS[0], ""),
        f"mlflow-artifacts:/1/models/{MODELS[0]}/artifacts",
    ]
    assert (piece.run_id, piece.reason) == (RUNS[0], "nothing refers to its run")
    below = known([], entry, runs={RUNS[0]: "b version 1, made by a run below it,"})
    assert [p.run_id for p in pieces(below, whole_runs=True)] == [""]
    found = known([], entry)
    home = found.homes[RUNS[0]]
    for other in (replace(home, ended=False), replace(home, kept=True)):
        changed = replace(found, homes={**found.homes, RUNS[0]: other})
        assert [p.run_id for p in pieces(changed, whole_runs=True)] == [""]


def test_what_can_be_restored_holds_its_files() -> None:
    """Until the grace is over, also those that it shares with an older deletion."""
    old, young = deleted("m", 1, at(RUNS[0])), replace(deleted("m", 2, at(RUNS[0])), deleted=NOW - DAY)
    assert plan(known([], old, young)) == [
        ("wait", "can be restored until 1970-04-17 00:00 UTC"),
        ("keep", "m version 2 (can be restored until 1970-04-17 00:00 UTC) refers to it"),
    ]
    assert plan(known([], old, young), now=NOW + 6 * DAY) == FREE
    leased = deleted("m", 3, at(RUNS[0]), tags={LEASE_TAG + "edge": "1970-05-01T00:00:00+00:00"})
    assert plan(known([], leased))[0] == ("wait", "lease edge until 1970-05-01 00:00 UTC")
    assert plan(known([], deleted("m", 3, at(RUNS[0]), tags={KEEP_TAG: ""})))[0][0] == "wait"


@pytest.mark.parametrize("began", [1e12, 1e300])
def test_a_deletion_at_no_time_of_a_calendar_holds_its_files(began: float) -> None:
    """Whoever writes a run of the journal says when it began."""
    entry = replace(deleted("m", 1, at(RUNS[0])), deleted=began)
    assert plan(known([], entry)) == [("wait", "can be restored until an unknown time")]


def test_other_models_deletions_hold_their_files() -> None:
    """Whoever cleans one group does not decide about another's."""
    ours, theirs = deleted("m", 1, at(RUNS[0])), deleted("other", 1, "models:/m/1")
    assert plan(known([], ours, theirs), models={"m"}) == [
        ("keep", "other version 1 (belongs to another model) refers to it")
    ]


def test_what_came_back_is_no_candidate() -> None:
    """Still there, restored, or reclaimed to the end; what was begun goes on, however young it is."""
    entry = deleted("m", 1, at(RUNS[0]))
    assert plan(known([entry.version], entry)) == []
    back = version("m", 5, source=at(RUNS[0]), run_id=RUNS[0], tags={RESTORED_FROM: "1@1000"})
    assert plan(known([back], entry)) == []
    assert plan(known([], replace(entry, reclaimed=Reclaimed(NOW, 1, done=True)))) == []
    begun = replace(entry, deleted=NOW, reclaimed=Reclaimed(NOW, 1, done=False))
    assert plan(known([], begun)) == FREE


BAD = [
    (at(RUNS[0], "/../x"), "its files are at .*: it has . or .. in its path"),
    (f"runs:/{RUNS[0]}/../{RUNS[1]}", "it has . or .. in its path"),
    (at(RUNS[1]), "its files are at .*, and nothing shows that they are its own"),
    (f"runs:/{RUNS[1]}/model", "its files are at .*, and nothing shows that they are its own"),
    (f"models:/{MODELS[1]}", "its files are at .*, and nothing shows that they are its own"),
    ("/etc", "its files are at /etc, which is not where MLflow keeps the files of a run that it names"),
    (
        f"/etc/{RUNS[0]}/artifacts",
        "its files are at .*, which is not where MLflow keeps the files of a run that it names",
    ),
    (
        "s3://bucket/models/1",
        "its files are at .*, which is not where MLflow keeps the files of a run that it names",
    ),
    (f"models:/m-{'9' * 32}", "MLflow no longer knows m-9+, which made its files"),
    ("models:/gone/3", "it is a copy of gone/3"),
]


@pytest.mark.parametrize(("source", "why"), BAD, ids=[source[:40] for source, _ in BAD])
def test_what_cannot_be_told_is_left(source: str, why: str) -> None:
    """A source is data: it points nowhere but to the version's own run or logged model."""
    import re

    ((action, reason),) = plan(known([], deleted("m", 1, source)))
    assert action == "leave"
    assert re.fullmatch(why, reason), reason


def test_a_place_without_the_runs_id_is_left() -> None:
    """An experiment may lie anywhere, a run's folder bears an id that nobody can choose."""
    found = known([], deleted("m", 1, f"runs:/{RUNS[0]}/model"))
    odd = replace(found, homes={RUNS[0]: home(RUNS[0], RUNS[0], "/etc/artifacts")})
    assert plan(odd) == [("leave", "MLflow keeps its files at /etc/artifacts, which does not contain its id")]


def test_no_experiment_goes_with_a_version() -> None:
    """Somebody put an experiment into the run's folder."""
    found = known([], deleted("m", 1, at(RUNS[0])), experiments=[parse_location(at(RUNS[0], "/model/x"))])
    assert plan(found) == [("keep", "it contains the files of an experiment")]


def test_a_folder_in_another_ones_folder_is_a_part_of_it() -> None:
    """Both deleted: one piece, so that nothing is counted twice; the upper one is kept: the lower one goes alone."""
    upper, lower = deleted("m", 1, at(RUNS[0])), deleted("m", 2, at(RUNS[0], "/model/small"))
    (piece,) = pieces(known([], upper, lower))
    assert [entry.version.number for entry in piece.entries] == [1, 2]
    living = version("b", 1, source=at(RUNS[0], "/model/other"), run_id=RUNS[0])
    assert sorted(plan(known([living], upper, lower))) == [
        ("keep", "b version 1 refers to it"),
        ("reclaim", "nothing refers to it"),
    ]


def test_what_nothing_registered_comes_from_is_an_orphan() -> None:
    """Runs that nothing registered comes from; what a cleanup deleted is not theirs to free."""
    living = version("b", 1, source=at(RUNS[1]), run_id=RUNS[1])
    found = known([living], deleted("m", 1, at(RUNS[2]), RUNS[2]))
    result = plan_orphans(found, RUNS[:3], whole_runs=True)
    assert [(piece.action, piece.reason, piece.run_id) for piece in result] == [
        ("reclaim", "no registered version comes from its run", RUNS[0]),
        ("keep", "b version 1 comes from its run", RUNS[1]),
        ("keep", "m version 1 (deleted by a cleanup) comes from its run", RUNS[2]),
    ]


sources = st.one_of(
    st.sampled_from(RUNS).flatmap(
        lambda run: st.sampled_from(["", "/model", "/model/x", "/b"]).map(lambda path: at(run, path))
    ),
    st.sampled_from(RUNS).map(lambda run: f"runs:/{run}/model"),
    st.sampled_from(MODELS).map(lambda model: f"models:/{model}"),
    st.tuples(st.sampled_from("ab"), st.integers(1, 4)).map(lambda key: f"models:/{key[0]}/{key[1]}"),
    st.sampled_from([f"s3://b/{RUNS[0]}/artifacts/model", "/etc", "nonsense", "mlflow-artifacts:/1"]),
)


@st.composite
def registries(draw: st.DrawFn) -> Known:
    living: list[Version] = []
    entries: list[Entry] = []
    for name in "ab":
        for number in range(1, draw(st.integers(1, 5))):
            found = version(name, number, source=draw(sources), run_id=draw(st.sampled_from(RUNS)))
            if draw(st.booleans()):
                living.append(found)
            else:
                entries.append(Entry(found, NOW - draw(st.sampled_from([1, 10])) * DAY, ""))
    by_key = {(v.model, v.number): v for v in (*living, *(entry.version for entry in entries))}
    sure = []
    for each in living:  # those whose place nobody can tell stop a reclaim before it plans
        try:
            claim(each, by_key)
        except Unknown:
            continue
        sure.append(each)
    return known(sure, *entries)


@settings(max_examples=examples(300), deadline=None)
@given(registries(), st.booleans())
def test_nothing_that_lives_or_can_be_restored_is_ever_freed(found: Known, whole_runs: bool) -> None:
    """Whatever sources people write: no freed place touches one that is still needed, and none is outside of a run."""
    by_key = {(v.model, v.number): v for v in (*(e.version for e in found.entries), *found.living)}
    young = [entry.version for entry in found.entries if NOW - entry.deleted < 7 * DAY]
    needed: list[Location] = []
    for each in (*found.living, *young):
        try:
            needed += claim(each, by_key)
        except Unknown:
            continue
    homes = [each.location for each in found.homes.values() if each.location]
    freed = [piece for piece in pieces(found, whole_runs=whole_runs) if piece.action == "reclaim"]
    for piece in freed:
        for place in piece.locations:
            assert not any(touches(place, other) for other in needed)
            assert any(place.within(home) for home in homes)
        assert piece.run_id not in {v.run_id for v in (*found.living, *young)}
    flat = [place for piece in freed for place in piece.locations]
    assert not any(touches(a, b) for at_, a in enumerate(flat) for b in flat[at_ + 1 :])
