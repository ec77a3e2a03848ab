"""A registered model whose name looks like a pattern: the name counts, and no other model."""

from __future__ import annotations

import pytest
from conftest import MakeServer, RunCli
from support.seeding import Spec, client, fresh_name, seed


@pytest.fixture
def uri(make_server: MakeServer) -> str:
    return make_server().url


def test_it_is_the_group_alone(uri: str, run_cli: RunCli) -> None:
    """Read as a pattern, it would be the other model: a champion would leave production, a version be deleted."""
    name = fresh_name()
    odd, other = f"{name}[1]", f"{name}1"
    serving = Spec({"roc_auc": 0.7}, stage="Production", aliases=("champion",))
    seed(
        uri,
        {odd: [Spec({"roc_auc": 0.8}), Spec({"roc_auc": 0.9})], other: [Spec({"roc_auc": 0.95}), serving]},
    )
    where = (f"--tracking-uri={uri}", f"--models={odd}", "--output=json")
    env = {"MLOPS__PROMOTE__EXCLUSIVE": "true", "MLOPS__CLEANUP__KEEP_WITHIN": "0s"}
    chosen = run_cli("select", *where, env=env).doc
    assert {each["model"] for each in chosen["candidates"]} == {odd}
    done = run_cli("promote", *where, env=env)
    assert (done.code, done.doc.get("model")) == (0, odd), done.stderr
    assert client(uri).get_model_version_by_alias(other, "champion").version == "2"
    outside = run_cli("promote", *where, f"--model={other}", "--version=1", env=env)
    assert (outside.code, outside.doc["status"]) == (0, "promoted")
    assert client(uri).get_model_version_by_alias(odd, "champion").version == "2"
    planned = run_cli("cleanup", *where, "--keep-last=0", "--dry-run", env=env).doc
    assert {each["model"] for each in planned["items"]} == {odd}


def test_what_is_no_name_is_a_pattern(uri: str, run_cli: RunCli) -> None:
    name = fresh_name()
    seed(uri, {f"{name}1": [Spec()], f"{name}2": [Spec()], f"{name}3": [Spec()]})
    listed = run_cli("list", f"--tracking-uri={uri}", f"--models={name}[12]", "--output=json").doc
    assert [each["name"] for each in listed["models"]] == [f"{name}1", f"{name}2"]
