"""What people see and steer by: the report under Jenkins' own policy, drift, change requests, builds that gave up."""

from __future__ import annotations

import base64
import json
import os
import secrets
import subprocess
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import tostring

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from support.browser import PICTURES
from support.chromium import console, evaluated, look, running_chromium
from support.proxy import Answer, Request, Send, respond
from support.seeding import Spec, client, seed

from acceptance import change_requests
from acceptance.items import pipeline, pull_requests, secret_text
from acceptance.jenkins_server import SANDBOX, Build, JenkinsServer, item_path
from acceptance.job_scripts import Block, block, call, results, steps
from acceptance.registry_state import CHAMPION, champion, in_production, stages
from acceptance.served import Mlflow, bind_address, host
from acceptance.training import NEEDS_PYTHON

Job = Callable[[str, str], str]
SCORES = (0.842, 0.861, 0.874, 0.881, 0.9161, 0.79)
REPORT = "report: mlflow-report/index.html"
INVALID = json.dumps({"error_code": "INVALID_PARAMETER_VALUE", "message": "refused by the test"})


@pytest.fixture(scope="module")
def chromium() -> Iterator[webdriver.Chrome]:
    """Signed in to Jenkins by the API token, on every request."""
    credentials = f"{os.environ['JENKINS_USER']}:{os.environ['JENKINS_TOKEN']}"
    with running_chromium() as driver:
        driver.execute_cdp_cmd("Network.enable", {})
        headers = {"Authorization": f"Basic {base64.b64encode(credentials.encode()).decode()}"}
        driver.execute_cdp_cmd("Network.setExtraHTTPHeaders", {"headers": headers})
        yield driver


def refusals(driver: webdriver.Chrome) -> list[str]:
    """What the console has said since it was asked last; no page here has an icon."""
    return [text for text in console(driver) if "favicon" not in text]


def description(jenkins: JenkinsServer, build: Build) -> str:
    """What the build's page says of it."""
    return str(jenkins.json(build.path, "description")["description"])


@pytest.fixture(scope="module")
def reported(jenkins: JenkinsServer, trusted: str, shared_mlflow: Mlflow) -> Build:
    """A build that promotes the best of six versions, the fourth promotion of its model, and plans a cleanup."""
    shared_mlflow.proxy.reset()
    seed(shared_mlflow.direct, {"shown": [Spec({"roc_auc": value}) for value in SCORES]})
    of_it = {"models": "shown", "trackingUri": shared_mlflow.url}
    calls = [call("mlflowPromote", model="shown", version=number, **of_it) for number in (1, 2, 4)]
    calls.append(call("mlflowPromote", config="mlops.yaml", **of_it))
    calls.append(call("mlflowCleanup", keepLast=1, dryRun=True, **of_it))
    calls += [
        call("writeFile", file="refused.html", text="<body style='color: red'>refused</body>"),
        call("archiveArtifacts", artifacts="refused.html"),
    ]
    gates = call("writeFile", file="mlops.yaml", text="select: {gates: {roc_auc: '>= 0.8'}}\n")
    agent = call("mlflowAgent", prepare=block("deleteDir()", gates))
    name = f"{trusted}/reported"
    ours = "currentBuild.description = 'ours'\n"
    jenkins.create(name, pipeline(steps("", f"{ours}{agent} {{\n" + "\n".join(calls) + "\n}", agent=False)))
    return jenkins.run(name).expect("SUCCESS").expect_no_log(*SANDBOX)


