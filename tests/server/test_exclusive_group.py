"""A promotion in a large exclusive group: few requests, many at a time; and losers that hear of it at once."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import MakeServer, RunCli
from jenkins_mlflow.build import BuildContext
from jenkins_mlflow.registry.client import Registry
from jenkins_mlflow.registry.connection import connect
from jenkins_mlflow.registry.holder import Holder
from jenkins_mlflow.registry.lock import Lock
from jenkins_mlflow.registry.version import Target
from support.promoting import promote
from support.proxy import Answer, CountingProxy, Request, Send, meanwhile, respond
from support.seeding import Spec, fresh_name, seed
from support.servers import Server, clean_environ

EXCLUSIVE = Target("Production", "champion", exclusive=True)
CHAMPION = Spec(stage="Production", aliases=("champion",))
TRANSITION, ALIAS = "model-versions/transition-stage", "registered-models/alias"
MANY = 12


@pytest.fixture
def group(make_server: MakeServer) -> str:
    """A pattern of models that all have a champion, but the first, which has a candidate."""
    name = fresh_name()
    others = {f"{name}-{number:02}": [CHAMPION] for number in range(1, MANY + 1)}
    seed(make_server().store_uri, {f"{name}-00": [Spec()], **others})
    return f"{name}-*"


def champions(server: Server, group: str) -> list[str]:
    snapshot = Registry(connect(server.url)).snapshot([group])
    return [version.label for version in snapshot.production(EXCLUSIVE)]


def first(group: str) -> str:
    return group.replace("*", "00")


def test_each_other_model_costs_four_requests(
    group: str, make_server: MakeServer, make_proxy: Callable[[Server], CountingProxy]
) -> None:
    """Whether its alias may be taken, its version, both marks; the group is read as often as for one other model."""
    proxy = make_proxy(make_server())
    assert promote(proxy.url, first(group), 1, EXCLUSIVE, [group]).status == "promoted"
    assert champions(make_server(), group) == [f"{first(group)} version 1"]
    counts = Counter(f"{request.method} {request.endpoint}" for request in proxy.requests)
    assert counts["GET model-versions/get"] == MANY
    assert counts[f"POST {TRANSITION}"] == 1 + MANY
    assert counts[f"DELETE {ALIAS}"] == 2 * MANY  # one that it does not have is what asks for the right
    # planned; before the first write; after the stage, the alias, the others; the last look
    assert counts["GET registered-models/search"] == counts["GET model-versions/search"] == 6


@pytest.mark.parametrize(
    ("status", "tries", "reads"),
    [
        pytest.param(403, 1, 1, id="refused"),
        # after each try; before undoing and after, because the last try may take effect late
        pytest.param(504, 3, 3 + 2, id="unanswered"),
    ],
)
def test_a_method_that_fails_reads_the_group_once_for_each_try(
    status: int,
    tries: int,
    reads: int,
    group: str,
    make_server: MakeServer,
    make_proxy: Callable[[Server], CountingProxy],
) -> None:
    """If it was refused and has changed nothing, there is nothing to undo, and nothing new to read."""
    proxy = make_proxy(make_server())
    refusal = json.dumps({"error_code": "PERMISSION_DENIED" if status == 403 else "", "message": "no"})
    proxy.inject(respond(status, refusal), path=TRANSITION, times=tries)
    assert promote(proxy.url, first(group), 1, EXCLUSIVE, [group]).method == "stage"
    assert champions(make_server(), group) == [f"{first(group)} version 1"]
    counts = Counter(f"{request.method} {request.endpoint}" for request in proxy.requests)
    assert counts["GET registered-models/search"] == counts["GET model-versions/search"] == 6 + reads


def test_the_rights_are_asked_for_before_the_lock(
    group: str, make_server: MakeServer, make_proxy: Callable[[Server], CountingProxy], run_cli: RunCli
) -> None:
    """One request for each other model: nobody has to wait for those."""
    proxy = make_proxy(make_server())
    command = ["promote", "--model", first(group), "--version", "1", "--models", group]
    done = run_cli(*command, "--tracking-uri", proxy.url, env={"MLOPS__PROMOTE__EXCLUSIVE": "true"})
    assert done.code == 0, done.stderr
    sent = [request.endpoint for request in proxy.requests if request.method != "GET"]
    sent = [endpoint for endpoint in sent if not endpoint.endswith("search")]
    assert sent[: MANY + 1] == [ALIAS] * MANY + ["registered-models/create"]


def test_many_models_leave_side_by_side(
    group: str, make_server: MakeServer, make_proxy: Callable[[Server], CountingProxy]
) -> None:
    """The first that leaves waits here for the second, which one after the other would never come."""
    proxy, together = make_proxy(make_server()), threading.Barrier(2, timeout=30)

    def wait(request: Request, send: Send) -> Answer:
        together.wait()
        return send()

    proxy.inject(wait, path=TRANSITION, nth=2, times=2)
    assert promote(proxy.url, first(group), 1, EXCLUSIVE, [group]).status == "promoted"


def test_one_that_cannot_leave_brings_all_back(
    group: str, make_server: MakeServer, make_proxy: Callable[[Server], CountingProxy]
) -> None:
    """All or nothing, whatever was done at the same time."""
    before = champions(make_server(), group)
    proxy, stuck = make_proxy(make_server()), group.replace("*", "07")

    def refuse(request: Request, send: Send) -> Answer:
        if stuck in request.body.decode() and "Archived" in request.body.decode():
            return respond(403, json.dumps({"error_code": "PERMISSION_DENIED", "message": "no"}))(
                request, send
            )
        return send()

    proxy.inject(refuse, path=TRANSITION)
    outcome = promote(proxy.url, first(group), 1, EXCLUSIVE, [group])
    assert outcome.status == "manual"
    assert champions(make_server(), group) == before


def test_what_somebody_moves_at_that_moment_stays_where_it_is(
    group: str, make_server: MakeServer, make_proxy: Callable[[Server], CountingProxy]
) -> None:
    """A person stages one of the others after the look at the whole group: it is read again before it is archived."""
    server, moved = make_server(), group.replace("*", "09")
    mlflow = seed(server.store_uri, {})
    proxy = make_proxy(server)
    stage_it = meanwhile(lambda: mlflow.transition_model_version_stage(moved, "1", "Staging"))
    proxy.inject(stage_it, path=f"model-versions/get?name={moved}", times=1)
    assert promote(proxy.url, first(group), 1, EXCLUSIVE, [group]).status == "promoted"
    (version,) = Registry(connect(server.url)).model(moved).versions
    assert (version.stage, version.aliases) == ("Staging", ())


def test_one_that_takes_the_promoted_version_out_meanwhile_is_noticed(
    group: str, make_server: MakeServer, make_proxy: Callable[[Server], CountingProxy]
) -> None:
    """The others come back: production is never left empty."""
    server, before = make_server(), champions(make_server(), group)
    mlflow = seed(server.store_uri, {})
    proxy = make_proxy(server)
    take_it = meanwhile(lambda: mlflow.transition_model_version_stage(first(group), "1", "Staging"))
    proxy.inject(take_it, path=f"model-versions/get?name={group.replace('*', '05')}", times=1)
    assert promote(proxy.url, first(group), 1, EXCLUSIVE, [group]).status == "overtaken"
    assert champions(server, group) == before


def test_a_loser_is_told_while_the_lock_still_is_held(make_server: MakeServer, tmp_path: Path) -> None:
    """Whoever holds it: the plan is out of date, and waiting would not change that."""
    server, name = make_server(), fresh_name()
    mlflow = seed(server.store_uri, {name: [CHAMPION, Spec(), Spec()]})
    holder = Holder.this_process("promote", (name,), (name,), BuildContext(id="winner"), 60)
    command = [
        sys.executable,
        "-m",
        "jenkins_mlflow",
        "promote",
        "--model",
        name,
        "--version",
        "3",
        "--output=json",
    ]
    with Lock(Registry(connect(server.url)), holder, wait=0):
        loser = subprocess.Popen(
            [*command, "--tracking-uri", server.url],
            cwd=tmp_path,
            env=clean_environ(MLOPS__PROMOTE__LOCK__WAIT="10m"),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert loser.stderr is not None
        while "waiting up to 600 s" not in loser.stderr.readline():
            assert loser.poll() is None
        mlflow.transition_model_version_stage(name, "2", "Production", archive_existing_versions=True)
        mlflow.set_registered_model_alias(name, "champion", "2")
        out, _ = loser.communicate(timeout=120)
    document = json.loads(out)
    assert (loser.returncode, document["status"]) == (1, "error")
    assert document["message"].startswith(f"{name} version 3 lost: {name} version 2 went into production")


def test_a_result_says_how_long_the_lock_was_held(make_server: MakeServer, tmp_path: Path) -> None:
    server, name = make_server(), fresh_name()
    seed(server.store_uri, {name: [CHAMPION, Spec()]})
    command = [sys.executable, "-m", "jenkins_mlflow", "promote", "--model", name, "--output=json"]
    command += ["--tracking-uri", server.url]
    held = []
    for _ in range(2):
        done = subprocess.run(command, cwd=tmp_path, env=clean_environ(), capture_output=True, check=True)
        held.append(json.loads(done.stdout)["lock_seconds"])
    assert held[0] > 0.01
    assert held[1] == 0  # in production already: it was not taken
