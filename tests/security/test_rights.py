"""What each right lets each command do, on MLflow's real basic-auth: the table in docs/rights.md is tested."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from conftest import MakeAccounts, RunCli
from jenkins_mlflow.cli import main as cli
from jenkins_mlflow.promotion.intent import Intent
from jenkins_mlflow.promotion.plan import plan_promotion
from jenkins_mlflow.registry.client import Registry
from jenkins_mlflow.registry.connection import connect
from jenkins_mlflow.registry.journal import EXPERIMENT
from jenkins_mlflow.registry.version import Target
from support.accounts import Accounts, Permission
from support.environments import ROOT
from support.scene import give_files
from support.seeding import Spec, fresh_name, seed
from support.servers import Store
from support.thorough import THOROUGH

RIGHTS: dict[str, Permission] = {"no permission": "DENY", "READ": "READ", "EDIT": "EDIT", "MANAGE": "MANAGE"}
STORES: list[Store] = ["sqlite", "postgresql", "file"] if THOROUGH else ["sqlite"]
RECORD = {"jenkins_mlflow.promoted_at": "2026-11-01T00:00:00+00:00"}
CHAMPION = Spec({"roc_auc": 0.8}, stage="Production", aliases=("champion",), tags=RECORD)
EXCLUSIVE = {"MLOPS__PROMOTE__EXCLUSIVE": "true"}
BY_THE_SERVER = {"MLOPS__PROMOTE__METHODS": "[stage-archive, stage]"}  # the method file-store asks no server
COPY = {
    "MLOPS__PROMOTE__METHODS": "[copy]",
    "MLOPS__PROMOTE__STAGE": "null",
    "MLOPS__PROMOTE__COPY_TO": "NAME-prod",
}


@dataclass(frozen=True)
class Row:
    """A command of the table.

    Attributes:
        argv: The command; NAME stands for the model.
        models: What is seeded, by what is added to the name.
        env: Its settings.
        before: What happens first, by the administrator.
    """

    argv: tuple[str, ...]
    models: Mapping[str, list[Spec]] = field(default_factory=lambda: {"": [CHAMPION, Spec({"roc_auc": 0.9})]})
    env: Mapping[str, str] = field(default_factory=dict)
    before: Callable[[Registry, str], object] = lambda registry, name: None


def half_done(registry: Registry, name: str) -> None:
    """A promotion of 2 over 1 stopped after its stages."""
    table = plan_promotion(registry.snapshot([name]), name, 2, Target("Production", "champion")).table
    for key, text in Intent.of(table, "promotion", "2026", "ann", "").tags().items():
        registry.tag_model(name, key, text)
    registry.set_stage(name, 2, "Production")
    registry.set_stage(name, 1, "Archived")


PROMOTE = ("promote", "--model=NAME", "--version=2")
ROWS = {
    "`list`, `select`, `doctor`, dry runs": Row(("list",)),
    "`promote`": Row(PROMOTE),
    "`rollback`": Row(("rollback", "--model=NAME", "--to=2")),
    "`promote --recover`": Row(("promote", "--recover"), before=half_done),
    "`promote` in an exclusive group": Row(
        PROMOTE, {"": [Spec(), Spec()], "-b": [CHAMPION]}, {**EXCLUSIVE, "MLOPS__MODELS": '["NAME*"]'}
    ),
    "`promote` by `copy`": Row(PROMOTE, {"": [Spec(), Spec()], "-prod": [Spec(aliases=("champion",))]}, COPY),
    "`cleanup`": Row(("cleanup", "--yes", "--keep-last=1"), {"": [Spec(), Spec(), CHAMPION]}),
    "`lease`": Row(("lease", "--model=NAME", "--version=1", "--holder=me", "--for=1h")),
}


def table() -> dict[str, dict[str, bool]]:
    """The table of docs/rights.md: whether a command does its work, by command and right."""
    lines = (ROOT / "docs" / "rights.md").read_text(encoding="utf-8").splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith("| command | no permission"))
    rows = itertools.takewhile(lambda line: line.startswith("|"), lines[start + 2 :])
    cells = [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]
    return {
        row[0]: {right: cell == "yes" for right, cell in zip(RIGHTS, row[1:], strict=True)} for row in cells
    }


@pytest.fixture(scope="module", params=STORES)
def accounts(request: pytest.FixtureRequest, make_accounts: MakeAccounts) -> Accounts:
    accounts = make_accounts(request.param)
    for right in RIGHTS:
        accounts.ensure(account(right))
    let_all_write_the_journal(accounts)
    return accounts


def account(right: str) -> str:
    return f"may-{right.replace(' ', '-').lower()}"


@pytest.mark.parametrize("command", ROWS)
def test_the_table_of_rights_is_true(
    command: str,
    accounts: Accounts,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """An account that may not do it changes nothing in production; whoever may does it."""
    monkeypatch.chdir(tmp_path)
    row, found, said = ROWS[command], {}, {}
    admin = Registry(connect(accounts.url()))
    for right, permission in RIGHTS.items():
        name = fresh_name()
        seed(accounts.server.store_uri, {name + more: specs for more, specs in row.models.items()})
        give_files(accounts, *(name + more for more in row.models))
        row.before(admin, name)
        for more in row.models:
            accounts.grant(account(right), name + more, permission)
        before = admin.snapshot([f"{name}*"])
        with monkeypatch.context() as patch:
            settings = {
                "MLOPS__MODELS": f'["{name}"]',
                **BY_THE_SERVER,
                **row.env,
                **accounts.environ(account(right)),
            }
            for key, value in settings.items():
                patch.setenv(key, value.replace("NAME", name))
            capfd.readouterr()
            code = cli.run([word.replace("NAME", name) for word in row.argv])
        said[right] = f"{code}: {capfd.readouterr()}"
        found[right] = code == 0
        after = admin.snapshot([f"{name}*"])
        serving = [snapshot.production(Target("Production", "champion")) for snapshot in (before, after)]
        marks = [[(v.model, v.number, v.stage, v.aliases) for v in versions] for versions in serving]
        assert found[right] or marks[0] == marks[1], said[right]
    assert found == table()[command], said


def let_all_write_the_journal(accounts: Accounts) -> None:
    """Whoever has made its experiment may MANAGE it, and others only READ it."""
    door = connect(accounts.url()).door
    if door.experiment(EXPERIMENT) is None:
        door.create_experiment(EXPERIMENT)
    found = door.experiment(EXPERIMENT)
    assert found
    for right in RIGHTS:
        accounts.grant(account(right), found.experiment_id, "EDIT", "experiment")


def test_every_command_of_the_table_is_tried() -> None:
    assert list(table()) == list(ROWS)


def test_a_cleanup_deletes_no_version_whose_run_is_hidden(accounts: Accounts, run_cli: RunCli) -> None:
    """The account may not read one experiment: the best versions come from there, and no gate has failed."""
    name, me = fresh_name(), "reads-one-experiment"
    accounts.ensure(me)
    seed(accounts.server.store_uri, {name: [Spec({"roc_auc": 0.9})] * 3}, experiment=f"seen-{name}")
    best = f"hidden-{name}"
    client = seed(accounts.server.store_uri, {name: [Spec({"roc_auc": 0.95})] * 2}, experiment=best)
    accounts.grant(me, name, "MANAGE")
    found = client.get_experiment_by_name(best)
    assert found is not None
    accounts.grant(me, found.experiment_id, "DENY", kind="experiment")
    rules = {"MLOPS__SELECT__GATES": '{"roc_auc": ">= 0.8"}', "MLOPS__MODELS": f'["{name}"]'}
    done = run_cli(
        *("cleanup", "--keep-last=2", "--dry-run", "--no-bytes", "--output=json"),
        env={**rules, **accounts.environ(me)},
    )
    assert (done.code, done.doc["status"]) == (0, "planned"), done.stderr
    fates = [(item["version"], item["action"], item["rule"]) for item in done.doc["items"]]
    assert fates == [
        *((5, "keep", "unknown"), (4, "keep", "unknown")),
        *((3, "keep", "last"), (2, "keep", "last"), (1, "delete", "")),
    ]
    (warning,) = done.doc["warnings"]
    assert warning == (
        f"2 versions of {name} are kept because a metric that the policy needs is unknown: this account may not read "
        "the runs, or they were deleted for good; give the account READ on the experiments of the runs; if the runs "
        f"are gone, `jenkins-mlflow cleanup --allow-remove-all --model {name}` deletes what no rule keeps, "
        "and counts an unknown metric as missing"
    )
