"""What a signature vouches for: this value of this tag of this version, model or flag, and nothing else."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, strategies as st
from jenkins_mlflow.errors import UsageError
from jenkins_mlflow.promotion.record import before, is_recorded, is_unsigned, tags_over
from jenkins_mlflow.registry.promotion_records import counted
from jenkins_mlflow.registry.signing import VARIABLE, Keys
from jenkins_mlflow.registry.version import Target, Version
from jenkins_mlflow.tags import (
    APPROVED_BY,
    BEFORE,
    CHECK_TAG,
    FAILED,
    HOLDER_TAG,
    INTENT_TAG,
    METHOD,
    PASSED,
    PENDING,
    PROMOTED_AT,
    RECORD_TAGS,
    SIGNATURE_TAG,
)

NEW, OLD = "n" * 32, "o" * 32
TARGET = Target("Production", "champion")
KEYS = Keys((NEW,))
RECORD = {PROMOTED_AT: "2026", METHOD: "stage", BEFORE: '[["m",1,5]]', CHECK_TAG: PENDING}
VERSION = Version("m", 2, created=7, run_id="r", tags={"team": "a"})


def signed(version: Version = VERSION, tags: dict[str, str] = RECORD, keys: Keys = KEYS) -> Version:
    """The version with a signed record, as it is read back."""
    return read(replace(version, tags={**version.tags, **keys.record(version, tags)}), keys)


def read(version: Version, keys: Keys = KEYS) -> Version:
    """As a registry with these keys gives it."""
    return counted(version, keys.vouched(version), None)


def test_a_signed_record_counts() -> None:
    version = signed()
    assert version.record == RECORD
    assert is_recorded(version)
    assert not is_unsigned(version, TARGET)
    assert before(version) == [("m", 1, 5)]


def test_without_a_key_every_record_counts() -> None:
    version = read(replace(VERSION, tags=RECORD), Keys())
    assert (version.record, is_recorded(version), is_unsigned(version, TARGET)) == (RECORD, True, False)


def test_an_unsigned_record_does_not_count() -> None:
    """Nor does what it says was there before become a part of the next record."""
    version = read(replace(VERSION, tags=RECORD))
    assert (version.record, is_recorded(version), is_unsigned(version, TARGET)) == ({}, False, True)
    assert tags_over(version)[BEFORE] == '[["m",2,7]]'


MOVED: dict[str, Version] = {
    "another model": replace(signed(), model="other"),
    "another version": replace(signed(), number=3),
    "a version made anew under its number": replace(signed(), created=8),
    "another run": replace(signed(), run_id=None),
    "a value changed": replace(signed(), tags={**signed().tags, CHECK_TAG: PASSED}),
    "a tag removed": replace(signed(), tags={k: v for k, v in signed().tags.items() if k != CHECK_TAG}),
    "values exchanged": replace(signed(), tags={**signed().tags, METHOD: "2026", PROMOTED_AT: "stage"}),
    "no signature": replace(signed(), tags={k: v for k, v in signed().tags.items() if k != SIGNATURE_TAG}),
    "another key's": signed(keys=Keys((OLD,))),
}


@pytest.mark.parametrize("what", MOVED)
def test_what_was_moved_or_changed_does_not_count(what: str) -> None:
    assert read(MOVED[what]).record == {}


def test_a_tag_that_was_added_does_not_count() -> None:
    """The rest still does: whoever adds one takes nobody's rollback away."""
    version = signed()
    added = read(replace(version, tags={**version.tags, APPROVED_BY: "mallory"}))
    assert added.record == RECORD


def test_a_later_change_keeps_what_is_signed() -> None:
    """The end of a check is signed with the rest; what is not signed does not become so by it."""
    version = signed()
    forged = replace(version, tags={**version.tags, APPROVED_BY: "mallory"})
    assert signed(read(forged), {CHECK_TAG: FAILED}).record == {**RECORD, CHECK_TAG: FAILED}
    bare = signed(read(replace(VERSION, tags=RECORD)), {CHECK_TAG: PASSED})
    assert (bare.record, is_recorded(bare)) == ({CHECK_TAG: PASSED}, False)


def test_an_older_key_still_counts_and_signs_no_more() -> None:
    """And the older key alone does not take what the new one signed."""
    both = Keys((NEW, OLD))
    old = signed(keys=Keys((OLD,)))
    assert read(old, both).record == RECORD
    assert read(old).record == {}
    assert read(signed(keys=both)).record == RECORD
    assert read(signed(keys=both), Keys((OLD,))).record == {}


NONSENSE = [
    "",
    "{",
    "[]",
    "[[], 1]",
    '[["x"], "y"]',
    '{"a": 1}',
    "[" * 5000,
    '[[["a"]], ""]',
    "\ud800",
    "1e999",
    "7",
]


