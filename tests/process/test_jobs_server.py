"""Talking with Jenkins: crumbs, passing faults, and every failure in words that name what and what next."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path

import pytest
from jenkins_mlflow.errors import ConnectionFailed, JenkinsError, JobNotFound, UsageError
from jenkins_mlflow.jenkins_jobs import job_xml
from jenkins_mlflow.jenkins_jobs.access import Access, find_access
from jenkins_mlflow.jenkins_jobs.server import Server
from jenkins_mlflow.registry.retries import RetryPolicy
from support.jenkins import TOKEN, USER, Answer, FakeJenkins, Run, page

XML = "<flow-definition><description>d</description></flow-definition>"
WITH_PARAMETER = f"""<flow-definition><properties><{job_xml.PARAMETERS}><parameterDefinitions>
<hudson.model.StringParameterDefinition><name>A</name></hudson.model.StringParameterDefinition>
</parameterDefinitions></{job_xml.PARAMETERS}></properties></flow-definition>"""
WAITS: list[float] = []


def connect(jenkins: FakeJenkins, user: str = USER, token: str = TOKEN) -> Server:
    WAITS.clear()
    return Server(Access(jenkins.url, user, token), RetryPolicy(4, 1.0, 30.0), sleep=WAITS.append)


def test_a_job_is_created_read_and_changed_with_a_crumb(jenkins: FakeJenkins) -> None:
    """Names with blanks, umlauts and folders arrive as they are."""
    server = connect(jenkins)
    server.create("für alle", job_xml.text(job_xml.folder()))
    server.create("für alle/a b", XML)
    assert server.kind("für alle") == job_xml.FOLDER
    assert server.config("für alle/a b") == XML
    server.change("für alle/a b", XML.replace("d<", "ä<"))
    assert jenkins.configs["für alle/a b"] == XML.replace("d<", "ä<")
    assert server.config("für alle/a b") == XML.replace("d<", "ä<")
    assert server.config("für alle/no") is None
    assert server.kind("no") is None
    assert len([request for request in jenkins.seen if "crumbIssuer" in request.path]) == 1


def test_a_stored_job_is_read_as_utf8(jenkins: FakeJenkins) -> None:
    """Jenkins names no charset; what requests guesses for this one is Big5."""
    jenkins.configs["x"] = "<a>é è</a>"
    assert connect(jenkins).config("x") == "<a>é è</a>"


def test_the_server_refuses_a_write_without_crumb(jenkins: FakeJenkins) -> None:
    """Proves that the small Jenkins asks for one, so that the other tests mean something."""
    import requests

    answer = requests.post(f"{jenkins.url}/createItem?name=x", data=XML, auth=(USER, TOKEN), timeout=5)
    assert answer.status_code == 403
    assert "No valid crumb" in answer.text


def test_a_jenkins_without_crumbs_is_fine() -> None:
    with FakeJenkins(crumbs=False) as jenkins:
        connect(jenkins).create("x", XML)
        assert jenkins.configs == {"x": XML}


def test_a_crumb_of_a_session_that_is_over_is_replaced(jenkins: FakeJenkins) -> None:
    """A Jenkins that was restarted while a build is watched knows the session no more; nothing was done yet."""
    server = connect(jenkins)
    server.create("x", XML)
    jenkins.session = "another"
    assert server.start("x", None) == 40
    assert jenkins.writes.count("/job/x/build") == 2
    assert len(jenkins.queue) == 1


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_a_passing_fault_is_tried_again(jenkins: FakeJenkins, status: int) -> None:
    jenkins.configs["x"] = XML
    jenkins.fail("GET", "config.xml", page(status, "Oops"))
    server = connect(jenkins)
    assert server.config("x") == XML
    jenkins.fail("POST", "config.xml", page(status, "Oops"))
    server.change("x", "<a/>")
    assert jenkins.configs["x"] == "<a/>"
    assert len(WAITS) == 2


def test_a_connection_that_breaks_is_tried_again(jenkins: FakeJenkins) -> None:
    jenkins.configs["x"] = XML
    jenkins.fail("GET", "config.xml", Answer(0), Answer(0))
    assert connect(jenkins).config("x") == XML


def test_a_creation_whose_answer_was_lost_is_not_repeated(jenkins: FakeJenkins) -> None:
    """The first try made the job and its answer was lost; the second finds it there."""

    def lose(request: object) -> Answer | None:
        if "createItem" in jenkins.seen[-1].path:
            jenkins.configs["x"] = XML
            return Answer(0)
        return None

    jenkins.faults.append(lose)
    connect(jenkins).create("x", XML)
    assert len(jenkins.writes) == 1


def test_a_job_that_appeared_meanwhile_is_an_error(jenkins: FakeJenkins) -> None:
    jenkins.configs["x"] = "<mine/>"
    with pytest.raises(JenkinsError, match=r"cannot create x: job\[x\] already exists"):
        connect(jenkins).create("x", XML)
    assert jenkins.configs["x"] == "<mine/>"


@pytest.mark.parametrize("answer", [page(503, "Oops"), page(500, "Oops"), Answer(0)])
def test_a_start_is_never_repeated(jenkins: FakeJenkins, answer: Answer) -> None:
    """It could have started a build although it failed: a second try would start another."""
    jenkins.configs["x"] = XML
    server = connect(jenkins)
    server.kind("x")
    jenkins.fail("POST", "/build", answer)
    with pytest.raises((ConnectionFailed, JenkinsError)) as caught:
        server.start("x", None)
    assert jenkins.writes == ["/job/x/build"]
    assert caught.value.state == "whether Jenkins did it is not known"


def test_parameters_travel_in_the_body(jenkins: FakeJenkins) -> None:
    """Addresses are written to logs of proxies and of Jenkins itself."""
    jenkins.configs["x"] = WITH_PARAMETER
    number = connect(jenkins).start("x", {"A": "s3cret & more"})
    assert jenkins.queue[number].parameters == {"A": "s3cret & more"}
    assert jenkins.writes == ["/job/x/buildWithParameters"]


def test_an_answer_without_a_queue_item_is_no_success(jenkins: FakeJenkins) -> None:
    """A redirect from http to https turns the POST into a GET, which starts nothing and succeeds."""
    jenkins.configs["x"] = XML
    jenkins.fail("POST", "/build", Answer(302, b"", {"Location": f"{jenkins.url}/job/x/api/json"}))
    with pytest.raises(JenkinsError, match="did not say which queue item") as caught:
        connect(jenkins).start("x", None)
    assert "not known" in caught.value.state
    assert "redirects to another address" in caught.value.next_step


@pytest.mark.parametrize(
    ("answers", "kind", "reason"),
    [
        (
            [page(401, "Unauthorized")],
            JenkinsError,
            "does not accept the user dana with this token (HTTP 401)",
        ),
        (
            [page(403, "Forbidden", **{"X-Error": "dana is missing the Job/ExtendedRead permission"})],
            JenkinsError,
            "does not allow it to dana (HTTP 403): dana is missing the Job/ExtendedRead permission",
        ),
        ([page(500, "Oops")] * 9, JenkinsError, "HTTP 500 from Jenkins"),
        ([page(503, "Starting")] * 9, JenkinsError, "HTTP 503 from Jenkins"),
        ([Answer(0)] * 9, ConnectionFailed, "connection lost"),
    ],
)
def test_a_failure_says_what_and_why(
    jenkins: FakeJenkins, answers: list[Answer], kind: type[Exception], reason: str
) -> None:
    """Never with Jenkins' page, never with the token."""
    jenkins.configs["x"] = XML
    jenkins.fail("GET", "config.xml", *answers)
    with pytest.raises(kind) as caught:
        connect(jenkins).config("x")
    assert isinstance(caught.value, JenkinsError | ConnectionFailed)
    assert caught.value.message.startswith("cannot read x: ")
    assert reason in caught.value.message
    assert caught.value.next_step
    assert "<html>" not in caught.value.message
    assert TOKEN not in caught.value.message


