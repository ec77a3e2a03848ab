"""One model with two targets, Staging beside Production: what is recorded for the one says nothing of the other."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from conftest import MakeServer, RunCli
from jenkins_mlflow.tags import TARGET
from support.seeding import Spec, client, fresh_name, seed
from support.servers import Server

STAGE = ("--stage", "Staging", "--alias", "staging")


@pytest.fixture
def server(make_server: MakeServer) -> Server:
    return make_server()


@pytest.fixture
def name(server: Server) -> str:
    """A model with three versions."""
    name = fresh_name()
    made = seed(server.store_uri, {name: [Spec(), Spec(), Spec()]})
    for number in "123":  # a rollback asks for files
        client(server.url).log_text(
            str(made.get_model_version(name, number).run_id), "weights", "model/weights.txt"
        )
    return name


def run(run_cli: RunCli, server: Server, folder: Path, *argv: str, code: int = 0) -> dict[str, Any]:
    done = run_cli(*argv, "--tracking-uri", server.url, "--output", "json", cwd=folder)
    assert done.code == code, done.stdout + done.stderr
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def promote_all(run_cli: RunCli, server: Server, folder: Path, name: str) -> None:
    """Version 1 to production, 2 and then 3 to Staging, all by this tool."""
    run(run_cli, server, folder, "promote", "--model", name, "--version", "1")
    for number in "23":
        run(run_cli, server, folder, "promote", "--model", name, "--version", number, *STAGE)


def test_a_promotion_to_staging_is_no_change_of_production(
    server: Server, name: str, run_cli: RunCli, tmp_path: Path
) -> None:
    promote_all(run_cli, server, tmp_path, name)
    timeline = run(run_cli, server, tmp_path, "history", "--model", name)
    assert [(stay["version"], stay["until"]) for stay in timeline["items"]] == [(1, None)]
    assert run(run_cli, server, tmp_path, "doctor", "--models", name)["status"] == "fine"
    tags = client(server.url).get_model_version(name, "3").tags
    assert tags[TARGET] == "Staging @staging"


def test_what_a_person_moved_on_from_staging_has_no_record_of_production(
    server: Server, name: str, run_cli: RunCli, tmp_path: Path
) -> None:
    """Version 3 was in Staging after 2. In production it came after 1, and 2 never was there."""
    promote_all(run_cli, server, tmp_path, name)
    mlflow = client(server.url)
    mlflow.transition_model_version_stage(name, "3", "Production", archive_existing_versions=True)
    mlflow.set_registered_model_alias(name, "champion", "3")
    refused = run(run_cli, server, tmp_path, "rollback", "--model", name, code=1)
    assert refused["message"] == (
        f"{name} version 3 is in production, and its promotion record is of Staging @staging, "
        "not of Production @champion"
    )
    run(run_cli, server, tmp_path, "doctor", "--models", name, code=7)
    back = run(run_cli, server, tmp_path, "rollback", "--model", name, "--recorded")
    assert (back["version"], mlflow.get_model_version(name, "1").current_stage) == (1, "Production")


def test_a_rollback_in_staging_is_one_of_staging(
    server: Server, name: str, run_cli: RunCli, tmp_path: Path
) -> None:
    promote_all(run_cli, server, tmp_path, name)
    back = run(run_cli, server, tmp_path, "rollback", "--model", name, *STAGE)
    assert (back["status"], back["version"]) == ("rolled_back", 2)
    mlflow = client(server.url)
    assert [mlflow.get_model_version(name, number).current_stage for number in "123"] == [
        "Production",
        "Staging",
        "Archived",
    ]


def test_the_advised_rollback_is_one_of_the_same_target(
    server: Server, name: str, run_cli: RunCli, tmp_path: Path
) -> None:
    """Pasted as it stands, without any other option."""
    where = ("--tracking-uri", server.url, "--stage", "null", "--alias", "live")
    for number in "12":
        done = run_cli("promote", "--model", name, "--version", number, *where, cwd=tmp_path)
        assert done.code == 0, done.stderr
    (advised,) = re.findall(r"^next:  `jenkins-mlflow (.*?)`", done.stdout, re.MULTILINE)
    back = run_cli(*shlex.split(advised), cwd=tmp_path)
    assert back.code == 0, back.stderr
    mlflow = client(server.url)
    assert mlflow.get_registered_model(name).aliases == {"live": "1"}
    assert {mlflow.get_model_version(name, number).current_stage for number in "123"} == {"None"}


def test_the_advice_in_an_exclusive_group_names_the_config(
    server: Server, name: str, run_cli: RunCli, tmp_path: Path
) -> None:
    """The group is in the config file: without it, the other model would stay in production."""
    other = f"{name}-b"
    seed(server.store_uri, {other: [Spec(stage="Production", aliases=("champion",))]})
    run(run_cli, server, tmp_path, "promote", "--model", name, "--version", "1")
    (tmp_path / "group.yaml").write_text(f"models: ['{name}*']\npromote: {{exclusive: true}}\n")
    listed = run_cli(
        "list", "--config", "group.yaml", "--tracking-uri", server.url, "--output", "json", cwd=tmp_path
    )
    (warning,) = [text for text in json.loads(listed.stdout)["warnings"] if "keep one" in text]
    (advised, _) = re.findall(r"`jenkins-mlflow (.*?)`", warning)
    assert run_cli(*shlex.split(advised), cwd=tmp_path).code == 0
    mlflow = client(server.url)
    stages = [str(mlflow.get_model_version(model, "1").current_stage) for model in (name, other)]
    assert sorted(stages) == ["Archived", "Production"]


@pytest.mark.parametrize("command", [("promote", "--version", "1"), ("rollback", "--to", "1")])
def test_staging_does_not_take_the_version_in_production(
    command: tuple[str, ...], server: Server, name: str, run_cli: RunCli, tmp_path: Path
) -> None:
    """A version has one stage: in Staging it would leave Production, without a word about production."""
    promote_all(run_cli, server, tmp_path, name)
    verb, *rest = command
    refused = run(run_cli, server, tmp_path, verb, "--model", name, *rest, *STAGE, code=1)
    assert refused["message"] == (
        f"{name} version 1 is in Production, and a version has one stage: in Staging it would be out of production"
    )
    mlflow = client(server.url)
    assert [mlflow.get_model_version(name, number).current_stage for number in "123"] == [
        "Production",
        "Archived",
        "Staging",
    ]


def test_staging_has_an_alias_of_its_own(server: Server, name: str, run_cli: RunCli, tmp_path: Path) -> None:
    """Who gives the stage alone does not move production's alias."""
    run(run_cli, server, tmp_path, "promote", "--model", name, "--version", "1")
    run(run_cli, server, tmp_path, "promote", "--model", name, "--version", "2", "--stage", "Staging")
    mlflow = client(server.url)
    assert mlflow.get_registered_model(name).aliases == {"champion": "1", "challenger": "2"}
    command = ("promote", "--model", name, "--version", "3", "--stage", "Staging", "--alias", "champion")
    refused = run(run_cli, server, tmp_path, *command, code=1)
    assert refused["message"] == (
        f"{name} version 3 would take the alias champion from {name} version 1, which is in Production"
    )
    assert refused["error"]["next_step"] == "give Staging an alias of its own, such as `--alias challenger`"
    assert mlflow.get_registered_model(name).aliases == {"champion": "1", "challenger": "2"}
    assert mlflow.get_model_version(name, "3").current_stage == "None"