@pytest.mark.parametrize(("width", "scheme"), [(1100, "light"), (390, "dark")])
def test_the_report_is_shown_whole_under_jenkins_own_policy(
    jenkins: JenkinsServer, reported: Build, chromium: webdriver.Chrome, width: int, scheme: str
) -> None:
    """Opened from the build's page: nothing is refused, the style sheet applies, every picture is drawn."""
    headers = jenkins.get(f"{reported.path}artifact/mlflow-report/index.html").headers
    assert "default-src 'none'" in headers["Content-Security-Policy"], headers
    assert "unsafe" not in headers["Content-Security-Policy"], headers
    look(chromium, jenkins.url + reported.path, width=width, scheme=scheme)
    links = chromium.find_elements(By.CSS_SELECTOR, "a[href$='artifact/mlflow-report/index.html']")
    assert links, reported.describe()
    address = str(links[0].get_attribute("href"))
    console(chromium)
    look(chromium, address, width=width, scheme=scheme)
    shown = chromium.find_element(By.TAG_NAME, "h1").text
    assert shown.startswith("promoted shown version 5 by "), shown
    pictures = chromium.find_elements(By.TAG_NAME, "img")
    assert len(pictures) == 3
    sizes = evaluated(chromium, "JSON.stringify([...document.images].map(i => i.naturalWidth))")
    assert sizes is None or all(json.loads(sizes)), sizes
    assert all(picture.size["width"] > 100 for picture in pictures)
    colour = chromium.find_element(By.TAG_NAME, "body").value_of_css_property("background-color")
    assert ("17, 24, 39" in colour) == (scheme == "dark"), "the style sheet was not applied"
    whole = chromium.execute_cdp_cmd("Page.captureScreenshot", {"captureBeyondViewport": True})
    PICTURES.mkdir(parents=True, exist_ok=True)
    (PICTURES / f"jenkins-report-{width}-{scheme}.png").write_bytes(base64.b64decode(whole["data"]))
    assert not refusals(chromium)
    look(chromium, f"{jenkins.url}{reported.path}artifact/refused.html", width=width, scheme=scheme)
    assert refusals(chromium), "this browser and this Jenkins refuse nothing, so nothing above was proven"


def test_the_builds_page_leads_to_the_report_after_the_teams_own_words(
    jenkins: JenkinsServer, reported: Build
) -> None:
    """It names the file that it links below; the log has the address of the page."""
    shown = description(jenkins, reported)
    assert shown.startswith("ours; promoted shown version 1 by "), shown
    assert shown.endswith(f"; {REPORT}"), shown
    assert shown.count("report: ") == 1, shown
    reported.expect_log(f"{reported.path}artifact/mlflow-report/index.html")


def test_a_version_put_into_production_by_hand_makes_the_build_unstable(
    jenkins: JenkinsServer, trusted: str, mlflow: Mlflow, job: Job
) -> None:
    """The step names what is there and what is recorded, in its result and on the page, and changes nothing."""
    seed(mlflow.direct, {"drifted": [Spec({"roc_auc": 0.8}), Spec({"roc_auc": 0.9})]})
    look_after = job(trusted, steps(mlflow.url, call("mlflowDoctor", "doctor", models="drifted")))
    jenkins.run(job(trusted, steps(mlflow.url, call("mlflowPromote", model="drifted", version=2)))).expect(
        "SUCCESS"
    )
    healthy = jenkins.run(look_after).expect("SUCCESS")
    assert results(healthy.console)["doctor"]["status"] != "drift", healthy.describe()
    direct = client(mlflow.direct)
    direct.transition_model_version_stage("drifted", "1", "Production", archive_existing_versions=True)
    direct.set_registered_model_alias("drifted", "champion", "1")
    before = stages(mlflow, "drifted")
    build = jenkins.run(look_after).expect("UNSTABLE").expect_no_log(*SANDBOX)
    said = results(build.console)["doctor"]
    assert (said["status"], said["exit_code"]) == ("drift", 7), said
    finding = "drifted: version 1 was put into Production or @champion without this tool"
    assert finding in said["message"], said["message"]
    assert finding in description(jenkins, build)
    assert stages(mlflow, "drifted") == before == {1: "Production", 2: "Archived"}, build.describe()


TRAIN = """
import mlflow

client = mlflow.MlflowClient()
with mlflow.start_run(run_name="one") as run:
    mlflow.log_metric("score", 0.9)
client.create_model_version("MODEL", run.info.artifact_uri + "/model", run.info.run_id)
"""
CONFIG = """
models: MODEL
train:
  experiment: MODEL
  candidates: {one: python train.py}
select: {metric: score, gates: {score: '>= 0.5'}}
"""
POSTED = Block("{ text -> writeFile(file: 'posted.md', text: text, encoding: 'UTF-8') }")


def build_change(jenkins: JenkinsServer, where: str, jenkinsfile: str) -> Build:
    """Build an open pull request in a multibranch project of its own in a folder."""
    found = jenkins.groovy(
        "println(jenkins.model.Jenkins.get().pluginManager.getPlugin('github-branch-source') != null)"
    )
    if found != "true":
        pytest.skip("the plugin GitHub Branch Source is not on this Jenkins")
    name, job_name = f"{where}/changes", f"PR-{change_requests.NUMBER}"
    with change_requests.serve_change(jenkinsfile) as api:
        jenkins.create(name, pull_requests(api, change_requests.OWNER, change_requests.NAME))
        jenkins.post(f"{item_path(name)}build")

        def built() -> str | None:
            jobs = jenkins.json(item_path(name), "jobs[name,lastBuild[url,result]]")["jobs"]
            last = next((each["lastBuild"] for each in jobs if each["name"] == job_name), None)
            return str(last["url"]) if last and last["result"] else None

        said = f"{item_path(name)}indexing/consoleText"
        url = jenkins.until("the pull request's build", built, 900, lambda: jenkins.get(said).text)
    return Build(jenkins, url, f"{name}/{job_name}", 1)


