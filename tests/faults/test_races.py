"""Four promotions at once, on PostgreSQL: one champion, every time; MLflow's bare call beside it.

`make test-faults` runs 60 rounds and writes build/races.md; `make test` runs a few.
"""

from __future__ import annotations

import contextlib
import os
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from jenkins_mlflow.registry.client import Registry
from jenkins_mlflow.registry.connection import connect
from runner import Ended, Zygote
from support.environments import ROOT
from support.postgres import Postgres
from support.seeding import Spec, client, seed
from support.servers import Server, start_server

ROUNDS = 60 if os.environ.get("ALL_FAULTS") else 4
RIVALS = 4
TABLE = ROOT / "build" / "races.md"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """PostgreSQL by psycopg2, with which MLflow's own archiving works there, and four workers that race."""
    database = Postgres()
    uri = database.create_database().replace("postgresql://", "postgresql+psycopg2://")
    database.create_database = lambda template="": uri  # type: ignore[method-assign]
    folder = tmp_path_factory.mktemp("races")
    started = start_server(folder, store="postgresql", postgres=database, workers=RIVALS)
    yield started
    started.stop()
    database.stop()


@pytest.fixture(scope="module")
def rivals(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Zygote]]:
    folder = tmp_path_factory.mktemp("rivals")
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(Zygote(folder / str(number))) for number in range(RIVALS)]


@pytest.fixture(scope="module")
def report() -> Iterator[list[str]]:
    lines: list[str] = []
    yield lines
    TABLE.parent.mkdir(exist_ok=True)
    head = ["| four at once, PostgreSQL, 4 workers | rounds | one in production | several | none |"]
    TABLE.write_text("\n".join([*head, "| --- | ---: | ---: | ---: | ---: |", *lines, ""]), encoding="utf-8")


def in_production(server: Server, names: list[str]) -> list[tuple[str, int]]:
    group = Registry(connect(server.url)).snapshot(names)
    return [(v.model, v.number) for v in group.versions() if v.stage == "Production"]


def row(title: str, counts: Counter[int]) -> str:
    rounds, several = sum(counts.values()), sum(n for found, n in counts.items() if found > 1)
    return f"| {title} | {rounds} | {counts[1]} | {several} | {counts[0]} |"


def all_at_once(rivals: list[Zygote], commands: list[tuple[str, ...]]) -> list[Ended]:
    """Start them in one moment, wait for all."""
    for rival, command in zip(rivals, commands, strict=True):
        rival.start(*command, MLFLOW_HTTP_REQUEST_TIMEOUT="30", MLOPS__PROMOTE__LOCK__WAIT="60s")
    return [rival.wait() for rival in rivals]


def test_one_champion_in_every_round(server: Server, rivals: list[Zygote], report: list[str]) -> None:
    """One has won and is in production with the alias; each other was told that it lost, and to whom."""
    counts: Counter[int] = Counter()
    won: Counter[int] = Counter()
    for number in range(ROUNDS):
        name = f"race-{number}"
        seed(server.url, {name: [Spec(stage="Production", aliases=("champion",)), *[Spec()] * RIVALS]})
        commands = [
            (
                "promote",
                "--models",
                name,
                "--model",
                name,
                "--version",
                str(2 + rival),
                "--tracking-uri",
                server.url,
            )
            for rival in range(RIVALS)
        ]
        ended = all_at_once(rivals, commands)
        serving = in_production(server, [name])
        counts[len(serving)] += 1
        winners = [2 + rival for rival, end in enumerate(ended) if end.code == 0]
        won[len(winners)] += 1
        assert serving == [(name, winners[-1])] if len(winners) == 1 else serving, [
            end.stderr for end in ended
        ]
        assert Registry(connect(server.url)).model(name).aliases == {"champion": serving[0][1]}
        for end in ended:
            lost = end.code == 1 and f"lost: {name} version" in end.stderr
            assert end.code == 0 or lost, end.stderr
    report.append(row("`jenkins-mlflow promote`", counts))
    print(report[-1], dict(won))
    assert counts == {1: ROUNDS}
    assert won == {1: ROUNDS}, "in every round one has won"


def test_an_exclusive_group_has_one_champion_in_every_round(
    server: Server, rivals: list[Zygote], report: list[str]
) -> None:
    """Four models of one group, each promoted by another build."""
    counts: Counter[int] = Counter()
    for number in range(max(ROUNDS // 4, 2)):
        names = [f"group-{number}-{rival}" for rival in range(RIVALS)]
        seed(server.url, {name: [Spec()] for name in names})
        commands = [
            ("promote", "--models", f"group-{number}-*", "--model", name, "--tracking-uri", server.url)
            for name in names
        ]
        for rival, command in zip(rivals, commands, strict=True):
            rival.start(
                *command,
                MLFLOW_HTTP_REQUEST_TIMEOUT="30",
                MLOPS__PROMOTE__LOCK__WAIT="60s",
                MLOPS__PROMOTE__EXCLUSIVE="true",
            )
        ended = [rival.wait() for rival in rivals]
        counts[len(in_production(server, names))] += 1
        assert [end.code for end in ended].count(0) == 1, [end.stderr for end in ended]
    report.append(row("`jenkins-mlflow promote`, exclusive group of four models", counts))
    print(report[-1])
    assert set(counts) == {1}


def test_the_bare_call_beside_it(server: Server, report: list[str], tmp_path: Path) -> None:
    """What people paste: transition_model_version_stage with archive_existing_versions=True. Measured, not judged."""
    counts: Counter[int] = Counter()
    clients = [client(server.url) for _ in range(RIVALS)]
    with ThreadPoolExecutor(RIVALS) as pool:
        for number in range(ROUNDS):
            name = f"bare-{number}"
            seed(server.url, {name: [Spec(stage="Production"), *[Spec()] * RIVALS]})

            def move(rival: int, name: str = name) -> None:
                with contextlib.suppress(Exception):
                    clients[rival].transition_model_version_stage(name, str(2 + rival), "Production", True)

            list(pool.map(move, range(RIVALS)))
            counts[len(in_production(server, [name]))] += 1
    report.append(row("MLflow's bare call, `archive_existing_versions=True`", counts))
    print(report[-1])
    assert sum(counts.values()) == ROUNDS
