"""The controller goes away and comes back: in training, and while a person is asked.

JENKINS_MLFLOW_TEST_RESTART names a program that ends the Jenkins under test without a chance to say so, starts it again
and returns when it answers.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.seeding import client

from acceptance.console import IMPORTS
from acceptance.jenkins_server import SANDBOX, Build, JenkinsServer
from acceptance.job_scripts import block, call, steps, text
from acceptance.registry_state import champion, in_production, stages
from acceptance.served import Mlflow

Job = Callable[[str, str], str]
RESTART_SECONDS = 600
TRAINING_SECONDS = 300
TRAIN = f"""
import os, time
import mlflow

with mlflow.start_run(run_name="one") as run:
    mlflow.log_metric("score", 0.9)
    open("MARK.tmp", "w").close()
    os.rename("MARK.tmp", "MARK")
    for _ in range({TRAINING_SECONDS}):
        if not os.path.exists("MARK") or os.path.exists("MARK.go"):
            break
        time.sleep(1)
client = mlflow.MlflowClient()
client.create_registered_model("MODEL")
client.create_model_version("MODEL", run.info.artifact_uri + "/model", run.info.run_id)
"""
CONFIG = """
models: MODEL
train:
  experiment: MODEL
  candidates: {one: python train.py}
select: {metric: score, scope: build}
"""

pytestmark = pytest.mark.skipif(
    not (os.environ.get("JENKINS_MLFLOW_TEST_RESTART") and os.environ.get("JENKINS_MLFLOW_TEST_PATH")),
    reason="needs JENKINS_MLFLOW_TEST_RESTART, a program, and JENKINS_MLFLOW_TEST_PATH, a folder with a python",
)


def restart(jenkins: JenkinsServer) -> None:
    """Crash the controller and wait until it answers again."""
    program = os.environ["JENKINS_MLFLOW_TEST_RESTART"]
    subprocess.run([program], check=True, timeout=RESTART_SECONDS, stdout=subprocess.DEVNULL)
    jenkins.json("", "mode")


def saved(jenkins: JenkinsServer, build: Build) -> None:
    """Wait until it is saved that the pipeline waits: after a crash before that, ``input`` starts again and hangs."""
    jenkins.groovy(f"""{IMPORTS}
        def run = Jenkins.get().getItemByFullName({text(build.job)}).getBuildByNumber({build.number})
        run.execution.getCurrentExecutions(true).get(50, java.util.concurrent.TimeUnit.SECONDS)
    """)


def team(mlflow: Mlflow, model: str, mark: Path, **arguments: object) -> str:
    files = {"mlops.yaml": CONFIG, "train.py": TRAIN}
    written = [
        call("writeFile", file=name, text=body.replace("MODEL", model).replace("MARK", str(mark)))
        for name, body in files.items()
    ]
    prepare = block("deleteDir()", *written)
    given: dict[str, Any] = {"trackingUri": mlflow.url, "prepare": prepare, **arguments}
    return steps("", call("mlflowPipeline", **given), agent=False)


def ended(build: Build) -> bool | None:
    return build.info()["result"] or None


@pytest.mark.parametrize("library", ["trusted", "untrusted"])
def test_training_goes_on_while_the_controller_is_away(
    jenkins: JenkinsServer,
    mlflow: Mlflow,
    job: Job,
    library: str,
    request: pytest.FixtureRequest,
    tmp_path: Path,
) -> None:
    """It is trained once, and what comes after it runs in the controller that came back."""
    model, mark = f"restarted-{library}", tmp_path / "started"
    where: str = request.getfixturevalue(library)
    build = jenkins.start(job(where, team(mlflow, model, mark)))
    jenkins.until("the training", lambda: mark.exists() or ended(build), 900, build.describe)
    assert mark.exists(), build.describe()
    restart(jenkins)
    mark.with_suffix(".go").touch()
    build.wait().expect("SUCCESS").expect_no_log(*SANDBOX).expect_log("Resuming build at ")
    assert (in_production(mlflow, model), champion(mlflow, model)) == ([1], 1), build.describe()
    direct = client(mlflow.direct)
    experiment = direct.get_experiment_by_name(model)
    assert experiment
    assert len(direct.search_runs([experiment.experiment_id])) == 1


def test_a_question_outlives_the_controller(
    jenkins: JenkinsServer, untrusted: str, mlflow: Mlflow, job: Job, tmp_path: Path
) -> None:
    """The approval is asked for before, given after."""
    mark = tmp_path / "started"
    mark.with_suffix(".go").touch()
    build = jenkins.start(job(untrusted, team(mlflow, "asked", mark, approve={"timeout": "20m"})))

    def asked() -> bool | None:
        return "Promote or Abort" in build.console or ended(build)  # what `input` says last

    jenkins.until("the question", asked, 900, build.describe)
    assert stages(mlflow, "asked") == {1: "None"}, build.describe()
    saved(jenkins, build)
    restart(jenkins)
    jenkins.until(
        "the build after the restart",
        lambda: "Resuming build at " in build.console or None,
        300,
        build.describe,
    )
    build.answer("Promote", proceed=True)
    build.wait().expect("SUCCESS").expect_no_log(*SANDBOX)
    assert (in_production(mlflow, "asked"), champion(mlflow, "asked")) == ([1], 1), build.describe()
