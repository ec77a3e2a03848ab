"""No interruption of a promotion, a rollback or a cleanup breaks an invariant: all of them are tried.

`make test-faults` tries every request x every fault, `make test-promises` one of the worst at each write, on
SQLite. Tables go to build/faults.md.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from enumeration import KINDS, LEGEND, NEXT, Enumeration, Scenario, collected, table
from jenkins_mlflow.cleanup.restore import plan_restore, restore
from jenkins_mlflow.registry.client import Registry
from jenkins_mlflow.registry.connection import connect
from jenkins_mlflow.registry.journal import Journal
from jenkins_mlflow.registry.snapshot import Model
from jenkins_mlflow.registry.version import Target
from jenkins_mlflow.tags import RESTORED_FROM
from support.environments import ROOT
from support.postgres import Postgres
from support.seeding import Spec, client, seed
from support.servers import Server, Store, start_server
from support.thorough import THOROUGH

TABLE = ROOT / "build" / "faults.md"
full = pytest.mark.skipif(not THOROUGH, reason="make test-faults")
Servers = Callable[..., Server]


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    """Starts each server once."""
    started: dict[tuple[str, str], Server] = {}
    databases: list[Postgres] = []

    def start(version: str, store: Store) -> Server:
        if (version, store) not in started:
            if store == "postgresql" and not databases:
                databases.append(Postgres())
            folder = tmp_path_factory.mktemp(f"{version}-{store}")
            postgres = databases[0] if store == "postgresql" else None
            started[version, store] = start_server(folder, version=version, store=store, postgres=postgres)
        return started[version, store]

    yield start
    for server in started.values():
        server.stop()
    for database in databases:
        database.stop()


@pytest.fixture(scope="module")
def report() -> Iterator[Callable[[str], None]]:
    """Collects the tables."""
    with collected(TABLE, LEGEND, "") as add:
        yield add


def stages(model: Model) -> dict[int, str]:
    return {version.number: version.stage for version in model.versions}


def one_champion(model: Model, *, alias_too: bool = True) -> str:
    """Exactly one version in production, and the alias on it."""
    serving = [number for number, stage in stages(model).items() if stage == "Production"]
    if len(serving) != 1:
        return f"{len(serving)} versions are in production: {stages(model)}"
    if alias_too and model.aliases.get("champion") != serving[0]:
        return f"version {serving[0]} is in production, the alias is on {model.aliases.get('champion')}"
    return ""


def champion_is(number: int, model: Model) -> str:
    wrong = one_champion(model)
    return wrong or (
        "" if stages(model)[number] == "Production" else f"it is not version {number}: {stages(model)}"
    )


def promote_2(model: str) -> tuple[str, ...]:
    return ("promote", "--models", model, "--model", model, "--version", "2")


def promotion(server: Server, name: str, **env: str) -> Scenario:
    """Version 2 over version 1."""
    linked = server.version == "3.3.2"

    def prepare(model: str) -> None:
        new = Spec(metrics={"roc_auc": 0.9}, linked=linked)
        seed(server.store_uri, {model: [Spec(stage="Production", aliases=("champion",)), new]})

    return Scenario(
        name,
        server,
        prepare,
        promote_2,
        one_champion,
        lambda model: champion_is(2, model),
        env,
    )


def by_hand(server: Server, name: str) -> Scenario:
    """The same where no method works: the folder is out of reach, and the alias is not moved alone."""
    base = promotion(
        server,
        name,
        MLOPS__PROMOTE__METHODS="[stage-archive, stage]",
        MLOPS__PROMOTE__FORCE_METHODS="[stage-archive, stage]",
    )
    return Scenario(
        name,
        server,
        base.seed,
        base.argv,
        lambda m: champion_is(1, m),
        lambda m: champion_is(1, m),
        base.env,
        by_hand=True,
    )


def copying(server: Server, name: str) -> Scenario:
    """A copy of version 2 over a copy of version 1, in a production model of its own."""

    def prepare(model: str) -> None:
        made = seed(server.store_uri, {model: [Spec(), Spec()]})
        production = f"{model}-prod"
        made.create_registered_model(production)
        original = made.get_model_version(model, "1")
        made.create_model_version(production, f"models:/{model}/1", original.run_id)
        made.set_registered_model_alias(production, "champion", "1")

    twice = "a version was copied twice"

    def one_copy(model: Model) -> str:
        sources = [version.source for version in model.versions]
        if "champion" not in model.aliases:
            return "no copy is in production"
        return "" if len(set(sources)) == len(sources) else f"{twice}: {sources}"

    def copy_of_2(model: Model) -> str:
        champion = model.version(model.aliases.get("champion", 0))
        right = champion is not None and champion.source.endswith("/2")
        return one_copy(model) if right else f"in production is {champion}"

    return Scenario(
        name,
        server,
        prepare,
        promote_2,
        one_copy,
        copy_of_2,
        {
            "MLOPS__PROMOTE__METHODS": "[copy]",
            "MLOPS__PROMOTE__STAGE": "null",
            "MLOPS__PROMOTE__COPY_TO": "NAME-prod",
        },
        serving=lambda model: f"{model}-prod",
        late=twice,
    )


def rollback(server: Server, name: str) -> Scenario:
    """From version 2 back to version 1, as a promotion recorded it."""

    def prepare(model: str) -> None:
        tags = {"jenkins_mlflow.previous_model": model, "jenkins_mlflow.previous_version": "1"}
        seed(
            server.store_uri,
            {model: [Spec(stage="Archived"), Spec(stage="Production", aliases=("champion",), tags=tags)]},
        )
        run = client(server.store_uri).get_model_version(model, "1").run_id
        client(server.url).log_text(str(run), "weights", "model/weights.txt")

    return Scenario(
        name,
        server,
        prepare,
        lambda model: ("rollback", "--models", model, "--model", model, "--to", "1"),
        one_champion,
        lambda model: champion_is(1, model),
    )


def cleanup(server: Server, name: str) -> Scenario:
    """Of six versions 1, 2 and 4 go; 3 is in production, 5 and 6 are the newest."""

    def prepare(model: str) -> None:
        champion = Spec(stage="Production", aliases=("champion",))
        seed(server.store_uri, {model: [Spec(), Spec(), champion, Spec(), Spec(), Spec()]})

    def nothing_else(model: Model) -> str:
        return one_champion(model) or ("" if {3, 5, 6} <= set(stages(model)) else f"left are {stages(model)}")

    def all_of_it(model: Model) -> str:
        return nothing_else(model) or ("" if set(stages(model)) == {3, 5, 6} else f"left are {stages(model)}")

    def all_come_back(model: str) -> str:
        registry = Registry(connect(server.url))
        journal = sorted(entry.version.number for entry in Journal(registry).read(model))
        if journal != [1, 2, 4]:
            return f"the journal has {journal}"
        for item in plan_restore(Journal(registry).read(model), registry.model(model)):
            restore(registry, item, Target("Production", "champion"))
        back = [v.tags.get(RESTORED_FROM, "").partition("@")[0] for v in registry.model(model).versions]
        return "" if sorted(filter(None, back)) == ["1", "2", "4"] else f"came back: {back}"

    return Scenario(
        name,
        server,
        prepare,
        lambda model: ("cleanup", "--yes", "--keep-last=2", "--models", model, "--model", model),
        nothing_else,
        all_of_it,
        nexts=NEXT[:2],  # it has no version 1 to promote
        ends=all_come_back,
    )


def deleted(server: Server, model: str, *numbers: int) -> None:
    """Delete versions of a model as a cleanup does, with a journal."""
    registry = Registry(connect(server.url))
    versions = [registry.version(model, number) for number in numbers]
    journal = Journal(registry, now=time.time() - 60)
    journal.close(journal.write(model, versions), model, {"deleted": len(versions)})
    for number in numbers:
        registry.delete_version(model, number)


def weights(server: Server, run_id: str) -> Path:
    """The file of a version that ``with_files`` made."""
    uri = str(client(server.store_uri).get_run(run_id).info.artifact_uri)
    if not uri.startswith("mlflow-artifacts:"):  # another test made the experiment, in the store itself
        return Path(urlsplit(uri).path) / "model" / "weights.txt"
    folder = "mlruns" if server.store == "file" else "artifacts"
    return server.folder / folder / uri.partition(":/")[2].lstrip("/") / "model" / "weights.txt"


def with_files(server: Server, model: str, specs: list[Spec]) -> list[str]:
    """Versions with a file each; their runs."""
    seed(server.url, {model: specs})
    runs = [str(client(server.url).get_model_version(model, str(n)).run_id) for n in range(1, len(specs) + 1)]
    for run in runs:
        client(server.url).log_text(run, "weights", "model/weights.txt")
    return runs


def reclaim(server: Server, name: str) -> Scenario:
    """Of two deleted versions the files of 2 go; those of 1 are a living version's, too; 3 is in production."""
    runs: dict[str, list[str]] = {}

    def prepare(model: str) -> None:
        champion = Spec(stage="Production", aliases=("champion",))
        runs[model] = with_files(server, model, [Spec(), Spec(), champion])
        again = client(server.url)
        source = str(again.get_model_version(model, "1").source)
        again.create_model_version(model, source, runs[model][0])
        deleted(server, model, 1, 2)

    def living_files(model: Model) -> str:
        first, _, third = (weights(server, run).exists() for run in runs[model.name])
        return one_champion(model) or ("" if first and third else f"files are gone: {first}, {third}")

    def freed(model: Model) -> str:
        return living_files(model) or (
            "the files are still there" if weights(server, runs[model.name][1]).exists() else ""
        )

    def journal(model: str) -> str:
        entries = {e.version.number: e.reclaimed for e in Journal(Registry(connect(server.url))).read(model)}
        reclaimed_by_number = {
            number: bool(reclaimed and reclaimed.done) for number, reclaimed in entries.items()
        }
        return "" if reclaimed_by_number == {1: False, 2: True} else f"the journal says {reclaimed_by_number}"

    return Scenario(
        name,
        server,
        prepare,
        lambda model: ("reclaim", "--yes", "--mode=artifacts", "--grace=0s", "--models", model),
        living_files,
        freed,
        nexts=NEXT[:2],
        ends=journal,
    )


