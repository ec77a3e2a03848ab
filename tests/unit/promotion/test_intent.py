"""The intent as data: what it holds, what it may not ask for, and what is decided about one that was left behind."""

from __future__ import annotations

import contextlib
import json
from dataclasses import replace
from pathlib import Path

import pytest
from builders import snapshot, version
from hypothesis import given, settings, strategies as st
from jenkins_mlflow.build import BuildContext
from jenkins_mlflow.commands.session import Session
from jenkins_mlflow.config.schema import Config
from jenkins_mlflow.errors import RegistryError, UsageError
from jenkins_mlflow.promotion.allowed import allowed_intent, asks_for_more
from jenkins_mlflow.promotion.decision import Decision, decide, has_ended, is_confirmed
from jenkins_mlflow.promotion.intent import Intent, is_unfinished, read_intent
from jenkins_mlflow.promotion.plan import plan_promotion
from jenkins_mlflow.registry.change import Change
from jenkins_mlflow.registry.holder import Holder
from jenkins_mlflow.registry.snapshot import Model
from jenkins_mlflow.registry.version import Target, Version
from jenkins_mlflow.tags import CHECK_TAG, INTENT_TAG, LONGEST_TAG, METHOD, PROMOTED_AT, ROLLED_BACK_AT
from jenkins_mlflow.terminal import Terminal
from support.thorough import examples

BOTH = Target("Production", "champion")
EXCLUSIVE = Target("Production", "champion", exclusive=True)
AT = "2026-11-23T02:00:00+00:00"
OLD, NEW = version("m", 1, stage="Production", aliases=("champion",)), version("m", 2)
ARCHIVED, STAGED = version("m", 1, stage="Archived"), version("m", 2, stage="Production")
DONE = version("m", 2, stage="Production", aliases=("champion",))
INTENT = Intent.of(
    plan_promotion(snapshot(OLD, NEW), "m", 2, BOTH).table, "promotion", AT, "jenkins", "http://ci/1"
)


def carrying(intent: Intent, **more: str) -> Model:
    return Model("m", (NEW, OLD), {"champion": 1}, {**intent.tags(), **more})


def test_an_intent_survives_its_tag() -> None:
    assert read_intent(carrying(INTENT)) == INTENT
    assert read_intent(Model("m")) is None
    assert not is_unfinished(
        Model("m", tags={INTENT_TAG: ""})
    )  # an account that may set a tag but not remove it
    assert INTENT.table == plan_promotion(snapshot(OLD, NEW), "m", 2, BOTH).table
    assert INTENT.title == f"the promotion of m version 2 begun by jenkins at {AT} in http://ci/1"


def test_a_long_table_takes_several_tags() -> None:
    """Three hundred champions of an exclusive group: the tag that is looked for is written last, and each one fits."""
    others = [
        version(f"модель-{number}", 1, stage="Production", aliases=("champion",)) for number in range(300)
    ]
    table = plan_promotion(snapshot(NEW, *others), "m", 2, EXCLUSIVE).table
    intent = Intent.of(table, "promotion", AT, "jenkins", "")
    tags = intent.tags()
    assert list(tags)[-1] == INTENT_TAG
    assert all(len(text.encode()) <= LONGEST_TAG for text in tags.values())
    assert read_intent(Model("m", tags=tags)) == intent
    tags.pop(INTENT_TAG + ".3")
    with pytest.raises(RegistryError, match="m carries an unfinished promotion that cannot be read"):
        read_intent(Model("m", tags=tags))


def test_a_table_that_does_not_fit_is_refused_before_anything_is_written() -> None:
    others = [version("x" * 200 + str(number), 1, stage="Production") for number in range(2000)]
    table = plan_promotion(snapshot(NEW, *others), "m", 2, EXCLUSIVE).table
    with pytest.raises(UsageError, match="99 tags in MLflow hold only 495000"):
        Intent.of(table, "promotion", AT, "", "").tags()


