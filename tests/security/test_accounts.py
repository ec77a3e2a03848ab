"""What accounts of different rights may do on a server with basic-auth: the ground that other tests stand on."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from conftest import MakeAccounts
from jenkins_mlflow.registry.client import Registry
from jenkins_mlflow.registry.connection import connect
from jenkins_mlflow.registry.faults import classify
from support.accounts import Accounts
from support.seeding import client
from support.servers import Store
from support.thorough import THOROUGH

MODEL = "rights"
STORES: list[Store] = ["sqlite", "postgresql", "file"] if THOROUGH else ["sqlite"]


@pytest.fixture(scope="module", params=STORES)
def accounts(request: pytest.FixtureRequest, make_accounts: MakeAccounts) -> Accounts:
    """A version of the administrator, and an account for each right."""
    accounts = make_accounts(request.param)
    mlflow = client(accounts.url())
    mlflow.create_registered_model(MODEL)
    mlflow.create_model_version(MODEL, "s3://nowhere/model")
    accounts.create("rights-default")
    accounts.create("rights-none", {MODEL: "DENY"})
    accounts.create("rights-read", {MODEL: "READ"})
    accounts.create("rights-edit", {MODEL: "EDIT"})
    accounts.create("rights-manage", {MODEL: "MANAGE"})
    return accounts


ACTIONS: dict[str, Callable[[Registry], object]] = {
    "read": lambda registry: registry.model(MODEL),
    "set a stage": lambda registry: registry.set_stage(MODEL, 1, "Production"),
    "set an alias": lambda registry: registry.set_alias(MODEL, "champion", 1),
    "delete an alias": lambda registry: registry.delete_alias(MODEL, "gone"),
    "delete a version": lambda registry: registry.delete_version(MODEL, 99),
    "tag the model": lambda registry: registry.tag_model(MODEL, "t", "1"),
    "tag a version": lambda registry: registry.tag_version(MODEL, 1, {"t": "1"}),
    "untag the model": lambda registry: registry.untag_model(MODEL, "t"),
}
DELETES = {"delete an alias", "delete a version"}


@pytest.mark.parametrize(
    ("account", "may"),
    [
        ("rights-none", set()),
        ("rights-default", {"read"}),
        ("rights-read", {"read"}),
        ("rights-edit", ACTIONS.keys() - DELETES),
        ("rights-manage", set(ACTIONS)),
    ],
)
def test_what_each_right_allows(account: str, may: set[str], accounts: Accounts) -> None:
    """EDIT sets everything and removes tags, but neither aliases nor versions; 403 is the answer to who may not."""
    registry = Registry(connect(accounts.url(account)))

    def answer(action: Callable[[Registry], object]) -> str:
        try:
            action(registry)
        except Exception as error:
            status = classify(error.__cause__ or error).status
            if status == 403:
                return "refused"
            if status != 404:  # of a version that is not there: it would have been deleted
                raise
        return "done"

    found = {name: answer(action) for name, action in ACTIONS.items()}
    assert found == {name: "done" if name in may else "refused" for name in ACTIONS}


def test_a_model_belongs_to_the_account_that_made_it(accounts: Accounts) -> None:
    """So do the lock's flags: others see them, and cannot remove them."""
    first, second = (Registry(connect(accounts.create(name))) for name in ("rights-first", "rights-second"))
    first.raise_flag("jenkins-mlflow.lock.rights", {}, "")
    assert "jenkins-mlflow.lock.rights" in [flag.name for flag in second.flags()]
    with pytest.raises(Exception, match="403") as caught:
        second.lower_flag("jenkins-mlflow.lock.rights")
    assert classify(caught.value).status == 403
    first.lower_flag("jenkins-mlflow.lock.rights")
