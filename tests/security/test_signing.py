"""A signing key on a real server: what an account with EDIT on one model writes there counts for nothing.

The group is exclusive, and the models of two teams were in production one after the other. Mallory may edit one of
them, see all, and register models of her own.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from conftest import MakeAccounts
from jenkins_mlflow.build import BuildContext
from jenkins_mlflow.promotion.record import tags_over
from jenkins_mlflow.registry import lock as locks
from jenkins_mlflow.registry.client import Registry
from jenkins_mlflow.registry.connection import connect
from jenkins_mlflow.registry.holder import Holder
from jenkins_mlflow.registry.journal import Journal
from jenkins_mlflow.registry.lock import Lock
from jenkins_mlflow.registry.signing import Keys
from jenkins_mlflow.registry.snapshot import Model
from jenkins_mlflow.tags import (
    APPROVED_BY,
    BEFORE,
    FLAG_PREFIX,
    HOLDER_TAG,
    INTENT_TAG,
    METHOD,
    PROMOTED_AT,
    RECORD_TAGS,
    SIGNATURE_TAG,
    UNWRITTEN_TAG,
)
from support.accounts import Accounts
from support.scene import Scene, give_files
from support.seeding import Spec, seed

OWN, TEAM = "signed-own", "signed-team"
MALLORY, PROMOTER = "signed-mallory", "signed-promoter"
KEY, OLDER = "the-key-of-the-promoting-builds-1", "the-key-that-they-had-last-year-0"
EXCLUSIVE = {"MLOPS__PROMOTE__EXCLUSIVE": "true", "MLOPS__PROMOTE__RETRY__ATTEMPTS": "2"}
LOOKS = (["list"], ["select"], ["doctor"], ["cleanup", "--dry-run"])
COMMANDS = (
    *LOOKS,
    ["promote", "--recover"],
    ["cleanup", "--yes", "--keep-last=9"],
    ["rollback", f"--model={OWN}"],
)


@pytest.fixture(scope="module")
def accounts(make_accounts: MakeAccounts) -> Accounts:
    accounts = make_accounts()
    seed(accounts.url(), {name: [Spec({"roc_auc": 0.8}), Spec({"roc_auc": 0.7})] for name in (OWN, TEAM)})
    give_files(accounts, OWN, TEAM)
    accounts.create(MALLORY, {OWN: "EDIT", TEAM: "READ"})
    accounts.create(PROMOTER, {OWN: "MANAGE", TEAM: "MANAGE"})
    return accounts


def first_promotions(registry: Registry) -> None:
    """TEAM's version 1 was promoted first, then OWN's over it; with the key."""
    team = registry.version(TEAM, 1)
    for name, over in ((TEAM, None), (OWN, team)):
        registry.record(name, 1, {PROMOTED_AT: "2026", METHOD: "stage", **tags_over(over)})
    registry.set_stage(TEAM, 1, "Archived")
    registry.set_stage(OWN, 1, "Production")
    registry.set_alias(OWN, "champion", 1)


@pytest.fixture(scope="module")
def before(accounts: Accounts) -> dict[str, Model]:
    """What there is at the beginning of each test."""
    registry = Registry(connect(accounts.url()), keys=Keys((KEY,)))
    first_promotions(registry)
    return {name: registry.model(name) for name in (OWN, TEAM)}


def back_to(wanted: Mapping[str, Model], registry: Registry) -> None:
    """Make everything as it was, with as few requests as that takes."""
    for flag in registry.flags():
        registry.lower_flag(flag.name)
    for name, old in wanted.items():
        now = registry.model(name)
        for key in now.tags.keys() - old.tags.keys():
            registry.untag_model(name, key)
        for alias in now.aliases.keys() - old.aliases.keys():
            registry.delete_alias(name, alias)
        for alias, number in old.aliases.items() - now.aliases.items():
            registry.set_alias(name, alias, number)
        for version, was in zip(now.versions, old.versions, strict=True):
            for key in version.tags.keys() - was.tags.keys():
                registry.untag_version(name, version.number, key)
            registry.tag_version(name, version.number, dict(was.tags.items() - version.tags.items()))
            if version.stage != was.stage:
                registry.set_stage(name, version.number, was.stage)


@pytest.fixture
def scene(
    accounts: Accounts,
    before: dict[str, Model],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> Iterator[Scene]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(locks, "UNSIGNED_SECONDS", 0.5)
    scene = Scene(accounts, monkeypatch, capfd, "signed-*", KEY)
    yield scene
    back_to(before, scene.registry("admin"))


def marks(scene: Scene) -> dict[str, tuple[dict[int, str], dict[str, int]]]:
    """Stages and aliases of the two models."""
    models = scene.models(OWN, TEAM).values()
    return {m.name: ({v.number: v.stage for v in m.versions}, dict(m.aliases)) for m in models}


def the_intent(scene: Scene, number: int, *changes: list[object], model: str = OWN, at: str = "2026") -> str:
    """An intent as the promoter writes it, whose versions are those that are there."""
    created = [[m.name, v.number, v.created] for m in scene.models(OWN, TEAM).values() for v in m.versions]
    table = {"work": "promotion", "model": model, "number": number, "changes": changes, "at": at}
    return json.dumps({**table, "created": created})


def back_to_team(scene: Scene) -> str:
    """What OWN's promotion had written down: undoing it brings TEAM's version 1 back."""
    return the_intent(
        scene,
        1,
        [OWN, 1, "None", "Production"],
        [OWN, "champion", None, 1],
        [TEAM, 1, "Production", "Archived"],
        [TEAM, "champion", 1, None],
    )


def not_history(tag: str) -> bool:
    """Events stay on their model where the account may not write the history's experiment. They are not signed."""
    return not tag.startswith(UNWRITTEN_TAG)


