"""Accounts of different rights on one server: what a weaker one writes changes nothing outside of its own model.

Mallory may EDIT one development model. All that she can write there meets every command of the account that promotes.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest
from conftest import MakeAccounts
from jenkins_mlflow.registry.snapshot import Model
from support.accounts import Accounts
from support.scene import Scene, give_files
from support.seeding import Spec, client, seed
from support.servers import Store
from support.thorough import THOROUGH

STORES: list[Store] = ["sqlite", "postgresql", "file"] if THOROUGH else ["sqlite"]
OWN, TEAM, OTHER, PRODUCTION = "promised-dev", "promised-a", "promised-b", "production"
INTENT = "jenkins_mlflow.intent"
RECORDED = {"jenkins_mlflow.promoted_at": "2026-11-01T00:00:00+00:00", "jenkins_mlflow.method": "stage"}

PLAIN: dict[str, str] = {}
EXCLUSIVE = {"MLOPS__PROMOTE__EXCLUSIVE": "true"}
COPY = {"MLOPS__PROMOTE__METHODS": '["copy"]', "MLOPS__PROMOTE__COPY_TO": PRODUCTION}
CONFIGS = {"plain": PLAIN, "exclusive copy": {**EXCLUSIVE, **COPY}}
CONFIGS |= {"exclusive": EXCLUSIVE, "copy": COPY} if THOROUGH else {}


def outside(scene: Scene) -> dict[str, Model]:
    """Every model that is not Mallory's."""
    return scene.models(PRODUCTION, f"{TEAM}*", f"{OTHER}*")


@pytest.fixture(scope="module", params=STORES)
def accounts(request: pytest.FixtureRequest, make_accounts: MakeAccounts) -> Accounts:
    """Three teams' models and the production model; the promoter may do everything with them."""
    accounts = make_accounts(request.param)
    uri = accounts.url()
    champion = Spec({"roc_auc": 0.8}, stage="Production", aliases=("champion",), tags=RECORDED)
    bad = Spec({"roc_auc": 0.1})
    retired = Spec({"roc_auc": 0.1}, stage="Archived")
    models = {OWN: [champion, bad], TEAM: [champion, retired], OTHER: [champion, bad]}
    seed(uri, {**models, PRODUCTION: [Spec({"roc_auc": 0.8}, aliases=("champion",), tags=RECORDED), bad]})
    give_files(accounts, *models, PRODUCTION)
    accounts.create("promised-mallory", {OWN: "EDIT"})
    accounts.create("promised-promoter", dict.fromkeys((*models, PRODUCTION), "MANAGE"))
    accounts.create("promised-reader", dict.fromkeys((*models, PRODUCTION), "READ"))
    accounts.create("promised-nobody", dict.fromkeys((*models, PRODUCTION), "DENY"))
    return accounts