HOSTILE = [
    "{}",
    "[1]",
    '{"version": 1}',
    "x",
    "null",
    "[" * 2400 + "]" * 2400,
    '{"parts": 1e9, "digest": "x"}',
    '{"parts": -1}',
    '{"format":2,"work":"promotion","model":"m","number":2,"changes":[],"created":[],"lease":1}',
    '{"format":2,"work":"promotion","model":"m","number":"2","changes":[],"created":[]}',
    '{"format":2,"work":"promotion","model":"m","number":0,"changes":[],"created":[]}',
    '{"format":2,"work":"promotion","model":"other","number":2,"changes":[],"created":[]}',
    '{"format":2,"work":"promotion","model":"m","number":2,"changes":[["m",{},"a","b"]],"created":[]}',
]


@pytest.mark.parametrize("text", HOSTILE)
def test_an_intent_that_cannot_be_read_is_no_crash(text: str) -> None:
    """Wrong types, deep nesting, another model's: named, with what to do."""
    with pytest.raises(
        RegistryError, match="m carries an unfinished promotion that cannot be read"
    ) as caught:
        read_intent(Model("m", tags={INTENT_TAG: text}))
    assert INTENT_TAG in caught.value.next_step


def test_an_intent_follows_its_model_to_another_name() -> None:
    """The versions are identified by number and creation time; one of them is enough, as others may be deleted."""
    for versions in [(NEW, OLD), (NEW,), (OLD,)]:
        renamed = tuple(replace(one, model="new") for one in versions)
        found = read_intent(Model("new", renamed, tags=INTENT.tags()))
        assert found == INTENT.renamed("new")
        assert (found.table.model, {change.model for change in found.table.changes}) == ("new", {"new"})
        assert set(found.table.created) == {("new", 1), ("new", 2)}


@pytest.mark.parametrize(
    "versions",
    [
        (),
        (version("new", 3),),
        (version("new", 2, created=NEW.created + 1),),
        (version("new", 1, created=5),),
    ],
)
def test_an_intent_that_was_copied_from_another_model_is_not_followed(versions: tuple[Version, ...]) -> None:
    with pytest.raises(RegistryError, match="new carries an unfinished promotion that cannot be read"):
        read_intent(Model("new", versions, tags=INTENT.tags()))


def test_an_intent_that_also_changes_the_model_that_carries_it_is_not_followed() -> None:
    rows = [*INTENT.changes, ("new", 1, "Production", "Archived")]
    intent = INTENT.model_copy(update={"changes": rows})
    with pytest.raises(RegistryError, match="new carries an unfinished promotion that cannot be read"):
        read_intent(Model("new", (replace(NEW, model="new"),), tags=intent.tags()))


@settings(max_examples=examples(100))
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda x: st.lists(x) | st.dictionaries(st.text(), x),
    )
)
def test_any_json_is_an_intent_or_an_error_of_ours(value: object) -> None:
    with contextlib.suppress(RegistryError):
        read_intent(Model("m", tags={INTENT_TAG: json.dumps(value)}))


def forged(*rows: Change, number: int = 2) -> Intent:
    changes = [(row.model, row.mark, row.found, row.wanted) for row in rows]
    return INTENT.model_copy(update={"changes": changes, "number": number})


MORE = [
    (
        forged(Change("n", 1, "Production", "Archived")),
        BOTH,
        "it would change n, which is outside its reach",
    ),
    (forged(Change("secret", 1, "Production", "Archived")), EXCLUSIVE, "it would change secret"),
    (
        forged(Change("n", 1, "None", "Archived")),
        EXCLUSIVE,
        "it would make a change that no promotion makes here",
    ),
    (
        forged(Change("n", 1, "Archived", "Production")),
        EXCLUSIVE,
        "it would make a change that no promotion makes here",
    ),
    (
        forged(Change("n", "champion", None, 5)),
        EXCLUSIVE,
        "it would make a change that no promotion makes here",
    ),
    (forged(Change("n", "owner", 5, None)), EXCLUSIVE, "it would make a change that no promotion makes here"),
    (forged(Change("m", 2, "None", "Staging")), BOTH, "it would make a change that no promotion makes here"),
    (forged(Change("m", 1, "Staging", "None")), BOTH, "it would make a change that no promotion makes here"),
    (forged(Change("m", "stable", 1, 2)), BOTH, "it would make a change that no promotion makes here"),
    (forged(Change("m", "champion", 2, 1)), BOTH, "it would make a change that no promotion makes here"),
    (
        forged(Change("m", 2, "None", "Production")),
        Target(None, "champion"),
        "it would make a change that no promotion",
    ),
    (INTENT, BOTH, ""),
    (INTENT, EXCLUSIVE, ""),
    (
        forged(
            *INTENT.table.changes, Change("n", 1, "Production", "Archived"), Change("n", "champion", 1, None)
        ),
        EXCLUSIVE,
        "",
    ),
]


