"""The check after a promotion: passes, or the promotion is rolled back and the command says so."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

import pytest
from conftest import MakeServer, RunCli
from jenkins_mlflow.deadline import run_bounded
from jenkins_mlflow.registry.client import Registry
from jenkins_mlflow.registry.connection import connect
from jenkins_mlflow.tags import CHECK_TAG
from support.command import Finished
from support.seeding import Spec, client, fresh_name, seed
from support.servers import Server

CHAMPION = Spec(stage="Production", aliases=("champion",))


def promote(
    run_cli: RunCli, server: Server, name: str, command: list[str], version: int = 2, timeout: str = "2s"
) -> Finished:
    env = {"MLOPS__PROMOTE__CHECK__COMMAND": json.dumps(command), "MLOPS__PROMOTE__CHECK__TIMEOUT": timeout}
    target = ("--model", name, "--version", str(version), "--tracking-uri", server.url)
    return run_cli("promote", *target, "--output=json", env=env)


def model(server: Server, *specs: Spec) -> str:
    name = fresh_name()
    seed(server.store_uri, {name: list(specs)})
    return name


def state(server: Server, name: str) -> tuple[dict[int, str], int | None]:
    found = Registry(connect(server.url)).model(name)
    return {v.number: v.stage for v in found.versions}, found.aliases.get("champion")


def test_it_knows_what_was_promoted(make_server: MakeServer, run_cli: RunCli, tmp_path: Path) -> None:
    """Model, version, stage, alias and address are in the command's environment."""
    server = make_server()
    name = model(server, CHAMPION, Spec())
    script = "env | grep -E '^(JENKINS_MLFLOW_[^S]|JENKINS_MLFLOW_STAGE|MLFLOW_TRACKING_URI)' | sort > seen"
    done = promote(run_cli, server, name, ["sh", "-c", script])
    assert (done.code, done.doc["status"], done.doc["check"]["passed"]) == (0, "promoted", True), done.stderr
    assert (tmp_path / "seen").read_text().splitlines() == [
        "JENKINS_MLFLOW_ALIAS=champion",
        f"JENKINS_MLFLOW_MODEL={name}",
        "JENKINS_MLFLOW_STAGE=Production",
        "JENKINS_MLFLOW_VERSION=2",
        f"MLFLOW_TRACKING_URI={server.url}",
    ]


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        (
            ["sh", "-c", "echo it answers nonsense; exit 3"],
            "it ended with exit code 3: it answers nonsense",
        ),
        (["sleep", "60"], "it did not end within 2 s"),
        (["no-such-program"], "command not found: no-such-program"),
    ],
)
def test_a_failed_check_rolls_back(
    command: list[str], reason: str, make_server: MakeServer, run_cli: RunCli
) -> None:
    server = make_server()
    name = model(server, CHAMPION, Spec())
    done = promote(run_cli, server, name, command)
    assert (done.code, done.doc["status"]) == (1, "rolled_back"), done.stderr
    assert done.doc["message"] == (
        f"{name} version 2 was promoted, failed its check ({reason}), and was rolled back: "
        f"{name} version 1 is in production again"
    )
    assert done.doc["production"] == [{"model": name, "version": 1}]
    assert state(server, name) == ({1: "Production", 2: "None"}, 1)


def test_with_nothing_before_it_is_taken_out_again(make_server: MakeServer, run_cli: RunCli) -> None:
    server = make_server()
    name = model(server, Spec(stage="Staging"))
    done = promote(run_cli, server, name, ["false"], version=1)
    assert (done.code, done.doc["status"]) == (1, "rolled_back"), done.stderr
    assert "was rolled back: nothing is in production, as before" in done.doc["message"]
    assert state(server, name) == ({1: "Staging"}, None)
    assert Registry(connect(server.url)).flags() == []


def test_what_someone_else_promoted_meanwhile_stays(
    make_server: MakeServer, run_cli: RunCli, tmp_path: Path
) -> None:
    """While the check runs, a person puts version 3 into production: that is not rolled back."""
    server = make_server()
    name = model(server, CHAMPION, Spec(), Spec())
    body = json.dumps(
        {"name": name, "version": "3", "stage": "Production", "archive_existing_versions": True}
    )
    url = f"{server.url}/api/2.0/mlflow/model-versions/transition-stage"
    script = f"curl -s -X POST -H 'Content-Type: application/json' -d '{body}' {url}; exit 1"
    done = promote(run_cli, server, name, ["sh", "-c", script])
    assert (done.code, done.doc["status"]) == (1, "check_failed"), done.stderr
    assert "was not rolled back: someone else has changed what is in production" in done.doc["message"]
    assert state(server, name)[0] == {1: "Archived", 2: "Archived", 3: "Production"}


def test_a_check_that_passes_looks_again(make_server: MakeServer, run_cli: RunCli, tmp_path: Path) -> None:
    """Version 3 was promoted by a person while the check of version 2 ran: not a success, and version 3 stays."""
    server = make_server()
    name = model(server, CHAMPION, Spec(), Spec())
    script = tmp_path / "by_hand.py"
    script.write_text(
        "from mlflow import MlflowClient\n"
        f"client = MlflowClient({server.store_uri!r})\n"
        f"client.transition_model_version_stage({name!r}, '3', 'Production', archive_existing_versions=True)\n"
        f"client.set_registered_model_alias({name!r}, 'champion', '3')\n"
    )
    done = promote(run_cli, server, name, [sys.executable, str(script)], timeout="60s")
    assert (done.code, done.doc["status"], done.doc["check"]["passed"]) == (1, "overtaken", True), done.stderr
    assert done.doc["message"] == (
        f"{name} version 2 was promoted and passed its check, but then someone else changed production; "
        f"in production now: {name} version 3"
    )
    assert state(server, name) == ({1: "Archived", 2: "Archived", 3: "Production"}, 3)