def test_selection_for_staging_leaves_out_production(
    server: Server, name: str, run_cli: RunCli, tmp_path: Path
) -> None:
    """Also where stages are named in select.include."""
    promote_all(run_cli, server, tmp_path, name)
    (tmp_path / "mlops.yaml").write_text(
        f"models: ['{name}']\nselect: {{metric: accuracy, include: {{stages: all}}}}\n"
    )
    chosen = run(run_cli, server, tmp_path, "select", *STAGE)
    (one,) = (c for c in chosen["candidates"] if c["version"] == 1)
    assert (one["verdict"], one["reason"]) == ("excluded", "in Production, which it would leave for Staging")


def test_from_staging_to_production_as_the_docs_say(
    server: Server, name: str, run_cli: RunCli, tmp_path: Path
) -> None:
    """What docs/configuration.md names for a team that promotes from Staging."""
    mlflow = client(server.url)
    for number, value in (("1", 0.7), ("2", 0.8)):
        mlflow.log_metric(str(mlflow.get_model_version(name, number).run_id), "accuracy", value)
    run(run_cli, server, tmp_path, "promote", "--model", name, "--version", "1")
    run(run_cli, server, tmp_path, "promote", "--model", name, "--version", "2", "--stage", "Staging")
    (tmp_path / "mlops.yaml").write_text(
        f"models: ['{name}']\n"
        "select: {metric: accuracy, include: {stages: Staging, aliases: challenger}}\n"
    )
    assert run(run_cli, server, tmp_path, "promote")["version"] == 2
    assert mlflow.get_model_version(name, "2").current_stage == "Production"
    assert run(run_cli, server, tmp_path, "history", "--model", name)["items"][-1]["version"] == 2
    # The alias of Staging stayed on it; the next version in Staging takes that, and nothing else.
    assert mlflow.get_registered_model(name).aliases == {"champion": "2", "challenger": "2"}
    staged = run(
        run_cli, server, tmp_path, "promote", "--model", name, "--version", "3", "--stage", "Staging"
    )
    assert (staged["previous"], staged["replaced"]) == (None, []), "what is in production was not replaced"
    assert mlflow.get_registered_model(name).aliases == {"champion": "2", "challenger": "3"}
    assert [mlflow.get_model_version(name, number).current_stage for number in "123"] == [
        "Archived",
        "Production",
        "Staging",
    ]


