"""History on real servers: what was written, what is known from tags, what was in production when, drift."""

from __future__ import annotations

import csv
import io
import json
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import NoReturn, Protocol

import pytest
from conftest import MakeServer, RunCli
from jenkins_mlflow.errors import LockLost
from jenkins_mlflow.history.book import Book
from jenkins_mlflow.history.event import Event
from jenkins_mlflow.registry.client import Registry
from jenkins_mlflow.registry.connection import connect
from jenkins_mlflow.tags import UNWRITTEN_TAG
from runner import Ended, Zygote
from support.proxy import CountingProxy, respond
from support.seeding import Spec, client, fresh_name, give_files, seed
from support.servers import Server, Store
from support.thorough import THOROUGH

STORES: list[tuple[str, Store]] = [("3.17.2", "sqlite"), ("3.17.2", "postgresql")]
STORES += [("3.17.2", "file")] if THOROUGH else []


class Do(Protocol):
    """``do("promote", "--version=2")``: a command on one model of a server; it must end with ``code``."""

    def __call__(self, command: str, *options: str, url: str = ..., code: int = ..., **env: str) -> Ended: ...


@pytest.fixture(scope="module")
def zygote(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Zygote]:
    with Zygote(tmp_path_factory.mktemp("zygote")) as running:
        yield running


def steps(zygote: Zygote, server: Server, name: str) -> Do:
    def do(command: str, *options: str, url: str = server.url, code: int = 0, **env: str) -> Ended:
        named = () if command in ("cleanup", "doctor") else (f"--model={name}",)
        ends = (f"--tracking-uri={url}", f"--models={name}")
        done = zygote.run(command, *named, *options, *ends, **{"MLFLOW_HTTP_REQUEST_TIMEOUT": "30", **env})
        assert done.code == code, done.stderr
        return done

    return do


def seeded(server: Server, count: int) -> str:
    name = fresh_name()
    seed(
        server.store_uri,
        {name: [Spec(metrics={"roc_auc": round(0.8 + number / 100, 2)}) for number in range(1, count + 1)]},
    )
    give_files(server.url, name)
    return name


def left_unwritten(server: Server, name: str) -> list[str]:
    return [key for key in Registry(connect(server.url)).model(name).tags if key.startswith(UNWRITTEN_TAG)]


class Lost:
    """A lock that another command took over."""

    def check(self) -> None:
        raise LockLost("the lock was lost")

    def send(self, write: Callable[[], object]) -> NoReturn:
        raise LockLost("the lock was lost")


def test_who_has_lost_the_lock_keeps_no_history(make_server: MakeServer) -> None:
    """Whoever took it over finishes or undoes the promotion, and keeps that."""
    server = make_server()
    name = seeded(server, 1)
    registry = Registry(connect(server.url))
    book = Book(registry)
    with pytest.raises(LockLost):
        book.keep(Event("1-lost", "promotion", name, 1, 1), registry.under(Lost()))
    book.write()
    assert (left_unwritten(server, name), runs_of(server, name)) == ([], [])


def runs_of(server: Server, name: str) -> list:  # type: ignore[type-arg]
    mlflow = client(server.url)
    experiment = mlflow.get_experiment_by_name("jenkins-mlflow")
    found = mlflow.search_runs([experiment.experiment_id]) if experiment else []
    return [run for run in found if run.data.params.get("model") == name]


@pytest.mark.parametrize(("version", "store"), STORES)
def test_what_was_in_production_when(
    version: str, store: Store, make_server: MakeServer, zygote: Zygote
) -> None:
    """Promotions, rollbacks, a cleanup and changes by hand: every answer is that of the log which the test kept."""
    server = make_server(version, store)
    name = seeded(server, 5)
    do, mlflow = steps(zygote, server, name), client(server.store_uri)
    log: list[tuple[float, list[int]]] = []

    def note(*serving: int) -> None:
        log.append((time.time(), list(serving)))
        time.sleep(1.1)

    for number in (1, 2, 3):
        do("promote", f"--version={number}")
        note(number)
    do("rollback")
    note(2)
    do("rollback", "--to=5")
    note(5)
    mlflow.transition_model_version_stage(name, "4", "Production")
    mlflow.transition_model_version_stage(name, "5", "Archived")
    mlflow.set_registered_model_alias(name, "champion", "4")
    do("history", "--adopt", "--reason=it was urgent")
    note(4)
    do("cleanup", "--yes", "--keep-last=1")
    note(4)
    do("promote", "--version=5")
    note(5)
    do("promote", "--version=4")
    note(4)
    do("rollback")
    note(5)

    def asked(moment: float) -> list[int]:
        text = datetime.fromtimestamp(moment, timezone.utc).strftime("%Y-%m-%dT%H:%M:%S")
        return [item["version"] for item in do("history", f"--at={text}").doc["items"]]

    answers = [asked(moment + 1) for moment, _ in log]
    assert answers == [serving for _, serving in log]
    timeline = do("history").doc
    assert [item["version"] for item in timeline["items"]] == [1, 2, 3, 2, 5, 4, 5, 4, 5]
    works = [item["work"] for item in timeline["items"]]
    assert works == [
        *["promotion"] * 3,
        "rollback",
        "rollback",
        "adoption",
        "promotion",
        "promotion",
        "rollback",
    ]
    adopted = timeline["items"][5]
    assert (adopted["reason"], adopted["method"]) == ("it was urgent", "adopted")
    assert timeline["items"][1]["before"] == 0.81
    assert timeline["from_tags"] == 0
    assert [item["until"] is None for item in timeline["items"]] == [*[False] * 8, True]
    assert not left_unwritten(server, name)
    written = [run.data.params["work"] for run in runs_of(server, name)]
    assert sorted(set(written)) == ["adoption", "cleanup", "promotion", "rollback"]
    assert len(written) == 10
    (cleanup,) = [run for run in runs_of(server, name) if run.data.params["work"] == "cleanup"]
    assert cleanup.data.metrics == {"deleted": 3.0}


