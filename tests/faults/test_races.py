"""Four promotions at once: one champion, every time; MLflow's bare call beside it.

Plain ones, in an exclusive group, and by copy, on PostgreSQL and on SQLite. `make test-faults` runs 60 rounds of each,
and writes build/races.md; `make test-promises` runs two.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import pytest
from jenkins_mlflow.registry.client import Registry
from jenkins_mlflow.registry.connection import connect
from jenkins_mlflow.registry.version import Version
from runner import Ended, Zygote
from support.environments import ROOT
from support.postgres import Postgres
from support.seeding import Spec, client, seed
from support.servers import Server, start_server
from support.thorough import THOROUGH

ROUNDS = 60 if THOROUGH else 2
RIVALS = 4
Place = tuple[str, int]
TABLE = ROOT / "build" / "races.md"
CHAMPION = Spec(
    stage="Production",
    aliases=("champion",),
    tags={"jenkins_mlflow.promoted_at": "2026-11-01T00:00:00+00:00"},
)
PATIENT = {"MLFLOW_HTTP_REQUEST_TIMEOUT": "30", "MLOPS__PROMOTE__LOCK__WAIT": "60s"}


@dataclass(frozen=True)
class Race:
    """What four builds do at once.

    Attributes:
        name: For the table.
        models: What is seeded, for the name of a round.
        argv: The command of each rival, for the name of a round.
        env: Its settings; NAME stands for the name of a round.
    """

    name: str
    models: Callable[[str], Mapping[str, list[Spec]]]
    argv: Callable[[str, int], tuple[str, ...]]
    env: Mapping[str, str] = field(default_factory=dict)


def promoting(name: str, model: str, number: int) -> tuple[str, ...]:
    return ("promote", "--models", f"{name}-*", "--model", model, "--version", str(number))


PLAIN = Race(
    "plain",
    lambda name: {f"{name}-m": [CHAMPION, *[Spec()] * RIVALS]},
    lambda name, rival: promoting(name, f"{name}-m", 2 + rival),
)
EXCLUSIVE = Race(
    "exclusive group of five models",
    lambda name: {**{f"{name}-{rival}": [Spec()] for rival in range(RIVALS)}, f"{name}-old": [CHAMPION]},
    lambda name, rival: promoting(name, f"{name}-{rival}", 1),
    {"MLOPS__PROMOTE__EXCLUSIVE": "true"},
)
COPY = Race(
    "by copy",
    lambda name: {f"{name}-m": [Spec()] * RIVALS, f"prod-{name}": [CHAMPION]},
    lambda name, rival: promoting(name, f"{name}-m", 1 + rival),
    {"MLOPS__PROMOTE__METHODS": "[copy]", "MLOPS__PROMOTE__COPY_TO": "prod-NAME"},
)


@pytest.fixture(scope="module", params=["postgresql", "sqlite"] if THOROUGH else ["postgresql"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Four workers that race. PostgreSQL by psycopg2, with which MLflow's own archiving works there."""
    folder = tmp_path_factory.mktemp("races")
    with contextlib.ExitStack() as stack:
        database = None
        if request.param == "postgresql":
            database = Postgres()
            stack.callback(database.stop)
            uri = database.create_database().replace("postgresql://", "postgresql+psycopg2://")
            database.create_database = lambda template="": uri  # type: ignore[method-assign]
        started = start_server(folder, store=request.param, postgres=database, workers=RIVALS)
        stack.callback(started.stop)
        yield started


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
    head = ["| four at once, 4 workers | store | rounds | one in production | several | none |"]
    table = [*head, "| --- | --- | ---: | ---: | ---: | ---: |", *lines, ""]
    TABLE.write_text("\n".join(table), encoding="utf-8")


def in_production(server: Server, names: Sequence[str]) -> list[Version]:
    """By either mark."""
    versions = Registry(connect(server.url)).snapshot(names).versions()
    return [v for v in versions if v.stage == "Production" or "champion" in v.aliases]


def row(title: str, server: Server, counts: Counter[int]) -> str:
    rounds, several = sum(counts.values()), sum(n for found, n in counts.items() if found > 1)
    return f"| {title} | {server.store} | {rounds} | {counts[1]} | {several} | {counts[0]} |"


