"""The repository's own jobs on a real Jenkins, from its last commit: reference pipeline, re-run by hand, nightly."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest
from support.environments import ROOT
from support.seeding import Spec, client, seed
from support.servers import clean_environ

from acceptance.conftest import NEEDED
from acceptance.items import pipeline_from_scm
from acceptance.jenkins_server import Build, JenkinsServer
from acceptance.registry_state import CHAMPION, champion, in_production, stages
from acceptance.served import BRANCH, Mlflow

GROUP = "heart-disease-%"
TRAINING_SECONDS = 1500
SVM = "heart-disease-svm"
FOREST = "heart-disease-random_forest"
EXAMPLE = "examples/heart-disease/Jenkinsfile"
BY_HAND = "jobs/manual.Jenkinsfile"
JENKINSFILE = (ROOT / BY_HAND).read_text(encoding="utf-8")
CHOICES = re.compile(r"(?<=name: 'ACTION', choices: \[)[^]]*")
NO_URI = "name: 'TRACKING_URI', defaultValue: ''"

ScmJob = Callable[[str, Mapping[str, "str | Sequence[str] | bool"]], str]
Job = Callable[[str, str], str]


@pytest.fixture
def scm_job(jenkins: JenkinsServer, trusted: str, repository: str, request: pytest.FixtureRequest) -> ScmJob:
    """``scm_job(path, parameters)``: a job that runs a file of the repository."""

    def make(path: str, parameters: Mapping[str, str | Sequence[str] | bool]) -> str:
        name = f"{trusted}/{request.node.name.removeprefix('test_')}"
        jenkins.create(name, pipeline_from_scm(repository, BRANCH, path, parameters))
        return name

    return make


@pytest.fixture
def example_job(scm_job: ScmJob, fresh_mlflow: Mlflow) -> str:
    """The example's pipeline as it is after its first build: Jenkins knows its parameters."""
    return scm_job(EXAMPLE, {"DRY_RUN": False, "TRACKING_URI": fresh_mlflow.url})


@pytest.fixture
def manual_job(scm_job: ScmJob, fresh_mlflow: Mlflow) -> str:
    """The form for re-runs by hand as it is after its first build."""
    (actions,) = CHOICES.findall(JENKINSFILE)
    known: dict[str, str | list[str] | bool] = {
        "ACTION": re.findall(r"\w+", actions),
        "MODEL": "",
        "VERSION": "",
        "KEEP": "",
        "DRY_RUN": False,
        "CONFIG": "examples/heart-disease/mlops.yaml",
        "CREDENTIALS": "",
    }
    return scm_job(BY_HAND, {**known, "TRACKING_URI": fresh_mlflow.url})


def test_the_example_trains_and_promotes(
    jenkins: JenkinsServer, example_job: str, fresh_mlflow: Mlflow
) -> None:
    """From nothing to one champion of the group, with its record, and the report of every stage archived."""
    parameters = {"TRACKING_URI": fresh_mlflow.url, "DRY_RUN": "true"}
    dry = jenkins.run(example_job, parameters, TRAINING_SECONDS).expect("SUCCESS")
    assert client(fresh_mlflow.direct).search_model_versions() == [], dry.describe()
    dry.expect_log("4 candidates would be trained: ")
    parameters["DRY_RUN"] = "false"
    build = jenkins.run(example_job, parameters, TRAINING_SECONDS).expect("SUCCESS")
    found = client(fresh_mlflow.direct).search_model_versions(f"name LIKE '{GROUP}'")
    assert len({version.name for version in found}) == 4, build.describe()
    serving = [version for version in found if version.current_stage == "Production"]
    assert len(serving) == 1, build.describe()
    (best,) = serving
    assert champion(fresh_mlflow, best.name) == int(best.version), build.describe()
    assert any(tag.startswith("jenkins_mlflow.") for tag in best.tags), best.tags
    artifacts = build.artifacts
    said = {
        command: json.loads(artifacts[f"mlflow-report/{command}.json"]) for command in ("train", "promote")
    }
    assert said["promote"]["model"] == best.name, build.describe()
    assert "mlflow-report/select.json" in artifacts, build.describe()
    assert {said[command]["build"] for command in said} == {
        artifacts["mlflow-report/.jenkins-mlflow-report"].strip()
    }
    build.expect_log(f"MLflow: {fresh_mlflow.url}/#/models/{best.name}/versions/{best.version}")


