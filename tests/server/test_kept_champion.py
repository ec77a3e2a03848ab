"""What `promote`, `select` and `doctor` say about production that a person has changed by hand, on a real server."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from conftest import MakeServer
from runner import Ended, Zygote
from support.seeding import Spec, client, fresh_name, give_files, seed


@pytest.fixture(scope="module")
def zygote(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Zygote]:
    with Zygote(tmp_path_factory.mktemp("zygote")) as running:
        yield running


def warnings(done: Ended) -> str:
    return " ".join(done.doc["warnings"])


@pytest.mark.parametrize("taken", ["stage", "alias"])
def test_a_champion_that_lost_half_of_production_is_a_problem(
    taken: str, make_server: MakeServer, zygote: Zygote
) -> None:
    """Doctor fails, whoever keeps the champion says so, and the command that they name restores it."""
    server, name = make_server(), fresh_name()
    seed(server.url, {name: [Spec({"roc_auc": value}) for value in (0.8, 0.9)]})
    give_files(server.url, name)
    where = (f"--models={name}", f"--tracking-uri={server.url}")
    assert zygote.run("promote", *where).code == 0
    mlflow = client(server.store_uri)
    if taken == "stage":
        mlflow.transition_model_version_stage(name, "2", "Archived")
        lost = "stage Production"
    else:
        mlflow.delete_registered_model_alias(name, "champion")
        lost = "alias champion"
    message = (
        f"{name} version 2 is only partly in production: its promotion record says Production @champion, "
        f"but it lacks the {lost}"
    )
    command = f"promote --model {name} --version 2 --tracking-uri {server.url}"
    found = zygote.run("doctor", *where)
    findings = {one["what"]: one for one in found.doc["findings"] if one["status"] != "fine"}
    assert (found.code, [*findings]) == (1, ["partly in production"])
    assert findings["partly in production"]["message"] == message
    assert findings["partly in production"]["fix"] == f"`jenkins-mlflow {command}`"
    for stage in ("select", "promote"):
        kept = zygote.run(stage, *where)
        assert (kept.code, kept.doc["status"]) == (0, "champion_kept")
        assert warnings(kept) == f"{message}; `jenkins-mlflow {command}` restores it"
    assert zygote.run(*command.split()).code == 0
    assert zygote.run("doctor", *where).code == 0
    assert not zygote.run("promote", *where).doc["warnings"]


def test_an_exclusive_group_with_two_champions_is_reported_when_one_is_kept(
    make_server: MakeServer, zygote: Zygote
) -> None:
    """By `promote` as by `select`, once, with the commands that settle it."""
    server, one, two = make_server(), fresh_name(), fresh_name()
    seed(server.url, {one: [Spec({"roc_auc": 0.8})], two: [Spec({"roc_auc": 0.9}), Spec({"roc_auc": 0.7})]})
    give_files(server.url, one, two)
    where = (f"--models={one}", f"--models={two}", f"--tracking-uri={server.url}")
    exclusive = {"MLOPS__PROMOTE__EXCLUSIVE": "true"}
    assert zygote.run("promote", *where, **exclusive).code == 0
    client(server.store_uri).set_registered_model_alias(one, "champion", "1")
    for command in (("select",), ("promote",), ("promote", "--dry-run")):
        kept = zygote.run(*command, *where, **exclusive)
        assert (kept.code, kept.doc["status"]) == (0, "champion_kept")
        (warning,) = kept.doc["warnings"]
        assert f"2 of its models are in production: {one} version 1, {two} version 1" in warning
        assert f"keep one: `jenkins-mlflow promote --model {two} --version 1 --tracking-uri" in warning
    assert zygote.run("promote", f"--model={two}", "--version=1", *where, **exclusive).code == 0
    assert not zygote.run("promote", *where, **exclusive).doc["warnings"]


def test_a_champion_that_was_deleted_is_not_confused_with_the_one_before(
    make_server: MakeServer, zygote: Zygote
) -> None:
    """Version 1 was replaced properly; version 2 cannot come back, and the advised command returns to version 1."""
    server, name = make_server(), fresh_name()
    seed(server.url, {name: [Spec({"roc_auc": value}) for value in (0.8, 0.9, 0.7)]})
    give_files(server.url, name)
    where = (f"--models={name}", f"--tracking-uri={server.url}")
    for number in ("1", "2"):
        assert zygote.run("promote", f"--model={name}", f"--version={number}", *where).code == 0
    client(server.store_uri).delete_model_version(name, "2")
    found = zygote.run("select", *where)
    command = f"rollback --model {name} --to 1 --tracking-uri {server.url}"
    assert found.doc["message"] == (
        f"Selected {name} v3 (0.7): nothing is in Production: {name} v2, in production before, was deleted without "
        f"this tool. `jenkins-mlflow {command}` returns to {name} v1, the last one before it that still exists."
    )
    done = zygote.run(*command.split())
    assert done.code == 0, done.doc
    assert client(server.store_uri).get_model_version(name, "1").current_stage == "Production"
