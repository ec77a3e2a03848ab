"""The steps in jobs of a real Jenkins: what happens to the build, the log, the artifacts and the registry."""

from __future__ import annotations

import contextlib
import json
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from xml.etree.ElementTree import tostring

import pytest
from support.proxy import Answer, Request, Send, respond
from support.seeding import Spec, client, seed

from acceptance.items import login
from acceptance.jenkins_server import SANDBOX, JenkinsServer, item_path
from acceptance.job_scripts import HEAD, call, results, steps
from acceptance.registry_state import CHAMPION, champion, give_files, in_production, stages
from acceptance.served import Mlflow

Job = Callable[[str, str], str]
SLOW = 25
INVALID = json.dumps({"error_code": "INVALID_PARAMETER_VALUE", "message": "refused by the test"})


def test_promote_and_list_return_their_results(
    jenkins: JenkinsServer, trusted: str, mlflow: Mlflow, job: Job
) -> None:
    """The maps that a pipeline goes on with, and the registry behind them."""
    seed(mlflow.direct, {"plain": [CHAMPION, Spec()]})
    script = steps(
        mlflow.url,
        call("mlflowPromote", "promote", models="plain", model="plain", version="2"),
        call("mlflowRun", "list", command="list", models="plain"),
    )
    build = jenkins.run(job(trusted, script)).expect("SUCCESS")
    said = results(build.console)
    assert (said["promote"]["model"], said["promote"]["version"]) == ("plain", 2), build.describe()
    assert [model["name"] for model in said["list"]["models"]] == ["plain"], build.describe()
    assert stages(mlflow, "plain") == {1: "Archived", 2: "Production"}
    assert champion(mlflow, "plain") == 2


def test_the_cleanup_deletes_its_plan(jenkins: JenkinsServer, trusted: str, mlflow: Mlflow, job: Job) -> None:
    """A dry run changes nothing and says what the next run does; production stays however old it is."""
    seed(mlflow.direct, {"cleaned": [Spec(), CHAMPION, Spec(), Spec(), Spec(), Spec()]})
    before = stages(mlflow, "cleaned")
    options = {"models": "cleaned", "keepLast": "2", "minAge": "0"}
    dry = jenkins.run(
        job(trusted, steps(mlflow.url, call("mlflowCleanup", "plan", **options, dryRun="true")))
    ).expect("SUCCESS")
    assert stages(mlflow, "cleaned") == before, dry.describe()
    planned = {
        item["version"] for item in results(dry.console)["plan"]["items"] if item["action"] == "delete"
    }
    assert planned == {1, 3, 4}, dry.describe()
    done = jenkins.run(job(trusted, steps(mlflow.url, call("mlflowCleanup", "done", **options)))).expect(
        "SUCCESS"
    )
    assert set(before) - set(stages(mlflow, "cleaned")) == planned, done.describe()
    assert (in_production(mlflow, "cleaned"), champion(mlflow, "cleaned")) == ([2], 2)


def test_when_nothing_works_a_person_is_asked(
    jenkins: JenkinsServer, trusted: str, mlflow: Mlflow, job: Job
) -> None:
    """UNSTABLE, the notice in the log and archived, production as it was."""
    seed(mlflow.direct, {"by-hand": [CHAMPION, Spec()]})
    for path in ("model-versions/transition-stage", "registered-models/alias"):
        mlflow.proxy.inject(respond(400, INVALID, "application/json"), method="POST", path=path)
    script = steps(mlflow.url, call("mlflowPromote", models="by-hand", model="by-hand", version="2"))
    build = jenkins.run(job(trusted, script)).expect("UNSTABLE")
    build.expect_log("PROMOTE BY HAND: by-hand version 2 -> stage Production")
    notices = {name: content for name, content in build.artifacts.items() if name.endswith("notice.txt")}
    assert list(notices) == ["mlflow-report/notice.txt"], build.describe()
    assert "PROMOTE BY HAND: by-hand version 2 -> stage Production" in notices["mlflow-report/notice.txt"]
    assert (in_production(mlflow, "by-hand"), champion(mlflow, "by-hand")) == ([1], 1), build.describe()


def test_an_abort_in_the_middle_is_repaired_by_the_next_build(
    jenkins: JenkinsServer, trusted: str, mlflow: Mlflow, job: Job
) -> None:
    """The build stops while MLflow works on the transition; whatever came of it, the next build ends the work."""
    seed(mlflow.direct, {"aborted": [CHAMPION, Spec()]})
    reached, done = threading.Event(), threading.Event()

    def slow(request: Request, send: Send) -> Answer:
        reached.set()
        time.sleep(SLOW)
        try:
            return send()  # the server does it, although nobody waits for the answer
        finally:
            done.set()

    mlflow.proxy.inject(slow, path="model-versions/transition-stage", times=1)
    name = job(
        trusted, steps(mlflow.url, call("mlflowPromote", models="aborted", model="aborted", version="2"))
    )
    build = jenkins.start(name)
    jenkins.until(
        "the transition", lambda: reached.is_set() or _ended(build.info()["result"]), 900, build.describe
    )
    assert reached.is_set(), build.describe()
    build.stop()
    build.wait().expect("ABORTED")
    assert done.wait(SLOW * 2)
    again = jenkins.run(name).expect("SUCCESS")
    assert (in_production(mlflow, "aborted"), champion(mlflow, "aborted")) == ([2], 2), again.describe()
    tags = client(mlflow.direct).get_registered_model("aborted").tags
    assert "jenkins_mlflow.intent" not in tags, again.describe()


