"""Who is in whose way, what a flag's tag says of it, and what is made of tags that somebody else wrote."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given, strategies as st
from jenkins_mlflow.build import BuildContext
from jenkins_mlflow.registry.flags import Flag, why_gone
from jenkins_mlflow.registry.holder import Holder

ME = Holder.this_process("promote", ("m",), ("m",), BuildContext(id="b-1", user="me"), 60)
OTHER = replace(ME, host="elsewhere", build="b-2", by="other")


def covering(*names: str, scope: tuple[str, ...] = ()) -> Holder:
    return replace(OTHER, scope=scope, writes=names)


def read_back(holder: Holder) -> Holder:
    """The holder as others see it."""
    return Holder.from_tag(holder.to_tag())


@pytest.mark.parametrize(
    "other", [replace(OTHER, writes=("x", "m")), replace(OTHER, writes=(), scope=("*",))]
)
def test_those_who_may_touch_the_same_model_conflict(other: Holder) -> None:
    assert ME.conflicts(other)
    assert other.conflicts(ME)


@pytest.mark.parametrize(
    "other", [replace(OTHER, writes=("x",), scope=("x",)), replace(OTHER, writes=("n",), scope=("n-*", "n"))]
)
def test_other_models_are_free(other: Holder) -> None:
    assert not ME.conflicts(other)
    assert not other.conflicts(ME)


def test_a_group_conflicts_with_each_of_its_models() -> None:
    """Exclusive: whoever promotes any model that the patterns cover has to wait, and the other way round."""
    group = covering("heart-a", scope=("heart-*", "heart-a"))
    for name in ("heart-a", "heart-b"):
        alone = covering(name)
        assert group.conflicts(alone)
        assert alone.conflicts(group)
    assert not group.conflicts(covering("lung"))


def test_a_tag_names_each_model_once() -> None:
    text = covering("m", "n", scope=("n", "m", "group-*")).to_tag()
    assert (json.loads(text)["writes"], json.loads(text)["scope"]) == (["m", "n"], ["group-*"])
    assert read_back(ME) == replace(ME, scope=())


def test_a_cleanup_of_twenty_long_foreign_names_fits() -> None:
    """Names of 32 Cyrillic letters: what counts is bytes as stored."""
    names = tuple(f"{number:02}-{'ж' * 32}" for number in range(20))
    other = read_back(covering(*names, scope=names))
    assert other.writes == names


@pytest.mark.parametrize("length", [1, 200])
def test_an_exclusive_promotion_of_300_models_fits(length: int) -> None:
    """As digests, which tell names apart; patterns that may match one of them have to wait."""
    names = tuple(f"heart-{'ж' * length}-{number}" for number in range(300))
    holder = replace(covering(*names, scope=("heart-*", *names)), build_url="http://jenkins/" + "j" * 2000)
    assert len(holder.to_tag().encode()) <= 5000
    other = read_back(holder)
    assert other.what == f"{names[0]}, {names[1]}, {names[2]} and 297 more"
    only_names = read_back(replace(holder, scope=names))
    for name in (names[0], names[299]):
        assert covering(name).conflicts(only_names)
    assert not covering(f"{names[0]}-other").conflicts(only_names)
    assert covering(scope=("*-299",)).conflicts(only_names)
    assert not covering(scope=("lung-*",)).conflicts(only_names)


def test_what_fits_in_no_other_way_is_covered_by_its_beginning() -> None:
    """2,000 names, or 500 patterns: everything that begins like them has to wait."""
    for scope, writes in (
        ((), tuple(f"heart-{number}" for number in range(2000))),
        (tuple(f"heart-{number}-with-a-long-name-*" for number in range(500)), ("heart-1",)),
    ):
        other = read_back(covering(*writes, scope=scope))
        assert other.what == "heart-*"
        assert covering("heart-x").conflicts(other)
        assert covering(scope=("heart-9*",)).conflicts(other)
        assert not covering("lung").conflicts(other)


def test_a_model_whose_name_looks_like_a_pattern_is_one_model() -> None:
    """MLflow takes a model named `*`; its lock is in nobody else's way in any form."""
    other = covering("a", "b", "c", "*")
    assert [covering("x").conflicts(form) for form in (other, *other.forms()[:2])] == [False] * 3
    assert covering("*").conflicts(read_back(other))
    assert covering("x").conflicts(read_back(covering("*", scope=("*",)))), "the pattern is still one"


NAMES = st.text("ab*-é", min_size=1, max_size=4)
SETS = st.lists(NAMES, max_size=8).map(tuple)


@given(mine=SETS, may=SETS, theirs=SETS, their_may=SETS)
def test_no_form_hides_a_conflict(
    mine: tuple[str, ...], may: tuple[str, ...], theirs: tuple[str, ...], their_may: tuple[str, ...]
) -> None:
    me, other = covering(*mine, scope=may), covering(*theirs, scope=their_may)
    exact = me.conflicts(other)
    named, *shorter = (me.conflicts(form) for form in other.forms())
    assert named == exact
    assert all(shorter) or not exact


