"""The build context: what Jenkins says, what stands in at a terminal, and ids that are safe in a filter."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, strategies as st
from jenkins_mlflow.build import BuildContext, safe_id

JENKINS = {
    "BUILD_TAG": "jenkins-heart-disease-12",
    "BUILD_URL": "https://jenkins.example/job/heart-disease/12/",
    "JOB_NAME": "heart-disease",
    "BUILD_USER_ID": "ada",
    "GIT_COMMIT": "c0ffee",
}


def test_everything_comes_from_jenkins() -> None:
    """In a build, each field is Jenkins' own."""
    context = BuildContext.from_environment(JENKINS)

    assert context == BuildContext(
        id="jenkins-heart-disease-12@51db9fa2",
        url="https://jenkins.example/job/heart-disease/12/",
        job="heart-disease",
        user="ada",
        git_commit="c0ffee",
    )
    assert context.for_training(Path("/nonexistent")) == context
    assert context.tags() == {
        "jenkins_mlflow.build": "jenkins-heart-disease-12@51db9fa2",
        "jenkins_mlflow.build_url": "https://jenkins.example/job/heart-disease/12/",
        "jenkins_mlflow.job": "heart-disease",
        "jenkins_mlflow.git_commit": "c0ffee",
    }


@pytest.mark.parametrize(
    ("build", "environ", "expected"),
    [
        pytest.param(
            "mine", {"JENKINS_MLFLOW_BUILD": "theirs", "BUILD_TAG": "jenkins-1"}, "mine", id="flag first"
        ),
        pytest.param(
            None,
            {"JENKINS_MLFLOW_BUILD": "theirs", "BUILD_TAG": "jenkins-1"},
            "theirs",
            id="then our variable",
        ),
        pytest.param(None, {"BUILD_TAG": "jenkins-1"}, "jenkins-1", id="then Jenkins"),
        pytest.param(None, {"BUILD_TAG": ""}, "", id="else unknown"),
    ],
)
def test_where_the_id_comes_from(build: str | None, environ: dict[str, str], expected: str) -> None:
    """--build, then JENKINS_MLFLOW_BUILD, then BUILD_TAG."""
    assert BuildContext.from_environment(environ, build=build).id == expected


def test_one_tag_of_two_builds_is_two_ids() -> None:
    """A job that was made again, two Jenkins, or `a/b` beside `a-b`: the new code never ran."""
    steps = {**JENKINS, "JENKINS_MLFLOW_BUILD_STARTED": "1764485000000"}
    made_again = {**steps, "JENKINS_MLFLOW_BUILD_STARTED": "1764489000000"}
    elsewhere = {**JENKINS, "BUILD_URL": "https://other.example/job/heart-disease/12/"}
    ids = [BuildContext.from_environment(each).id for each in (steps, made_again, JENKINS, elsewhere)]
    assert ids[0] == "jenkins-heart-disease-12@1764485000000"
    assert len(set(ids)) == 4
    moved = {**steps, "BUILD_URL": "https://renamed.example/job/heart-disease/12/"}
    assert BuildContext.from_environment(moved).id == ids[0], "the time is enough"
    assert BuildContext.from_environment({}, build=ids[0]).id == ids[0], "as the steps pass it on"
    assert BuildContext.from_environment({"JENKINS_MLFLOW_BUILD_STARTED": "1"}).id == ""


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        pytest.param(
            {"BUILD_USER": "Ada L.", "BUILD_USER_ID": "ada", "CHANGE_AUTHOR": "bob"},
            "Ada L.",
            id="plugin name",
        ),
        pytest.param(
            {"BUILD_USER": "", "BUILD_USER_ID": "ada", "CHANGE_AUTHOR": "bob"}, "ada", id="plugin id"
        ),
        pytest.param({"CHANGE_AUTHOR": "bob"}, "bob", id="author of the change"),
        pytest.param({}, "local-user", id="local user"),
    ],
)
def test_who_runs_it(environ: dict[str, str], expected: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The person Jenkins knows, else the author of the change, else the local user."""
    monkeypatch.setattr("getpass.getuser", lambda: "local-user")
    assert BuildContext.from_environment(environ).user == expected


@pytest.mark.parametrize("error", [KeyError("uid 1234"), OSError("no username")])
def test_a_uid_without_a_name_is_no_reason_to_fail(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    """Containers on agents run under uids that the password file does not know."""

    def nobody() -> str:
        raise error

    monkeypatch.setattr("getpass.getuser", nobody)
    assert BuildContext.from_environment({}).user == "unknown"


def test_a_local_training_gets_an_id_and_the_commit_of_its_checkout(tmp_path: Path) -> None:
    """Outside Jenkins every training has a new id, and git tells the commit."""
    for command in (
        ["init", "-q"],
        ["-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "x", "--allow-empty"],
    ):
        subprocess.run(["git", *command], cwd=tmp_path, check=True)
    head = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=tmp_path, check=True, capture_output=True, text=True
    )

    first, second = (BuildContext(user="ada").for_training(tmp_path) for _ in range(2))

    assert re.fullmatch(r"local-\d{8}T\d{6}Z-[0-9a-f]{6}", first.id)
    assert first.id != second.id
    assert first.git_commit == head.stdout.strip()


def test_no_checkout_means_no_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither a plain folder nor a machine without git is an error."""
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert BuildContext().for_training(tmp_path).git_commit == ""
    monkeypatch.setenv("PATH", str(tmp_path))
    assert BuildContext().for_training(tmp_path).git_commit == ""


@given(st.text(min_size=1, max_size=300))
def test_an_id_never_breaks_out_of_a_filter_string(text: str) -> None:
    """Whatever a job is called, its id is short, printable, without quotes, and safe when asked again."""
    made = safe_id(text)
    assert re.fullmatch(r"[A-Za-z0-9 ._:/@+%=-]{1,200}", made)
    assert safe_id(made) == made


def test_two_builds_never_become_one() -> None:
    """Ids that differ only in characters that cannot be kept stay different; a harmless one is kept."""
    assert safe_id("jenkins-a%2Fb-1") == "jenkins-a%2Fb-1"
    assert safe_id("o'brien-1") != safe_id('o"brien-1') != safe_id("o-brien-1")
    assert safe_id("x" * 400) != safe_id("x" * 401)


def test_what_a_person_can_choose_holds_no_control_characters() -> None:
    """Names and addresses go into tags, which other people read in their terminals."""
    odd = {
        "BUILD_USER": "Ann\x1b[2J",
        "BUILD_URL": "http://ci/\x9b",
        "JOB_NAME": "a\nb",
        "CHANGE_ID": "PR\u202e1",
    }
    found = BuildContext.from_environment(odd)
    assert (found.user, found.url, found.job, found.change) == (
        "Ann\ufffd[2J",
        "http://ci/\ufffd",
        "a\ufffdb",
        "PR\ufffd1",
    )