@pytest.mark.parametrize(("intent", "target", "why"), MORE)
def test_an_intent_may_ask_only_for_what_the_readers_own_config_does(
    intent: Intent, target: Target, why: str
) -> None:
    """Target, group and exclusive come from the reader; the tag is no authority."""
    found = asks_for_more(intent, target, ("m", "n"))
    assert found.startswith(why)
    assert bool(found) == bool(why)


RETIRED = Change("n", 1, "Production", "Archived")


@pytest.mark.parametrize(
    ("intent", "target", "marks"),
    [
        (INTENT, Target("Production", "live"), "--stage Production --alias champion"),
        (INTENT, Target(None, "champion"), "--stage Production --alias champion"),
        (forged(Change("m", "it's", 1, 2)), BOTH, """--stage null --alias 'it'"'"'s'"""),
        (forged(Change("m", 2, "None", "Staging")), BOTH, "--stage Staging --alias null"),
        (
            forged(*INTENT.table.changes, RETIRED),
            replace(EXCLUSIVE, alias="live"),
            "--stage Production --alias champion",
        ),
        # no marks would do: a stage that means nothing, other versions' marks, another model's
        (forged(Change("m", 2, "None", "Archived")), BOTH, ""),
        (forged(Change("m", 1, "Staging", "None")), BOTH, ""),
        (forged(Change("m", "champion", 2, 1)), BOTH, ""),
        (forged(Change("m", "champion", 1, 2), Change("m", "stable", 1, 2)), BOTH, ""),
        (forged(*INTENT.table.changes, RETIRED), BOTH, ""),
    ],
)
def test_what_the_config_does_not_allow_is_answered_with_a_command_if_one_works(
    intent: Intent, target: Target, marks: str
) -> None:
    """Only stage and alias may differ: no command is advised that would change another model."""
    with pytest.raises(RegistryError, match="this config does not allow") as caught:
        allowed_intent(Model("m", (NEW, OLD), tags=intent.tags()), target, ("m", "n"))
    advice = (
        f"`jenkins-mlflow promote --recover {marks} --models m`" if marks else "with the config that it was"
    )
    assert advice in caught.value.next_step
    assert INTENT_TAG in caught.value.next_step


NAMES = st.sampled_from(["m", "n", "heart-a", "heart-b"])
RETIREMENTS = st.builds(Change, NAMES, st.just(1), st.just("Production"), st.just("Archived")) | st.builds(
    Change, NAMES, st.just("champion"), st.just(1), st.none()
)
ROWS = st.lists(
    RETIREMENTS | st.builds(Change, NAMES, st.just(2), st.just("None"), st.just("Production")), max_size=3
)
CONFIGS = st.builds(
    lambda models, exclusive: Config.model_validate({"models": models, "promote": {"exclusive": exclusive}}),
    st.lists(st.sampled_from(["m", "n", "heart-*", "heart-a"]), min_size=1, unique=True),
    st.booleans(),
)


@given(ROWS, CONFIGS)
def test_what_a_config_lets_recovery_change_is_under_its_lock(rows: list[Change], config: Config) -> None:
    """Whatever config it was begun with: the lock is taken before the intent is read for the last time, so another
    one may be there by then. Each model in an intent that is allowed excludes everybody else who writes that model."""
    session = Session(config, "", Terminal(quiet=True), Path(), BuildContext())
    intent = forged(*rows)
    if asks_for_more(intent, session.target, config.models):
        return
    me = Holder(session.scope.locked_with(("m",)), ("m",), "recover", host="here")
    for name in intent.table.models:
        assert me.conflicts(Holder((name,), (name,), "promote", host="elsewhere"))


RECORDED = {PROMOTED_AT: AT, METHOD: "stage"}