@NEEDS_PYTHON
@pytest.mark.parametrize("library", ["trusted", "untrusted"])
def test_a_change_request_is_trained_and_compared_and_promotes_nothing(
    jenkins: JenkinsServer, mlflow: Mlflow, job: Job, library: str, request: pytest.FixtureRequest
) -> None:
    """`comment` gets the report's Markdown twin; what it trained is no other build's candidate."""
    model = f"proposed-{library}"
    seed(mlflow.direct, {model: [Spec({"score": 0.7}, stage="Production", aliases=("champion",))]})
    written = [
        call("writeFile", file=name, text=body.replace("MODEL", model))
        for name, body in (("mlops.yaml", CONFIG), ("train.py", TRAIN))
    ]
    asked = call("mlflowPipeline", comment=POSTED, cleanup=True, keepLast=0)
    kept = call("archiveArtifacts", artifacts="posted.md")
    where: str = request.getfixturevalue(library)
    build = build_change(jenkins, where, steps(mlflow.url, *written, asked, kept)).expect("SUCCESS")
    build.expect_no_log(*SANDBOX, "(Promote the winner)", "(Clean up old versions)")
    assert stages(mlflow, model) == {1: "Production", 2: "None"}, build.describe()
    assert champion(mlflow, model) == 1, build.describe()
    posted = build.artifacts["posted.md"]
    assert posted == build.artifacts["mlflow-report/report.md"]
    first = f"this change would replace {model} version 1 by {model} version 2: score 0.7 -> 0.9"
    assert first in posted.splitlines()[0], posted
    shown = description(jenkins, build)
    assert shown.startswith(f"change request {change_requests.NUMBER}: "), shown
    assert shown.endswith(f"; nothing is promoted; {REPORT}"), shown
    assert "mlflow-report/promote.json" not in build.artifacts
    direct = client(mlflow.direct)
    trained = direct.get_run(str(direct.get_model_version(model, "2").run_id)).data.tags
    assert trained["jenkins_mlflow.change"] == str(change_requests.NUMBER), trained
    branch = steps(mlflow.url, *written, call("mlflowPipeline"))
    jenkins.run(job(where, branch)).expect("SUCCESS")
    assert in_production(mlflow, model) == [3], "the change request's version is nobody else's candidate"


def test_a_build_that_finds_the_models_busy_fails_and_writes_nothing(
    jenkins: JenkinsServer, trusted: str, mlflow: Mlflow, job: Job
) -> None:
    """It says who works on them, and waits no longer than it may."""
    seed(mlflow.direct, {"busy": [CHAMPION, Spec(), Spec()]})
    reached, go_on = threading.Event(), threading.Event()

    def held(request: Request, send: Send) -> Answer:
        reached.set()
        go_on.wait(300)
        return send()

    mlflow.proxy.inject(held, path="model-versions/transition-stage", times=1)
    promote = call("mlflowPromote", model="busy", version=2)
    patient = f"withEnv(['MLFLOW_HTTP_REQUEST_TIMEOUT=600']) {{ {promote} }}"  # else it tries again while it is held
    first = jenkins.start(job(trusted, steps(mlflow.url, patient)))
    try:
        jenkins.until("the first", lambda: reached.is_set() or first.info()["result"], 600, first.describe)
        assert reached.is_set(), first.describe()
        impatient = f"withEnv(['MLOPS__PROMOTE__LOCK__WAIT=1s']) {{ {call('mlflowPromote', model='busy', version=3)} }}"
        second = jenkins.run(job(trusted, steps(mlflow.url, impatient))).expect("FAILURE")
        assert in_production(mlflow, "busy") == [1], second.describe()
    finally:
        go_on.set()
    shown = description(jenkins, second)
    assert shown.startswith("mlflowPromote: "), shown
    assert "is being worked on by" in shown, shown
    second.expect_log("state: nothing was written")
    first.wait().expect("SUCCESS")
    assert (in_production(mlflow, "busy"), champion(mlflow, "busy")) == ([2], 2)


