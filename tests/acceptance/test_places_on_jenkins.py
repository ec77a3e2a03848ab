"""Where a pipeline runs: on as few agents as serve, in a multibranch project, on a Jenkins with few plugins."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support.seeding import client

from acceptance.items import multibranch
from acceptance.jenkins_server import SANDBOX, Build, JenkinsServer, item_path
from acceptance.job_scripts import HEAD, block, call, steps
from acceptance.registry_state import champion, in_production, stages
from acceptance.served import BRANCH, Mlflow, serve_repository
from acceptance.training import NEEDS_PYTHON, TRAIN

Job = Callable[[str, str], str]
CONFIG = """
models: MODEL
train:
  experiment: MODEL
  candidates: {one: python train.py}
select: {metric: score, scope: build, gates: {score: '>= 0.5'}}
"""
OPTIONAL = {
    "lock": "There is no step lock: only the runner itself locks",
    "milestone": "There is no step milestone: an older build may promote after a newer one",
    "junit": "There is no step junit: no test report of the gates",
}

pytestmark = NEEDS_PYTHON


def files(model: str) -> dict[str, str]:
    return {
        name: body.replace("MODEL", model) for name, body in (("mlops.yaml", CONFIG), ("train.py", TRAIN))
    }


def team(mlflow: Mlflow, model: str, **arguments: Any) -> str:
    written = [call("writeFile", file=name, text=body) for name, body in files(model).items()]
    given: dict[str, Any] = {
        "trackingUri": mlflow.url,
        "prepare": block("deleteDir()", *written),
        **arguments,
    }
    return steps("", call("mlflowPipeline", **given), agent=False)


def missing(jenkins: JenkinsServer) -> set[str]:
    """The steps of other plugins that this Jenkins does not have."""
    found = jenkins.groovy(
        "println(org.jenkinsci.plugins.workflow.steps.StepDescriptor.all().collect { it.functionName })"
    )
    return OPTIONAL.keys() - set(found.strip(" []\n").split(", "))


def test_one_agent_serves_all_stages(
    jenkins: JenkinsServer, untrusted: str, mlflow: Mlflow, job: Job
) -> None:
    """With no approval in between, one agent and one preparation; each optional step is used or its lack is said."""
    build = jenkins.run(job(untrusted, team(mlflow, "one-agent", cleanup=True))).expect("SUCCESS")
    build.expect_no_log(*SANDBOX)
    assert build.console.count("Running on ") == 1, build.describe()
    lacking = missing(jenkins)
    for step, line in OPTIONAL.items():
        assert (line in build.console) == (step in lacking), f"{step}: {line}\n{build.describe()}"
    assert (in_production(mlflow, "one-agent"), champion(mlflow, "one-agent")) == ([1], 1), build.describe()


def test_a_dry_run_trains_nothing(jenkins: JenkinsServer, untrusted: str, mlflow: Mlflow, job: Job) -> None:
    """Before the first training it says that nothing is registered; after it, what would change. Twice the same."""
    real = job(untrusted, team(mlflow, "drilled", cleanup=True))
    dry = job(untrusted, team(mlflow, "drilled", cleanup=True, dryRun=True))
    first = jenkins.run(dry).expect("SUCCESS").expect_no_log(*SANDBOX)
    first.expect_log("1 candidate would be trained: one").expect_log('"drilled" matches no registered model')
    direct = client(mlflow.direct)
    assert direct.search_registered_models("name = 'drilled'") == [], first.describe()
    jenkins.run(real).expect("SUCCESS")
    jenkins.run(real).expect("SUCCESS")
    before = stages(mlflow, "drilled")
    second = jenkins.run(dry).expect("SUCCESS").expect_no_log(*SANDBOX)
    assert stages(mlflow, "drilled") == before == {1: "Production", 2: "None"}, second.describe()
    assert json.loads(second.artifacts["mlflow-report/train.json"])["status"] == "planned"


@pytest.fixture
def project(tmp_path: Path, mlflow: Mlflow) -> Iterator[str]:
    """Address of a team's own repository with two branches, one of them with a slash in its name."""
    source = tmp_path / "team"
    source.mkdir()
    jenkinsfile = f"{HEAD}node {{\n  checkout(scm)\n  {call('mlflowPipeline', trackingUri=mlflow.url)}\n}}\n"
    git = ["git", "-C", str(source), "-c", "user.name=t", "-c", "user.email=t@example.com"]
    subprocess.run([*git, "init", "--quiet", "--initial-branch", BRANCH], check=True)
    for branch, model in ((BRANCH, "branch-main"), ("feature/new data", "branch-feature")):
        branch_name = branch.replace(" ", "-")
        if branch != BRANCH:
            subprocess.run([*git, "checkout", "--quiet", "-b", branch_name], check=True)
        for name, body in {**files(model), "Jenkinsfile": jenkinsfile}.items():
            (source / name).write_text(body, encoding="utf-8")
        subprocess.run([*git, "add", "--all"], check=True)
        subprocess.run([*git, "commit", "--quiet", "--message", model], check=True)
    folder = tmp_path / "served"
    folder.mkdir()
    with serve_repository(source, folder, branches=("feature/new-data",)) as address:
        yield address


def test_a_multibranch_project_builds_each_branch(
    jenkins: JenkinsServer, trusted: str, mlflow: Mlflow, project: str
) -> None:
    """Each branch's own sources and models; the record has the branch's build."""
    name = f"{trusted}/branches"
    jenkins.create(name, multibranch(project))
    jenkins.post(f"{item_path(name)}build")
    jobs = {"branch-main": BRANCH, "branch-feature": "feature%2Fnew-data"}

    def built() -> bool | None:
        found = jenkins.json(item_path(name), "jobs[name,lastBuild[result]]")["jobs"]
        done = [each for each in found if each["lastBuild"] and each["lastBuild"]["result"]]
        return len(done) == len(jobs) or None

    jenkins.until(
        "both branches' builds",
        built,
        900,
        lambda: jenkins.get(f"{item_path(name)}indexing/consoleText").text,
    )
    for model, branch in jobs.items():
        address = jenkins.json(f"{item_path(name)}job/{branch.replace('%', '%25')}/", "lastBuild[url]")
        build = Build(jenkins, address["lastBuild"]["url"], f"{name}/{branch}", 1)
        build.expect("SUCCESS").expect_no_log(*SANDBOX)
        assert (in_production(mlflow, model), champion(mlflow, model)) == ([1], 1), build.describe()
        tags = client(mlflow.direct).get_model_version(model, "1").tags
        assert "/branches/" in tags["jenkins_mlflow.build_url"], tags