def test_what_the_commands_write_is_signed(scene: Scene) -> None:
    """Promotion and rollback; the records lead back from one model to the other."""
    for name, number in ((TEAM, 2), (OWN, 1)):
        code, shown = scene.run(PROMOTER, EXCLUSIVE, "promote", f"--model={name}", f"--version={number}")
        assert code == 0, shown
        version = scene.registry("admin").version(name, number)
        written = {key for key, text in version.tags.items() if key in RECORD_TAGS and text}
        assert {PROMOTED_AT, METHOD, BEFORE} <= written == set(version.record)
    code, shown = scene.run(PROMOTER, EXCLUSIVE, "rollback", f"--model={OWN}")
    assert code == 0, shown
    assert marks(scene) == {
        OWN: ({1: "Archived", 2: "None"}, {}),
        TEAM: ({1: "Archived", 2: "Production"}, {"champion": 2}),
    }
    assert not [tag for model in scene.models(OWN, TEAM).values() for tag in model.tags if not_history(tag)]


def test_an_approval_is_of_one_promotion(scene: Scene) -> None:
    """Nor does another fact of an earlier promotion stay in the record, or under its new signature."""
    for number, more in ((1, ["--approved-by=Grace"]), (2, []), (1, [])):
        code, shown = scene.run(PROMOTER, {}, "promote", f"--model={TEAM}", f"--version={number}", *more)
        assert code == 0, shown
        record = scene.registry("admin").version(TEAM, number).record
        assert record.get(APPROVED_BY, "") == ("Grace" if more else ""), number
    assert scene.registry("admin").version(TEAM, 1).record[PROMOTED_AT] > "2026"


def test_an_interrupted_promotion_is_recovered_by_its_signature(scene: Scene) -> None:
    """OWN's version 2 had its stage alone when its build was killed."""
    admin = scene.registry("admin")
    text = the_intent(
        scene, 2, [OWN, 2, "None", "Production"], [OWN, "champion", 1, 2], [OWN, 1, "Production", "Archived"]
    )
    for key, value in admin.intent_tags(OWN, {INTENT_TAG: text}).items():
        admin.tag_model(OWN, key, value)
    admin.set_stage(OWN, 2, "Production")
    code, shown = scene.run(PROMOTER, EXCLUSIVE, "promote", "--recover")
    assert (code, "is undone" in shown) == (0, True), shown
    assert marks(scene)[OWN] == ({1: "Production", 2: "None"}, {"champion": 1})
    assert not list(filter(not_history, admin.model(OWN).tags))


def unsigned(scene: Scene) -> dict[str, str]:
    return {INTENT_TAG: back_to_team(scene)}


