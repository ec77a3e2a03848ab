"""Which build is it: a job that was made again, a build that was replayed, and one that was restarted from a stage.

Each has its own id, selects what it has trained itself, and archives no other build's report.
"""

from __future__ import annotations

import json
import os
from typing import Any

import pytest
from support.seeding import client

from acceptance.items import pipeline
from acceptance.jenkins_server import SANDBOX, Build, JenkinsServer, item_path
from acceptance.job_scripts import HEAD, call, text
from acceptance.registry_state import in_production
from acceptance.served import Mlflow
from acceptance.training import NEEDS_PYTHON, TRAIN

CONFIG = """
models: MODEL
train:
  experiment: MODEL
  candidates: {one: python train.py}
select: {metric: score, scope: build}
"""
SAY = "echo('BUILD ' + env.BUILD_TAG + '@' + currentBuild.startTimeInMillis)"

pytestmark = NEEDS_PYTHON


def sources(model: str) -> str:
    """Statements that write the team's files."""
    files = {"mlops.yaml": CONFIG, "train.py": TRAIN}
    written = [
        call("writeFile", file=name, text=body.replace("MODEL", model)) for name, body in files.items()
    ]
    return "\n".join(written)


def kept(name: str) -> str:
    """A workspace that stays when the job is deleted, as a Groovy text."""
    return text(f"workspace/{name}-kept")


def in_workspace(name: str, mlflow: Mlflow, *calls: str) -> str:
    """A pipeline in that workspace."""
    body = "\n".join(calls)
    address = text(f"MLFLOW_TRACKING_URI={mlflow.url}")
    return f"{HEAD}node {{ ws({kept(name)}) {{ withEnv([{address}]) {{\n{SAY}\n{body}\n}} }} }}\n"


def document(build: Build, command: str) -> dict[str, Any]:
    """A command's JSON document among the artifacts."""
    found: dict[str, Any] = json.loads(build.artifacts[f"mlflow-report/{command}.json"])
    return found


def chosen(build: Build) -> int:
    """The version that the build selected."""
    return int(document(build, "select")["selected"]["version"])


def identity(build: Build) -> str:
    """The id with which the build's commands worked; all of its documents and its report's mark have the same."""
    artifacts = build.artifacts
    documents = [path for path in artifacts if path.endswith(".json")]
    found = {json.loads(artifacts[path])["build"] for path in documents}
    found.add(artifacts["mlflow-report/.jenkins-mlflow-report"].strip())
    assert len(found) == 1, f"{found}\n{build.describe()}"
    (said,) = found
    build.expect_log(f"BUILD {said}")
    return str(said)


@pytest.mark.parametrize("library", ["trusted", "untrusted"])
def test_a_job_that_was_made_again_does_not_take_the_old_builds_for_its_own(
    jenkins: JenkinsServer, mlflow: Mlflow, library: str, request: pytest.FixtureRequest
) -> None:
    """One BUILD_TAG, one workspace, two builds; a third one, which fails early, has no report at all."""
    where: str = request.getfixturevalue(library)
    model, name = f"made-again-{library}", f"{where}/made-again"
    work = in_workspace(name, mlflow, sources(model), call("mlflowPipeline"))
    jenkins.create(name, pipeline(work))
    first = jenkins.run(name).expect("SUCCESS").expect_no_log(*SANDBOX)
    before = identity(first)
    assert (chosen(first), in_production(mlflow, model)) == (1, [1]), first.describe()

    jenkins.delete(name)
    start = "JENKINS_MLFLOW_CACHE=relative"  # the launcher refuses it, so no command claims the report folder
    early = in_workspace(name, mlflow, f"withEnv([{text(start)}]) {{ mlflowPipeline() }}")
    jenkins.create(name, pipeline(early))
    failed = jenkins.run(name).expect("FAILURE").expect_log("the cache folder relative is no absolute path")
    failed.expect_log(f"BUILD {before.rpartition('@')[0]}@")
    assert failed.artifacts == {}, failed.describe()

    jenkins.delete(name)
    jenkins.create(name, pipeline(work.replace("0.9", "0.95")))
    again = jenkins.run(name).expect("SUCCESS").expect_no_log(*SANDBOX)
    after = identity(again)
    tag, _, started = before.rpartition("@")
    assert again.number == first.number == 1
    assert after.rpartition("@")[0] == tag, (before, after)
    assert int(after.rpartition("@")[2]) > int(started), (before, after)
    assert (chosen(again), in_production(mlflow, model)) == (2, [2]), again.describe()
    verdicts = {int(each["version"]): each["reason"] for each in document(again, "select")["candidates"]}
    assert verdicts.keys() == {1, 2}, verdicts
    tags = (
        client(mlflow.direct)
        .get_run(str(client(mlflow.direct).get_model_version(model, "2").run_id))
        .data.tags
    )
    assert tags["jenkins_mlflow.build"] == after, tags


