"""A step never changes the whole registry because nobody said which models are meant."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from jenkins_mlflow.agent.scope import refuse_silent_scope
from jenkins_mlflow.errors import ConfigError, UsageError


def request(command: str, *, all_models: bool = False, **options: Any) -> dict[str, Any]:
    return {"command": command, "options": options, "all_models": all_models}


@pytest.mark.parametrize("command", ["promote", "cleanup"])
def test_without_config_and_models_a_change_is_refused(tmp_path: Path, command: str) -> None:
    """There were 22 models of all teams."""
    with pytest.raises(UsageError) as refused:
        refuse_silent_scope(request(command, yes=True), tmp_path, {})
    assert (
        refused.value.message
        == f"no mlops.yaml in {tmp_path}, so {command} would work on every model of the registry"
    )
    assert refused.value.next_step == (
        "write config, or name models or model; allModels: true works on all of them"
    )


def test_the_message_says_where_a_config_is(tmp_path: Path) -> None:
    """The step was called one folder too high."""
    for folder in ("team/churn", "a", "b", "c", ".git", "node/x/y/z/too/deep"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "mlops.yaml").write_text("models: m\n", encoding="utf-8")
    with pytest.raises(UsageError) as refused:
        refuse_silent_scope(request("cleanup"), tmp_path, {})
    assert refused.value.message.endswith(
        "; mlops.yaml is at a/mlops.yaml, b/mlops.yaml, c/mlops.yaml and 1 other place"
    )
    assert refused.value.next_step == (
        "write config: 'a/mlops.yaml', or name models or model; allModels: true works on all of them"
    )


@pytest.mark.parametrize(
    ("asked", "environ"),
    [
        (request("cleanup", models=["m"]), {}),
        (request("promote", model="m"), {}),
        (request("cleanup", all_models=True), {}),
        (request("cleanup", dryRun=True), {}),
        (request("cleanup", plan="plan.json"), {}),
        (request("cleanup", apply="plan.json"), {}),
        (request("cleanup"), {"MLOPS__MODELS": "m"}),
        (request("list"), {}),
    ],
    ids=["models", "model", "all", "dry run", "plan", "apply", "environment", "looks only"],
)
def test_what_is_said_or_only_looks_is_let_through(
    tmp_path: Path, asked: dict[str, Any], environ: dict[str, str]
) -> None:
    """Nothing is silent there."""
    refuse_silent_scope(asked, tmp_path, environ)


@pytest.mark.parametrize("name", ["mlops.yaml", "team/other.yaml"])
@pytest.mark.parametrize("models", ["models: m\n", "models: '*'\n"])
def test_a_config_that_names_models_is_enough(tmp_path: Path, name: str, models: str) -> None:
    """What it says of models is what the team wrote."""
    (tmp_path / "team").mkdir()
    (tmp_path / name).write_text(models, encoding="utf-8")
    refuse_silent_scope(request("cleanup", config=None if name == "mlops.yaml" else name), tmp_path, {})


@pytest.mark.parametrize("name", ["mlops.yaml", "other.yaml"])
@pytest.mark.parametrize("command", ["promote", "cleanup"])
def test_a_config_without_models_names_none(tmp_path: Path, command: str, name: str) -> None:
    """A cleanup step worked on 57 models of all teams."""
    (tmp_path / name).write_text("select: {metric: roc_auc}\n", encoding="utf-8")
    asked = request(command, config=None if name == "mlops.yaml" else name)
    with pytest.raises(UsageError) as refused:
        refuse_silent_scope(asked, tmp_path, {})
    assert refused.value.message == (
        f"{tmp_path}/{name} does not set models, so {command} would work on every model of the registry"
    )
    assert refused.value.next_step == (
        f"set models in {tmp_path}/{name}, or name models or model; allModels: true works on all of them"
    )
    refuse_silent_scope(asked, tmp_path, {"MLOPS__MODELS": "m"})


def test_a_config_with_the_other_ending_is_told(tmp_path: Path) -> None:
    """Not as a folder without one."""
    (tmp_path / "mlops.yml").write_text("models: m\n", encoding="utf-8")
    with pytest.raises(ConfigError) as refused:
        refuse_silent_scope(request("cleanup"), tmp_path, {})
    assert refused.value.message == f"{tmp_path}/mlops.yml is not read: the config in a folder is mlops.yaml"
