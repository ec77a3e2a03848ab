"""The commands `jobs apply`, `run`, `status` and `logs` on a small Jenkins, in this process: nothing waits."""

from __future__ import annotations

import json
import re
import signal
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from jenkins_mlflow.cli import main as cli
from jenkins_mlflow.errors import Interrupted
from jenkins_mlflow.jenkins_jobs import job_xml
from jenkins_mlflow.jenkins_jobs.server import Server
from jenkins_mlflow.terminal import Terminal
from support.jenkins import TOKEN, Answer, FakeJenkins, Run, first_build, page

YAML = """
folder: mlops
repository: {url: https://git.example.com/r.git}
jobs:
  train: {keep_builds: 5}
  nightly: {script: jobs/nightly.Jenkinsfile}
"""
PARAMETERS = f"""<{job_xml.PARAMETERS}><parameterDefinitions>
<hudson.model.ChoiceParameterDefinition><name>ACTION</name><choices class="java.util.Arrays$ArrayList">
<a class="string-array"><string>list</string><string>promote</string></a></choices>
</hudson.model.ChoiceParameterDefinition>
<hudson.model.BooleanParameterDefinition><name>DRY_RUN</name></hudson.model.BooleanParameterDefinition>
<hudson.model.StringParameterDefinition><name>MODEL</name></hudson.model.StringParameterDefinition>
<hudson.model.PasswordParameterDefinition><name>SECRET</name></hudson.model.PasswordParameterDefinition>
<hudson.model.FileParameterDefinition><name>DATA</name></hudson.model.FileParameterDefinition>
</parameterDefinitions></{job_xml.PARAMETERS}>"""
MANUAL = f"<flow-definition><properties>{PARAMETERS}</properties></flow-definition>"