@pytest.mark.parametrize("library", ["trusted", "untrusted"])
def test_a_replayed_build_is_a_new_one(
    jenkins: JenkinsServer, mlflow: Mlflow, library: str, request: pytest.FixtureRequest
) -> None:
    """It trains and selects anew; the record has the person who replayed it."""
    where: str = request.getfixturevalue(library)
    model, name = f"replayed-{library}", f"{where}/replayed"
    work = in_workspace(
        name, mlflow, sources(model).replace("0.9", "0.' + env.BUILD_NUMBER + '"), call("mlflowPipeline")
    )
    jenkins.create(name, pipeline(work))
    first = jenkins.run(name).expect("SUCCESS").expect_no_log(*SANDBOX)
    jenkins.post(f"{first.path}replay/rebuild")
    second = followed(jenkins, first).expect("SUCCESS").expect_no_log(*SANDBOX).expect_log("Replayed #1")
    assert identity(second) != identity(first)
    assert (chosen(first), chosen(second), in_production(mlflow, model)) == (1, 2, [2]), second.describe()
    tags = client(mlflow.direct).get_model_version(model, "2").tags
    assert tags["jenkins_mlflow.promoted_by"] == os.environ["JENKINS_USER"], tags


def followed(jenkins: JenkinsServer, build: Build) -> Build:
    """The job's next build, when it has ended."""
    number = build.number + 1
    address = f"{jenkins.url}{item_path(build.job)}"
    jenkins.until(
        f"build {number} of {build.job}",
        lambda: jenkins.json(address, "nextBuildNumber")["nextBuildNumber"] > number or None,
        300,
        build.describe,
    )
    jenkins.until(
        f"the start of build {number}",
        lambda: (
            (jenkins.json(address, "lastBuild[number]")["lastBuild"] or {}).get("number") == number or None
        ),
        300,
        build.describe,
    )
    return Build(jenkins, f"{address}{number}/", build.job, number).wait()


def restartable(name: str, mlflow: Mlflow, model: str) -> str:
    """A declarative pipeline: one stage trains, one selects and promotes."""
    return f"""{HEAD}
pipeline {{
    agent {{
        node {{
            label ''
            customWorkspace {text(f"workspace/{name}-kept")}
        }}
    }}
    environment {{ MLFLOW_TRACKING_URI = {text(mlflow.url)} }}
    stages {{
        stage('Train') {{
            steps {{ script {{ {SAY} }}
                {sources(model)}
                mlflowAgent {{ mlflowTrain() }}
            }}
        }}
        stage('Promote') {{
            steps {{ script {{
                {SAY}
                mlflowAgent {{
                    if (env.BUILD_NUMBER == '1') {{ error('MLflow is away') }}
                    def found = mlflowSelect(SELECT)
                    if (found.status == 'selected') {{
                        mlflowPromote(model: found.selected.model, version: found.selected.version)
                    }}
                }}
            }} }}
        }}
    }}
    post {{ always {{ archiveArtifacts(artifacts: 'mlflow-report/**', allowEmptyArchive: true) }} }}
}}
"""


@pytest.mark.parametrize(
    ("scope", "promoted"),
    [
        ("scope: 'build'", []),
        ("scope: 'group'", [1]),
        ("scope: 'build', build: readFile('mlflow-report/.jenkins-mlflow-report').trim()", [1]),
    ],
    ids=["build", "group", "first"],
)
def test_a_build_restarted_from_a_stage_is_a_new_one(
    jenkins: JenkinsServer,
    untrusted: str,
    mlflow: Mlflow,
    scope: str,
    promoted: list[int],
    request: pytest.FixtureRequest,
) -> None:
    """It has trained nothing itself: nothing is selected with the scope `build`, unless the first build is named.

    Jenkins copies the artifacts of the first build to it; only the files that no command wrote anew are the first's.
    """
    model = f"restarted-{request.node.callspec.id}"
    name = f"{untrusted}/{model}"
    work = restartable(name, mlflow, model).replace("SELECT", scope)
    jenkins.create(name, pipeline(work))
    first = jenkins.run(name).expect("FAILURE").expect_log("MLflow is away").expect_no_log(*SANDBOX)
    trained = identity(first)
    jenkins.post(f"{first.path}restart/restartPipeline", stageName="Promote")
    second = followed(jenkins, first).expect_no_log(*SANDBOX)
    now = second.artifacts["mlflow-report/.jenkins-mlflow-report"].strip()
    second.expect_log(f"BUILD {now}").expect_no_log(f"BUILD {trained}")
    assert document(second, "train")["build"] == trained != now, second.describe()
    assert in_production(mlflow, model) == promoted, second.describe()
    if promoted:
        second.expect("SUCCESS")
    else:
        second.expect("UNSTABLE").expect_log(f"not trained by build {now}")
