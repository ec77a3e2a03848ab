"""Nobody else can break a promise: writes refused for good, and a foreign hand at every request (see dimensions.py).

`make test-faults` tries everything; `make test-promises` the foreign hands that were found to be worst. Tables go to
build/dimensions.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from conftest import MakeServer
from dimensions import check, is_write, refused_writes
from enumeration import collected
from hands import HANDS, changes_by_others
from situations import ALL, Make, exclusive, plain
from support.environments import ROOT
from support.servers import Store
from support.thorough import THOROUGH

TABLE = ROOT / "build" / "dimensions.md"
full = pytest.mark.skipif(not THOROUGH, reason="make test-faults")
STORES: list[tuple[str, Store]] = [("3.17.2", "sqlite"), ("3.17.2", "postgresql"), ("3.17.2", "file")]


@pytest.fixture(scope="module")
def report() -> Iterator[Callable[[str], None]]:
    with collected(TABLE) as add:
        yield add


def test_the_worst_foreign_hands(
    make_server: MakeServer, report: Callable[[str], None], tmp_path: Path
) -> None:
    """The sample of `make test-promises`: a person promotes another version at any moment."""
    bench = plain(make_server(), tmp_path, "hand sample")
    hands = {"promotes 3": HANDS["plain"]["promotes 3"]}
    cells = changes_by_others(
        bench, hands, only=lambda request: is_write(request) and "version" not in request
    )
    cells += changes_by_others(bench, hands, only=lambda request: "transition" in request)
    check("a foreign hand at a promotion, SQLite (sample)", cells, report)


def test_deleted_at_the_last_moment(
    make_server: MakeServer, report: Callable[[str], None], tmp_path: Path
) -> None:
    """The version that is promoted in a group is deleted right before it gets its stage."""
    bench = exclusive(make_server(), tmp_path, "hand deletes")
    cells = changes_by_others(
        bench, {"deletes 2": HANDS["exclusive"]["deletes 2"]}, only=lambda r: "transition" in r
    )
    check("deleted at the last moment, in a group, SQLite (sample)", cells, report)


@full
@pytest.mark.parametrize("make", ALL, ids=lambda make: make.__name__)
@pytest.mark.parametrize(("version", "store"), STORES)
def test_foreign_hands(
    make: Make,
    version: str,
    store: Store,
    make_server: MakeServer,
    report: Callable[[str], None],
    tmp_path: Path,
) -> None:
    bench = make(make_server(version, store), tmp_path, f"hand {make.__name__} {store}")
    check(f"a foreign hand: {make.__name__}, {store}", changes_by_others(bench, HANDS[make.__name__]), report)


@full
@pytest.mark.parametrize("make", ALL, ids=lambda make: make.__name__)
@pytest.mark.parametrize(("version", "store"), STORES)
def test_refused_writes(
    make: Make,
    version: str,
    store: Store,
    make_server: MakeServer,
    report: Callable[[str], None],
    tmp_path: Path,
) -> None:
    bench = make(make_server(version, store), tmp_path, f"refused {make.__name__} {store}")
    check(f"writes refused for good: {make.__name__}, {store}", refused_writes(bench), report)
