"""An approval counts for a version, not for its number."""

from __future__ import annotations

from pathlib import Path

from conftest import MakeServer, RunCli
from support.seeding import Spec, client, fresh_name, seed


def test_a_model_that_was_registered_again_is_not_promoted(make_server: MakeServer, run_cli: RunCli) -> None:
    """Its version 1 is another one than the version 1 that was approved."""
    uri, name = make_server().url, fresh_name()
    seed(uri, {name: [Spec({"roc_auc": 0.9})]})
    given = (f"--tracking-uri={uri}", "--output=json")
    approved = run_cli("select", f"--models={name}", *given).doc["run_id"]
    asked = ("promote", f"--model={name}", "--version=1", "--over=nothing", "--approved-by=alice", *given)
    client(uri).delete_registered_model(name)
    seed(uri, {name: [Spec({"roc_auc": 0.1})]})
    refused = run_cli(*asked, f"--run={approved}")
    assert refused.code == 1
    now = client(uri).get_model_version(name, "1")
    wanted = f"was to be the version from run {approved}, but now it comes from run {now.run_id}"
    assert wanted in refused.doc["message"]
    assert (now.current_stage, dict(now.tags)) == ("None", {})
    assert run_cli(*asked, f"--run={now.run_id}").doc["status"] == "promoted"


def test_also_to_another_server(make_server: MakeServer, run_cli: RunCli, tmp_path: Path) -> None:
    """Nothing is copied there."""
    uri, name = make_server().url, fresh_name()
    there = make_server(workers=2).url
    seed(uri, {name: [Spec({"roc_auc": 0.9})]})
    config = tmp_path / "mlops.yaml"
    config.write_text(f"models: {name}\nservers: {{prod: {{uri: '{there}'}}}}\n")
    refused = run_cli(
        "promote", f"--config={config}", f"--tracking-uri={uri}", f"--model={name}", "--version=1",
        "--to-server=prod", "--run=ab12", "--output=json",
    )  # fmt: skip
    assert refused.code == 1
    assert "was to be the version from run ab12, but now it comes from run " in refused.doc["message"]
    assert not client(there).search_registered_models(f"name = '{name}'")