def test_a_cleanup_that_stops_fails_the_build_and_says_how_far_it_came(
    jenkins: JenkinsServer, trusted: str, mlflow: Mlflow, job: Job
) -> None:
    """One deletion is refused: what was deleted before it stands on the page and in the archived table."""
    seed(mlflow.direct, {"half": [Spec() for _ in range(6)]})
    mlflow.proxy.inject(respond(403, INVALID, "application/json"), path="model-versions/delete", nth=3)
    asked = call("mlflowCleanup", "done", models="half", keepLast=1, workers=1, trackingUri=mlflow.url)
    agent = call("mlflowAgent", prepare=block("deleteDir()"))
    build = jenkins.run(job(trusted, steps("", f"{agent} {{ {asked} }}", agent=False))).expect("FAILURE")
    shown = description(jenkins, build)
    assert shown.startswith("mlflowCleanup: stopped after 2 of "), shown
    assert len(stages(mlflow, "half")) == 4, build.describe()
    table = build.artifacts["mlflow-report/cleanup.csv"]
    assert (table.count(",deleted"), table.count(",failed")) == (2, 1), table


@pytest.mark.parametrize("library", ["trusted", "untrusted"])
def test_the_block_notify_is_told_and_decides_nothing(
    jenkins: JenkinsServer, mlflow: Mlflow, job: Job, library: str, request: pytest.FixtureRequest
) -> None:
    """It gets the result; an error in it, or a step that this Jenkins does not have, is a line in the log."""
    model = f"told-{library}"
    seed(mlflow.direct, {model: [CHAMPION, Spec()]})
    echoes = "echo('TOLD ' + result.event + ', ' + result.version + ', ' + result.previous.version)"
    fails = Block(f"{{ result -> {echoes}; error('no route to the chat') }}")
    lacks = Block("{ result -> sendToNobody(message: result.message) }")
    script = steps(
        mlflow.url,
        call("mlflowPromote", model=model, version=2, notify=fails),
        call("mlflowPromote", model=model, version=1, notify=lacks),
        call("mlflowPromote", model=model, version=1, notify=fails),
    )
    build = jenkins.run(job(request.getfixturevalue(library), script))
    build.expect("SUCCESS").expect_no_log(*SANDBOX)
    assert build.console.count("TOLD promoted, 2, 1") == 1, build.describe()
    assert build.console.count("TOLD ") == 1, "what was in production already is no news"
    head = "mlflowPromote: the notification of 'promoted' by the block notify failed: "
    build.expect_log(f"{head}hudson.AbortException: no route to the chat")
    build.expect_log(f"{head}No such DSL method 'sendToNobody' found among steps")
    assert in_production(mlflow, model) == [1]


@pytest.fixture
def chat() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """A service that takes messages as JSON: where it is, and what it got."""
    got: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            got.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *args: object) -> None: ...

    with ThreadingHTTPServer((bind_address(), 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"{host()}:{server.server_port}", got
        server.shutdown()


def needs_apprise() -> str:
    """The agents' python, which has Apprise and what the runner itself needs; else the calling test is skipped."""
    python = Path(os.environ.get("JENKINS_MLFLOW_TEST_PATH") or "/nowhere") / "python"
    tried = [str(python), "-c", "import apprise, click, pygal, rich"]
    if not python.exists() or subprocess.run(tried, capture_output=True, check=False).returncode:
        pytest.skip("needs JENKINS_MLFLOW_TEST_PATH: a python with Apprise and the runner's requirements")
    return str(python)


def test_apprise_is_told_by_the_address_in_jenkins_credentials(
    jenkins: JenkinsServer, trusted: str, mlflow: Mlflow, job: Job, chat: tuple[str, list[dict[str, Any]]]
) -> None:
    """The message has the build's address; no log shows the password."""
    seed(mlflow.direct, {"apprised": [CHAMPION, Spec()]})
    place, got = chat
    password = secrets.token_hex(12)
    jenkins.post(
        f"{item_path(trusted)}credentials/store/folder/domain/_/createCredentials",
        data=tostring(secret_text("apprise-urls", f"json://bot:{password}@{place}"), encoding="utf-8"),
    )
    python = needs_apprise()
    asked = call("mlflowPromote", model="apprised", version=2, credentials={"notify": "apprise-urls"})
    ready = f"withEnv(['JENKINS_MLFLOW_RUNNER_PYTHON={python}']) {{ {asked} }}"
    build = jenkins.run(job(trusted, steps(mlflow.url, ready))).expect("SUCCESS").expect_no_log(password)
    assert [each["title"] for each in got] == ["jenkins-mlflow: promoted"], build.describe()
    assert got[0]["message"].startswith("promoted apprised version 2 by "), got
    assert build.path in got[0]["message"], got
