"""A login page, a gateway or half an answer at any request of a command: nothing is lost, and what is said is true.

`make test-faults` tries every request of every command; `make test-promises` the writes of a promotion and a cleanup.
Tables go to build/hostile.md.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from conftest import MakeServer
from dimensions import is_write
from enumeration import LEGEND, Enumeration, Kind, Scenario, collected, table
from hostile import HOSTILE, says_so
from jenkins_mlflow.registry.client import Registry
from jenkins_mlflow.registry.connection import connect
from jenkins_mlflow.registry.snapshot import Model
from jenkins_mlflow.tags import METHOD
from runner import Ended
from support.environments import ROOT
from support.seeding import Spec, seed
from support.servers import Server
from support.thorough import THOROUGH
from test_enumeration import (
    champion_is,
    cleanup,
    copying,
    one_champion,
    promotion,
    reclaim,
    restoring,
    rollback,
)

TABLE = ROOT / "build" / "hostile.md"
full = pytest.mark.skipif(not THOROUGH, reason="make test-faults")


@pytest.fixture(scope="module")
def report() -> Iterator[Callable[[str], None]]:
    with collected(TABLE, LEGEND, "") as add:
        yield add


def adoption(server: Server, name: str) -> Scenario:
    """A version that somebody put into production in MLflow's UI."""

    def prepare(model: str) -> None:
        seed(server.store_uri, {model: [Spec(), Spec(stage="Production", aliases=("champion",))]})

    def is_recorded(model: str) -> str:
        tags = Registry(connect(server.url)).version(model, 2).tags
        return "" if tags.get("jenkins_mlflow.method") == "adopted" else f"its record is {tags}"

    return Scenario(
        name,
        server,
        prepare,
        lambda model: ("history", "--adopt", "--reason=it was urgent", "--models", model, "--model", model),
        one_champion,
        lambda model: champion_is(2, model) or is_recorded(model.name),
        nexts=(lambda model: ("promote", "--recover", "--models", model),),
    )


def wrongly_told(ended: Ended, model: Model) -> str:
    """A failure names what happened, in its message or at the version; a promotion without its record has a warning."""
    if ended.code == 1 and not says_so(ended.stderr + json.dumps(ended.doc)):
        return "the error does not say what happened"
    promoted = ended.doc.get("status") in ("promoted", "rolled_back")
    recorded = any(METHOD in version.tags for version in model.versions)
    return "there is no record" if promoted and not recorded and not ended.doc.get("warnings") else ""


def check(
    scenario: Scenario,
    folder: Path,
    report: Callable[[str], None],
    kinds: Sequence[Kind] = HOSTILE,
    only: Callable[[str], bool] = lambda request: True,
) -> None:
    cells = Enumeration(scenario, folder, kinds, only=only, told=wrongly_told).run()
    text = table(f"{scenario.name}, answers that are not MLflow's", cells, HOSTILE)
    report(text)
    print(text)
    wrong = [cell.wrong for cell in cells if cell.wrong]
    assert not wrong, f"{len(wrong)} violations\n" + "\n\n".join(wrong[:8])


@full
@pytest.mark.parametrize(
    "make",
    [promotion, rollback, cleanup, restoring, adoption, reclaim, copying],
    ids=lambda make: make.__name__,
)
def test_every_answer(
    make: Callable[[Server, str], Scenario],
    make_server: MakeServer,
    report: Callable[[str], None],
    tmp_path: Path,
) -> None:
    check(make(make_server(), f"hostile {make.__name__}"), tmp_path, report)


@pytest.mark.parametrize("make", [promotion, cleanup], ids=lambda make: make.__name__)
def test_every_write(
    make: Callable[[Server, str], Scenario],
    make_server: MakeServer,
    report: Callable[[str], None],
    tmp_path: Path,
) -> None:
    """The sample of `make test-promises`: the JSON of a gateway."""
    kinds = [kind for kind in HOSTILE if kind.name.startswith("gateway")]
    check(make(make_server(), f"hostile writes of {make.__name__}"), tmp_path, report, kinds, is_write)
