"""Nobody else can break a promise: writes refused for good, and a foreign hand at every request (see dimensions.py).

`make test-faults` tries everything; `make test` the foreign hands that were found to be worst. Tables go to
build/dimensions.md.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from conftest import MakeServer
from dimensions import HANDS, Bench, foreign_hands, grid, is_write, refused_writes
from enumeration import Cell
from support.environments import ROOT
from support.seeding import Spec, seed
from support.servers import Server, Store

FULL = bool(os.environ.get("ALL_FAULTS"))
TABLE = ROOT / "build" / "dimensions.md"
full = pytest.mark.skipif(not FULL, reason="make test-faults")
CHAMPION = Spec(stage="Production", aliases=("champion",))
RECORD = {"jenkins_mlflow.promoted_at": "2026-11-01T00:00:00+00:00"}
STORES: list[tuple[str, Store]] = [("3.17.2", "sqlite"), ("3.17.2", "postgresql"), ("3.17.2", "file")]


@pytest.fixture(scope="module")
def report() -> Iterator[Callable[[str], None]]:
    tables: list[str] = []
    yield tables.append
    TABLE.parent.mkdir(exist_ok=True)
    TABLE.write_text("\n".join(tables), encoding="utf-8")


def check(title: str, cells: list[Cell], report: Callable[[str], None]) -> None:
    report(grid(title, cells))
    print(grid(title, cells))
    wrong = [f"{cell.kind} at {cell.point} {cell.request}: {cell.wrong}" for cell in cells if cell.wrong]
    assert not wrong, f"{len(wrong)} of {len(cells)} violations\n" + "\n\n".join(wrong[:8])


def plain(server: Server, folder: Path, name: str) -> Bench:
    def prepare(model: str) -> None:
        seed(server.store_uri, {model: [CHAMPION, Spec(), Spec()]})

    return Bench(
        server,
        folder,
        name,
        prepare,
        lambda model: ("promote", "--models", model, "--model", model, "--version", "2"),
    )


def exclusive(server: Server, folder: Path, name: str) -> Bench:
    """The other two models of the group have champions, too, with a record."""
    bench = plain(server, folder, name)

    def prepare(model: str) -> None:
        other = Spec(stage="Production", aliases=("champion",), tags=RECORD)
        seed(
            server.store_uri,
            {model: [CHAMPION, Spec(), Spec()], f"{model}-b": [other], f"{model}-c": [other]},
        )

    bench.seed = prepare
    bench.argv = lambda model: ("promote", "--models", f"{model}*", "--model", model, "--version", "2")
    bench.env = {"MLOPS__PROMOTE__EXCLUSIVE": "true"}
    return bench


def rolling_back(server: Server, folder: Path, name: str) -> Bench:
    """From 1 to 2, which was in production before it."""
    bench = plain(server, folder, name)

    def prepare(model: str) -> None:
        before = {"jenkins_mlflow.previous_version": "2", **RECORD}
        champion = Spec(stage="Production", aliases=("champion",), tags=before)
        mlflow = seed(server.url, {model: [champion, Spec(tags=RECORD), Spec()]}, experiment="with files")
        run = mlflow.get_model_version(model, "2").run_id
        mlflow.log_text(run, "weights", "model/weights.txt")

    bench.seed = prepare
    bench.argv = lambda model: ("rollback", "--models", model, "--model", model)
    return bench


def test_the_worst_foreign_hands(
    make_server: MakeServer, report: Callable[[str], None], tmp_path: Path
) -> None:
    """The sample of `make test`: a person promotes another version at any moment."""
    bench = plain(make_server(), tmp_path, "hand sample")
    hands = {"promotes 3": HANDS["promotes 3"]}
    cells = foreign_hands(bench, hands, only=lambda request: is_write(request) and "version" not in request)
    cells += foreign_hands(bench, hands, only=lambda request: "transition" in request)
    check("a foreign hand at a promotion, SQLite (sample)", cells, report)


@full
@pytest.mark.parametrize("make", [plain, rolling_back], ids=lambda make: make.__name__)
@pytest.mark.parametrize(("version", "store"), STORES)
def test_foreign_hands(
    make: Callable[[Server, Path, str], Bench],
    version: str,
    store: Store,
    make_server: MakeServer,
    report: Callable[[str], None],
    tmp_path: Path,
) -> None:
    bench = make(make_server(version, store), tmp_path, f"hand {make.__name__} {store}")
    check(f"a foreign hand: {make.__name__}, {store}", foreign_hands(bench, HANDS), report)


@full
@pytest.mark.parametrize("make", [plain, exclusive, rolling_back], ids=lambda make: make.__name__)
@pytest.mark.parametrize(("version", "store"), STORES)
def test_refused_writes(
    make: Callable[[Server, Path, str], Bench],
    version: str,
    store: Store,
    make_server: MakeServer,
    report: Callable[[str], None],
    tmp_path: Path,
) -> None:
    bench = make(make_server(version, store), tmp_path, f"refused {make.__name__} {store}")
    check(f"writes refused for good: {make.__name__}, {store}", refused_writes(bench), report)
