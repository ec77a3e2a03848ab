"""Everything that an account with EDIT on one model can write, and every command of the account that promotes.

The group is exclusive. TEAM's champion passed its gate; OWN is Mallory's, who may edit it, see the rest, and register
models, versions, runs of her own. Whatever she writes, nothing outside of her models changes, nothing that did not pass
is promoted for her, and every command ends with a message.
"""

from __future__ import annotations

import contextlib
import functools
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from conftest import MakeAccounts
from jenkins_mlflow.promotion.record import tags_over
from jenkins_mlflow.registry import lock as locks
from jenkins_mlflow.registry.client import Registry
from jenkins_mlflow.registry.connection import connect
from jenkins_mlflow.registry.signing import Keys
from jenkins_mlflow.tags import FLAG_PREFIX, INTENT_TAG, METHOD, PROMOTED_AT
from support.accounts import Accounts
from support.scene import Scene, give_files
from support.seeding import Spec, client, seed
from support.thorough import THOROUGH

OWN, TEAM, HERS = "written-own", "written-team", "written-hers"
MALLORY, PROMOTER, KEY = "written-mallory", "written-promoter", "the-key-of-the-promoting-builds-2"
CONFIG = {"MLOPS__PROMOTE__EXCLUSIVE": "true", "MLOPS__PROMOTE__RETRY__ATTEMPTS": "2"}
ODD = "\x1b]0;x\x07\u202e'\"$(reboot)`<b>|\n" + "\u0436" * 50
COMMANDS = (
    ["list"],
    ["doctor"],
    ["select"],
    ["promote"],
    ["promote", "--recover"],
    ["cleanup", "--yes", "--keep-last=9", "--min-age=7d"],
    ["rollback", f"--model={OWN}"],
    ["rollback", f"--model={TEAM}"],
)


@dataclass
class Hands:
    """What Mallory writes with."""

    registry: Registry
    client: Any

    def run(self, **metrics: float) -> str:
        """A run of hers."""
        with contextlib.suppress(Exception):  # it is there from an earlier write
            self.client.create_experiment("written-mallory")
        experiment = self.client.get_experiment_by_name("written-mallory").experiment_id
        run = self.client.create_run(
            experiment, tags={"jenkins_mlflow.build": ODD[:250], "mlflow.note.content": ODD}
        )
        for name, value in metrics.items():
            self.client.log_metric(run.info.run_id, name, value)
        self.client.log_param(run.info.run_id, "roc_auc", ODD)
        return str(run.info.run_id)

    def version(self, source: str, run_id: str | None = None, **tags: str) -> int:
        """A version of OWN."""
        made = self.client.create_model_version(OWN, source, run_id, tags=tags, description=ODD)
        return int(made.version)

    def model(self, name: str, **tags: str) -> None:
        """A model of hers."""
        self.client.create_registered_model(
            name, {f"jenkins_mlflow.{key}": text for key, text in tags.items()}, ODD
        )


def forged_intent(*changes: list[object], number: int = 2, model: str = OWN) -> str:
    table = {"work": "promotion", "model": model, "number": number, "changes": changes, "at": "2026"}
    return json.dumps({**table, "created": []})


def several(*writes: Callable[[Hands], object]) -> Callable[[Hands], object]:
    """One write after the other."""

    def write(hands: Hands) -> None:
        for each in writes:
            each(hands)

    return write


def record(number: int, **tags: str) -> Callable[[Hands], object]:
    named = {f"jenkins_mlflow.{key}": text for key, text in tags.items()}
    return lambda hands: hands.registry.tag_version(OWN, number, named)