def _ended(result: str | None) -> bool | None:
    return True if result else None


def test_of_two_builds_at_once_one_wins(
    jenkins: JenkinsServer, trusted: str, mlflow: Mlflow, job: Job
) -> None:
    """Both have made their plans before either takes the lock; the other is told that it lost, and to whom."""
    if jenkins.json("computer/", "totalExecutors")["totalExecutors"] < 2:
        pytest.skip("two builds at once need two executors")
    seed(mlflow.direct, {"raced": [CHAMPION, Spec(), Spec()]})
    both = threading.Barrier(2, timeout=600)

    def together(request: Request, send: Send) -> Answer:
        with contextlib.suppress(threading.BrokenBarrierError):
            both.wait()
        return send()

    mlflow.proxy.inject(together, method="POST", path="registered-models/create", times=2)
    scripts = [
        steps(mlflow.url, call("mlflowPromote", models="raced", model="raced", version=version))
        for version in ("2", "3")
    ]
    started = [jenkins.start(name) for name in [job(trusted, script) for script in scripts]]
    builds = [build.wait() for build in started]
    outcomes = {build.info()["result"]: number for build, number in zip(builds, (2, 3), strict=True)}
    shown = "\n".join(build.describe() for build in builds)
    assert set(outcomes) == {"SUCCESS", "FAILURE"}, shown
    winner, loser = outcomes["SUCCESS"], outcomes["FAILURE"]
    assert in_production(mlflow, "raced") == [winner], shown
    assert champion(mlflow, "raced") == winner, shown
    builds[loser - 2].expect_log(f"raced version {loser} lost: raced version {winner} went into production")


def test_an_untrusted_library_needs_no_approval(
    jenkins: JenkinsServer, untrusted: str, mlflow: Mlflow, job: Job
) -> None:
    """A folder's own library runs in the sandbox."""
    seed(mlflow.direct, {"sandboxed": [replace(CHAMPION, metrics={"score": 0.7}), Spec({"score": 0.9})]})
    give_files(mlflow, "sandboxed")
    script = steps(
        mlflow.url,
        call("mlflowRun", "list", command="list", models="sandboxed"),
        call("mlflowPromote", "promote", models=["sandboxed"], model="sandboxed", version=2),
        call("mlflowRollback", "rollback", models="sandboxed", model="sandboxed", to=1),
        call("mlflowSelect", "select", models="sandboxed", metric="score"),
        call("mlflowCleanup", "cleanup", models="sandboxed", keepLast=5),
    )
    build = jenkins.run(job(untrusted, script)).expect_no_log(*SANDBOX).expect("SUCCESS")
    assert set(results(build.console)) == {"list", "promote", "rollback", "select", "cleanup"}
    assert in_production(mlflow, "sandboxed") == [1], build.describe()


def test_a_rollback_returns_to_the_version_before(
    jenkins: JenkinsServer, trusted: str, mlflow: Mlflow, job: Job
) -> None:
    """A dry run changes nothing, the form's false is no true."""
    seed(mlflow.direct, {"returned": [Spec(), Spec()]})
    give_files(mlflow, "returned")
    asked = {"models": "returned", "model": "returned"}
    script = steps(
        mlflow.url,
        call("mlflowPromote", **asked, version="1"),
        call("mlflowPromote", **asked, version="2"),
        call("mlflowRollback", "plan", **asked, dryRun="true"),
        call("mlflowRollback", "done", **asked, dryRun="false"),
    )
    build = jenkins.run(job(trusted, script)).expect("SUCCESS")
    said = results(build.console)
    assert (said["plan"]["status"], said["done"]["status"]) == ("planned", "rolled_back"), build.describe()
    assert stages(mlflow, "returned") == {1: "Production", 2: "Archived"}, build.describe()
    assert champion(mlflow, "returned") == 1, build.describe()


def test_credentials_become_the_variables_of_mlflow(jenkins: JenkinsServer, trusted: str, job: Job) -> None:
    """User name and password by one id; the password is masked in the log."""
    password = secrets.token_hex(12)
    jenkins.post(
        f"{item_path(trusted)}credentials/store/folder/domain/_/createCredentials",
        data=tostring(login("mlflow-login", "tester", password), encoding="utf-8"),
    )
    shell = 'echo "$MLFLOW_TRACKING_USERNAME:$MLFLOW_TRACKING_PASSWORD" | tee login; test -n "$WORKSPACE"'
    agent = call("mlflowAgent", credentials="mlflow-login")
    script = (
        f"{HEAD}{agent} {{ {call('sh', script=shell)}; echo('LENGTH ' + readFile('login').trim().size()) }}\n"
    )
    build = jenkins.run(job(trusted, script)).expect("SUCCESS").expect_no_log(password)
    build.expect_log(f"LENGTH {len('tester:' + password)}")