def test_nothing_to_do_needs_no_check(make_server: MakeServer, run_cli: RunCli) -> None:
    server = make_server()
    name = model(server, CHAMPION)
    done = promote(run_cli, server, name, ["false"], version=1)
    assert (done.code, done.doc["status"]) == (0, "already"), done.stderr
    assert client(server.url).get_model_version(name, "1").current_stage == "Production"


def check_tag(server: Server, name: str, number: int) -> str | None:
    return Registry(connect(server.url)).version(name, number).tags.get(CHECK_TAG)


def killed_in_its_check(run_cli: RunCli, server: Server, name: str) -> None:
    """Promote version 2; its check kills the command that runs it, as a lost agent does."""
    done = promote(run_cli, server, name, ["sh", "-c", "kill -9 $PPID"])
    assert done.code == -9
    assert check_tag(server, name, 2) == "pending"


def test_a_killed_check_is_told_of_and_run_again(make_server: MakeServer, run_cli: RunCli) -> None:
    """The doctor finds it, the next promotion of that version checks it, the one after that has nothing to do."""
    server = make_server()
    name = model(server, CHAMPION, Spec())
    killed_in_its_check(run_cli, server, name)
    examined = run_cli("doctor", "--models", name, "--tracking-uri", server.url, "--output=json")
    (finding,) = [item for item in examined.doc["findings"] if item["what"] == "check not ended"]
    assert examined.code == 1
    assert finding["fix"].endswith(
        f"`jenkins-mlflow promote --model {name} --version 2 --tracking-uri {server.url}`"
    )
    again = promote(run_cli, server, name, ["true"])
    assert (again.code, again.doc["status"], again.doc["check"]["passed"]) == (0, "already", True), (
        again.stderr
    )
    assert check_tag(server, name, 2) == "passed"
    assert promote(run_cli, server, name, ["false"]).doc["check"] is None
    assert run_cli("doctor", "--models", name, "--tracking-uri", server.url, "--output=json").code == 0


def test_a_killed_check_that_fails_the_next_time_rolls_back(make_server: MakeServer, run_cli: RunCli) -> None:
    server = make_server()
    name = model(server, CHAMPION, Spec())
    killed_in_its_check(run_cli, server, name)
    done = promote(run_cli, server, name, ["false"])
    assert (done.code, done.doc["status"]) == (1, "rolled_back"), done.stderr
    assert state(server, name) == ({1: "Production", 2: "Archived"}, 1)
    assert check_tag(server, name, 2) == "failed"


def test_what_was_before_a_killed_check_may_be_unknown(make_server: MakeServer, run_cli: RunCli) -> None:
    """Production is never emptied on a guess."""
    server = make_server()
    name = model(server, Spec(stage="Production", aliases=("champion",), tags={CHECK_TAG: "pending"}))
    done = promote(run_cli, server, name, ["false"], version=1)
    assert (done.code, done.doc["status"]) == (1, "check_failed"), done.stderr
    assert "no promotion recorded what was there before it" in done.doc["message"]
    assert state(server, name) == ({1: "Production"}, 1)


def test_a_copy_that_fails_its_check_leaves_production(make_server: MakeServer, run_cli: RunCli) -> None:
    """The alias of the production model goes back to the copy before, or, for the first copy, from it."""
    server = make_server()
    name = model(server, Spec(), Spec())
    production = f"{name}-prod"
    env = {"MLOPS__PROMOTE__METHODS": "[copy]", "MLOPS__PROMOTE__COPY_TO": production}

    def copied(number: int, command: str) -> Finished:
        check = {"MLOPS__PROMOTE__CHECK__COMMAND": json.dumps(["sh", "-c", command])}
        target = ("--model", name, "--version", str(number), "--tracking-uri", server.url)
        return run_cli("promote", *target, "--output=json", env={**env, **check})

    def champion() -> int | None:
        return Registry(connect(server.url)).model(production).aliases.get("champion")

    first = copied(1, "exit 1")
    assert (first.code, first.doc["status"], champion()) == (1, "rolled_back", None), first.stderr
    assert copied(1, f'test "$JENKINS_MLFLOW_MODEL $JENKINS_MLFLOW_VERSION" = "{production} 1"').code == 0
    assert champion() == 1
    second = copied(2, "exit 1")
    assert (second.code, second.doc["status"], champion()) == (1, "rolled_back", 1), second.stderr
    assert second.doc["message"].endswith(f"was rolled back: {production} version 1 is in production again")
    assert state(server, name)[0] == {1: "None", 2: "None"}
    assert [check_tag(server, production, number) for number in (1, 2)] == ["passed", "failed"]
    assert [check_tag(server, name, number) for number in (1, 2)] == ["passed", "failed"]


def test_a_deadline_ends_children_too(tmp_path: Path) -> None:
    """What the command started in the background is gone with it."""
    script = f"sleep 60 & echo $! > {tmp_path}/pid; wait"
    ended = run_bounded(["sh", "-c", script], os.environ, tmp_path / "log", 0.5)
    assert ended.failure == "it did not end within 0.5 s"
    pid = int((tmp_path / "pid").read_text())
    time.sleep(0.2)
    stat = Path(f"/proc/{pid}/stat")
    assert not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] == "Z"


@pytest.mark.parametrize(("number", "name"), [(9, "SIGKILL"), (35, "signal 35")])
def test_a_signal_is_named(number: int, name: str, tmp_path: Path) -> None:
    """Real-time signals have no name in Python."""
    ended = run_bounded(["sh", "-c", f"kill -{number} $$"], os.environ, tmp_path / "log", 5)
    assert ended.failure == f"it ended by {name}"