def restoring(server: Server, name: str) -> Scenario:
    """Two deleted versions come back, each once."""
    twice = "a version came back twice"

    def prepare(model: str) -> None:
        with_files(server, model, [Spec(), Spec(), Spec(stage="Production", aliases=("champion",))])
        deleted(server, model, 1, 2)

    def back(model: Model) -> list[str]:
        return sorted(v.tags[RESTORED_FROM] for v in model.versions if RESTORED_FROM in v.tags)

    def none_twice(model: Model) -> str:
        found = back(model)
        return one_champion(model) or (f"{twice}: {found}" if len(set(found)) < len(found) else "")

    def both(model: Model) -> str:
        found = [origin.partition("@")[0] for origin in back(model)]
        return none_twice(model) or ("" if found == ["1", "2"] else f"came back: {found}")

    return Scenario(
        name,
        server,
        prepare,
        lambda model: ("restore", "--models", model, "--model", model),
        none_twice,
        both,
        nexts=NEXT[:2],
        late=twice,
    )


def check(enumeration: Enumeration, title: str, report: Callable[[str], None]) -> None:
    cells = enumeration.run()
    text = table(title, cells)
    report(text)
    print(text)
    wrong = [cell.wrong for cell in cells if cell.wrong]
    assert not wrong, f"{len(wrong)} violations\n" + "\n\n".join(wrong[:5])


