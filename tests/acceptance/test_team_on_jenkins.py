"""A team whose training does everything itself: it chooses the server, registers, promotes, and prints megabytes.

Its pipeline is built twice in one workspace, as an agent that is kept does it.
"""

from __future__ import annotations

import json
from collections.abc import Callable

from support.seeding import client

from acceptance.jenkins_server import SANDBOX, Build, JenkinsServer
from acceptance.job_scripts import call, steps
from acceptance.registry_state import champion, in_production, stages
from acceptance.served import Mlflow
from acceptance.training import NEEDS_PYTHON

Job = Callable[[str, str], str]
MEGABYTES = 3
LAST_LINES = 60
TRAIN = f"""
import os, sys
import mlflow

name, score = sys.argv[1:]
mlflow.set_tracking_uri("URI")
mlflow.set_experiment("own way")
client = mlflow.MlflowClient()
with mlflow.start_run(run_name=name) as run:
    mlflow.log_metric("score", float(score) + float(os.environ.get("MORE", "0")))
    for number in range({MEGABYTES} * 10_000):
        print(f"{{name}} epoch {{number}}: " + "loss 0.123 " * 7)
    try:
        client.create_registered_model("MODEL")
    except mlflow.MlflowException:
        pass
    version = client.create_model_version("MODEL", run.info.artifact_uri + "/model", run.info.run_id).version
client.transition_model_version_stage("MODEL", version, "Production", archive_existing_versions=True)
client.set_registered_model_alias("MODEL", "champion", version)
client.set_registered_model_alias("MODEL", "newest", version)
client.set_registered_model_tag("MODEL", "team", "itself")
print("promoted", version)
sys.exit(3 if os.environ.get("FAILS") == name else 0)
"""
CONFIG = """
models: MODEL
train:
  experiment: MODEL
  on_failure: ON_FAILURE
  candidates:
    one: python train.py one 0.7
    two: python train.py two 0.8
select:
  metric: score
  include: {aliases: [newest]}
"""

pytestmark = NEEDS_PYTHON


def team(mlflow: Mlflow, model: str, on_failure: str = "stop") -> str:
    """The team's pipeline; FAILS and MORE are parameters of the build."""
    files = {"mlops.yaml": CONFIG.replace("ON_FAILURE", on_failure), "train.py": TRAIN}
    written = [
        call("writeFile", file=name, text=body.replace("MODEL", model).replace("URI", mlflow.direct))
        for name, body in files.items()
    ]
    declared = "properties([parameters([string(name: 'FAILS'), string(name: 'MORE', defaultValue: '0')])])"
    script = steps(mlflow.url, *written, call("mlflowPipeline", jobs="1")).replace("  deleteDir()\n", "")
    return script.replace("node {", f"{declared}\nnode {{", 1)


def report(build: Build, command: str) -> dict[str, object]:
    """A command's document of this build."""
    document: dict[str, object] = json.loads(build.artifacts[f"mlflow-report/{command}.json"])
    return document


def test_two_builds_of_a_team_that_does_everything_itself(
    jenkins: JenkinsServer, trusted: str, mlflow: Mlflow, job: Job
) -> None:
    """Only what the gates let pass is in production; the end of a long log says it; the report is this build's."""
    name = job(trusted, team(mlflow, "itself"))
    first = jenkins.run(name).expect("SUCCESS").expect_no_log(*SANDBOX)
    first.expect_log("into production itself, before any gate; put back, in production now: nothing")
    assert (in_production(mlflow, "itself"), champion(mlflow, "itself")) == ([2], 2), first.describe()
    second = jenkins.run(name, {"FAILS": "", "MORE": "-0.5"}).expect("SUCCESS")
    second.expect_log("in production now: v2")
    assert (in_production(mlflow, "itself"), champion(mlflow, "itself")) == ([2], 2), second.describe()
    assert stages(mlflow, "itself").keys() == {1, 2, 3, 4}
    for build in (first, second):
        said = "\n".join(build.console.splitlines()[-LAST_LINES:])
        assert "Selected itself v" in said or "Nothing to promote" in said, build.describe()
        logs = [text for path, text in build.artifacts.items() if path.endswith(".log")]
        assert sum("promoted " in text for text in logs) == 2, sorted(build.artifacts)
    assert report(first, "train")["build"] != report(second, "train")["build"]
    assert "mlflow-report/promote.json" not in second.artifacts, second.describe()
    tags = client(mlflow.direct).get_model_version("itself", "2").tags
    assert tags["jenkins_mlflow.build_url"].rstrip("/").endswith("/1"), tags


def test_a_candidate_that_fails_is_seen_on_the_page(
    jenkins: JenkinsServer, trusted: str, mlflow: Mlflow, job: Job
) -> None:
    """Two builds in one workspace: the second goes on without one candidate, and says so in log and description."""
    name = job(trusted, team(mlflow, "partly", "continue"))
    jenkins.run(name).expect("SUCCESS")
    build = jenkins.run(name, {"FAILS": "one", "MORE": "0"}).expect("SUCCESS").expect_no_log(*SANDBOX)
    build.expect_log("1 of 2 candidates trained")
    shown = str(jenkins.json(build.path, "description")["description"])
    assert "1 of 2 candidates trained" in shown, shown
    assert "one" in shown, shown
    assert report(build, "train")["status"] == "trained"


def test_a_failed_training_promotes_nothing_and_says_why(
    jenkins: JenkinsServer, trusted: str, mlflow: Mlflow, job: Job
) -> None:
    """What the build before promoted is no news of this one: no promote.json, no notice, production as it was."""
    name = job(trusted, team(mlflow, "broken"))
    jenkins.run(name).expect("SUCCESS")
    build = jenkins.run(name, {"FAILS": "two", "MORE": "0.1"}).expect("FAILURE")
    assert (in_production(mlflow, "broken"), champion(mlflow, "broken")) == ([2], 2), build.describe()
    assert {"mlflow-report/promote.json", "mlflow-report/notice.txt"}.isdisjoint(build.artifacts)
    shown = str(jenkins.json(build.path, "description")["description"])
    assert shown.startswith("mlflowPipeline train: "), shown
    assert "two" in shown, shown
