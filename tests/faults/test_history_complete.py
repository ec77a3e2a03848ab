"""Killed at every request of a promotion or a rollback: after the next command the history is complete.

Complete means: what the events say is in production is what is there, whichever version that became. `make test-faults`
tries every kind of fault; without it a kill before and after each request from the first write on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from enumeration import KINDS, Enumeration, Scenario
from jenkins_mlflow.history.book import Book, unwritten
from jenkins_mlflow.history.timeline import production_at
from jenkins_mlflow.registry.client import Registry
from jenkins_mlflow.registry.connection import connect
from jenkins_mlflow.registry.snapshot import Model
from jenkins_mlflow.registry.version import Target
from support.seeding import Spec, seed
from support.servers import Server, start_server
from support.thorough import THOROUGH
from test_enumeration import champion_is, one_champion

BOTH = Target("Production", "champion")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    started = start_server(
        tmp_path_factory.mktemp("history"), version="3.17.2", store="sqlite", postgres=None
    )
    yield started
    started.stop()


def history_is_complete(server: Server, first: int, *, written: bool) -> Callable[[Model], str]:
    """What is wrong with the history of a model, compared with what is in production."""
    registry = Registry(connect(server.url))

    def wrong(model: Model) -> str:
        unwritten_events = list(unwritten([model]))
        if written and unwritten_events:
            return f"history is not written: {[event.title for event in unwritten_events]}"
        written_events = [event for event in Book(registry).read() if event.model == model.name]
        recorded = production_at([*written_events, *unwritten_events]).get(model.name)
        live = tuple(version.identity for version in model.production(BOTH))
        if recorded is None and [place[1] for place in live] == [first]:
            return ""  # nothing has happened yet
        return "" if recorded == live else f"history says {recorded}, in production is {live}"

    return wrong


def scenario(server: Server, command: tuple[str, ...], first: int, result: int) -> Scenario:
    """A model whose first version in production no history tells of; the command changes that."""

    def prepare(model: str) -> None:
        new, old = Spec(metrics={"roc_auc": 0.9}), Spec(stage="Production", aliases=("champion",))
        seed(server.store_uri, {model: [old if number == first else new for number in (1, 2)]})

    def healthy(model: Model) -> str:
        return one_champion(model) or history_is_complete(server, first, written=True)(model)

    def done(model: Model) -> str:
        return champion_is(result, model) or history_is_complete(server, first, written=False)(model)

    return Scenario(
        f"history of a {command[0]}",
        server,
        prepare,
        lambda model: (*command, f"--model={model}", f"--models={model}"),
        healthy,
        done,
    )


@pytest.mark.parametrize(
    ("command", "first", "result"),
    [
        pytest.param(("promote", "--version=2"), 1, 2, id="promotion"),
        *([pytest.param(("rollback", "--to=1"), 2, 1, id="rollback")] if THOROUGH else []),
    ],
)
def test_history_is_complete_after_the_next_command(
    command: tuple[str, ...], first: int, result: int, server: Server, tmp_path: Path
) -> None:
    kinds = KINDS if THOROUGH else [kind for kind in KINDS if kind.name.startswith("killed")]
    case = scenario(server, command, first, result)
    if not THOROUGH:
        case = replace(case, nexts=(lambda name: ("promote", "--recover", "--models", name),))
    cells = Enumeration(
        case, tmp_path, kinds, only=lambda request: THOROUGH or not request.startswith("GET")
    ).run()
    wrong = [cell.wrong for cell in cells if cell.wrong]
    assert len(cells) > 20
    assert not wrong, "\n".join(wrong[:5])
