"""Builds that end in the middle: in training, in a deletion, by a killed runner; and what comes after them."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from support.proxy import Answer, Request, Send
from support.seeding import Spec, client, seed

from acceptance.jenkins_server import Build, JenkinsServer
from acceptance.job_scripts import call, steps
from acceptance.registry_state import CHAMPION, champion, in_production, stages
from acceptance.served import HERE, Mlflow, host
from acceptance.training import NEEDS_PYTHON

Job = Callable[[str, str], str]
TRAINING_SECONDS = 300
SLOW = 25
TRAIN = f"""
import time
import mlflow

with mlflow.start_run(run_name="endless"):
    mlflow.log_metric("score", 0.9)
    open("started", "w").close()
    time.sleep({TRAINING_SECONDS})
"""
CONFIG = """
models: MODEL
train:
  experiment: MODEL
  candidates: {endless: python train.py}
select: {metric: score}
"""

on_this_machine = pytest.mark.skipif(host() != HERE, reason="kills a process of the agent's machine")


def ended(build: Build) -> bool | None:
    return True if build.info()["result"] else None


def wait_for(jenkins: JenkinsServer, build: Build, reached: threading.Event) -> None:
    """Wait until a request is at the proxy."""
    jenkins.until("the request", lambda: reached.is_set() or ended(build), 900, build.describe)
    assert reached.is_set(), build.describe()


def runners(build: Build) -> list[int]:
    """The processes of the runner that work for a build on this machine."""
    found = []
    for process in Path("/proc").iterdir():
        if not process.name.isdigit():
            continue
        try:
            environ = (process / "environ").read_bytes().split(b"\0")
            arguments = (process / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        of_build = any(
            entry.startswith(b"BUILD_URL=") and entry.endswith(build.path.encode()) for entry in environ
        )
        if of_build and any(word.endswith(b"/src") for word in arguments):
            found.append(int(process.name))
    return found


@NEEDS_PYTHON
def test_an_abort_in_training_ends_its_runs(
    jenkins: JenkinsServer, trusted: str, mlflow: Mlflow, job: Job
) -> None:
    """The run is KILLED and tagged with the build, the script's process is gone, the page says what it was."""
    files = {"mlops.yaml": CONFIG.replace("MODEL", "stopped"), "train.py": TRAIN}
    written = [call("writeFile", file=name, text=body) for name, body in files.items()]
    build = jenkins.start(job(trusted, steps(mlflow.url, *written, call("mlflowPipeline"))))
    direct = client(mlflow.direct)

    def running() -> bool | None:
        found = direct.get_experiment_by_name("stopped")
        runs = direct.search_runs([found.experiment_id]) if found else []
        return bool(runs and runs[0].data.metrics) or ended(build)

    jenkins.until("the training", running, 900, build.describe)
    build.stop()
    build.wait().expect("ABORTED")
    experiment = direct.get_experiment_by_name("stopped")
    assert experiment
    (run,) = direct.search_runs([experiment.experiment_id])
    assert run.info.status == "KILLED", build.describe()
    assert run.data.tags["jenkins_mlflow.build"], run.data.tags
    shown = str(jenkins.json(build.path, "description")["description"])
    assert shown.startswith("mlflowPipeline train: "), shown
    assert any(reason in shown for reason in ("aborted", "stopped by SIGTERM", "interrupted by SIGTERM")), (
        shown
    )


def test_an_abort_in_a_deletion_is_finished_by_the_next_cleanup(
    jenkins: JenkinsServer, trusted: str, mlflow: Mlflow, job: Job
) -> None:
    """A deletion is under way when the build stops; the next cleanup waits or looks, and ends as planned."""
    seed(mlflow.direct, {"half-clean": [Spec(), CHAMPION, *[Spec()] * 6]})
    reached, done = threading.Event(), threading.Event()

    def slow(request: Request, send: Send) -> Answer:
        reached.set()
        time.sleep(SLOW)
        try:
            return send()  # the server does it, although nobody waits for the answer
        finally:
            done.set()

    mlflow.proxy.inject(slow, method="DELETE", path="model-versions/delete", nth=2, times=1)
    name = job(trusted, steps(mlflow.url, call("mlflowCleanup", models="half-clean", keepLast="2")))
    build = jenkins.start(name)
    wait_for(jenkins, build, reached)
    build.stop()
    build.wait().expect("ABORTED")
    assert done.wait(SLOW * 2)
    again = jenkins.run(name).expect("SUCCESS")
    assert stages(mlflow, "half-clean") == {2: "Production", 7: "None", 8: "None"}, again.describe()
    assert (in_production(mlflow, "half-clean"), champion(mlflow, "half-clean")) == ([2], 2)


@on_this_machine
def test_a_killed_runner_is_told_and_repaired_by_the_next_build(
    jenkins: JenkinsServer, trusted: str, mlflow: Mlflow, job: Job
) -> None:
    """As the kernel does when memory runs out, right after the transition took effect."""
    seed(mlflow.direct, {"shot": [CHAMPION, Spec()]})
    building: list[Build] = []
    known, reached = threading.Event(), threading.Event()

    def kill(request: Request, send: Send) -> Answer:
        answer = send()
        known.wait(60)
        for pid in runners(building[0]):
            os.kill(pid, signal.SIGKILL)
        reached.set()
        return answer

    mlflow.proxy.inject(kill, path="model-versions/transition-stage", times=1)
    name = job(trusted, steps(mlflow.url, call("mlflowPromote", model="shot", version="2")))
    building.append(jenkins.start(name))
    known.set()
    wait_for(jenkins, building[0], reached)
    build = building[0].wait().expect("FAILURE")
    said = "mlflowPromote: killed (137); the next command finishes or undoes what it began"
    build.expect_log(said)
    assert jenkins.json(build.path, "description")["description"] == said
    again = jenkins.run(name).expect("SUCCESS")
    assert (in_production(mlflow, "shot"), champion(mlflow, "shot")) == ([2], 2), again.describe()
    assert "jenkins_mlflow.intent" not in client(mlflow.direct).get_registered_model("shot").tags
