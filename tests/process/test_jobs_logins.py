"""The account goes to the Jenkins that was named, and to no other host; nothing is sent that nobody asked for."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import jenkins as library
import pytest
from jenkins_mlflow.errors import JenkinsError
from jenkins_mlflow.jenkins_jobs.access import Access
from jenkins_mlflow.jenkins_jobs.server import Server
from jenkins_mlflow.registry.retries import RetryPolicy
from support.jenkins import TOKEN, USER, Answer, FakeJenkins, Request

XML = "<flow-definition/>"
ONCE = RetryPolicy(attempts=1)


@pytest.fixture
def elsewhere() -> Iterator[FakeJenkins]:
    """Another host, which answers everything with an empty document."""
    with FakeJenkins() as other:
        other.faults.append(lambda request: Answer(200, b"{}"))
        yield other


@pytest.fixture
def netrc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A ~/.netrc with a login for this host, whatever the port."""
    file = tmp_path / ".netrc"
    file.write_text("machine 127.0.0.1 login mallory password s3cret\n", encoding="utf-8")
    file.chmod(0o600)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(file))


def redirect(jenkins: FakeJenkins, method: str, part: str, status: int, address: str) -> None:
    jenkins.fail(method, part, Answer(status, b"", {"Location": address}))


@pytest.mark.usefixtures("netrc")
def test_netrc_is_not_read_without_being_asked(jenkins: FakeJenkins) -> None:
    with pytest.raises(JenkinsError, match="does not allow it to anonymous"):
        Server(Access(jenkins.url), ONCE).kind("x")
    assert [request.headers.get("Authorization") for request in jenkins.seen] == [None]


@pytest.mark.usefixtures("netrc")
def test_another_host_gets_neither_account_nor_crumb_nor_extra_headers(
    jenkins: FakeJenkins, elsewhere: FakeJenkins, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Archived files may be stored elsewhere, so that reads are followed."""
    monkeypatch.setenv("JENKINS_API_EXTRA_HEADERS", "X-Gate: s3cret")
    jenkins.configs["x"] = XML
    server = Server(Access(jenkins.url, USER, TOKEN), ONCE)
    server.change("x", XML)  # fetches the crumb
    other = elsewhere.url.replace("127.0.0.1", "localhost")  # cookies ask for the name, not for the port
    redirect(jenkins, "GET", "artifact/", 302, f"{other}/bucket/promote.json")
    assert server.outcome("x", 1, "promote.json") is None
    assert jenkins.seen[-1].headers["X-Gate"] == "s3cret"
    (request,) = elsewhere.seen
    assert request.path == "/bucket/promote.json"
    assert not {"authorization", "jenkins-crumb", "x-gate", "cookie"} & {
        name.lower() for name in request.headers
    }


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_what_is_posted_is_not_sent_on_to_another_host(
    jenkins: FakeJenkins, elsewhere: FakeJenkins, status: int
) -> None:
    jenkins.configs["x"] = XML
    redirect(jenkins, "POST", "/build", status, f"{elsewhere.url}/job/x/build")
    with pytest.raises(JenkinsError) as caught:
        Server(Access(jenkins.url, USER, TOKEN), ONCE).start("x", {"A": "s3cret"})
    assert caught.value.message == (
        f"cannot start x: {jenkins.url} answers with a redirect to {elsewhere.url}, "
        "and nothing that is posted is sent on"
    )
    assert caught.value.next_step == (
        f"if {elsewhere.url} is your Jenkins, set JENKINS_URL to the address that its pages show"
    )
    assert elsewhere.seen == []
    assert jenkins.writes == ["/job/x/buildWithParameters"]


@pytest.mark.parametrize("status", [307, 308])
def test_what_is_posted_is_not_sent_again_on_the_same_host(jenkins: FakeJenkins, status: int) -> None:
    jenkins.configs["x"] = XML
    redirect(jenkins, "POST", "/build", status, "/job/x/build?again")
    with pytest.raises(JenkinsError, match="and nothing that is posted is sent on"):
        Server(Access(jenkins.url, USER, TOKEN), ONCE).start("x", None)
    assert jenkins.writes == ["/job/x/build"]


def test_no_ticket_of_the_desktop_is_used(jenkins: FakeJenkins, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where requests_kerberos is installed, python-jenkins tries it first."""

    class Kerberos:
        @staticmethod
        def HTTPKerberosAuth() -> object:  # noqa: N802
            def ticket(request: Request) -> Request:
                request.headers["Authorization"] = "Negotiate ticket"
                return request

            return ticket

    monkeypatch.setattr(library, "requests_kerberos", Kerberos)
    jenkins.configs["x"] = XML
    assert Server(Access(jenkins.url, USER, TOKEN), ONCE).config("x") == XML
    assert not [request for request in jenkins.seen if "Negotiate" in request.headers["Authorization"]]
