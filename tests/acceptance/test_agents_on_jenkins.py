"""Training spread over several agents of a real Jenkins, one of which is lost in the middle."""

from __future__ import annotations

import contextlib
import json
import shlex
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support.seeding import client

from acceptance.agents import Agent, agents
from acceptance.items import pipeline
from acceptance.jenkins_server import SANDBOX, Build, JenkinsServer
from acceptance.job_scripts import Block, block, call, results, steps, text
from acceptance.registry_state import champion, in_production
from acceptance.served import Mlflow

Job = Callable[[str, str], str]
TRAINING_SECONDS = 600
# registers its version, says where it is, waits for files; the first try has the better score, so that what is lost
# would win if it could be selected
TRAIN = f"""
import os, sys, time
from pathlib import Path
import mlflow

model, folder, name, score, *awaited = sys.argv[1:]
marks = Path(folder)
mark = marks / name
client = mlflow.MlflowClient()
with mlflow.start_run(run_name=name, tags={{"node": os.environ["NODE_NAME"]}}) as run:
    mlflow.log_metric("score", float(score) + (0 if mark.exists() else 0.05))
    try:
        client.create_registered_model(model)
    except mlflow.MlflowException:
        pass
    client.create_model_version(model, run.info.artifact_uri + "/model", run.info.run_id)
    (marks / "new").with_suffix("." + name).write_text(os.environ["NODE_NAME"])
    (marks / "new").with_suffix("." + name).rename(mark)
    for _ in range({TRAINING_SECONDS * 5}):
        if all((marks / other).exists() for other in awaited):
            break
        time.sleep(0.2)
    else:
        sys.exit(f"{{name}} waited in vain for {{awaited}}")
"""


@pytest.fixture
def marks(tmp_path: Path) -> Path:
    """Where candidates and test tell each other how far they are; the agents are on this machine."""
    folder = tmp_path / "marks"
    folder.mkdir()
    return folder


