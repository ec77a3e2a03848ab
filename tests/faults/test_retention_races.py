"""Promotion, rollback, cleanup and reclaim of one model side by side: what serves, and what a rollback needs, stays.

`make test-faults` runs 60 rounds, `make test-promises` a few.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterator

import pytest
from jenkins_mlflow.registry.client import Registry
from jenkins_mlflow.registry.connection import connect
from jenkins_mlflow.tags import PREVIOUS_VERSION
from runner import Zygote
from support.seeding import Spec
from support.servers import Server, start_server
from support.thorough import THOROUGH
from test_enumeration import deleted, one_champion, weights, with_files
from test_races import PATIENT

ROUNDS = 60 if THOROUGH else 2


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    started = start_server(tmp_path_factory.mktemp("side-by-side"), workers=2)
    yield started
    started.stop()


@pytest.fixture(scope="module")
def rivals(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Zygote]]:
    folder = tmp_path_factory.mktemp("rivals")
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(Zygote(folder / str(number))) for number in range(4)]


def test_side_by_side(server: Server, rivals: list[Zygote]) -> None:
    """One version is in production in every round, with its files; what it replaced is there, with its files."""
    ends: Counter[tuple[int, ...]] = Counter()
    for number in range(ROUNDS):
        name = f"beside-{number}"
        record = {PREVIOUS_VERSION: "1"}
        champion = Spec(stage="Production", aliases=("champion",), tags=record)
        runs = with_files(server, name, [Spec(stage="Archived"), champion, *[Spec()] * 4])
        deleted(server, name, 3)
        model_options = ("--models", name, "--tracking-uri", server.url)
        commands = (
            ("promote", "--model", name, "--version", "6", *model_options),
            ("rollback", "--model", name, *model_options),
            ("cleanup", "--yes", "--keep-last=0", "--allow-remove-all", "--model", name, *model_options),
            ("reclaim", "--yes", "--mode=artifacts", "--grace=0s", *model_options),
        )
        for rival, command in zip(rivals, commands, strict=True):
            rival.start(*command, **PATIENT)
        ended = [rival.wait() for rival in rivals]
        ends[tuple(end.code for end in ended)] += 1
        for end in ended:
            assert "Traceback" not in end.stderr, end.stderr
            assert end.code in (0, 1, 5, 6), end.stderr
        model = Registry(connect(server.url)).model(name)
        assert not (wrong := one_champion(model)), f"{name}: {wrong}\n" + "\n".join(e.stderr for e in ended)
        (serving,) = [version for version in model.versions if version.stage == "Production"]
        needed = [serving.number]
        if PREVIOUS_VERSION in serving.tags:
            needed.append(int(serving.tags[PREVIOUS_VERSION]))
        for one in needed:
            assert model.version(one), f"{name}: version {one} was deleted"
            assert weights(server, runs[one - 1]).exists(), f"{name}: the files of version {one} are gone"
        again = rivals[0].run(
            "cleanup", "--yes", "--keep-last=0", "--allow-remove-all", "--model", name, *model_options
        )
        last = rivals[1].run("reclaim", "--yes", "--mode=artifacts", "--grace=0s", *model_options)
        assert (again.code, last.code) == (0, 0), again.stderr + last.stderr
        assert not weights(server, runs[2]).exists(), "in the end the deleted version's files are freed"
        assert weights(server, runs[serving.number - 1]).exists()
    print(dict(ends))