@pytest.mark.parametrize(
    ("live", "kind", "reason"),
    [
        ((OLD, NEW), "undo", "version 2 did not get all of production"),
        ((ARCHIVED, NEW), "undo", "version 2 did not get all of production"),
        ((OLD, STAGED), "undo", "version 2 did not get all of production"),
        ((ARCHIVED, STAGED), "undo", "version 2 did not get all of production"),
        ((ARCHIVED, DONE), "finish", "version 2 is in production"),
        ((OLD,), "undo", "version 2 was deleted"),
        ((NEW,), "undo", "version 2 did not get all of production"),
        (
            (ARCHIVED, DONE, version("m", 3, stage="Production")),
            "undo",
            "someone else has put m version 3 into",
        ),
        ((ARCHIVED, replace(DONE, tags={CHECK_TAG: "failed"})), "undo", "version 2 failed its check"),
        (
            (OLD, replace(STAGED, tags=RECORDED)),
            "finish",
            "version 2 was promoted, and a late request changed that",
        ),
        (
            (OLD, replace(STAGED, tags={PROMOTED_AT: "earlier", METHOD: "stage"})),
            "undo",
            "version 2 did not get all",
        ),
        (
            (version("m", 1, stage="Staging"), replace(STAGED, tags=RECORDED)),
            "undo",
            "version 2 did not get all",
        ),
    ],
)
def test_what_the_registry_shows_to_be_done_is_finished_and_the_rest_is_undone(
    live: tuple[Version, ...], kind: str, reason: str
) -> None:
    decision = decide(INTENT, snapshot(*live), BOTH)
    assert (decision.kind, decision.reason[: len(reason)]) == (kind, reason)
    assert decision.repair is ("a late request" in reason)


def test_nothing_is_finished_where_the_model_is_gone() -> None:
    assert decide(INTENT, snapshot(), BOTH) == Decision("undo", "version 2 was deleted")


@pytest.mark.parametrize(
    ("work", "tags", "ended"),
    [
        ("promotion", {PROMOTED_AT: AT, METHOD: "stage"}, True),
        ("promotion", {ROLLED_BACK_AT: AT, METHOD: "stage"}, False),
        ("promotion", {PROMOTED_AT: AT}, False),
        ("rollback", {ROLLED_BACK_AT: AT, METHOD: "stage"}, True),
        ("rollback", {PROMOTED_AT: AT, METHOD: "stage"}, False),
    ],
)
def test_a_record_of_the_same_work_and_moment_says_that_it_ended(
    work: str, tags: dict[str, str], *, ended: bool
) -> None:
    assert has_ended(INTENT.model_copy(update={"work": work}), version("m", 2, tags=tags)) is ended
    assert not has_ended(INTENT.model_copy(update={"work": work, "at": ""}), version("m", 2, tags=tags))


RECORD = {PROMOTED_AT: AT}


@pytest.mark.parametrize(
    ("change", "live", "confirmed"),
    [
        # back into production goes only what its own record says was there, and only where nothing else is
        (Change("n", 1, "Production", "Archived"), (version("n", 1, tags=RECORD),), True),
        (Change("n", 1, "Production", "Archived"), (version("n", 1),), False),
        (Change("n", 1, "Production", "Archived"), (version("n", 2, tags=RECORD),), False),
        (Change("n", 1, "Production", "Archived"), (), False),
        (
            Change("n", 1, "Production", "Archived"),
            (version("n", 1, tags=RECORD), version("n", 2, stage="Production")),
            False,
        ),
        (
            Change("n", 1, "Production", "Archived"),
            (version("n", 1, tags=RECORD, stage="Production"),),
            True,
        ),
        (Change("n", "champion", 1, None), (version("n", 1, tags=RECORD),), True),
        (Change("n", "champion", 1, None), (version("n", 1),), False),
        (Change("n", "champion", None, 1), (), True),
        (Change("n", 1, "None", "Production"), (), True),
    ],
)
def test_another_models_version_returns_only_by_its_own_record(
    change: Change, live: tuple[Version, ...], *, confirmed: bool
) -> None:
    """An intent is a tag: what it says was in production elsewhere is no authority."""
    assert is_confirmed(change, snapshot(*live), EXCLUSIVE) is confirmed
