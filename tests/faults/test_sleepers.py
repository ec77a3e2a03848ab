"""A command that sleeps through its lease never writes again (see sleepers.py).

`make test-faults` puts every command to sleep at every request; `make test-promises` a promotion at its writes.
Tables go to build/sleepers.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from conftest import MakeAccounts
from dimensions import check
from enumeration import collected
from situations import ALL, Make, plain
from sleepers import Sleepers
from support.environments import ROOT
from support.servers import Store
from support.thorough import THOROUGH

TABLE = ROOT / "build" / "sleepers.md"
STORES: tuple[Store, ...] = ("sqlite", "postgresql", "file")


@pytest.fixture(scope="module")
def report() -> Iterator[Callable[[str], None]]:
    with collected(TABLE) as add:
        yield add


def sleepers(make: Make, store: Store, make_accounts: MakeAccounts, folder: Path) -> Sleepers:
    accounts = make_accounts(store)
    server = replace(accounts.server, url=accounts.url())
    return Sleepers(make(server, folder, f"sleep {make.__name__} {store}"), accounts)


def test_asleep_at_the_stage_or_the_alias(
    make_accounts: MakeAccounts, report: Callable[[str], None], tmp_path: Path
) -> None:
    """The sample of `make test-promises`."""
    cells = sleepers(plain, "sqlite", make_accounts, tmp_path).run(
        lambda request: "transition" in request or request.endswith("/alias")
    )
    check("asleep at a promotion's stage and alias, SQLite (sample)", cells, report)


@pytest.mark.skipif(not THOROUGH, reason="make test-faults")
@pytest.mark.parametrize("make", ALL, ids=lambda make: make.__name__)
@pytest.mark.parametrize("store", STORES)
def test_asleep_at_every_request(
    make: Make, store: Store, make_accounts: MakeAccounts, report: Callable[[str], None], tmp_path: Path
) -> None:
    cells = sleepers(make, store, make_accounts, tmp_path).run()
    check(f"asleep for longer than the lease: {make.__name__}, {store}", cells, report)