def test_a_rerun_by_hand_promotes_what_was_asked_for(
    jenkins: JenkinsServer, manual_job: str, fresh_mlflow: Mlflow
) -> None:
    """A dry run first, then the older version by its number; the other model of the group leaves production."""
    seed(fresh_mlflow.direct, {SVM: [Spec(), Spec()], FOREST: [CHAMPION]})
    asked = {"ACTION": "promote", "MODEL": SVM, "VERSION": "1", "TRACKING_URI": fresh_mlflow.url}
    dry = jenkins.run(manual_job, {**asked, "DRY_RUN": "true"}).expect("SUCCESS")
    assert in_production(fresh_mlflow, SVM) == [], dry.describe()
    build = jenkins.run(manual_job, {**asked, "DRY_RUN": "false"}).expect("SUCCESS")
    assert (in_production(fresh_mlflow, SVM), champion(fresh_mlflow, SVM)) == ([1], 1), build.describe()
    assert in_production(fresh_mlflow, FOREST) == [], build.describe()
    again = jenkins.run(manual_job, {**asked, "VERSION": "2", "DRY_RUN": "false"}).expect("SUCCESS")
    assert (in_production(fresh_mlflow, SVM), champion(fresh_mlflow, SVM)) == ([2], 2), again.describe()


def test_a_cleanup_by_hand_keeps_what_was_asked_for(
    jenkins: JenkinsServer, manual_job: str, fresh_mlflow: Mlflow
) -> None:
    """KEEP=1 arrives as the string that it is; what fails the example's gates would not count."""
    good = Spec({"roc_auc": 0.9, "brier": 0.1})
    seed(fresh_mlflow.direct, {SVM: [CHAMPION, good, good, good]})
    asked = {
        "ACTION": "cleanup",
        "MODEL": SVM,
        "KEEP": "1",
        "DRY_RUN": "false",
        "TRACKING_URI": fresh_mlflow.url,
    }
    build = jenkins.run(manual_job, asked).expect("SUCCESS")
    assert stages(fresh_mlflow, SVM) == {1: "Production", 4: "None"}, build.describe()


def test_a_list_by_hand_is_shown(jenkins: JenkinsServer, manual_job: str, fresh_mlflow: Mlflow) -> None:
    """Whoever asks for the list reads it in the log."""
    seed(fresh_mlflow.direct, {SVM: [CHAMPION]})
    build = jenkins.run(manual_job, {"ACTION": "list", "TRACKING_URI": fresh_mlflow.url}).expect("SUCCESS")
    build.expect_log(SVM)


def test_the_first_build_knows_no_parameters(
    jenkins: JenkinsServer, trusted: str, fresh_mlflow: Mlflow, job: Job
) -> None:
    """A new job's first build runs with the defaults and declares the parameters; the next one has them."""
    assert NO_URI in JENKINSFILE
    script = JENKINSFILE.replace(NO_URI, NO_URI.replace("''", f"'{fresh_mlflow.url}'"))
    script = script.replace("params.CONFIG ?: null", "null")  # a job without sources
    name = job(trusted, script)
    seed(fresh_mlflow.direct, {SVM: [CHAMPION, Spec()]})
    first = jenkins.run(name).expect("SUCCESS")
    known = jenkins.json(f"job/{name.replace('/', '/job/')}/", "property[parameterDefinitions[name]]")
    declared = {each["name"] for item in known["property"] for each in item.get("parameterDefinitions", [])}
    assert declared == set(re.findall(r"name: '([A-Z_]+)'", JENKINSFILE)), first.describe()
    # without a config its target is MLflow's default, as the seeded champion's
    second = jenkins.run(
        name, {"ACTION": "promote", "MODEL": SVM, "VERSION": "2", "DRY_RUN": "false"}
    ).expect("SUCCESS")
    assert in_production(fresh_mlflow, SVM) == [2], second.describe()


