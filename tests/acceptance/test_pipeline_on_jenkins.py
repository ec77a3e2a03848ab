"""mlflowPipeline outside of an agent: training spread over agents, a person's approval, older builds that give way."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest
from mlflow.entities.model_registry import ModelVersion
from support.seeding import client

from acceptance.jenkins_server import SANDBOX, Build, JenkinsServer
from acceptance.job_scripts import block, call, steps
from acceptance.registry_state import champion, in_production, stages
from acceptance.served import Mlflow
from acceptance.training import NEEDS_PYTHON

Job = Callable[[str, str], str]
TRAIN = """
import sys
import mlflow

algorithm, score = sys.argv[1:]
client = mlflow.MlflowClient()
with mlflow.start_run(run_name=algorithm) as run:
    mlflow.log_metric("score", float(score))
try:
    client.create_registered_model("MODEL")
except mlflow.MlflowException:
    pass
client.create_model_version("MODEL", run.info.artifact_uri + "/model", run.info.run_id)
"""
CONFIG = """
models: MODEL
train:
  experiment: MODEL
  candidates:
    poor: python train.py poor 0.7
    good: python train.py good 0.9
    fair: python train.py fair 0.8
select:
  metric: score
  scope: build
"""

LEAST = 0.75
QUESTION = ("Promote or Abort", "Input requested")  # as versions of the step `input` say it

pytestmark = NEEDS_PYTHON


def team_pipeline(mlflow: Mlflow, model: str, gates: str = "", **arguments: Any) -> str:
    """A pipeline of three candidates whose sources come from the prepare block."""
    files = {"mlops.yaml": CONFIG + gates, "train.py": TRAIN}
    written = [
        call("writeFile", file=name, text=body.replace("MODEL", model)) for name, body in files.items()
    ]
    prepare = block("deleteDir()", *written)
    given: dict[str, Any] = {"trackingUri": mlflow.url, "maxParallel": "2", "prepare": prepare, **arguments}
    return steps("", call("mlflowPipeline", **given), agent=False)


def has_step(jenkins: JenkinsServer, name: str) -> bool:
    """Whether the plugin that brings a step is installed."""
    found = jenkins.groovy(
        "println(org.jenkinsci.plugins.workflow.steps.StepDescriptor.all().collect { it.functionName })"
    )
    return name in found.strip(" []\n").split(", ")


def needs_step(jenkins: JenkinsServer, name: str) -> None:
    """Skip the calling test where a step is missing."""
    if not has_step(jenkins, name):
        pytest.skip(f"the step {name} is not on this Jenkins")


def wait_for_question(jenkins: JenkinsServer, build: Build) -> None:
    """Wait until the build asks for the approval; it must hold no executor meanwhile."""

    def asked() -> bool | None:
        return any(question in build.console for question in QUESTION) or build.info()["result"] or None

    jenkins.until("the question", asked, 900, build.describe)
    assert any(question in build.console for question in QUESTION), build.describe()
    tree = "computer[executors[currentExecutable[url]]]"
    for computer in jenkins.json("computer/", tree)["computer"]:
        busy = [each["currentExecutable"] for each in computer["executors"]]
        assert build.path not in str(busy), f"an executor is held: {busy}\n{build.describe()}"


def best(mlflow: Mlflow, model: str, newest: int) -> int:
    """The version with the best score among the newest ones."""
    found = client(mlflow.direct).search_model_versions(f"name = '{model}'")
    latest = sorted(found, key=lambda version: -int(version.version))[:newest]
    return int(max(latest, key=lambda version: score(mlflow, version)).version)


def score(mlflow: Mlflow, version: ModelVersion) -> float:
    """What its training logged."""
    return float(client(mlflow.direct).get_run(str(version.run_id)).data.metrics["score"])


@pytest.mark.parametrize("library", ["trusted", "untrusted"])
def test_an_approved_promotion(
    jenkins: JenkinsServer, mlflow: Mlflow, job: Job, library: str, request: pytest.FixtureRequest
) -> None:
    """Trained once each, on agents of their own; nothing in production before the approval, the best after it."""
    model = f"approved-{library}"
    where: str = request.getfixturevalue(library)
    build = jenkins.start(job(where, team_pipeline(mlflow, model, approve={"timeout": "20m"})))
    wait_for_question(jenkins, build)
    assert stages(mlflow, model) == {1: "None", 2: "None", 3: "None"}, build.describe()
    build.answer("Promote", proceed=True)
    build.wait().expect_no_log(*SANDBOX).expect("SUCCESS")
    expected = best(mlflow, model, 3)
    assert (in_production(mlflow, model), champion(mlflow, model)) == ([expected], expected), build.describe()
    tags = client(mlflow.direct).get_model_version(model, str(expected)).tags
    assert os.environ["JENKINS_USER"] in {tags[key] for key in tags if "approved" in key}, tags


def test_a_model_made_again_is_not_the_approved_one(
    jenkins: JenkinsServer, untrusted: str, mlflow: Mlflow, job: Job
) -> None:
    """While a person is asked, the model is deleted and registered again: the number is approved, the run is not."""
    direct = client(mlflow.direct)
    build = jenkins.start(job(untrusted, team_pipeline(mlflow, "another", approve={"timeout": "20m"})))
    wait_for_question(jenkins, build)
    approved = best(mlflow, "another", 3)
    found = direct.search_model_versions("name = 'another'")
    runs = {int(version.version): str(version.run_id) for version in found}
    other = next(run for number, run in runs.items() if number != approved)
    direct.delete_registered_model("another")
    direct.create_registered_model("another")
    for _ in range(3):
        direct.create_model_version("another", f"runs:/{other}/model", other)
    build.answer("Promote", proceed=True)
    build.wait().expect_no_log(*SANDBOX).expect("FAILURE")
    build.expect_log(
        f"another version {approved} was to be the version from run {runs[approved]}, but now it comes from "
    )
    assert (in_production(mlflow, "another"), champion(mlflow, "another")) == ([], None), build.describe()


def test_a_refused_promotion_changes_nothing(
    jenkins: JenkinsServer, trusted: str, mlflow: Mlflow, job: Job
) -> None:
    """The person says Abort."""
    build = jenkins.start(job(trusted, team_pipeline(mlflow, "refused", approve="true")))
    wait_for_question(jenkins, build)
    build.answer("Promote", proceed=False)
    build.wait().expect("ABORTED")
    assert stages(mlflow, "refused") == {1: "None", 2: "None", 3: "None"}, build.describe()
    assert champion(mlflow, "refused") is None


def test_an_older_build_does_not_promote_over_a_newer_one(
    jenkins: JenkinsServer, trusted: str, mlflow: Mlflow, job: Job
) -> None:
    """The newer one was approved first. Without milestones, what it was approved over is no more there."""
    ends = ("NOT_BUILT", "ABORTED") if has_step(jenkins, "milestone") else ("FAILURE",)
    name = job(trusted, team_pipeline(mlflow, "ordered", approve={"timeout": "20m"}))
    older = jenkins.start(name)
    wait_for_question(jenkins, older)
    newer = jenkins.start(name)
    wait_for_question(jenkins, newer)
    newer.answer("Promote", proceed=True)
    newer.wait().expect("SUCCESS")
    expected = best(mlflow, "ordered", 3)
    if older.info()["building"]:
        older.answer("Promote", proceed=True)
    older.wait().expect(*ends)
    assert (in_production(mlflow, "ordered"), champion(mlflow, "ordered")) == ([expected], expected)


def test_gates_are_tests_on_the_builds_page(
    jenkins: JenkinsServer, trusted: str, mlflow: Mlflow, job: Job
) -> None:
    """One of each candidate; that one of them fails its gate is a result, and no reason to doubt the build."""
    needs_step(jenkins, "junit")
    script = team_pipeline(mlflow, "gated", f"  gates: {{score: '>= {LEAST}'}}\n")
    build = jenkins.start(job(trusted, script)).wait().expect_no_log(*SANDBOX).expect("SUCCESS")
    tree = "suites[cases[className,name,status]]"
    report = jenkins.json(f"{build.path}testReport/", tree)
    cases = [case for suite in report["suites"] for case in suite["cases"]]
    failed = [
        (case["className"], case["name"]) for case in cases if case["status"] not in ("PASSED", "FIXED")
    ]
    versions = client(mlflow.direct).search_model_versions("name = 'gated'")
    poor = next(v.version for v in versions if score(mlflow, v) < LEAST)
    assert (len(cases), failed) == (6, [(f"gates.gated version {poor}", f"score >= {LEAST}")]), report


def waiting_for_the_lock(
    jenkins: JenkinsServer, trusted: str, mlflow: Mlflow, job: Job, model: str
) -> tuple[Build, Build]:
    """A build that holds the lock of a model until it is told to go on, and one that waits to promote that model."""
    needs_step(jenkins, "lock")
    holder = jenkins.start(
        job(trusted, f"lock('mlflow {model}') {{ input(id: 'Go', message: 'let it go?') }}")
    )
    jenkins.until("the holder", lambda: "let it go?" in holder.console or None, 120, holder.describe)
    build = jenkins.start(job(trusted, team_pipeline(mlflow, model)))

    def waits() -> bool | None:
        asked = build.console.lower().partition("trying to acquire lock")[2]
        return "waiting" in asked or build.info()["result"] or None

    jenkins.until("the wait", waits, 900, build.describe)
    assert build.info()["building"], build.describe()
    assert in_production(mlflow, model) == [], build.describe()
    return holder, build


def test_a_promotion_waits_for_jenkins_own_lock(
    jenkins: JenkinsServer, trusted: str, mlflow: Mlflow, job: Job
) -> None:
    """The resource is held by another build: the promotion waits until it is free."""
    holder, build = waiting_for_the_lock(jenkins, trusted, mlflow, job, "locked")
    holder.answer("Go", proceed=True)
    holder.wait().expect("SUCCESS")
    build.wait().expect_no_log(*SANDBOX, "only the runner itself locks").expect("SUCCESS")
    expected = best(mlflow, "locked", 3)
    assert (in_production(mlflow, "locked"), champion(mlflow, "locked")) == ([expected], expected)


def test_what_went_into_production_since_the_selection_is_not_replaced(
    jenkins: JenkinsServer, trusted: str, mlflow: Mlflow, job: Job
) -> None:
    """Nobody approves anything here: the winner has not been compared with what is in production now."""
    holder, build = waiting_for_the_lock(jenkins, trusted, mlflow, job, "meantime")
    other = min(set(stages(mlflow, "meantime")) - {best(mlflow, "meantime", 3)})
    client(mlflow.direct).transition_model_version_stage("meantime", str(other), "Production")
    client(mlflow.direct).set_registered_model_alias("meantime", "champion", str(other))
    holder.answer("Go", proceed=True)
    build.wait().expect("FAILURE").expect_log(
        f"was to replace nothing, but now it would replace meantime/{other}"
    )
    assert (in_production(mlflow, "meantime"), champion(mlflow, "meantime")) == ([other], other)