class Result(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def doc(self) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(self.out)
        return document


Jobs = Callable[..., Result]


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """All waits, none of which takes time."""
    made: list[float] = []
    monkeypatch.setattr(time, "sleep", made.append)
    return made


@pytest.fixture
def jobs(
    jenkins: FakeJenkins,
    waits: list[float],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> Iterator[Jobs]:
    """``jobs("apply", "--yes")``: exit code and output, in a folder with a jobs.yaml of two jobs. No output has the
    token.
    """
    (tmp_path / "jobs.yaml").write_text(YAML, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    for name, value in jenkins.environ.items():
        monkeypatch.setenv(name, value)
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def run(*arguments: str) -> Result:
        code = cli.run(["jobs", *arguments])
        result = Result(code, *capfd.readouterr())
        assert TOKEN not in result.out + result.err
        assert "Traceback" not in result.err
        return result

    yield run
    for number, handler in handlers.items():
        signal.signal(number, handler)


def answers(monkeypatch: pytest.MonkeyPatch, *typed: str) -> None:
    """Let there be a person at the terminal who answers with these words."""
    remaining = list(typed)
    monkeypatch.setattr(Terminal, "interactive", property(lambda self: True))
    monkeypatch.setattr(Terminal, "ask", lambda self, question: remaining.pop(0))


def test_apply_creates_then_finds_nothing_to_do(jenkins: FakeJenkins, jobs: Jobs) -> None:
    done = jobs("apply", "--yes", "--output=json")
    assert done.code == 0
    assert done.doc["schema"] == 1
    assert (done.doc["command"], done.doc["action"], done.doc["status"]) == ("jobs", "apply", "applied")
    assert [(item["job"], item["outcome"]) for item in done.doc["items"]] == [
        ("mlops", "created"),
        ("mlops/train", "created"),
        ("mlops/nightly", "created"),
    ]
    assert sorted(jenkins.configs) == ["mlops", "mlops/nightly", "mlops/train"]
    writes = len(jenkins.writes)
    again = jobs("apply")
    assert (again.code, again.out.splitlines()[-1]) == (0, "every job is up to date")
    assert len(jenkins.writes) == writes


def test_apply_shows_the_difference_first_and_a_dry_run_writes_nothing(
    jenkins: FakeJenkins, jobs: Jobs
) -> None:
    shown = jobs("apply", "--dry-run")
    assert shown.code == 0
    assert "+++ mlops/train (jobs.yaml)" in shown.err
    assert "+        <numToKeep>5</numToKeep>" in shown.err
    assert "\x1b" not in shown.err
    assert shown.out.splitlines()[-1] == "3 changes to make"
    assert jenkins.writes == []


def test_apply_without_a_terminal_needs_yes(
    jenkins: FakeJenkins, jobs: Jobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Terminal, "interactive", property(lambda self: False))
    refused = jobs("apply", "--output=json")
    assert refused.code == 2
    assert "there is no terminal to ask for confirmation" in refused.err
    assert "--yes" in refused.err
    assert refused.doc["exit_code"] == 2
    assert jenkins.writes == []


@pytest.mark.parametrize(
    ("answer", "message"), [("y", "3 changes made"), ("", "nothing was changed: the answer was no")]
)
def test_apply_asks(
    jenkins: FakeJenkins, jobs: Jobs, monkeypatch: pytest.MonkeyPatch, answer: str, message: str
) -> None:
    answers(monkeypatch, answer)
    done = jobs("apply")
    assert (done.code, done.out.splitlines()[-1]) == (0, message)
    assert bool(jenkins.writes) == (answer == "y")


def test_apply_overwrites_what_a_person_changed_and_says_what_that_was(
    jenkins: FakeJenkins, jobs: Jobs
) -> None:
    jobs("apply", "--yes")
    record = "<jobProperties/><parameters><string>ACTION</string></parameters>"
    stored = first_build(jenkins.configs["mlops/train"], record=record)
    jenkins.configs["mlops/train"] = stored.replace("*/main", "*/mine")
    done = jobs("apply", "--yes", "--output=json")
    assert [item["outcome"] for item in done.doc["items"]] == ["up to date", "updated", "up to date"]
    assert "-          <name>*/mine</name>" in done.err
    assert "*/main" in jenkins.configs["mlops/train"]
    assert "<string>ACTION</string>" in jenkins.configs["mlops/train"]


def test_apply_never_touches_a_job_of_somebody_else(jenkins: FakeJenkins, jobs: Jobs) -> None:
    """Nothing at all is written, not even the other jobs; --adopt takes it over."""
    mine = "<flow-definition><description>mine</description></flow-definition>"
    jenkins.configs |= {"mlops": f"<{job_xml.FOLDER}/>", "mlops/train": mine}
    refused = jobs("apply", "--yes")
    assert refused.code == 1
    assert "that jenkins-mlflow did not create" in refused.err
    assert "--adopt mlops/train" in refused.err
    assert jenkins.writes == []
    assert jobs("apply", "--yes", "--adopt", "train").code == 0
    assert job_xml.MARKER in jenkins.configs["mlops/train"]


def test_apply_stops_when_a_job_was_changed_while_the_person_looked(
    jenkins: FakeJenkins, jobs: Jobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs("apply", "--yes")
    changed = jenkins.configs["mlops/train"].replace("*/main", "*/one")
    jenkins.configs["mlops/train"] = changed
    monkeypatch.setattr(Terminal, "interactive", property(lambda self: True))

    def change_and_agree(self: Terminal, question: str) -> str:
        jenkins.configs["mlops/train"] = changed.replace("*/one", "*/two")
        return "y"

    monkeypatch.setattr(Terminal, "ask", change_and_agree)
    done = jobs("apply", "--output=json")
    assert done.code == 1
    assert "was changed in Jenkins while you looked" in done.doc["message"]
    assert "*/two" in jenkins.configs["mlops/train"]


def test_apply_that_fails_in_the_middle_says_what_was_done(jenkins: FakeJenkins, jobs: Jobs) -> None:
    """The next run goes on from there."""
    refusal = page(403, "Forbidden", **{"X-Error": "dana is missing the Job/Create permission"})
    jenkins.fail("POST", "createItem?name=nightly", refusal)
    done = jobs("apply", "--yes", "--output=json")
    assert done.code == 1
    assert [item["outcome"] for item in done.doc["items"]] == ["created", "created", "failed"]
    assert done.doc["message"].startswith("stopped after 2 of 3 changes: cannot create mlops/nightly")
    assert "dana is missing the Job/Create permission" in done.err
    assert jobs("apply", "--yes").out.splitlines()[-1] == "1 change made"


def test_apply_reads_back_what_it_wrote(jenkins: FakeJenkins, jobs: Jobs) -> None:
    """A redirect turns a POST into a GET, which succeeds and writes nothing."""
    jobs("apply", "--yes")
    jenkins.configs["mlops/train"] = jenkins.configs["mlops/train"].replace("*/main", "*/mine")
    elsewhere = {"Location": f"{jenkins.url}/job/mlops/job/train/config.xml"}
    jenkins.fail("POST", "train/config.xml", Answer(302, b"", elsewhere))
    done = jobs("apply", "--yes", "--output=json")
    assert done.code == 1
    assert "has not stored mlops/train as it was sent" in done.doc["message"]


def test_apply_that_is_interrupted_says_what_state_things_are_in(
    jenkins: FakeJenkins, jobs: Jobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    create = Server.create

    def interrupted(self: Server, name: str, xml: str) -> None:
        if name == "mlops/train":
            raise Interrupted("interrupted by SIGTERM", signal_number=signal.SIGTERM)
        create(self, name, xml)

    monkeypatch.setattr(Server, "create", interrupted)
    done = jobs("apply", "--yes")
    assert done.code == 143
    assert (
        "created: folder mlops\nerror: interrupted by SIGTERM\nstate: the changes listed above were made"
        in done.err
    )


def test_a_mistake_in_the_file_ends_with_2_and_asks_nobody(
    jenkins: FakeJenkins, jobs: Jobs, tmp_path: Path
) -> None:
    (tmp_path / "jobs.yaml").write_text(f"{YAML}  x: {{scirpt: y}}\n", encoding="utf-8")
    done = jobs("apply", "--yes")
    assert done.code == 2
    assert 'jobs.yaml:7: jobs.x.scirpt: unknown key; did you mean "script"?' in done.err
    assert jenkins.seen == []


def test_run_follows_the_queue_and_the_log_to_the_end(jenkins: FakeJenkins, jobs: Jobs) -> None:
    """Log and progress go to standard error, the document alone to standard output."""
    jenkins.configs["mlops/train"] = "<flow-definition/>"
    counting = [f"In the quiet period. Expires in {seconds} sec" for seconds in (4.9, 3.9, 2.9)]
    log = [b"Started\npart", b" one \xc3", b"\xa4\n\x1b[31mred\x1b[0m\x07\n", b"Finished: SUCCESS\n"]
    jenkins.runs["mlops/train"] = [Run(whys=[*counting, "Waiting for next available executor"], log=log)]
    done = jobs("run", "train", "--output=json")
    assert done.code == 0
    assert done.err.splitlines() == [
        "queued mlops/train as item 40",
        "in the queue: In the quiet period. Expires in 4.9 sec",
        "in the queue: Waiting for next available executor",
        f"build 1: {jenkins.url}/job/mlops/job/train/1/",
        "Started",
        "part one ä",
        "red\ufffd",
        "Finished: SUCCESS",
    ]
    assert (done.doc["status"], done.doc["result"], done.doc["build"]) == ("success", "SUCCESS", 1)
    assert done.doc["message"] == "mlops/train 1: SUCCESS after 42 s"


@pytest.mark.parametrize(
    ("result", "report", "code"),
    [
        ("SUCCESS", None, 0),
        ("FAILURE", None, 1),
        ("NOT_BUILT", None, 1),
        ("ABORTED", None, 130),
        ("UNSTABLE", None, 3),
        ("UNSTABLE", {"command": "promote", "status": "by_hand", "message": "m", "exit_code": 4}, 4),
        ("UNSTABLE", {"command": "promote", "status": "none", "message": "m", "exit_code": 3}, 3),
        ("UNSTABLE", {"command": "doctor", "status": "drift", "message": "m", "exit_code": 7}, 7),
        ("UNSTABLE", {"command": "promote", "status": "odd", "message": "m", "exit_code": 0}, 3),
        ("FAILURE", {"command": "promote", "status": "by_hand", "message": "m", "exit_code": 4}, 1),
    ],
)
def test_run_ends_with_the_code_of_the_result(
    jenkins: FakeJenkins, jobs: Jobs, result: str, report: dict[str, Any] | None, code: int
) -> None:
    jenkins.configs["x"] = "<flow-definition/>"
    archived = report and {**report, "build": "jenkins-x-1"}
    artifacts = {"examples/heart-disease/mlflow-report/promote.json": archived} if report else {}
    jenkins.runs["x"] = [Run(result=result, artifacts=artifacts)]
    done = jobs("run", "x", "--output=json")
    assert done.code == code
    assert done.doc["exit_code"] == code
    assert done.doc["outcome"] == report


def test_run_gives_the_parameters_and_never_shows_a_password(jenkins: FakeJenkins, jobs: Jobs) -> None:
    jenkins.configs["manual"] = MANUAL
    done = jobs(
        "run", "manual", "ACTION=promote", "DRY_RUN=TRUE", "MODEL=a=b", "SECRET=hunter2", "--output=json"
    )
    assert done.code == 0
    sent = {"ACTION": "promote", "DRY_RUN": "true", "MODEL": "a=b", "SECRET": "hunter2"}
    assert jenkins.queue[40].parameters == sent
    assert done.doc["parameters"] == sent | {"SECRET": "***"}
    assert "hunter2" not in done.out + done.err


def test_run_takes_values_from_the_environment_and_shows_none(
    jenkins: FakeJenkins, jobs: Jobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the parameter's own name or another; a plain text parameter is hidden then, too."""
    jenkins.configs["manual"] = MANUAL
    monkeypatch.setenv("SECRET", "hunter=2")
    monkeypatch.setenv("OTHER", "classified")
    done = jobs(
        "run", "manual", "ACTION=list", "--from-env=SECRET", "--from-env=MODEL=OTHER", "--output=json"
    )
    assert done.code == 0, done.err
    assert jenkins.queue[40].parameters == {"ACTION": "list", "MODEL": "classified", "SECRET": "hunter=2"}
    assert done.doc["parameters"] == {"ACTION": "list", "MODEL": "***", "SECRET": "***"}
    assert "hunter" not in done.out + done.err
    assert "classified" not in done.out + done.err


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--from-env=NOT_SET"], "--from-env NOT_SET: the variable NOT_SET is not set"),
        (["--from-env=MODEL=NOT_SET"], "--from-env MODEL=NOT_SET: the variable NOT_SET is not set"),
        (["--from-env=MODEL=GIVEN", "--from-env=MODEL=GIVEN"], "--from-env names MODEL twice"),
        (["MODEL=a", "--from-env=MODEL=GIVEN"], "manual: MODEL is given twice"),
        (["--from-env=NONE=GIVEN"], "manual: no parameter NONE"),
        (
            ["--from-env=ACTION=GIVEN"],
            "manual: ACTION: expected one of list, promote, got something else\n",
        ),
        (["--from-env=DRY_RUN=GIVEN"], "manual: DRY_RUN: expected true or false, got something else"),
    ],
)
def test_run_refuses_what_the_environment_does_not_give(
    jenkins: FakeJenkins, jobs: Jobs, monkeypatch: pytest.MonkeyPatch, arguments: list[str], problem: str
) -> None:
    jenkins.configs["manual"] = MANUAL
    monkeypatch.setenv("GIVEN", "promte")
    monkeypatch.delenv("NOT_SET", raising=False)
    done = jobs("run", "manual", *arguments)
    assert done.code == 2
    assert problem in done.err
    assert "promte" not in done.err
    assert jenkins.writes == []


def test_run_without_words_takes_the_jobs_defaults(jenkins: FakeJenkins, jobs: Jobs) -> None:
    """Jenkins refuses a bare build of a job that has parameters."""
    jenkins.configs["manual"] = MANUAL
    assert jobs("run", "manual").code == 0
    assert jenkins.writes == ["/job/manual/buildWithParameters"]


@pytest.mark.parametrize(
    ("parameters", "problems"),
    [
        (["ACTON=list"], ['manual: no parameter ACTON; did you mean "ACTION"?']),
        (
            ["ACTION=promte"],
            ['manual: ACTION: expected one of list, promote, got promte; did you mean "promote"?'],
        ),
        (["DRY_RUN=yes"], ["manual: DRY_RUN: expected true or false, got yes"]),
        (["MODEL=a", "MODEL=b"], ["manual: MODEL is given twice"]),
        (["DATA=x.csv"], ["manual: DATA is a file, which can only be uploaded on Jenkins' page"]),
        (["hunter2"], ["manual: argument 1 is not of the form KEY=VALUE"]),
        (["X=1", "DRY_RUN=1"], ["manual: no parameter X", "manual: DRY_RUN: expected true or false"]),
    ],
)
def test_run_refuses_wrong_parameters_before_anything_is_queued(
    jenkins: FakeJenkins, jobs: Jobs, parameters: list[str], problems: list[str]
) -> None:
    jenkins.configs["manual"] = MANUAL
    done = jobs("run", "manual", *parameters)
    assert done.code == 2
    for problem in problems:
        assert f"error: {problem}" in done.err
    assert "state: nothing was queued" in done.err
    assert "hunter2" not in done.err
    assert jenkins.writes == []


def test_run_of_a_job_that_was_never_built_explains_where_parameters_come_from(
    jenkins: FakeJenkins, jobs: Jobs
) -> None:
    jenkins.configs["x"] = "<flow-definition/>"
    done = jobs("run", "x", "ACTION=list")
    assert done.code == 2
    assert "It gets those of a Jenkinsfile from the job's first build" in done.err


def test_run_of_a_disabled_job_is_refused(jenkins: FakeJenkins, jobs: Jobs) -> None:
    jenkins.configs["x"] = "<flow-definition><disabled>true</disabled></flow-definition>"
    done = jobs("run", "x")
    assert (done.code, jenkins.writes) == (1, [])
    assert "x is disabled" in done.err


def test_run_that_was_cancelled_in_the_queue(jenkins: FakeJenkins, jobs: Jobs) -> None:
    jenkins.configs["x"] = "<flow-definition/>"
    jenkins.runs["x"] = [Run(whys=["Waiting"], cancelled=True)]
    done = jobs("run", "x", "--output=json")
    assert (done.code, done.doc["status"]) == (130, "cancelled")


def test_run_without_waiting(jenkins: FakeJenkins, jobs: Jobs) -> None:
    jenkins.configs["x"] = "<flow-definition/>"
    done = jobs("run", "x", "--no-wait", "--output=json")
    assert (done.code, done.doc["status"], done.doc["queue_item"]) == (0, "queued", 40)
    assert not jenkins.builds


def test_run_that_takes_too_long_leaves_the_build_alone(
    jenkins: FakeJenkins, jobs: Jobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    jenkins.configs["x"] = "<flow-definition/>"
    jenkins.runs["x"] = [Run(endless=True)]
    started = time.monotonic()
    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    done = jobs("run", "x", "--timeout=200ms", "--output=json")
    assert (done.code, done.doc["status"]) == (1, "timeout")
    assert f"it continues in Jenkins: {jenkins.url}/job/x/1/" in done.doc["message"]
    assert time.monotonic() - started < 20
    assert not any("stop" in path for path in jenkins.writes)


def test_a_bad_timeout_is_a_slip(jobs: Jobs) -> None:
    done = jobs("run", "x", "--timeout=5")
    assert done.code == 2
    assert "--timeout: expected a duration" in done.err


def test_run_outlives_a_restart_of_jenkins(jenkins: FakeJenkins, jobs: Jobs, waits: list[float]) -> None:
    jenkins.configs["x"] = "<flow-definition/>"
    jenkins.runs["x"] = [Run(log=[b"one\n", b"two\n"])]
    jenkins.fail("GET", "queue/item", page(503, "Starting"), Answer(0))
    jenkins.fail("GET", "progressiveText", Answer(0), page(502, "Bad Gateway"))
    done = jobs("run", "x")
    assert done.code == 0
    assert [line for line in done.err.splitlines() if line in ("one", "two")] == ["one", "two"]
    assert waits


def test_a_watch_that_fails_says_that_the_build_goes_on(jenkins: FakeJenkins, jobs: Jobs) -> None:
    jenkins.configs["x"] = "<flow-definition/>"
    jenkins.fail("GET", "progressiveText", *[page(403, "Forbidden")] * 9)
    done = jobs("run", "x")
    assert done.code == 1
    assert f"state: x 1 may continue in Jenkins; it is no longer watched: {jenkins.url}/job/x/1/" in done.err


def test_status_shows_the_last_builds_and_what_they_did(jenkins: FakeJenkins, jobs: Jobs) -> None:
    """From the archived result, else from the description; a job without builds and one that is not there show too."""
    jenkins.configs |= {"mlops": "<f/>", "mlops/train": "<flow-definition/>"}
    report = {
        "command": "promote",
        "status": "promoted",
        "message": "churn version 3 is in production",
        "exit_code": 0,
        "build": "jenkins-mlops-train-2@1764485000000",
    }
    select = {"command": "select", "status": "selected", "message": "m", "exit_code": 0}
    archived = {
        "mlflow-report/select.json": select,
        "mlflow-report/promote.json": report,
        "mlflow-report/x.log": b"",
    }
    jenkins.runs["mlops/train"] = [
        Run(),
        Run(artifacts=archived),
        Run(description="kept <b>churn 3</b>", result="UNSTABLE"),
    ]
    for _ in range(3):
        jobs("run", "train")
    done = jobs("status", "--last=9", "--output=json")
    assert done.code == 0
    assert [
        (i["job"], i["build"], i["result"], i["outcome"] and i["outcome"]["message"])
        for i in done.doc["items"]
    ] == [
        ("mlops/train", 3, "UNSTABLE", "kept <b>churn 3</b>"),
        ("mlops/train", 2, "SUCCESS", "churn version 3 is in production"),
        ("mlops/train", 1, "SUCCESS", None),
        ("mlops/nightly", None, "not created", None),
    ]
    table = jobs("status").out
    assert re.search(
        r"mlops/train +2 +SUCCESS +[89]\d s ago +42 s +promote promoted: churn version 3 is in production",
        table,
    )
    assert table.splitlines()[-1] == f"2 jobs in {jenkins.url}"
    assert jobs("status", "train", "--output=csv").out.startswith(
        "job,build,result,started,duration,outcome\n"
    )


def test_archived_files_on_a_server_that_cannot_be_reached(jenkins: FakeJenkins, jobs: Jobs) -> None:
    """The build has succeeded, and status shows every job; what they did is not known. Nobody waits for each file."""
    jenkins.configs |= {"x": "<flow-definition/>", "y": "<flow-definition/>"}
    for name in ("x", "y"):
        jenkins.runs[name] = [
            Run(artifacts={"mlflow-report/promote.json": {}, "mlflow-report/train.json": {}})
        ]
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        away = f"http://127.0.0.1:{unused.getsockname()[1]}"
    elsewhere = {"Location": f"{away}/bucket/promote.json?X-Amz-Signature=5ec4e7"}
    jenkins.fail("GET", "/artifact/", *[Answer(302, b"", elsewhere)] * 99)
    unknown = f"its outcome is not known: cannot read archived files: connection refused ({away})"
    for name in ("x", "y"):
        done = jobs("run", name, "--output=json")
        assert (done.code, done.doc["status"]) == (0, "success"), done.err
        assert done.doc["message"] == f"{name} 1: SUCCESS after 42 s; {unknown}"
    jenkins.seen.clear()
    shown = jobs("status", "x", "y", "--output=json")
    assert shown.code == 0
    assert [(i["job"], i["outcome"]["message"]) for i in shown.doc["items"]] == [
        ("x", unknown),
        ("y", unknown),
    ]
    asked = [request.path for request in jenkins.seen if "/artifact/" in request.path]
    assert set(asked) == {"/job/x/1/artifact/mlflow-report/promote.json"}


def test_the_signature_of_an_archived_files_address_is_not_shown(jenkins: FakeJenkins, jobs: Jobs) -> None:
    """Whoever has it can read the file."""
    jenkins.configs["x"] = "<flow-definition/>"
    jenkins.runs["x"] = [Run(artifacts={"mlflow-report/promote.json": {}})]
    elsewhere = {"Location": "http://nowhere.invalid/a?sig=5ec4e7"}
    jenkins.fail("GET", "/artifact/", *[Answer(302, b"", elsewhere)] * 99)
    done = jobs("run", "x", "--output=json")
    assert done.code == 0
    assert "cannot read archived files: the host's name cannot be resolved" in done.doc["message"]
    assert "5ec4e7" not in done.out + done.err


def test_status_of_a_running_and_of_a_missing_job(jenkins: FakeJenkins, jobs: Jobs) -> None:
    jenkins.configs["x"] = "<flow-definition/>"
    jenkins.runs["x"] = [Run(endless=True)]
    jobs("run", "x", "--timeout=1ms")
    item = jobs("status", "x", "--output=json").doc["items"][0]
    assert (item["result"], item["seconds"] > 80) == ("RUNNING", True)
    missing = jobs("status", "nope")
    assert missing.code == 1
    assert "cannot read nope: there is no such thing" in missing.err


def test_logs_of_the_last_and_of_a_numbered_build(jenkins: FakeJenkins, jobs: Jobs) -> None:
    jenkins.configs["x"] = "<flow-definition/>"
    jenkins.runs["x"] = [Run(log=[b"first\n"]), Run(log=[b"second \x1b[1mbold\x1b[0m\n"], result="FAILURE")]
    jobs("run", "x")
    jobs("run", "x")
    assert jobs("logs", "x") == (0, "second bold\n", "")
    assert jobs("logs", "x", "1") == (0, "first\n", "")
    followed = jobs("logs", "x", "--follow")
    assert (followed.code, followed.out) == (1, "second bold\nx 2: FAILURE after 42 s\n")
    assert jobs("logs", "x", "7").code == 1


def test_nobody_there(jobs: Jobs, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        monkeypatch.setenv("JENKINS_URL", f"http://127.0.0.1:{unused.getsockname()[1]}")
    done = jobs("status", "--output=json")
    assert done.code == 1
    assert "connection refused" in done.doc["message"]
    assert "next:  check JENKINS_URL" in done.err
