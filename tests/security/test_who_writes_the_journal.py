"""Somebody else made the experiment of history and journal first, and writes there what she likes, of every model.

Mallory may edit the model OWN and nothing of TEAM; the experiment `jenkins-mlflow` is hers. Whatever she writes there,
no command changes what is in production of TEAM, brings a version there that she names, or ends without a message.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from jenkins_mlflow.registry.records import EXPERIMENT, pieces
from jenkins_mlflow.tags import (
    BEFORE,
    CLEANUP,
    EVENT_ID,
    EVENT_MODEL,
    EVENT_PART,
    JOURNAL_MODEL,
    JOURNAL_PART,
    JOURNAL_RECLAIMED,
    METHOD,
    PRODUCTION_CHANGE,
    PROMOTED_AT,
    RECORD_TAG,
    UNWRITTEN_TAG,
)
from support.accounts import Accounts, start_accounts
from support.scene import Scene, give_files
from support.seeding import Spec, client, seed
from support.thorough import THOROUGH

OWN, TEAM = "booked-own", "booked-team"
MALLORY, PROMOTER, UNWELCOME = "booked-mallory", "booked-promoter", "booked-unwelcome"
RECORDED = {PROMOTED_AT: "2026-11-01T00:00:00+00:00", METHOD: "stage", BEFORE: "[]"}
CONFIG = {"MLOPS__PROMOTE__RETRY__ATTEMPTS": "1"}
WITH_HISTORY = (
    ["doctor"],
    ["history"],
    ["history", f"--model={OWN}"],
    ["history", f"--model={TEAM}", "--at=2026-11-02"],
    ["history", "--since=2026-11-02"],
    ["rollback", f"--model={TEAM}", "--recorded", "--dry-run"],
    ["rollback", f"--model={OWN}", "--recorded"],
    ["history", f"--model={OWN}", "--adopt", "--reason=x"],
    ["rollback", f"--model={OWN}"],
)
WITH_JOURNAL = (
    ["history", f"--model={OWN}"],
    ["restore", f"--model={TEAM}", "--dry-run"],
    ["restore", f"--model={OWN}", "--dry-run"],
    ["restore", f"--model={OWN}"],
    ["lease", f"--model={OWN}", "--version=1", "--holder=h", "--for=1h"],
    ["lease"],
    ["cleanup", "--yes", "--keep-last=9", "--min-age=7d"],
    ["doctor", "--storage"],
    ["reclaim", "--mode=artifacts", "--dry-run"],
)
RECLAIMS = (["reclaim", "--mode=artifacts", "--yes", "--dry-run"], ["reclaim", "--mode=runs", "--yes"])


class Books:
    """What Mallory writes into the experiment."""

    def __init__(self, scene: Scene, experiment: str) -> None:
        self.client = client(scene.accounts.url(MALLORY))
        self.experiment = experiment
        models = scene.models(OWN, TEAM)
        self.created = {
            (name, version.number): version.created
            for name in (OWN, TEAM)
            for version in models[name].versions
        }

    def run(self, tags: dict[str, str], started: int | None = None) -> None:
        self.client.create_run(self.experiment, started, tags)

    def place(self, model: str, number: int) -> list[Any]:
        return [model, number, self.created[model, number]]

    def event(self, model: str = OWN, **changed: Any) -> None:
        """A promotion of version 2, which failed its gate."""
        facts = {"id": f"9-{changed.get('time', 0)}", "work": "promotion", "model": model, "version": 2}
        facts |= {"time": 1_796_500_000_000, **changed}
        if "production" not in changed:
            facts["production"] = [self.place(model, 2)]
        kinds = {RECORD_TAG: PRODUCTION_CHANGE, EVENT_ID: str(facts["id"])[:250], EVENT_MODEL: model}
        self.run(kinds | pieces(EVENT_PART, facts))

    def entry(self, model: str = OWN, started: int = 1, named: str = "", **changed: Any) -> None:
        """A deletion of version 7."""
        facts = {"model": model, "number": 7, "stage": "Production", "aliases": ["champion", "x"]}
        facts |= {"status": "READY", "created": 5, "run_id": None, "source": f"models:/{TEAM}/1"}
        facts |= {"tags": RECORDED, "metrics": {}, **changed}
        self.run(
            {RECORD_TAG: CLEANUP, JOURNAL_MODEL: named or model} | pieces(JOURNAL_PART, [facts]), started
        )


def at(time: int) -> Callable[[Books], None]:
    return lambda books: books.event(time=time)


def deleted_at(time: int) -> Callable[[Books], None]:
    return lambda books: books.entry(started=time)


TIMES = (-1, 0, 10**15, 2**63, 10**400) if THOROUGH else (-1, 10**400)
EVENTS: dict[str, Callable[[Books], None]] = {
    "her version is in production": lambda books: books.event(),
    "TEAM's failed version is, she says": lambda books: books.event(TEAM),
    "TEAM's failed version is, by an event of hers": lambda books: books.event(
        production=[books.place(OWN, 2), books.place(TEAM, 2)], left=[books.place(TEAM, 1)]
    ),
    "nothing of TEAM is": lambda books: books.event(production=[], left=[books.place(TEAM, 1)]),
    **{f"at {str(time)[:9]}, {len(str(time))} digits": at(time) for time in TIMES},
    "no numbers": lambda books: books.event(value=float("inf"), before=float("nan"), metric="m"),
    "huge numbers": lambda books: books.event(
        production=[[OWN, 10**400, -(10**400)], [TEAM, 2**63, 1]], version=10**400
    ),
    "odd texts": lambda books: books.event(
        id="\x1b[2J" * 100,
        by="\u202e",
        reason="`<b>",
        gates={"\x1b]0;": "\n" * 999},
        at="9999999",
        build="javascript:",
    ),
    "versions of no such model": lambda books: books.event("booked-none", production=[]),
    "no JSON": lambda books: books.run({RECORD_TAG: PRODUCTION_CHANGE, f"{EVENT_PART}00000": "[" * 4900}),
    "nothing": lambda books: books.run({RECORD_TAG: PRODUCTION_CHANGE, EVENT_PART: "{}", EVENT_ID: ""}),
}
ENTRIES: dict[str, Callable[[Books], None]] = {
    "TEAM's version in her journal": lambda books: books.entry(TEAM, named=OWN),
    "her version in TEAM's": lambda books: books.entry(OWN, named=TEAM),
    "a version of hers with TEAM's files": lambda books: books.entry(),
    "TEAM's champion": lambda books: books.entry(TEAM, number=1, created=books.created[TEAM, 1]),
    "TEAM's champion's files": lambda books: books.entry(
        number=8, source=books.client.get_model_version(TEAM, "1").source
    ),
    **{f"at {time}": deleted_at(time) for time in (10**15, 2**62)},
    "odd numbers": lambda books: books.entry(number=10**400, created=-1, bytes=1e999),
    "odd texts": lambda books: books.entry(
        aliases=["\x1b[2J", "", "x" * 400],
        stage="\u202e",
        tags={"": "", "\x1b": "x" * 9000},
        source="\\\\evil\\x",
        description="\x1b[2J" * 999,
    ),
    "no JSON": lambda books: books.run(
        {RECORD_TAG: CLEANUP, JOURNAL_MODEL: OWN, f"{JOURNAL_PART}00000": "[" * 4900}
    ),
    "a reclaim that ends in the year 10000": lambda books: books.run(
        {JOURNAL_MODEL: OWN, f"{JOURNAL_RECLAIMED}7-5": '{"at": 1e300, "bytes": -1, "done": true}'}
    ),
}


def by_accounts(kinds: Iterable[str]) -> list[tuple[str, str]]:
    """All by the account that may write there, too; the first ones by one that may not."""
    return [(what, account) for account, most in ((PROMOTER, 99), (UNWELCOME, 2)) for what in [*kinds][:most]]


@pytest.fixture(scope="module")
def accounts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Accounts]:
    """TEAM's version 1 is the champion, recorded; its version 2 failed the gate, and so did OWN's.

    A server of its own: on a shared one another test may have made the experiment before Mallory.
    """
    accounts = start_accounts(tmp_path_factory.mktemp("journal"))
    uri = accounts.url()
    champion = Spec({"roc_auc": 0.9}, stage="Production", aliases=("champion",), tags=RECORDED)
    seed(uri, {TEAM: [champion, Spec({"roc_auc": 0.1})], OWN: [champion, Spec({"roc_auc": 0.1})]})
    give_files(accounts, TEAM, OWN)
    accounts.create(MALLORY, {OWN: "EDIT", TEAM: "READ"})
    made = client(accounts.url(MALLORY)).create_experiment(EXPERIMENT)
    for account in (PROMOTER, UNWELCOME):
        accounts.create(account, {OWN: "MANAGE", TEAM: "MANAGE"})
    accounts.grant(PROMOTER, made, "EDIT", "experiment")
    yield accounts
    accounts.server.stop()


@pytest.fixture
def experiment(accounts: Accounts) -> str:
    found = client(accounts.url()).get_experiment_by_name(EXPERIMENT)
    assert found is not None
    return str(found.experiment_id)


@pytest.fixture
def scene(
    accounts: Accounts,
    experiment: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> Iterator[Scene]:
    """Afterwards the experiment is empty, and both models are what they were."""
    monkeypatch.chdir(tmp_path)
    scene = Scene(accounts, monkeypatch, capfd, "booked-*")
    yield scene
    emptied(scene, experiment)


def emptied(scene: Scene, experiment: str) -> None:
    """Take away what was written, as the administrator."""
    mlflow, admin = client(scene.accounts.url()), scene.registry("admin")
    for run in mlflow.search_runs([experiment]):
        mlflow.delete_run(run.info.run_id)
    for name in (OWN, TEAM):
        model = admin.model(name)
        for key in model.tags:
            admin.untag_model(name, key)
        for version in model.versions:
            kept = RECORDED if version.number == 1 else {}
            for key in version.tags.keys() - kept.keys():
                admin.untag_version(name, version.number, key)
            if version.number > 2:
                admin.delete_version(name, version.number)
            elif version.number == 2 and version.stage != "None":
                admin.set_stage(name, 2, "None")
        for alias in model.aliases.keys() - {"champion"}:
            admin.delete_alias(name, alias)
        admin.set_alias(name, "champion", 1)
        admin.set_stage(name, 1, "Production")
        admin.tag_version(name, 1, RECORDED)


def try_all(scene: Scene, account: str, commands: tuple[list[str], ...]) -> None:
    """Nothing of TEAM changes, and no version is in production that was not."""
    before = scene.models(TEAM)
    for command in commands:
        code, shown = scene.run(account, CONFIG, *command)
        assert code in (0, 1, 3, 4, 7), (command, shown)
        now = scene.models(TEAM, OWN)
        own_model = now.pop(OWN)
        assert now == before, (command, shown)
        assert [v.number for v in own_model.staged("Production")] == [1], (command, shown)
        assert own_model.aliases["champion"] == 1, (command, shown)
        assert "\x1b" not in shown, command


@pytest.mark.parametrize(("what", "account"), by_accounts(EVENTS))
def test_forged_history_moves_nothing(what: str, account: str, scene: Scene, experiment: str) -> None:
    """As runs, whether or not the promoting account may write there itself."""
    EVENTS[what](Books(scene, experiment))
    try_all(scene, account, WITH_HISTORY)


@pytest.mark.parametrize(("what", "account"), by_accounts(ENTRIES))
def test_a_forged_journal_changes_her_own_model_only(
    what: str, account: str, scene: Scene, experiment: str
) -> None:
    """A reclaim is the administrator's; what lives keeps its files."""
    ENTRIES[what](Books(scene, experiment))
    try_all(scene, account, WITH_JOURNAL)
    try_all(scene, "admin", RECLAIMS)
    gone = [
        v for v in scene.models(TEAM)[TEAM].versions if not scene.registry("admin").has_files(TEAM, v.number)
    ]
    assert not gone