def signed_by_another_key(scene: Scene) -> dict[str, str]:
    return Keys((OLDER,)).intent(OWN, unsigned(scene))


def signed_for_another_model(scene: Scene) -> dict[str, str]:
    return Keys((KEY,)).intent(TEAM, unsigned(scene))


def signed_and_changed(scene: Scene) -> dict[str, str]:
    old = the_intent(scene, 1, [OWN, 1, "None", "Production"])
    return {**Keys((KEY,)).intent(OWN, {INTENT_TAG: old}), **unsigned(scene)}


@pytest.mark.parametrize(
    "forge", [unsigned, signed_by_another_key, signed_for_another_model, signed_and_changed]
)
def test_a_forged_intent_is_named_and_left(forge: object, scene: Scene) -> None:
    """By every command. Without the key, undoing it would bring the other team's version back."""
    assert callable(forge)
    mallory = scene.registry(MALLORY)
    for key, text in forge(scene).items():
        mallory.tag_model(OWN, key, text)
    mallory.set_stage(OWN, 1, "Archived")
    mallory.set_alias(OWN, "champion", 2)
    before = scene.models(TEAM)
    for command in COMMANDS[:-1]:
        code, shown = scene.run(PROMOTER, EXCLUSIVE, *command)
        assert f"{OWN} carries an intent that is not signed with this key" in shown, command
        assert scene.models(TEAM) == before, shown
    assert INTENT_TAG in scene.models(OWN)[OWN].tags
    code, shown = scene.run(PROMOTER, EXCLUSIVE, "promote", f"--model={TEAM}", "--version=2")
    assert code == 0, f"it stops nobody: {shown}"
    assert marks(scene)[TEAM] == ({1: "Archived", 2: "Production"}, {"champion": 2})
    assert marks(scene)[OWN][1] == {}


def test_without_the_key_the_same_intent_brings_back_what_it_says(scene: Scene) -> None:
    """What docs/security.md says remains without a key; and the reason why there is one."""
    mallory = scene.registry(MALLORY)
    mallory.tag_model(OWN, INTENT_TAG, back_to_team(scene))
    mallory.set_stage(OWN, 1, "Archived")
    code, shown = scene.with_key("").run(PROMOTER, EXCLUSIVE, "promote", "--recover")
    assert "is undone" in shown, (code, shown)
    assert marks(scene)[TEAM] == ({1: "Production", 2: "None"}, {"champion": 1})


def test_an_old_intent_written_again_brings_back_no_more_than_it_replaced(scene: Scene) -> None:
    """A replay: Mallory kept the signed intent of OWN's promotion, and nothing since was put into production.

    Once anything else is in production, it does nothing.
    """
    mallory = scene.registry(MALLORY)
    tags = Keys((KEY,)).intent(OWN, {INTENT_TAG: back_to_team(scene)})
    code, shown = scene.run(PROMOTER, EXCLUSIVE, "promote", f"--model={TEAM}", "--version=2")
    assert code == 0, shown
    before = marks(scene)
    for key, text in tags.items():
        mallory.tag_model(OWN, key, text)
    code, shown = scene.run(PROMOTER, EXCLUSIVE, "promote", "--recover")
    assert "is given up" in shown, (code, shown)
    assert marks(scene) == before


def test_an_old_intent_written_again_signs_no_record(scene: Scene) -> None:
    """A promotion of OWN's version 2 was undone. Mallory kept its intent, and puts the version into production."""
    text = the_intent(
        scene, 2, [OWN, 2, "None", "Production"], [OWN, "champion", 1, 2], [OWN, 1, "Production", "Archived"]
    )
    mallory = scene.registry(MALLORY)
    mallory.set_stage(OWN, 2, "Production")
    mallory.set_stage(OWN, 1, "Archived")
    mallory.set_alias(OWN, "champion", 2)
    for key, value in Keys((KEY,)).intent(OWN, {INTENT_TAG: text}).items():
        mallory.tag_model(OWN, key, value)
    code, shown = scene.run(PROMOTER, EXCLUSIVE, "promote", "--recover")
    assert scene.registry("admin").version(OWN, 2).record == {}, (code, shown)
    assert "is in production; its record is not signed: promote the version again to fix that" in shown