def test_a_promotion_is_a_run_that_people_can_read(make_server: MakeServer, zygote: Zygote) -> None:
    """Parameters, metrics, description and the result as an artifact, as MLflow's own pages show them."""
    server = make_server()
    name = seeded(server, 2)
    do = steps(zygote, server, name)
    do("promote", "--version=1")
    gates = '{"roc_auc": ">= 0.5"}'
    url = "http://jenkins/job/7/"
    do("promote", "--version=2", "--approved-by=eve", MLOPS__SELECT__GATES=gates, BUILD_URL=url)
    (run,) = [run for run in runs_of(server, name) if run.data.params["version"] == "2"]
    assert run.info.status == "FINISHED"
    assert run.info.run_name == f"promotion of {name} version 2"
    assert run.data.metrics == {"roc_auc": pytest.approx(0.82), "roc_auc before": 0.81}
    params = run.data.params
    assert (params["approved_by"], params["replaced"], params["method"], params["build"]) == (
        "eve",
        f"{name}/1",
        "stage-archive",
        "http://jenkins/job/7/",
    )
    assert params["gate roc_auc"] == ">= 0.5 (0.82)"
    assert "approved by eve" in run.data.tags["mlflow.note.content"]
    path = client(server.url).download_artifacts(run.info.run_id, "result.json")
    assert json.loads(Path(path).read_text(encoding="utf-8"))["status"] == "promoted"
    shown = do("history").doc
    assert shown["status"] == "listed"
    item = shown["items"][1]
    assert item["why"] == "roc_auc 0.82, was 0.81; gates roc_auc >= 0.5 (0.82)"


def test_what_was_promoted_before_there_was_a_history_is_told_from_tags(
    make_server: MakeServer, zygote: Zygote, run_cli: RunCli
) -> None:
    """And it says how far that reaches."""
    server = make_server()
    name = fresh_name()
    old = {
        "jenkins_mlflow.promoted_at": "2026-03-01T10:00:00+00:00",
        "jenkins_mlflow.promoted_by": "ann",
        "jenkins_mlflow.method": "stage",
        "jenkins_mlflow.metric": "roc_auc=0.81",
        "jenkins_mlflow.before": json.dumps([[name, 1, 0]]),
    }
    seed(server.store_uri, {name: [Spec(), Spec(tags=old, stage="Production"), Spec()]})
    do = steps(zygote, server, name)
    timeline = do("history").doc
    assert timeline["recorded_since"] is None
    assert timeline["message"] == (
        "2 times in production; no history is written yet; 1 change known from the tags of versions alone: "
        "each version that was not deleted keeps its last promotion and its last rollback there"
    )
    first, second = timeline["items"]
    assert (first["version"], first["since"], first["until"][:19]) == (1, None, "2026-03-01T10:00:00")
    assert (second["version"], second["by"], second["value"], second["until"]) == (2, "ann", 0.81, None)
    at = do("history", "--at=2026-03-01T12:00").doc
    assert [item["version"] for item in at["items"]] == [2]
    do("promote", "--version=3")
    timeline = do("history").doc
    assert [item["version"] for item in timeline["items"]] == [1, 2, 3]
    assert [item["source"] for item in timeline["items"]] == ["", "tags", "run"]
    rows = list(
        csv.DictReader(
            io.StringIO(
                run_cli("history", f"--models={name}", f"--tracking-uri={server.url}", "--output=csv").stdout
            )
        )
    )
    assert [row["version"] for row in rows][-1] == "3"


def test_history_that_cannot_be_written_undoes_nothing_and_is_made_up(
    make_server: MakeServer, make_proxy: Callable[[Server], CountingProxy], zygote: Zygote
) -> None:
    """The promotion stands and says so; the next command writes the history, once."""
    server = make_server()
    name = seeded(server, 2)
    do, proxy = steps(zygote, server, name), make_proxy(server)
    proxy.inject(respond(403, '{"error_code": "PERMISSION_DENIED"}'), path="runs/create")
    done = do("promote", "--version=1", url=proxy.url)
    assert done.doc["status"] == "promoted"
    (warning,) = done.doc["warnings"]
    assert warning.startswith(
        f"the history of the promotion of {name} version 1 could not be written (writing history: "
    )
    assert warning.endswith("it stays on the model as a tag, and the next command tries again")
    assert len(left_unwritten(server, name)) == 1
    assert [item["source"] for item in do("history").doc["items"]] == ["unwritten"]
    do("promote", "--version=2")
    assert not left_unwritten(server, name)
    assert sorted(run.data.params["version"] for run in runs_of(server, name)) == ["1", "2"]
    assert [item["source"] for item in do("history").doc["items"]] == ["run", "run"]