NO_TAGS = {
    "nothing": "",
    "no JSON": "{",
    "a list": "[]",
    "a number for models": '{"scope": 7}',
    "numbers for names": ME.to_tag().replace('["m"]', "[1]"),
    "a text for the lease": ME.to_tag().replace('"lease":60', '"lease":"60"'),
    "a lease of infinity": ME.to_tag().replace('"lease":60', '"lease":1e999'),
    "a lease of not a number": ME.to_tag().replace('"lease":60', '"lease":NaN'),
    "a negative lease": ME.to_tag().replace('"lease":60', '"lease":-1'),
    "a huge process": ME.to_tag().replace(f'"pid":{ME.pid}', f'"pid":{10**30}'),
    "no host": replace(ME, host="").to_tag(),
    "deep nesting": "[" * 4000,
    "deeply nested models": '{"scope":' + "[" * 4000,
    "millions of characters": ME.to_tag().replace("promote", "p" * 5_000_000),
    "half a character": ME.to_tag().replace("promote", "\\ud800"),
}


@pytest.mark.parametrize("text", NO_TAGS.values(), ids=NO_TAGS.keys())
def test_what_cannot_be_read_is_in_everybodys_way_for_ten_seconds(text: str) -> None:
    """A file store shows flags before their tags are written; nobody can stop every command for longer with one."""
    other = Holder.from_tag(text)
    assert other.what == "*"
    assert other.work == "something unknown"
    assert ME.conflicts(other)
    flag = Flag("f", renewed=0, holder=other)
    assert why_gone(flag, ME, 10_000) == ""
    assert why_gone(flag, ME, 10_001) == "it was last renewed 10 s ago, its lease is 10 s"


@given(
    st.text() | st.dictionaries(st.text(), st.integers() | st.text() | st.lists(st.text())).map(json.dumps)
)
def test_no_tag_stops_a_reader(text: str) -> None:
    ME.conflicts(Holder.from_tag(text))


def test_hostile_words_are_harmless_to_show() -> None:
    other = read_back(replace(OTHER, by="\x1b[2Jroot\n", work="promote\r"))
    assert (
        other.summary == "promote\ufffd of m by build b-2 (\ufffd[2Jroot\ufffd on elsewhere, " + ME.at + ")"
    )


def never(pid: int, started: str) -> bool:
    raise AssertionError("asked about a process of another machine")


@pytest.mark.parametrize(
    ("other", "age", "running", "gone"),
    [
        (OTHER, 59.0, never, ""),
        (OTHER, 61.0, never, "it was last renewed 61 s ago, its lease is 60 s"),
        (replace(OTHER, lease=5.0), 6.0, never, "it was last renewed 6 s ago, its lease is 5 s"),
        (replace(OTHER, lease=1e300), 3600.0, never, ""),
        (replace(OTHER, lease=1e300), 3601.0, never, "it was last renewed 3601 s ago, its lease is 3600 s"),
        (replace(OTHER, build="b-1"), 1.0, never, "it belongs to this same build, which was restarted"),
        (replace(OTHER, build=""), 1.0, never, ""),
        (replace(ME, pid=7), 1.0, lambda pid, started: False, "process 7 on this host has ended"),
        (replace(ME, pid=7), 1.0, lambda pid, started: True, ""),
        (
            replace(ME, pid=7),
            61.0,
            lambda pid, started: True,
            "it was last renewed 61 s ago, its lease is 60 s",
        ),
        (
            replace(ME, pid=7, machine="another container"),
            1.0,
            never,
            "it belongs to this same build, which was restarted",
        ),
        (replace(ME, pid=7, build="", machine="another container"), 1.0, never, ""),
    ],
)
def test_who_counts_as_gone(
    other: Holder, age: float, running: Callable[[int, str], bool], gone: str
) -> None:
    """The same host and no such process; the same build elsewhere; a lease that has run out. Nobody else."""
    flag = Flag("f", renewed=1_000_000, holder=other)
    assert why_gone(flag, ME, 1_000_000 + age * 1000, running) == gone


def test_one_id_at_two_addresses_is_not_one_build() -> None:
    """A live command of another Jenkins lost its lock to a build with the same id."""
    me = replace(ME, build_url="http://here/job/a/1/" + "x" * 400)
    theirs = replace(OTHER, build="b-1", build_url="http://elsewhere/job/a/1/")
    assert why_gone(Flag("f", 0, theirs), me, 1000.0) == ""
    restarted = Holder.from_tag(replace(me, host="elsewhere").to_tag())
    assert "this same build" in why_gone(Flag("f", 0, restarted), me, 1000.0)
    assert "this same build" in why_gone(Flag("f", 0, replace(theirs, build_url="")), me, 1000.0)