@pytest.mark.parametrize(
    "make", [promotion, copying, cleanup, reclaim, restoring], ids=lambda make: make.__name__
)
def test_every_write(
    make: Callable[[Server, str], Scenario],
    servers: Servers,
    report: Callable[[str], None],
    tmp_path: Path,
) -> None:
    """The sample that `make test-promises` runs: killed after each write."""
    kinds = [kind for kind in KINDS if kind.name == "killed after"]
    scenario = make(servers("3.17.2", "sqlite"), f"sample {make.__name__}")
    writes = Enumeration(
        scenario, tmp_path, kinds, only=lambda r: not r.startswith("GET") and "search" not in r
    )
    check(writes, f"the writes of {make.__name__} on SQLite", report)


STORES: list[tuple[str, Store]] = [("3.17.2", "sqlite"), ("3.17.2", "postgresql"), ("3.3.2", "file")]


@full
@pytest.mark.parametrize(
    "make", [promotion, rollback, cleanup, reclaim, restoring], ids=lambda make: make.__name__
)
@pytest.mark.parametrize(("version", "store"), STORES)
def test_all(
    make: Callable[[Server, str], Scenario],
    version: str,
    store: Store,
    servers: Servers,
    report: Callable[[str], None],
    tmp_path: Path,
) -> None:
    """Every request x every fault."""
    server = servers(version, store)
    if make is promotion and store == "file":
        scenario = promotion(server, f"promotion {store}", MLOPS__PROMOTE__FILE_STORE=server.store_uri)
        # where no method sets the stage, the alias is moved alone, and the notice says so
        scenario = replace(scenario, healthy=lambda model: one_champion(model, alias_too=False))
    else:
        scenario = make(server, f"{make.__name__} {store}")
    check(Enumeration(scenario, tmp_path), f"{make.__name__}, MLflow {version} on {store}", report)


@full
def test_all_of_copying(servers: Servers, report: Callable[[str], None], tmp_path: Path) -> None:
    scenario = copying(servers("3.17.2", "sqlite"), "copy")
    check(Enumeration(scenario, tmp_path), "promotion by copy, MLflow 3.17.2 on sqlite", report)


@full
def test_all_where_a_person_must_go_on(
    servers: Servers, report: Callable[[str], None], tmp_path: Path
) -> None:
    """An affected server whose folder is out of reach, and forced methods: half done and undone, whatever happens."""
    scenario = by_hand(servers("3.3.2", "file"), "by hand")
    check(Enumeration(scenario, tmp_path), "promotion that ends by hand, MLflow 3.3.2 on file", report)