def test_a_wrong_token_is_401(jenkins: FakeJenkins) -> None:
    with pytest.raises(JenkinsError, match="does not accept the user dana") as caught:
        connect(jenkins, token="wrong-token").kind("x")
    assert "wrong-token" not in str(caught.value)
    assert not WAITS


def test_a_login_page_is_not_jenkins(jenkins: FakeJenkins) -> None:
    jenkins.fail("GET", "", *[page(200, "Sign in")] * 9)
    with pytest.raises(JenkinsError, match="the answer was not Jenkins' own"):
        connect(jenkins).kind("x")


def test_nobody_there_is_a_failed_connection() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
    server = Server(Access(url, USER, TOKEN), RetryPolicy(3, 1.0, 30.0), sleep=WAITS.append)
    with pytest.raises(ConnectionFailed, match="connection refused") as caught:
        server.kind("x")
    assert url in caught.value.message
    assert caught.value.next_step.startswith("check JENKINS_URL")


def test_a_missing_build_or_queue_item_is_not_found(jenkins: FakeJenkins) -> None:
    jenkins.configs["x"] = XML
    server = connect(jenkins)
    calls: list[Callable[[], object]] = [
        lambda: server.build("x", 3),
        lambda: server.log("x", 3, 0),
        lambda: server.queue_item(99),
        lambda: server.job("y", "name"),
    ]
    for call in calls:
        with pytest.raises(JobNotFound):
            call()