WRITES: dict[str, Callable[[Hands], object]] = {
    "an intent that promotes": lambda hands: hands.registry.tag_model(
        OWN, INTENT_TAG, forged_intent([OWN, 2, "None", "Production"], [OWN, "champion", None, 2])
    ),
    "an intent that takes TEAM's place": lambda hands: hands.registry.tag_model(
        OWN,
        INTENT_TAG,
        forged_intent(
            [OWN, 2, "None", "Production"],
            [OWN, "champion", None, 2],
            [TEAM, 1, "Production", "Archived"],
            [TEAM, "champion", 1, None],
        ),
    ),
    "a record that leads to TEAM's failed version": record(
        1, promoted_at="2026", method="stage", before=json.dumps([[TEAM, 2, 0]]), previous_model=TEAM
    ),
    "a record, an approval and a passed check on a bad version": record(
        2, promoted_at="2026", method="stage", approved_by="the boss", check="passed", promoted_by="jenkins"
    ),
    "checks, leases and restorations of all kinds": record(
        1,
        check="failed",
        keep="",
        **{"lease.x": "9999-01-01T00:00:00Z", "restored_from": "1@0", "lease.": ODD},
    ),
    "a signature made up": record(1, signature='[["jenkins_mlflow.promoted_at"], "00"]', promoted_at="2026"),
    "stages of all versions": several(
        lambda hands: hands.registry.set_stage(OWN, 1, "Staging"),
        lambda hands: hands.registry.set_stage(OWN, 2, "Archived"),
    ),
    "aliases": several(
        lambda hands: hands.registry.set_alias(OWN, "Production", 2),
        lambda hands: hands.registry.set_alias(OWN, "champion_", 2),
        lambda hands: hands.registry.set_alias(OWN, "x" * 200, 2),
    ),
    "descriptions": several(
        lambda hands: hands.client.update_registered_model(OWN, ODD),
        lambda hands: hands.client.update_model_version(OWN, "2", ODD),
    ),
    "tags of odd names": several(
        lambda hands: hands.registry.tag_model(OWN, "jenkins_mlflow.intent.7", ODD),
        lambda hands: hands.registry.tag_version(
            OWN, 2, {"jenkins_mlflow.before": "[" * 4900, "mlflow.x": ODD}
        ),
    ),
    "a version of TEAM's files": lambda hands: hands.version(f"models:/{TEAM}/2"),
    "a version of another host's files": lambda hands: hands.version(
        "s3://elsewhere/model", promoted_at="2026"
    ),
    "a version with an infinite metric": lambda hands: hands.version(
        "s3://elsewhere/model", hands.run(roc_auc=float("inf"))
    ),
    "a version without a number for metric": lambda hands: hands.version(
        "s3://elsewhere/model", hands.run(roc_auc=float("nan"))
    ),
    "a version of TEAM's run": lambda hands: hands.version(
        "s3://elsewhere/model", hands.registry.version(TEAM, 2).run_id
    ),
    "a model of the group with an intent": several(
        lambda hands: hands.model(
            HERS, intent=forged_intent([TEAM, 2, "None", "Production"], model=TEAM), lock="{}"
        ),
        lambda hands: hands.client.create_model_version(HERS, f"models:/{TEAM}/2"),
    ),
    "a model with an odd name": lambda hands: hands.model(
        "written-'\" $(reboot)|`<b>", intent="{", signature="x"
    ),
    "a model that becomes a flag": several(
        lambda hands: hands.model(
            HERS, lock='{"work": "x", "scope": ["*"], "writes": ["*"], "lease": 1e300, "host": "h"}'
        ),
        lambda hands: hands.client.rename_registered_model(HERS, f"{FLAG_PREFIX}renamed"),
    ),
    "flags that cannot be read": several(
        *(
            functools.partial(Hands.model, name=f"{FLAG_PREFIX}odd{number}", lock=text)
            for number, text in enumerate(("", "{", "[" * 4900, '{"host": 7}', '{"lease": 1e999}', ODD))
        )
    ),
}