@pytest.mark.parametrize("deleted", [False, True])
def test_whoever_keeps_the_promoter_out_stops_no_promotion(
    deleted: bool, scene: Scene, experiment: str
) -> None:
    """The history waits on the model; a cleanup, which could not be taken back, deletes nothing."""
    mallory = client(scene.accounts.url(MALLORY))
    if deleted:
        mallory.delete_experiment(experiment)
    try:
        code, shown = scene.run(UNWELCOME, CONFIG, "cleanup", "--yes", "--keep-last=1", "--min-age=0s")
        assert code in (1, 3, 4, 5), shown
        assert {v.number for v in scene.models(OWN)[OWN].versions} == {1, 2}, shown
        code, shown = scene.run(UNWELCOME, CONFIG, "promote", f"--model={OWN}", "--version=2")
        assert code == 0, shown
        assert "it stays on the model as a tag" in shown
        own_model = scene.models(OWN)[OWN]
        assert [v.number for v in own_model.staged("Production")] == [2]
        assert [key for key in own_model.tags if key.startswith(UNWRITTEN_TAG)]
    finally:
        if deleted:
            mallory.restore_experiment(experiment)


def test_what_is_restored_by_a_forged_entry_is_not_in_production(scene: Scene, experiment: str) -> None:
    """Who asks for a restore of TEAM gets the version that the entry names, but none of its marks of production."""
    Books(scene, experiment).entry(TEAM)
    code, shown = scene.run(PROMOTER, CONFIG, "restore", f"--model={TEAM}")
    assert code == 0, shown
    model = scene.models(TEAM)[TEAM]
    assert {v.number: v.stage for v in model.versions} == {1: "Production", 2: "None", 3: "None"}
    assert dict(model.aliases) == {"champion": 1, "x": 3}


def test_an_adoption_after_forged_history_opens_no_way_to_a_failed_version(
    scene: Scene, experiment: str
) -> None:
    """What she calls the version before has no record: neither kind of rollback goes there."""
    Books(scene, experiment).event(TEAM)
    code, shown = scene.run(PROMOTER, CONFIG, "rollback", f"--model={TEAM}", "--recorded")
    assert code == 1, shown
    assert f"{TEAM} version 2 is recorded as in production, but it has no promotion record" in shown
    code, shown = scene.run(PROMOTER, CONFIG, "history", f"--model={TEAM}", "--adopt", "--reason=x")
    assert code == 0, shown
    code, shown = scene.run(PROMOTER, CONFIG, "rollback", f"--model={TEAM}")
    assert code == 1, shown
    assert "no recorded promotion put it there" in shown
    model = scene.models(TEAM)[TEAM]
    assert {v.number: v.stage for v in model.versions} == {1: "Production", 2: "None"}
    assert dict(model.aliases) == {"champion": 1}