def test_an_archived_file_that_is_no_result_is_none(jenkins: FakeJenkins) -> None:
    result = {"command": "promote", "status": "promoted", "message": "ä", "exit_code": 0}
    jenkins.configs["x"] = XML
    files = {
        "a b/promote.json": result,
        "other.json": {"n": 1},
        "odd.json": {**result, "message": []},
        "bad.json": b"<",
    }
    jenkins.runs["x"] = [Run(artifacts=files)]
    server = connect(jenkins)
    server.queue_item(server.start("x", None))
    assert server.outcome("x", 1, "a b/promote.json") == result
    for path in ("other.json", "odd.json", "bad.json", "gone.json"):
        assert server.outcome("x", 1, path) is None


@pytest.mark.parametrize(
    ("url", "environ", "problem"),
    [
        (None, {}, "no Jenkins URL"),
        ("jenkins:8080", {}, "is not an http:// or https:// address"),
        ("http://[::1", {}, "http://[::1 is not a valid address"),
        (None, {"JENKINS_URL": "https://me:s3cret@[::1"}, "https://***@[::1 is not a valid address"),
        ("http://jenkins:80800", {}, "http://jenkins:80800 is not a valid address"),
        ("http://jenkins:port", {}, "http://jenkins:port is not a valid address"),
        ("https://me:s3cret@jenkins", {}, "contains a user or password"),
        ("http://jenkins", {"JENKINS_USER": "me"}, "JENKINS_USER is set but JENKINS_TOKEN is not"),
        ("http://jenkins", {"JENKINS_TOKEN": "s3cret"}, "JENKINS_TOKEN is set but JENKINS_USER is not"),
    ],
)
def test_half_an_account_is_refused(url: str | None, environ: dict[str, str], problem: str) -> None:
    with pytest.raises(UsageError) as caught:
        find_access(url, environ, by_netrc=False)
    assert problem in caught.value.message
    assert "s3cret" not in caught.value.message + caught.value.next_step


def test_the_command_lines_address_wins_and_a_token_never_shows() -> None:
    environ = {"JENKINS_URL": "http://other", "JENKINS_USER": "me", "JENKINS_TOKEN": "s3cret"}
    access = find_access("https://jenkins/ci/", environ, by_netrc=False)
    assert access == Access("https://jenkins/ci", "me", "s3cret")
    assert "s3cret" not in repr(access)
    assert find_access(None, {"JENKINS_URL": "http://other"}, by_netrc=False) == Access("http://other")


def test_netrc_gives_the_account_and_must_be_private(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Python itself refuses a file that others can read."""
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(UsageError, match=r"~/\.netrc does not exist"):
        find_access("https://jenkins:8443", {}, by_netrc=True)
    file = tmp_path / ".netrc"
    file.write_text("machine jenkins login me password s3cret\n", encoding="utf-8")
    file.chmod(0o644)
    with pytest.raises(UsageError, match="too permissive") as caught:
        find_access("https://jenkins:8443", {}, by_netrc=True)
    assert "chmod 600" in caught.value.next_step
    file.chmod(0o600)
    assert find_access("https://jenkins:8443", {}, by_netrc=True) == Access(
        "https://jenkins:8443", "me", "s3cret"
    )
    with pytest.raises(UsageError, match="no login and password for elsewhere"):
        find_access("https://elsewhere", {}, by_netrc=True)
