"""Who is told what: by a command, by Apprise; retried, and never in the way of the work."""

from __future__ import annotations

import json
import signal
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, get_args

import pytest
from jenkins_mlflow.build import BuildContext
from jenkins_mlflow.cli.main import run
from jenkins_mlflow.commands.notify import TELLING, URLS, news, notify, take_urls
from jenkins_mlflow.commands.session import Session
from jenkins_mlflow.config.schema import Config
from jenkins_mlflow.errors import ConnectionFailed, Interrupted, UsageError
from jenkins_mlflow.results.base import ErrorPart, Event, RegistryResult, failure
from jenkins_mlflow.results.cleanup import CleanupResult
from jenkins_mlflow.results.promote import PromoteResult
from jenkins_mlflow.results.schema import RESULTS
from jenkins_mlflow.terminal import Terminal

PROMOTED = PromoteResult(status="promoted", message="promoted churn version 2")


def session(folder: Path, *urls: str, **notify: Any) -> Session:
    config = Config.model_validate({"notify": notify})
    build = BuildContext(url="http://ci/7/")
    return Session(config, "http://x", Terminal(quiet=True), folder, build, notify_urls=urls)


@pytest.fixture
def service() -> Iterator[tuple[str, list[dict[str, Any]], list[int]]]:
    """A web service that takes JSON: its Apprise address, what it got, and the statuses that it gives first."""
    got: list[dict[str, Any]] = []
    statuses: list[int] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            got.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(statuses.pop(0) if statuses else 200)
            self.end_headers()

        def log_message(self, *args: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"json://user:secret@127.0.0.1:{server.server_port}", got, statuses
        server.shutdown()


@pytest.mark.parametrize(
    ("command", "status", "event"),
    [
        ("promote", "promoted", "promoted"),
        ("promote", "manual", "by_hand"),
        ("select", "no_candidate", "rejected"),
        ("rollback", "rolled_back", "rolled_back"),
        ("promote", "rolled_back", "rolled_back"),
        ("doctor", "drift", "drift"),
        ("cleanup", "stopped", "cleanup_stopped"),
        ("promote", "already", None),
        ("promote", "planned", None),
        ("cleanup", "deleted", None),
        ("list", "listed", None),
    ],
)
def test_what_is_news(command: str, status: str, event: str | None) -> None:
    assert RESULTS[command].statuses[status].event == event


def test_every_event_is_that_of_a_status() -> None:
    """A status cannot be declared without an event or None; see ``Meaning``."""
    events = {
        command: {meaning.event for meaning in kind.statuses.values()} - {None}
        for command, kind in RESULTS.items()
    }
    assert set().union(*events.values()) == set(get_args(Event))
    assert {command for command in RESULTS if events[command]} == TELLING


ERROR = ErrorPart(type="ConnectionFailed", message="no usable answer", state="", next_step="")
ENDED = CleanupResult(status="deleted", message="", policy=(), items=(), error=ERROR)


@pytest.mark.parametrize(
    "result",
    [
        *(replace(ENDED, status=status) for status in CleanupResult.statuses),  # type: ignore[arg-type]
        failure(ConnectionFailed("x"), "cleanup"),
    ],
    ids=lambda result: result.status,
)
def test_whatever_a_cleanup_came_to_an_error_in_it_is_news(result: RegistryResult, tmp_path: Path) -> None:
    """Also one after the deletions, and one before the plan; that a dry run fails is nobody's business."""
    assert result.news == "cleanup_stopped"
    assert news(session(tmp_path), result) == "cleanup_stopped"
    assert news(replace(session(tmp_path), looks_only=True), result) is None
    assert replace(result, code=2).news is None, "who mistypes an option has read that"


def test_the_failure_of_another_command_is_no_news() -> None:
    assert failure(ConnectionFailed("x"), "promote").news is None


def test_who_stopped_it_before_it_began_knows() -> None:
    assert failure(Interrupted("stopped", signal_number=15), "cleanup").news is None


@pytest.mark.parametrize("dry_run", [False, True])
def test_a_server_that_cannot_be_reached_is_told(
    dry_run: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The command of the config runs, and the document has the event: in Jenkins, the block gets it."""
    to = str(tmp_path / "told")
    code = f"import os, pathlib; pathlib.Path({to!r}).write_text(os.environ['JENKINS_MLFLOW_MESSAGE'])"
    config = {"notify": {"command": [sys.executable, "-c", code]}, "promote": {"retry": {"attempts": 1}}}
    (tmp_path / "mlops.yaml").write_text(json.dumps(config))
    monkeypatch.chdir(tmp_path)
    mode = "--dry-run" if dry_run else "--yes"
    monkeypatch.setattr(signal, "signal", lambda *args: None)  # they are those of the tests
    assert run(["cleanup", mode, "--tracking-uri=http://127.0.0.1:9", "--output=json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert told["event"] == (None if dry_run else "cleanup_stopped")
    assert (tmp_path / "told").exists() is not dry_run
    if not dry_run:
        assert "no usable answer" in (tmp_path / "told").read_text()


def test_addresses_leave_the_environment() -> None:
    """Whatever is started later, a training above all, does not get them."""
    environ = {URLS: " json://a  json://b\n", "PATH": "/bin"}
    assert (take_urls(environ), environ) == (("json://a", "json://b"), {"PATH": "/bin"})
    assert take_urls(environ) == ()


def test_a_command_is_told(tmp_path: Path) -> None:
    code = (
        "import os, pathlib; told = [k + '=' + v for k, v in os.environ.items() if k.startswith('JENKINS_MLFLOW_')]; "
        f"pathlib.Path({str(tmp_path / 'told')!r}).write_text(chr(10).join(told))"
    )
    one = session(tmp_path, command=[sys.executable, "-c", code])
    notify(one, PROMOTED)
    variables = (tmp_path / "told").read_text().splitlines()
    assert "JENKINS_MLFLOW_EVENT=promoted" in variables
    assert "JENKINS_MLFLOW_MESSAGE=promoted churn version 2" in variables
    assert one.warnings == []


@pytest.mark.parametrize("letter", ["x", "é", "🗑"])
def test_mass_news_is_told_in_part(
    letter: str, tmp_path: Path, service: tuple[str, list[dict[str, Any]], list[int]]
) -> None:
    """Linux takes 128 KiB in one variable, and a chat a few thousand characters."""
    address, got, _ = service
    code = (
        "import os; open('told', 'w', encoding='utf-8').write(os.environ['JENKINS_MLFLOW_MESSAGE'])"
    ).replace("told", str(tmp_path / "told"))
    one = session(tmp_path, address, command=[sys.executable, "-X", "utf8", "-c", code])
    mass = replace(PROMOTED, message="production was changed; " + letter * 140_000)
    notify(one, mass, sleep=lambda _: None)
    assert one.warnings == []
    told = (tmp_path / "told").read_text(encoding="utf-8")
    assert told.startswith("production was changed; " + letter * 1000)
    assert told.endswith(f"{letter}… (the result has all of it)")
    assert len(told) <= 2000
    assert got[0]["message"] == f"{told}\nhttp://ci/7/"


def test_only_what_is_asked_for(tmp_path: Path) -> None:
    one = session(tmp_path, on=["drift"], command=[sys.executable, "-c", "raise SystemExit(3)"])
    assert news(one, PROMOTED) is None
    notify(one, PROMOTED)
    assert one.warnings == []


def test_what_fails_is_tried_again_and_then_a_warning(tmp_path: Path) -> None:
    pauses: list[float] = []
    one = session(tmp_path, command=[sys.executable, "-c", "print('no route'); raise SystemExit(3)"])
    notify(one, PROMOTED, pauses.append)
    assert pauses == [2.0, 4.0]
    assert one.warnings == [
        "the notification of 'promoted' by notify.command failed: it ended with exit code 3: no route (3 tries)"
    ]


def test_apprise_reaches_a_service(
    tmp_path: Path, service: tuple[str, list[dict[str, Any]], list[int]]
) -> None:
    """The second try succeeds; the message has the build's address."""
    address, got, statuses = service
    statuses.append(500)
    one = session(tmp_path, address)
    notify(one, PROMOTED, lambda seconds: None)
    assert one.warnings == []
    assert [each["title"] for each in got] == ["jenkins-mlflow: promoted"] * 2
    assert got[0]["message"] == "promoted churn version 2\nhttp://ci/7/"


def test_no_address_is_shown(
    tmp_path: Path,
    service: tuple[str, list[dict[str, Any]], list[int]],
    capfd: pytest.CaptureFixture[str],
) -> None:
    address, _, statuses = service
    statuses.extend([500] * 3)
    for urls, why in (
        (address, "a service did not accept the message"),
        ("nonsense://user:secret@x", "address 1 of 1 is not one that Apprise knows"),
    ):
        one = session(tmp_path, urls)
        notify(one, PROMOTED, lambda seconds: None)
        assert one.warnings == [f"the notification of 'promoted' by {URLS} failed: {why} (3 tries)"]
    shown = capfd.readouterr()
    assert "secret" not in shown.out + shown.err


def test_without_apprise(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "apprise", None)
    one = session(tmp_path, "json://x")
    notify(one, PROMOTED, lambda seconds: None)
    (warning,) = one.warnings
    assert warning.startswith(
        f"the notification of 'promoted' by {URLS} failed: Apprise is not installed here"
    )
    assert warning.endswith("next: pip install 'jenkins-mlflow[notify]'")


def test_a_mistake_in_the_command_line_is_told_by_the_command_alone() -> None:
    """By the result that a failed command really makes."""
    mistaken, stopped = (failure(error("x"), "cleanup") for error in (UsageError, ConnectionFailed))
    assert (mistaken.news, stopped.news) == (None, "cleanup_stopped")