EUROPE, AMERICA = (("--stage", "null", "--alias", alias) for alias in ("champion-eu", "champion-us"))


def test_each_of_two_regions_goes_back_to_what_it_had(
    server: Server, name: str, run_cli: RunCli, tmp_path: Path
) -> None:
    """Version 3 replaced 1 in Europe and 2 in America: the second promotion does not hide the first one's way back."""
    for number, where in (("1", EUROPE), ("2", AMERICA), ("3", EUROPE), ("3", AMERICA)):
        run(run_cli, server, tmp_path, "promote", "--model", name, "--version", number, *where)
    kept = run(
        *(run_cli, server, tmp_path),
        *(
            "cleanup",
            "--models",
            name,
            "--keep-last",
            "1",
            "--min-age",
            "0s",
            "--no-bytes",
            "--dry-run",
            *AMERICA,
        ),
    )
    assert {item["version"]: item["reason"] for item in kept["items"] if item["version"] in (1, 2)} == {
        1: f"rollback target of {name} version 3",
        2: f"rollback target of {name} version 3",
    }
    back = run(run_cli, server, tmp_path, "rollback", "--model", name, *EUROPE)
    assert back["version"] == 1
    back = run(run_cli, server, tmp_path, "rollback", "--model", name, *AMERICA)
    assert back["version"] == 2
    assert client(server.url).get_registered_model(name).aliases == {"champion-eu": "1", "champion-us": "2"}


def test_a_rollback_in_one_region_leaves_the_record_of_the_other(
    server: Server, name: str, run_cli: RunCli, tmp_path: Path
) -> None:
    """Version 2 came after 1 in Europe; a rollback to it in America does not change that."""
    for number, where in (("1", EUROPE), ("2", EUROPE), ("2", AMERICA), ("3", AMERICA)):
        run(run_cli, server, tmp_path, "promote", "--model", name, "--version", number, *where)
    run(run_cli, server, tmp_path, "rollback", "--model", name, *AMERICA)
    assert run(run_cli, server, tmp_path, "rollback", "--model", name, *EUROPE)["version"] == 1
    first = run(run_cli, server, tmp_path, "rollback", "--model", name, *AMERICA, code=1)
    assert "first version in production: nothing to return to" in first["message"]