@pytest.mark.parametrize("text", NONSENSE)
def test_a_signature_of_nonsense_is_none(text: str) -> None:
    version = replace(VERSION, tags={**RECORD, SIGNATURE_TAG: text})
    assert KEYS.vouched(version) == frozenset()
    assert not KEYS.count_intent("m", {INTENT_TAG: "{}", SIGNATURE_TAG: text})
    assert not KEYS.count_flag("f", 1, {HOLDER_TAG: "{}", SIGNATURE_TAG: text})


def test_an_intent_belongs_to_its_model_and_is_whole() -> None:
    tags = KEYS.intent("m", {f"{INTENT_TAG}.0": "part", INTENT_TAG: "head"})
    assert next(iter(tags)) == SIGNATURE_TAG, "what is looked for comes last"
    assert KEYS.count_intent("m", {**tags, "team": "a"})
    assert not KEYS.count_intent("other", tags)
    assert not KEYS.count_intent("m", {**tags, INTENT_TAG: "HEAD"})
    assert not KEYS.count_intent("m", {**tags, f"{INTENT_TAG}.0": "PART"})
    assert not KEYS.count_intent("m", {**tags, f"{INTENT_TAG}.1": "more"})
    assert not KEYS.count_intent("m", {INTENT_TAG: "head"})
    assert KEYS.count_intent("m", {}), "no intent needs no signature"
    assert KEYS.count_intent("m", {INTENT_TAG: ""}), "one that could be emptied but not removed is none"


def test_a_flag_belongs_to_its_name_and_moment() -> None:
    """A flag of this name that somebody makes when the real one is gone has another creation time."""
    tags = {HOLDER_TAG: "me", SIGNATURE_TAG: KEYS.flag("f", 5, {HOLDER_TAG: "me"})}
    assert KEYS.count_flag("f", 5, tags)
    assert not KEYS.count_flag("f", 6, tags)
    assert not KEYS.count_flag("g", 5, tags)
    assert not KEYS.count_flag("f", 5, {**tags, HOLDER_TAG: "you"})


def test_a_signature_of_one_kind_is_none_of_another() -> None:
    flag = KEYS.flag("m", 5, {HOLDER_TAG: "x"})
    assert not KEYS.count_intent("m", {INTENT_TAG: "x", SIGNATURE_TAG: flag})


TEXTS = st.text(st.characters(), max_size=20)
TAGS: Any = st.dictionaries(st.sampled_from(sorted(RECORD_TAGS)), TEXTS, max_size=5)
VERSIONS = st.builds(
    Version, TEXTS, st.integers(1, 99), created=st.integers(0, 99), run_id=st.none() | TEXTS, tags=TAGS
)


@given(VERSIONS, TAGS, VERSIONS, TAGS)
def test_a_signature_fits_one_thing_only(one: Version, tags: Any, other: Version, more: Any) -> None:
    """Whatever the names and values are: a record on another version, or with other values, does not count."""
    made = signed(one, tags)
    assert made.record == {name: text for name, text in tags.items() if text}
    same = (one.identity, one.run_id or "") == (other.identity, other.run_id or "")
    moved = read(replace(other, tags=made.tags))
    assert moved.record == (made.record if same else {})
    changed = {**made.tags, **more}
    differs = any(changed[name] != made.tags.get(name, "") for name in made.record)
    assert read(replace(one, tags=changed)).record == ({} if differs else made.record)


@given(st.dictionaries(TEXTS, TEXTS, max_size=5), TEXTS)
def test_what_anybody_writes_is_never_signed(tags: dict[str, str], text: str) -> None:
    written = {**tags, **RECORD, INTENT_TAG: text or "x", HOLDER_TAG: text, SIGNATURE_TAG: text}
    assert read(replace(VERSION, tags=written)).record == {}
    assert not KEYS.count_intent("m", written)
    assert not KEYS.count_flag("m", 1, written)


@pytest.mark.parametrize("text", [NEW, f"{NEW} {OLD}", f" {NEW}\n{OLD}\n"])
def test_the_keys_are_taken_out_of_the_environment(text: str) -> None:
    environ = {VARIABLE: text, "PATH": "/bin"}
    keys = Keys.take(environ)
    assert environ == {"PATH": "/bin"}
    assert keys == Keys(tuple(text.split()))
    assert NEW not in repr(keys)


def test_no_variable_is_no_key() -> None:
    assert not Keys.take({})


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", "no key"),
        (" \n", "no key"),
        ("short", "a key that is too short"),
        (f"{NEW} short", "a key that is too short"),
    ],
)
def test_a_bad_key_is_refused_and_not_shown(text: str, what: str) -> None:
    """An empty credential must not mean that nothing is signed."""
    with pytest.raises(UsageError, match=f"^{VARIABLE} holds {what}$") as caught:
        Keys.take({VARIABLE: text})
    assert "short" not in caught.value.next_step
    assert caught.value.state == "nothing was read or written"