@pytest.fixture
def own_agents(
    jenkins: JenkinsServer, prefix: str, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[dict[str, Agent]]:
    """Two agents of this test's own, by name; the test's name is their label."""
    folder = tmp_path / "agents"
    folder.mkdir()
    with agents(jenkins, f"{prefix}-{request.node.name}", 2, folder) as made:
        yield made


def command(model: str, marks: Path, name: str, score: str, *awaited: str) -> list[str]:
    """A candidate's command: trained with the tests' own python, it ends when the others have left their marks."""
    return [sys.executable, "train.py", model, str(marks), name, score, *awaited]


def spread(model: str, uri: str, label: str, candidates: dict[str, list[str]], *more: str) -> str:
    """A pipeline that trains candidates, the words of their commands by name, on agents of a label."""
    config = {
        "models": model,
        "train": {
            "experiment": model,
            "candidates": {key: shlex.join(command_line) for key, command_line in candidates.items()},
        },
        "select": {"metric": "score", "scope": "build"},
    }
    files = {"mlops.yaml": json.dumps(config), "train.py": TRAIN}
    written = [call("writeFile", file=name, text=body) for name, body in files.items()]
    place: dict[str, Any] = {
        "label": label,
        "trackingUri": uri,
        "prepare": block("deleteDir()", *written),
    }
    return steps("", *[call(step, step, **place) for step in ("mlflowTrain", *more)], agent=False)


@contextlib.contextmanager
def started(jenkins: JenkinsServer, job: str) -> Iterator[Build]:
    """A build that has ended at the latest when the block has."""
    build = jenkins.start(job)
    try:
        yield build
    finally:
        if build.info()["building"]:
            build.stop()


def trained(mlflow: Mlflow, model: str) -> list[tuple[str, str, str, int]]:
    """Candidate, outcome, node and number of every version, by the tags of the runs that made them."""
    direct = client(mlflow.direct)
    found = []
    for version in direct.search_model_versions(f"name = '{model}'"):
        tags = direct.get_run(str(version.run_id)).data.tags
        keys = ("jenkins_mlflow.candidate", "jenkins_mlflow.outcome", "node")
        candidate, outcome, node = (tags.get(key, "") for key in keys)
        found.append((candidate, outcome, node, int(version.version)))
    return sorted(found)


def test_candidates_work_on_several_agents(
    jenkins: JenkinsServer, trusted: str, mlflow: Mlflow, job: Job, own_agents: dict[str, Agent], marks: Path
) -> None:
    """Each waits for the other, so neither agent can have done the work of both; their results are gathered."""
    candidates = {
        "left": command("several", marks, "left", "0.7", "right"),
        "right": command("several", marks, "right", "0.8", "left"),
    }
    script = spread("several", mlflow.url, next(iter(own_agents.values())).label, candidates)
    with started(jenkins, job(trusted, script)) as build:
        build.wait(TRAINING_SECONDS).expect("SUCCESS").expect_no_log(*SANDBOX)
    found = trained(mlflow, "several")
    assert [each[:2] for each in found] == [("left", "ok"), ("right", "ok")], build.describe()
    assert {node for _, _, node, _ in found} == set(own_agents), build.describe()
    gathered = results(build.console)["mlflowTrain"]
    assert [(each["name"], each["status"]) for each in gathered["candidates"]] == [
        ("left", "ok"),
        ("right", "ok"),
    ], gathered
    assert sorted(len(run["versions"]) for run in gathered["runs"]) == [1, 1], gathered


def test_training_survives_a_lost_agent(
    jenkins: JenkinsServer, trusted: str, mlflow: Mlflow, job: Job, own_agents: dict[str, Agent], marks: Path
) -> None:
    """The agent is killed with all that runs on it, and its node removed, as a cloud does.

    Without the removal Jenkins waits five minutes for an agent to come back before it counts as lost.
    """
    candidates = {
        "slow": command("survivor", marks, "slow", "0.9", "go"),
        "quick": command("survivor", marks, "quick", "0.7"),
    }
    label = next(iter(own_agents.values())).label
    script = spread("survivor", mlflow.url, label, candidates, "mlflowPromote")
    with started(jenkins, job(trusted, script)) as build:

        def under_way() -> bool | None:
            return (marks / "slow").exists() or build.info()["result"] or None

        jenkins.until("the slow candidate's first version", under_way, TRAINING_SECONDS, build.describe)
        assert (marks / "slow").exists(), build.describe()
        lost = (marks / "slow").read_text()
        own_agents[lost].lose()
        (marks / "go").touch()
        build.wait(TRAINING_SECONDS).expect_log("Retrying").expect("SUCCESS").expect_no_log(*SANDBOX)
    (survivor,) = set(own_agents) - {lost}
    found = trained(mlflow, "survivor")
    assert [each[:2] for each in found] == [("quick", "ok"), ("slow", "lost"), ("slow", "ok")], (
        build.describe()
    )
    assert [node for _, _, node, _ in found] == [survivor, lost, survivor], build.describe()
    best = found[-1][-1]
    said = results(build.console)
    assert said["mlflowTrain"]["message"] == "2 of 2 candidates trained; 2 runs logged, 2 versions registered"
    assert said["mlflowPromote"]["version"] == best, build.describe()
    assert (in_production(mlflow, "survivor"), champion(mlflow, "survivor")) == ([best], best), (
        build.describe()
    )


def test_a_build_has_one_id_on_agents_of_two_locales(
    jenkins: JenkinsServer, untrusted: str, mlflow: Mlflow, prefix: str, tmp_path: Path
) -> None:
    """One agent cannot say the job's name: it trains, and the report is archived; another one selects what it trained.

    Jenkins itself cannot work in a folder of that name there, as it need not for a branch of a multibranch project.
    """
    label, name = f"{prefix}-ascii", f"{untrusted}/für alle"
    config = {
        "models": "locales",
        "train": {"experiment": "locales", "candidates": {"one": f"{shlex.quote(sys.executable)} train.py"}},
        "select": {"metric": "score", "scope": "build"},
    }
    train = """
import mlflow
client = mlflow.MlflowClient()
with mlflow.start_run() as run:
    mlflow.log_metric("score", 0.9)
client.create_registered_model("locales")
client.create_model_version("locales", run.info.artifact_uri + "/model", run.info.run_id)
"""
    written = [
        call("writeFile", file="mlops.yaml", text=json.dumps(config)),
        call("writeFile", file="train.py", text=train),
    ]
    ascii_agent = Block(
        f"{{ body -> node({text(label)}) {{ ws({text(str(tmp_path / 'plain'))}) {{ body() }} }} }}"
    )
    place = {"trackingUri": mlflow.url}
    script = steps(
        "",
        f"{call('mlflowAgent', agent=ascii_agent, prepare=block(*written))} {{\n"
        f"  sh('echo SEEN $BUILD_TAG'); {call('mlflowTrain', 'train', **place)}\n}}",
        f"node {{ deleteDir(); {'; '.join(written)}; {call('mlflowSelect', 'select', **place)} }}",
        agent=False,
    )
    (tmp_path / "agents").mkdir()
    with agents(jenkins, label, 1, tmp_path / "agents", LC_ALL="POSIX"):
        jenkins.create(name, pipeline(script))
        build = jenkins.run(name, seconds=TRAINING_SECONDS).expect("SUCCESS").expect_no_log(*SANDBOX)
    build.expect_log("SEEN jenkins-").expect_no_log(f"SEEN jenkins-{name.replace('/', '-')}")
    said = results(build.console)
    assert said["train"]["build"] == said["select"]["build"], said
    assert said["select"]["selected"]["version"] == 1, build.describe()
    assert "mlflow-report/.jenkins-mlflow-report" in build.artifacts, build.describe()