RECORDS: Mapping[str, dict[str, str]] = {
    "made up": {PROMOTED_AT: "2026", METHOD: "stage", BEFORE: json.dumps([[TEAM, 2, 0]])},
    "one tag changed": {BEFORE: json.dumps([[TEAM, 1, 0], [TEAM, 2, 0]])},
    "one tag removed": {APPROVED_BY: "", METHOD: ""},
    "version 0.1's": {
        BEFORE: "",
        "jenkins_mlflow.previous_model": TEAM,
        "jenkins_mlflow.previous_version": "2",
    },
}


@pytest.mark.parametrize("what", RECORDS)
def test_a_record_that_is_not_signed_is_followed_by_no_rollback(what: str, scene: Scene) -> None:
    """It says so; `--to` goes on, and the version that was named has a signed record from then on."""
    mallory = scene.registry(MALLORY)
    mallory.tag_version(OWN, 1, RECORDS[what])
    before = marks(scene)
    code, shown = scene.run(PROMOTER, EXCLUSIVE, "rollback", f"--model={OWN}")
    message = f"{OWN} version 1 is in production, and its promotion record is not signed with this key"
    assert (code, message in shown, "--to" in shown) == (1, True, True), shown
    assert marks(scene) == before
    code, shown = scene.run(PROMOTER, EXCLUSIVE, "doctor")
    assert "record not signed" in shown
    code, shown = scene.run(PROMOTER, EXCLUSIVE, "rollback", f"--model={OWN}", "--to=2")
    assert code == 0, shown
    named = scene.registry("admin").version(OWN, 2)
    assert named.record["jenkins_mlflow.rolled_back_at"]
    assert named.record[BEFORE] == "[]", "nothing of what was not signed is signed now"


def test_a_record_cannot_be_moved_to_a_version_that_passed_nothing(scene: Scene) -> None:
    """Mallory copies the whole record of version 1, signature and all, to version 2."""
    mallory, admin = scene.registry(MALLORY), scene.registry("admin")
    tags = {
        key: text for key, text in admin.version(OWN, 1).tags.items() if key.startswith("jenkins_mlflow.")
    }
    mallory.tag_version(OWN, 2, tags)
    mallory.tag_version(OWN, 1, {SIGNATURE_TAG: ""})
    assert admin.version(OWN, 2).record == admin.version(OWN, 1).record == {}
    code, shown = scene.run(PROMOTER, EXCLUSIVE, "rollback", f"--model={OWN}")
    assert code == 1, shown


def test_records_from_before_the_key_are_adopted_one_by_one(scene: Scene) -> None:
    """A promotion over an unsigned record signs what it saw itself in production, and nothing of the older history."""
    first = scene.registry("admin")
    for name in (OWN, TEAM):
        first.tag_version(name, 1, {SIGNATURE_TAG: ""})
    keyless = scene.with_key("")
    keyless.run(PROMOTER, EXCLUSIVE, "promote", f"--model={TEAM}", "--version=2")
    code, shown = scene.run(PROMOTER, EXCLUSIVE, "promote", f"--model={OWN}", "--version=1")
    assert code == 0, shown
    record = scene.registry("admin").version(OWN, 1).record
    assert [entry[:2] for entry in json.loads(record[BEFORE])] == [[TEAM, 2]]
    code, shown = scene.run(PROMOTER, EXCLUSIVE, "rollback", f"--model={OWN}")
    assert (
        code,
        f"{TEAM} version 2 was in production before {OWN} version 1, but its promotion record is not signed"
        in shown,
    ) == (1, True), shown
    code, shown = scene.run(PROMOTER, EXCLUSIVE, "rollback", f"--model={TEAM}", "--to=2")
    assert (code, marks(scene)[TEAM][1]) == (0, {"champion": 2}), shown


def test_an_older_key_still_reads(scene: Scene) -> None:
    """The keys change; the new one signs, and the rollback follows what the older one has signed."""
    rotated = scene.with_key(f"{OLDER} {KEY}")
    code, shown = rotated.run(PROMOTER, EXCLUSIVE, "rollback", f"--model={OWN}")
    assert (code, marks(scene)[TEAM][1]) == (0, {"champion": 1}), shown
    new = Registry(connect(scene.accounts.url()), keys=Keys((OLDER,)))
    assert new.version(TEAM, 1).record["jenkins_mlflow.rolled_back_at"]
    assert new.version(OWN, 1).record == {}