@pytest.mark.parametrize("race", [PLAIN, EXCLUSIVE, COPY], ids=["plain", "exclusive", "copy"])
def test_one_champion_in_every_round(
    race: Race, server: Server, rivals: list[Zygote], report: list[str]
) -> None:
    """One is in production: who won last; each other was told that it lost, and to whom."""
    counts: Counter[int] = Counter()
    for number in range(ROUNDS):
        name = f"race{race.name.replace(' ', '')}{number}"
        models = race.models(name)
        seed(server.store_uri, models)
        first = next(
            (model, specs.index(CHAMPION) + 1) for model, specs in models.items() if CHAMPION in specs
        )
        for rival, zygote in enumerate(rivals):
            env = {key: text.replace("NAME", name) for key, text in race.env.items()}
            zygote.start(*race.argv(name, rival), "--tracking-uri", server.url, **PATIENT, **env)
        ended = [zygote.wait() for zygote in rivals]
        serving = in_production(server, list(models))
        counts[len(serving)] += 1
        wrong = judge(ended, first, serving)
        assert not wrong, f"round {number}: {wrong}; {serving}\n" + "\n".join(end.stderr for end in ended)
        if race is COPY:
            made = Registry(connect(server.url)).model(f"prod-{name}").versions
            winners = sum(end.code == 0 for end in ended)
            assert len(made) == 1 + winners, "who lost has copied nothing"
    report.append(row(f"`jenkins-mlflow promote`, {race.name}", server, counts))
    print(report[-1])
    assert counts == {1: ROUNDS}


def judge(ended: Sequence[Ended], first: Place, serving: Sequence[Version]) -> str:
    """What is wrong with the end of a round; empty if nothing is.

    Who comes so late that the other has ended wins rightly, too, but then over the other: the winners are a
    chain from the first champion to what is in production. Two that won over the same champion break it.

    Args:
        ended: How the rivals ended.
        first: What was in production before.
        serving: What is in production now.
    """
    over = {places(end.doc["replaced"]): places(end.doc["production"]) for end in ended if end.code == 0}
    at: tuple[Place, ...] = (first,)
    chain = 0
    while at in over:
        at, chain = over[at], chain + 1
    if chain != sum(end.code == 0 for end in ended) or not chain:
        return f"the winners are no chain: {over}"
    if at != tuple((version.model, version.number) for version in serving):
        return f"the last winner said {at}"
    # By whom, where the plan's own versions tell it; else that another model, which was in production, has left it.
    lost = [f"lost: {model} version {number} went into production" for ((model, number),) in over.values()]
    lost.append("was changed by someone else after this promotion")
    if not all(
        end.code in (0, 1) and (not end.code or any(reason in end.stderr for reason in lost)) for end in ended
    ):
        return f"somebody was told neither of {lost}"
    return ""


def places(said: Sequence[Mapping[str, Any]]) -> tuple[Place, ...]:
    return tuple((place["model"], place["version"]) for place in said)


def won(made: int, over: int) -> Ended:
    document = {
        name: [{"model": "m", "version": n}] for name, n in (("replaced", over), ("production", made))
    }
    return Ended(0, document, "")


LOST_TO_2 = Ended(1, {}, "error: m version 3 lost: m version 2 went into production")


@pytest.mark.parametrize(
    ("ended", "serving", "wrong"),
    [
        ([won(2, over=1), LOST_TO_2], 2, ""),
        ([won(2, over=1), won(4, over=2), LOST_TO_2], 4, ""),
        ([won(2, over=1), won(4, over=1)], 4, "no chain"),
        ([won(2, over=1), won(4, over=2)], 2, "the last winner"),
        ([won(2, over=1), Ended(1, {}, "error: the server is gone")], 2, "somebody"),
        ([LOST_TO_2], 1, "no chain"),
    ],
    ids=["one winner", "one came late", "both over the same", "undone by another", "not told", "nobody won"],
)
def test_the_judge(ended: list[Ended], serving: int, wrong: str) -> None:
    """A race whose judge lets everything pass proves nothing."""
    assert wrong in judge(ended, ("m", 1), [Version("m", serving)])
    assert bool(wrong) == bool(judge(ended, ("m", 1), [Version("m", serving)]))


@pytest.mark.parametrize("server", ["postgresql"], indirect=True)
def test_the_bare_call_beside_it(server: Server, report: list[str]) -> None:
    """What people paste: transition_model_version_stage with archive_existing_versions=True. Measured, not judged."""
    counts: Counter[int] = Counter()
    clients = [client(server.url) for _ in range(RIVALS)]
    with ThreadPoolExecutor(RIVALS) as pool:
        for number in range(ROUNDS):
            name = f"bare-{number}"
            seed(server.store_uri, {name: [Spec(stage="Production"), *[Spec()] * RIVALS]})

            def move(rival: int, name: str = name) -> None:
                with contextlib.suppress(Exception):
                    clients[rival].transition_model_version_stage(name, str(2 + rival), "Production", True)

            list(pool.map(move, range(RIVALS)))
            counts[len(in_production(server, [name]))] += 1
    report.append(row("MLflow's bare call, `archive_existing_versions=True`", server, counts))
    print(report[-1])
    assert sum(counts.values()) == ROUNDS