@pytest.mark.parametrize(
    ("step", "arguments", "line"),
    [
        ("mlflowPromote", {"modle": "m"}, "mlflowPromote: unknown parameter 'modle', did you mean 'model'?"),
        (
            "mlflowPromote",
            {"model": "m", "version": "0"},
            "mlflowPromote: version must be a whole number from 1",
        ),
        (
            "mlflowCleanup",
            {"keepLast": "many"},
            "mlflowCleanup: keepLast must be a whole number, not 'many'",
        ),
        ("mlflowRollback", {}, "mlflowRollback: model is required"),
        ("mlflowPromote", {"version": "3"}, "mlflowPromote: version needs model"),
        ("mlflowRun", {"command": "destroy"}, "mlflowRun: unknown command 'destroy'"),
        ("mlflowPipeline", {"onFailure": "hope"}, "mlflowPipeline: onFailure must be one of stop, continue"),
    ],
    ids=["unknown", "out-of-range", "type", "required", "needs", "command", "choice"],
)
def test_a_wrong_argument_costs_no_agent(
    jenkins: JenkinsServer, trusted: str, job: Job, step: str, arguments: dict[str, str], line: str
) -> None:
    """FAILURE with one line, in a build that never had an agent."""
    build = jenkins.run(job(trusted, steps("", call(step, **arguments), agent=False))).expect("FAILURE")
    build.expect_log(line).expect_no_log("Running on ", *SANDBOX)
    said = [each for each in build.console.splitlines() if line in each]
    assert len(said) == 1, build.describe()


def test_a_build_archives_no_report_of_the_build_before(
    jenkins: JenkinsServer, trusted: str, mlflow: Mlflow, job: Job
) -> None:
    """Two builds in one workspace: the first ends with the notice, the second succeeds and has none."""
    seed(mlflow.direct, {"twice": [CHAMPION, Spec()]})
    script = steps(
        mlflow.url, call("mlflowAgent") + " { " + call("mlflowPromote", model="twice", version="2") + " }"
    ).replace("  deleteDir()\n", "")
    script += "node { archiveArtifacts(artifacts: 'mlflow-report/**', allowEmptyArchive: true) }\n"
    name = job(trusted, script)
    mlflow.proxy.inject(
        respond(400, INVALID, "application/json"), method="POST", path="model-versions/transition-stage"
    )
    mlflow.proxy.inject(
        respond(400, INVALID, "application/json"), method="POST", path="registered-models/alias"
    )
    first = jenkins.run(name).expect("UNSTABLE")
    assert "mlflow-report/notice.txt" in first.artifacts, first.describe()
    mlflow.proxy.reset()
    second = jenkins.run(name).expect("SUCCESS")
    assert "mlflow-report/notice.txt" not in second.artifacts, second.describe()


def test_a_build_that_fails_shows_no_page_of_the_build_before(
    jenkins: JenkinsServer, trusted: str, mlflow: Mlflow, job: Job
) -> None:
    """Three builds in one workspace: one promotes, one fails and has its page, one fails before it can have any."""
    seed(mlflow.direct, {"paged": [CHAMPION, Spec()]})
    version = f"env.BUILD_NUMBER == '1' ? 2 : 9, trackingUri: '{mlflow.url}'"
    asked = f"mlflowPromote(model: 'paged', version: {version})"
    cache = "env.BUILD_NUMBER == '3' ? ['JENKINS_MLFLOW_CACHE=relative'] : []"
    called = f"{call('mlflowAgent')} {{ withEnv({cache}) {{ {asked} }} }}"
    name = job(trusted, steps("", called, agent=False))
    first = jenkins.run(name).expect("SUCCESS")
    second = jenkins.run(name).expect("FAILURE")
    third = jenkins.run(name).expect("FAILURE").expect_log("the cache folder relative is no absolute path")
    for build in (first, second, third):
        shown = str(jenkins.json(build.path, "description")["description"])
        assert ("report: mlflow-report/index.html" in shown) == (build is not third), shown
    failed = "paged has no version 9"
    pages = [build.artifacts["mlflow-report/index.html"] for build in (first, second)]
    assert [failed in page for page in pages] == [False, True], second.describe()
    assert third.artifacts == {}, third.describe()


def test_the_builds_page_is_one_line_of_plain_text(
    jenkins: JenkinsServer, trusted: str, mlflow: Mlflow, job: Job
) -> None:
    """Nothing in it is markup; it says why a failed build ended."""
    model = "page <b>&amp;<i>"
    seed(mlflow.direct, {model: [CHAMPION]})
    script = steps(mlflow.url, call("mlflowPromote", model=model, version="9"))
    build = jenkins.run(job(trusted, script)).expect("FAILURE")
    shown = str(jenkins.json(build.path, "description")["description"])
    assert shown.startswith("mlflowPromote: "), shown
    assert "\n" not in shown, shown
    assert not set("<>&") & set(shown), shown