@pytest.fixture(scope="module")
def accounts(make_accounts: MakeAccounts) -> Accounts:
    """TEAM's version 1 is the champion, recorded and signed; its version 2 failed the gate, and so did OWN's."""
    accounts = make_accounts()
    uri = accounts.url()
    seed(
        uri,
        {
            TEAM: [Spec({"roc_auc": 0.9}), Spec({"roc_auc": 0.1})],
            OWN: [Spec({"roc_auc": 0.6}), Spec({"roc_auc": 0.1})],
        },
    )
    give_files(accounts, TEAM, OWN)
    admin = Registry(connect(uri), keys=Keys((KEY,)))
    admin.record(TEAM, 1, {PROMOTED_AT: "2026", METHOD: "stage", **tags_over(None)})
    admin.set_stage(TEAM, 1, "Production")
    admin.set_alias(TEAM, "champion", 1)
    accounts.create(MALLORY, {OWN: "EDIT", TEAM: "READ"})
    accounts.create(PROMOTER, {OWN: "MANAGE", TEAM: "MANAGE"})
    return accounts


@pytest.fixture
def scene(
    accounts: Accounts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Iterator[Scene]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(locks, "UNSIGNED_SECONDS", 0.5)
    scene = Scene(accounts, monkeypatch, capfd, "written-*")
    yield scene
    admin = scene.registry("admin")
    for flag in admin.flags():
        admin.lower_flag(flag.name)
    for name in admin.names():
        if name.startswith("written-") and name not in (OWN, TEAM):
            admin.lower_flag(name)
    own_model = admin.model(OWN)
    for key in own_model.tags:
        admin.untag_model(OWN, key)
    for alias in own_model.aliases:
        admin.delete_alias(OWN, alias)
    for version in own_model.versions:
        if version.number > 2:
            admin.delete_version(OWN, version.number)
            continue
        for key in version.tags:
            admin.untag_version(OWN, version.number, key)
        if version.stage != "None":
            admin.set_stage(OWN, version.number, "None")


SIGNED = ("intent", "record", "checks", "signature", "flag")
"""What a signing key has a say in: the other writes are tried without one, and with one in `make test-faults`."""
CASES = [
    pytest.param(what, key, id=f"{what}-{'with' if key else 'without'} a key")
    for what in WRITES
    for key in ("", KEY)
    if not key or THOROUGH or any(word in what for word in SIGNED)
]


@pytest.mark.parametrize(("what", "key"), CASES)
def test_what_mallory_writes_changes_nothing_but_her_own(what: str, key: str, scene: Scene) -> None:
    scene = scene.with_key(key)
    mallory = client(scene.accounts.url(MALLORY))
    WRITES[what](Hands(scene.registry(MALLORY), mallory))
    before = scene.models(TEAM)
    marked = {v.number: (v.stage, v.aliases) for v in scene.models(OWN)[OWN].versions}
    for command in COMMANDS:
        code, shown = scene.run(PROMOTER, CONFIG, *command)
        assert code in (0, 1, 3), (command, shown)
        models = scene.models(TEAM, OWN)
        now = {v.number: (v.stage, v.aliases) for v in models.pop(OWN).versions}
        assert models == before, (command, shown)
        assert not [
            number
            for number, (stage, aliases) in now.items()
            if (stage == "Production" and marked[number][0] != "Production")
            or ("champion" in aliases and "champion" not in marked[number][1])
        ], (command, shown)
        assert "\x1b" not in shown, command


def test_the_table_has_what_the_rights_allow(scene: Scene) -> None:
    """What the other tests take for granted: with EDIT she may not touch the rest, and may set the marks of her own."""
    mallory = scene.registry(MALLORY)
    forbidden: list[Callable[[], object]] = [
        lambda: mallory.tag_model(TEAM, INTENT_TAG, "{}"),
        lambda: mallory.tag_version(TEAM, 1, {PROMOTED_AT: "2026"}),
        lambda: mallory.set_alias(TEAM, "champion", 2),
        lambda: mallory.set_stage(TEAM, 2, "Production"),
        lambda: mallory.delete_version(OWN, 2),
    ]
    for write in forbidden:
        with pytest.raises(Exception, match="403"):
            write()
    mallory.set_stage(OWN, 2, "Production")
    mallory.set_alias(OWN, "champion", 2)
    assert scene.models(OWN)[OWN].aliases == {"champion": 2}