@pytest.fixture
def held(scene: Scene) -> Iterator[str]:
    """A flag that Mallory keeps up: the signed tags of a lock that was held a moment ago, on a model of hers."""
    mallory = scene.registry(MALLORY)
    scope = ("*",)
    holder = Holder.this_process("promote", scope, scope, BuildContext(id="b"), 600)
    seen: list[Mapping[str, str]] = []
    with Lock(scene.registry("admin"), holder, wait=0):
        ((name, _, tags, _),) = mallory.flags()
        assert SIGNATURE_TAG in tags
        seen.append(tags)
    other = {**seen[0], HOLDER_TAG: seen[0][HOLDER_TAG].replace(holder.host, "elsewhere")}
    mallory.raise_flag(name, seen[0], "")
    mallory.raise_flag(f"{FLAG_PREFIX}0", other, "")
    ended = threading.Event()

    def keep() -> None:
        while not ended.wait(0.2):
            for each in (name, f"{FLAG_PREFIX}0"):
                mallory.renew_flag(each, "")

    thread = threading.Thread(target=keep)
    thread.start()
    yield name
    ended.set()
    thread.join()


def test_a_flag_that_somebody_keeps_up_stops_nobody(scene: Scene, held: str) -> None:
    """Not even the copy of a real one, under its name; doctor names it. Without the key it stops every promotion."""
    code, shown = scene.run(PROMOTER, EXCLUSIVE, "doctor")
    assert f"the flag {held} is not signed with this key" in shown, (code, shown)
    code, shown = scene.with_key("").run(PROMOTER, EXCLUSIVE, "promote", f"--model={TEAM}", "--version=2")
    assert (code, "is being worked on by" in shown) == (5, True), shown
    code, shown = scene.run(PROMOTER, EXCLUSIVE, "promote", f"--model={TEAM}", "--version=2")
    assert (code, "no longer waiting for" in shown) == (0, True), shown
    assert marks(scene)[TEAM][1] == {"champion": 2}


def test_who_holds_the_lock_with_the_key_is_waited_for(scene: Scene) -> None:
    """By who has it, and by who does not."""
    scope = ("signed-*",)
    holder = Holder.this_process("promote", scope, scope, BuildContext(id="b"), 600)
    before = marks(scene)
    with Lock(scene.registry("admin"), holder, wait=0):
        for each in (scene, scene.with_key("")):
            code, shown = each.run(PROMOTER, EXCLUSIVE, "promote", f"--model={TEAM}", "--version=2")
            assert (code, "is being worked on by" in shown) == (5, True), shown
    assert marks(scene) == before


@pytest.fixture
def cleaned(scene: Scene) -> Iterator[str]:
    """A model of its own, with two versions."""
    name = "signed-cleaned"
    seed(scene.accounts.url(), {name: [Spec({"roc_auc": 0.1}), Spec()]})
    give_files(scene.accounts, name)
    yield name
    scene.registry("admin").lower_flag(name)  # deletes the model


def test_a_cleanup_with_the_key_deletes_and_restores(cleaned: str, scene: Scene) -> None:
    """What it writes down of a version can be read again; which of its tags are signed is told from the tags."""
    admin = scene.registry("admin")
    admin.record(cleaned, 1, {PROMOTED_AT: "2026"})
    admin.tag_version(cleaned, 1, {METHOD: "stage"})
    admin.record(cleaned, 2, {PROMOTED_AT: "2027"})
    admin.set_alias(cleaned, "champion", 2)
    group = f"--models={cleaned}"
    code, shown = scene.run("admin", {}, "cleanup", group, "--yes", "--keep-last=1", "--min-age=0s")
    assert (code, [version.number for version in admin.model(cleaned).versions]) == (0, [2]), shown
    (entry,) = Journal(admin).read(cleaned)
    assert entry.version.record == {PROMOTED_AT: "2026"}
    code, shown = scene.run("admin", {}, "restore", f"--model={cleaned}", "--version=1")
    assert code == 0, shown
    assert admin.version(cleaned, 3).record == {}