def test_the_nightly_job_applies_the_config(
    jenkins: JenkinsServer, scm_job: ScmJob, fresh_mlflow: Mlflow
) -> None:
    """It keeps production and what the config keeps, archives plan and outcome, and has put itself on the timer."""
    bad = Spec({"roc_auc": 0.5, "brier": 0.5})
    seed(fresh_mlflow.direct, {SVM: [CHAMPION, *[bad] * 5, Spec(tags={"keep": "true"})]})
    name = scm_job("jobs/nightly-cleanup.Jenkinsfile", {"MLFLOW_TRACKING_URI": fresh_mlflow.url})
    build = jenkins.run(name, {"MLFLOW_TRACKING_URI": fresh_mlflow.url}).expect("SUCCESS")
    remaining = stages(fresh_mlflow, SVM)
    assert remaining[1] == "Production", build.describe()
    assert 7 in remaining, build.describe()
    assert 2 not in remaining, build.describe()
    artifacts = build.artifacts
    plan, done = (json.loads(artifacts[f"mlflow-report/{part}cleanup.json"]) for part in ("plan/", ""))
    gone = [item["version"] for item in done["items"] if item["outcome"] == "deleted"]
    assert sorted(gone) == sorted(set(range(1, 8)) - set(remaining)), build.describe()
    assert gone == [item["version"] for item in plan["items"] if item["action"] == "delete"]
    assert json.loads(artifacts["mlflow-report/plan/plan.json"]), sorted(artifacts)
    rows = artifacts["mlflow-report/cleanup.csv"].splitlines()
    assert len(rows) == 1 + len(done["items"]), rows
    assert len(artifacts["mlflow-report/plan/cleanup.csv"].splitlines()) == 1 + len(plan["items"])
    assert "hudson.triggers.TimerTrigger" in jenkins.get(f"job/{name.replace('/', '/job/')}/config.xml").text


def test_jobs_yaml_makes_jobs_that_know_their_parameters(
    jenkins: JenkinsServer, trusted: str, repository: str, fresh_mlflow: Mlflow, tmp_path: Path
) -> None:
    """The first build by hand has its parameters already; `jobs status` tells its outcome, and no other build's."""
    seed(fresh_mlflow.direct, {SVM: [CHAMPION, Spec()]})
    written = (ROOT / "jobs" / "jobs.yaml").read_text(encoding="utf-8")
    written = re.sub(r"(?m)^folder: .*$", f"folder: {trusted}/as-code", written)
    written = re.sub(r"(?m)^  url: .*$", f"  url: {repository}", written)
    (tmp_path / "jobs.yaml").write_text(
        written.replace("branch: main", f"branch: {BRANCH}"), encoding="utf-8"
    )

    def jobs(*arguments: str) -> str:
        command = [sys.executable, str(ROOT / "scripts" / "jenkins-jobs.py"), *arguments]
        options = {"cwd": tmp_path, "env": {**clean_environ(), **{name: os.environ[name] for name in NEEDED}}}
        done = subprocess.run(command, capture_output=True, text=True, check=False, **options)  # type: ignore[call-overload]
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
        return f"{done.stdout}\n{done.stderr}"

    jobs("apply", "--yes")
    name = f"{trusted}/as-code/manual"
    path = "".join(f"job/{part}/" for part in name.split("/"))
    known = jenkins.json(path, "property[parameterDefinitions[name]]")
    found = {each["name"] for item in known["property"] for each in item.get("parameterDefinitions", [])}
    assert found == set(re.findall(r"name: '([A-Z_]+)'", JENKINSFILE))
    asked = [
        "ACTION=promote",
        f"MODEL={SVM}",
        "VERSION=2",
        "DRY_RUN=false",
        f"TRACKING_URI={fresh_mlflow.url}",
    ]
    jobs("run", "manual", *asked)
    first = Build(jenkins, f"{jenkins.url}{path}1/", name, 1).expect("SUCCESS")
    first.expect_no_log("Configuration error?", "No artifacts found")
    assert in_production(fresh_mlflow, SVM) == [2], first.describe()
    jobs("run", "manual", "ACTION=list", "DRY_RUN=true", f"TRACKING_URI={fresh_mlflow.url}")
    rows = [line.split(None, 3) for line in jobs("status", "manual").splitlines() if line.startswith(name)]
    assert [(row[1], f"promoted {SVM} version 2" in row[3]) for row in rows] == [("2", False), ("1", True)], (
        rows
    )