@pytest.fixture
def scene(
    accounts: Accounts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Iterator[Scene]:
    """As it was at first: Mallory's model has no odd tags, and version 1 is in production."""
    monkeypatch.chdir(tmp_path)
    scene = Scene(accounts, monkeypatch, capfd, "promised-*")
    yield scene
    admin = scene.registry("admin")
    model = admin.model(OWN)
    for key in model.tags:
        admin.untag_model(OWN, key)
    for version in model.versions:
        for key in version.tags.keys() - RECORDED.keys():
            admin.untag_version(OWN, version.number, key)
    for alias in model.aliases.keys() - {"champion"}:
        admin.delete_alias(OWN, alias)
    admin.set_alias(OWN, "champion", 1)
    admin.set_stage(OWN, 2, "None")
    admin.set_stage(OWN, 1, "Production")
    admin.tag_version(OWN, 1, RECORDED)


def intent(number: int, *changes: list[object], model: str = OWN, **more: object) -> str:
    """An intent as Mallory would write it."""
    table = {"work": "promotion", "model": model, "number": number, "changes": changes, "at": "2026"}
    return json.dumps({**table, "created": [], **more})


FORGED = {
    "a version that passed nothing": intent(
        2, [OWN, 2, "None", "Production"], [OWN, 1, "Production", "Archived"], [OWN, "champion", 1, 2]
    ),
    "another team's champion leaves": intent(
        1, [OWN, 1, "None", "Production"], [TEAM, 1, "Production", "Archived"]
    ),
    "another team's alias leaves": intent(1, [OWN, "champion", 2, 1], [TEAM, "champion", 1, None]),
    "undoing brings back another team's version": intent(
        2, [OWN, "champion", 1, 2], [TEAM, 2, "Production", "Archived"]
    ),
    "undoing moves another team's alias": intent(
        2, [OWN, 2, "None", "Production"], [TEAM, "champion", 2, None]
    ),
    "the production model": intent(
        2, [PRODUCTION, "champion", 1, 2], [PRODUCTION, 2, "None", "Production"], model=PRODUCTION
    ),
    "the production model among others": intent(
        1, [OWN, "champion", 2, 1], [PRODUCTION, "champion", 1, None]
    ),
    "another stage": intent(1, [OWN, 1, "Staging", "Production"], [OTHER, 2, "None", "Archived"]),
    "an ended rollback": intent(2, [OWN, "champion", 1, 2], work="rollback", by="\x1b[31m" * 50),
    "version 0.1's": json.dumps(
        {"method": "copy", "model": OWN, "version": 2, "group": ["*"], "exclusive": True}
    ),
    "no JSON": "{[",
    "deep": "[" * 4900,
    "a huge number": intent(10**400),
    "infinite": '{"work": "promotion", "model": "promised-dev", "number": 1e999, "changes": []}',
    "parts": '{"parts": 99, "digest": ""}',
    "endless parts": '{"parts": 1e999, "digest": []}',
    "a list": "[1, 2]",
    "a surrogate": '{"model": "\\ud800"}',
}
COMMANDS = [
    ["list"],
    ["select"],
    ["doctor"],
    ["promote", "--recover"],
    ["cleanup", "--yes", "--keep-last=9", "--min-age=7d"],
    ["rollback", f"--model={OWN}"],
    ["rollback", f"--model={PRODUCTION}"],
    ["rollback", f"--model={PRODUCTION}", "--recorded", "--dry-run"],
    ["rollback", f"--model={OWN}", "--recorded", "--dry-run"],
    ["history"],
    ["restore", f"--model={OWN}"],
    ["reclaim", "--mode=artifacts", "--yes"],
    ["lease"],
    ["lease", f"--model={OWN}", "--version=2", "--holder=h", "--for=1h"],
    ["doctor", "--storage"],
    ["history", f"--model={OWN}", "--adopt", "--reason=x"],
]

HINGES = [
    ["history"],
    ["lease"],
    ["rollback", f"--model={OWN}"],
]
"""The commands that believe most of what a version's tags say."""


@pytest.mark.parametrize("config", CONFIGS)
def test_a_forged_intent_reaches_no_other_model(config: str, scene: Scene) -> None:
    """Recovery of every intent under every config; all commands for the first."""
    mallory, before = scene.registry("promised-mallory"), outside(scene)
    for name, text in FORGED.items():
        mallory.tag_model(OWN, INTENT, text)
        for key in scene.registry("admin").model(OWN).tags.keys() - {INTENT}:
            mallory.untag_model(OWN, key)
        for command in COMMANDS if name == "a version that passed nothing" else COMMANDS[3:4]:
            scene.run("promised-promoter", CONFIGS[config], *command)
        assert outside(scene) == before, name
        if (
            name == "a version that passed nothing"
        ):  # its owner could set the marks herself: nobody does it for her
            untouched = scene.registry("admin").model(OWN).version(2)
            assert untouched is not None
            assert (untouched.stage, untouched.aliases) == ("None", ())


ODD = {
    "previous_model": {"previous_model": TEAM, "previous_version": "2"},
    "before": {"before": json.dumps([[TEAM, 2, 0]])},
    "before, in production": {"before": json.dumps([[PRODUCTION, 2, 0]])},
    "odd numbers": {"previous_version": "\u0663" * 9, "before": "", "check": "failed"},
    "the year 0": {"promoted_at": "0001-01-01T00:00:00+23:59"},
    "no JSON": {"before": "[" * 4900, "check": "\x1b]", "promoted_at": "\u202e", "lease.x": "1e999"},
    "wrong types": {"before": '[[1, 2], {"a": 1e999}]', "lease.": "-", "restored_from": "9@x", "keep": ""},
    "infinite": {"before": '[["promised-a", 1e999, 0]]', "lease.y": "99999999999999999999@x"},
}


@pytest.mark.parametrize("config", CONFIGS)
def test_odd_tags_reach_no_other_model(config: str, scene: Scene) -> None:
    """What Mallory writes on her versions sends no rollback, selection or cleanup anywhere else."""
    mallory, before = scene.registry("promised-mallory"), outside(scene)
    for name, tags in ODD.items():
        for number in (1, 2):
            mallory.tag_version(OWN, number, {f"jenkins_mlflow.{key}": text for key, text in tags.items()})
        commands = COMMANDS if name in ("previous_model", "wrong types") else HINGES
        for command in commands:
            scene.run("promised-promoter", CONFIGS[config], *command)
        assert outside(scene) == before, name


FLAGS = [
    "{",
    '{"work": "promote", "scope": ["*"], "writes": ["*"], "lease": 1e300}',
    '{"scope": "*", "writes": 7, "lease": "soon"}',
    '{"work": "\\u001b[2J", "scope": [], "lease": -1, "pid": 1e999}',
    "[" * 4900,
]


def test_odd_flags_aliases_and_names_stop_nobody(scene: Scene) -> None:
    """Lock flags that cannot be read, aliases of all kinds, models with odd names in the group."""
    mallory, before = scene.registry("promised-mallory"), outside(scene)
    mlflow = client(mallory.connection.uri)
    for number, text in enumerate(FLAGS):
        mlflow.create_registered_model(
            f"jenkins-mlflow.lock.odd{number}", {"jenkins_mlflow.lock": text}, "\x1b[2J"
        )
    for number, name in enumerate(
        ("promised-'\" $(reboot)", "promised-<b>|`x`", "promised-" + "\u0436" * 100)
    ):
        mlflow.create_registered_model(name)
        mlflow.create_model_version(name, f"models:/{TEAM}/{number % 2 + 1}", tags={INTENT: "{"})
        mlflow.set_registered_model_tag(name, INTENT, intent(1, [name, 1, "None", "Production"], model=name))
    for alias in ("x" * 200, "Production", "champion_", "stable"):
        mallory.set_alias(OWN, alias, 2)
    for config in CONFIGS.values():
        for command in COMMANDS:
            scene.run("promised-promoter", config, *command)
            assert outside(scene) == before, command


@pytest.mark.parametrize("account", ["promised-reader", "promised-nobody"])
def test_an_account_without_rights_changes_nothing(account: str, scene: Scene) -> None:
    """Every command ends with a message."""
    before = outside(scene)
    for command in [*COMMANDS, ["promote", f"--model={TEAM}", "--version=2"]]:
        scene.run(account, PLAIN, *command)
        assert outside(scene) == before, command


# --- accounts that may do a part of what a promotion needs


@pytest.fixture
def group(accounts: Accounts, request: pytest.FixtureRequest) -> tuple[str, str, str]:
    """An exclusive group for one test; B is in production."""
    start = f"part-{request.node.name.split('[')[0].removeprefix('test_')}"[:40]
    names = (f"{start}-a", f"{start}-b", f"{start}-c")
    champion = Spec({"roc_auc": 0.8}, stage="Production", aliases=("champion",), tags=RECORDED)
    seed(accounts.url(), {names[0]: [Spec()], names[1]: [champion], names[2]: [Spec()]})
    return names


def production(scene: Scene, names: tuple[str, ...]) -> dict[str, tuple[list[int], dict[str, int]]]:
    """The versions in the stage and the aliases of each model."""
    models = scene.registry("admin").snapshot(names).models
    return {m.name: ([v.number for v in m.staged("Production")], dict(m.aliases)) for m in models}


def test_who_may_not_delete_aliases_leaves_all_as_it_was(scene: Scene, group: tuple[str, str, str]) -> None:
    """EDIT on all three: B cannot lose its alias, so A is not promoted, and B serves on."""
    a, b, _ = group
    account = f"{a}-editor"
    scene.accounts.create(account, dict.fromkeys(group, "EDIT"))
    config = {**EXCLUSIVE, "MLOPS__PROMOTE__RETRY__ATTEMPTS": "1"}
    before = production(scene, group)
    code, shown = scene.run(account, config, "promote", f"--model={a}", f"--models={a[:-2]}-*")
    assert code in (1, 4), shown
    now = production(scene, group)
    assert now[b] == before[b], shown
    assert "NOTHING" not in shown


def test_who_may_not_change_the_champion_leaves_it_in_production(
    scene: Scene, group: tuple[str, str, str]
) -> None:
    """MANAGE on A and C, READ on B, which is in production: all is as it was, exit 4, and nothing is unfinished."""
    a, b, c = group
    account = f"{a}-part"
    scene.accounts.create(account, {a: "MANAGE", b: "READ", c: "MANAGE"})
    before = production(scene, group)
    code, shown = scene.run(account, EXCLUSIVE, "promote", f"--model={a}", f"--models={a[:-2]}-*")
    assert code == 4, shown
    assert production(scene, group) == before
    assert INTENT not in scene.registry("admin").model(a).tags


@pytest.mark.parametrize("rights", ["EDIT everywhere", "READ on the champion"])
def test_recovery_with_less_rights_never_empties_production(
    rights: str, scene: Scene, group: tuple[str, str, str]
) -> None:
    """A promotion of A was killed when B had left its stage, and an account that may do less recovers."""
    a, b, c = group
    a, b = f"{a}", f"{b}"
    account = f"{a}-{rights.split(maxsplit=1)[0].lower()}"
    part: Literal["EDIT", "READ"] = "EDIT" if rights == "EDIT everywhere" else "READ"
    scene.accounts.create(account, {a: "EDIT", b: part, c: "EDIT"})
    admin = scene.registry("admin")
    admin.set_stage(a, 1, "Production")
    admin.set_alias(a, "champion", 1)
    admin.set_stage(b, 1, "Archived")
    text = intent(
        1,
        [a, 1, "None", "Production"],
        [a, "champion", None, 1],
        [b, 1, "Production", "Archived"],
        [b, "champion", 1, None],
        model=a,
    )
    admin.tag_model(a, INTENT, text)
    for _ in range(2):
        code, shown = scene.run(account, EXCLUSIVE, "promote", "--recover", f"--models={a[:-2]}-*")
        now = production(scene, group)
        assert any(staged or aliases for staged, aliases in now.values()), shown
        assert code == 1 or INTENT not in admin.model(a).tags, shown
