"""What the report shows of the results, whatever is in them; and what is left where its libraries are missing."""

from __future__ import annotations

import json
import math
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
from builders import snapshot, version
from jenkins_mlflow.build import BuildContext
from jenkins_mlflow.cli.ending import Invocation, fail, finish
from jenkins_mlflow.cli.main import cli
from jenkins_mlflow.commands.page import ui_address
from jenkins_mlflow.commands.session import Session
from jenkins_mlflow.config.schema import Config
from jenkins_mlflow.config.select import Select
from jenkins_mlflow.errors import Interrupted, JenkinsMlflowError, Refused
from jenkins_mlflow.page import writing
from jenkins_mlflow.page.view import link, proposal, view
from jenkins_mlflow.page.writing import twin, write_page
from jenkins_mlflow.registry.version import Target
from jenkins_mlflow.report import MARK
from jenkins_mlflow.results.base import document as as_document
from jenkins_mlflow.results.promote import PromoteResult, RollbackResult
from jenkins_mlflow.selection.plan import select
from jenkins_mlflow.signals import interrupted_by
from jenkins_mlflow.terminal import Terminal
from support import documents

SELECTED = {"model": "churn", "version": 8, "value": 0.918}
REPLACED = {"model": "churn", "version": 5, "value": 0.912}


@pytest.mark.parametrize(
    ("selection", "sentence"),
    [
        (
            {"metric": "roc_auc", "selected": SELECTED, "replaces": REPLACED},
            "this change would replace churn version 5 by churn version 8: roc_auc 0.912 -> 0.918",
        ),
        (
            {"metric": "roc_auc", "selected": SELECTED, "replaces": {**REPLACED, "value": None}},
            "this change would replace churn version 5 by churn version 8",
        ),
        (
            {"metric": "roc_auc", "selected": SELECTED, "replaces": None, "champion": None},
            "this change would put churn version 8 into production, the first version there",
        ),
        ({"metric": "roc_auc", "selected": None}, ""),
        ({}, ""),
    ],
)
def test_what_a_change_request_would_do(selection: dict[str, Any], sentence: str) -> None:
    assert proposal(selection) == sentence
    document = {"command": "select", "status": "selected", "message": "as ever", **selection}
    assert view({"select": document}, "", "", "PR-12").decision == (sentence or "as ever")
    assert view({"select": document}, "").decision == "as ever"
    promotion = {"command": "promote", "status": "promoted", "message": "promoted all the same"}
    both = {"select": document, "promote": promotion}
    assert view(both, "", "", "PR-12").decision == "promoted all the same"


def test_no_other_build_selects_what_a_change_request_has_trained() -> None:
    tags = {"jenkins_mlflow.change": "PR-12", "jenkins_mlflow.build": "b-1"}
    group = snapshot(
        version("m", 1, metrics={"roc_auc": 0.8}), version("m", 2, metrics={"roc_auc": 0.9}, run_tags=tags)
    )
    rules, target = Select(), Target("Production", "champion")
    other = select(group, rules, target, build="b-2")
    assert other.selected
    assert other.selected.number == 1
    reasons = {verdict.version.number: verdict.reason for verdict in other.verdicts}
    assert reasons[2] == "trained by the change request PR-12, which is no branch: promote it by name"
    chosen = select(group, rules, target, build="b-1")
    assert chosen.selected
    assert chosen.selected.number == 2
    assert select(group, rules, target).selected == other.selected


@pytest.mark.parametrize("address", ["javascript:alert(1)", "data:text/html,x", "//x", "http://[", "", "x"])
def test_only_web_addresses_are_linked(address: str) -> None:
    assert link(address) == ""
    assert link("https://mlflow.example/x") == "https://mlflow.example/x"


def test_earlier_results_of_this_build_count_and_no_others(tmp_path: Path) -> None:
    """A broken file, another build's, a link and a list count as none."""
    candidates = [{"model": "m", "version": 1, "value": 0.5, "verdict": "selected", "reason": "best"}]
    earlier = {"command": "select", "build": "b-1", "metric": "auc", "candidates": candidates}
    (tmp_path / "select.json").write_text(json.dumps(earlier))
    (tmp_path / "train.json").write_text("[]")
    (tmp_path / "cleanup.json").write_text("{")
    (tmp_path / "history.json").symlink_to("/dev/zero")
    document = {"command": "promote", "status": "promoted", "message": "promoted", "build": "b-1"}
    assert write_page(tmp_path, document, "") == []
    assert "auc" in (tmp_path / "index.html").read_text()
    assert write_page(tmp_path, {**document, "build": "b-2"}, "") == []
    assert "auc" not in (tmp_path / "index.html").read_text()


def kept(folder: Path, command: str, when: str, build: str | None, **more: object) -> dict[str, Any]:
    """A result that a command has left in the folder."""
    document: dict[str, Any] = {
        "command": command,
        "status": "planned",
        "exit_code": 0,
        "message": f"{command} {when}",
        "build": build,
        **more,
    }
    document = {"time": f"2026-11-28T{when}:00+00:00", **document}
    (folder / f"{command}.json").write_text(json.dumps(document))
    return document


def headline(folder: Path, document: dict[str, Any]) -> str:
    assert write_page(folder, document, "") == []
    return (folder / "report.md").read_text().splitlines()[0].strip("*")


def test_outside_of_a_build_a_page_is_about_one_command(tmp_path: Path) -> None:
    """What lies in the folder is of any age, of other models and of another server."""
    candidates = [{"model": "churn", "version": 1, "value": 0.5, "verdict": "selected", "reason": "best"}]
    kept(tmp_path, "rollback", "09:00", None)
    kept(tmp_path, "select", "09:01", None, metric="auc", candidates=candidates)
    kept(tmp_path, "history", "09:02", None, items=[{**candidates[0], "metric": "auc"}] * 2)
    promotion = kept(tmp_path, "promote", "09:03", None, attempts=[{"method": "stage"}])
    assert headline(tmp_path, promotion) == "promote 09:03"
    assert "churn" not in (tmp_path / "index.html").read_text()
    selection = kept(tmp_path, "select", "09:04", None, metric="loss", candidates=[])
    assert headline(tmp_path, selection) == "select 09:04"
    assert "stage" not in (tmp_path / "index.html").read_text()
    history = {"command": "history", "items": [{**candidates[0], "metric": "loss"}] * 2}
    assert write_page(tmp_path, selection, "", beside=[history]) == []
    assert "churn v1" in (tmp_path / "history.svg").read_text()


def test_the_newest_decision_of_a_build_is_its_headline(tmp_path: Path) -> None:
    """A cleanup that went well is a section below it."""
    kept(tmp_path, "rollback", "09:00", "b-1", attempts=[{"method": "stage", "outcome": "done"}])
    promotion = kept(tmp_path, "promote", "09:01", "b-1", attempts=[{"method": "alias", "outcome": "done"}])
    assert headline(tmp_path, promotion) == "promote 09:01"
    assert "| alias | done |" in (tmp_path / "report.md").read_text()
    assert "stage" not in (tmp_path / "report.md").read_text()
    assert headline(tmp_path, kept(tmp_path, "cleanup", "09:02", "b-1")) == "promote 09:01"
    assert (
        headline(tmp_path, kept(tmp_path, "select", "09:00", "b-1")) == "select 09:00"
    )  # a clock that is late
    assert headline(tmp_path, kept(tmp_path, "cleanup", "09:04", "b-1")) == "promote 09:01"
    stopped = kept(tmp_path, "cleanup", "09:05", "b-1", status="stopped", exit_code=6)
    assert headline(tmp_path, stopped) == "cleanup 09:05"


@pytest.mark.parametrize("status", PromoteResult.statuses)
def test_a_headline_is_red_if_somebody_has_to_act(status: Any) -> None:
    """The result says so itself: the page has no list of statuses that could lack one."""
    result = PromoteResult(status=status, message="so it ended")
    assert view({"promote": as_document(result)}, "").good == (result.exit_code == 0)
    assert RollbackResult(status="rolled_back", message="", from_=None).exit_code == 0
    assert PromoteResult(status="rolled_back", message="").exit_code == 1


def test_attempts_below_the_headline_of_another_model_name_their_own(tmp_path: Path) -> None:
    attempts = [{"method": "alias", "outcome": "done"}]
    kept(tmp_path, "promote", "09:01", "b-1", model="churn", version=3, attempts=attempts)
    other = kept(tmp_path, "select", "09:02", "b-1", message="Kept houses v1", status="champion_kept")
    assert headline(tmp_path, other) == "Kept houses v1"
    assert "<h2>Attempts: promote churn v3</h2>" in (tmp_path / "index.html").read_text()
    twin_lines = (tmp_path / "report.md").read_text().splitlines()
    assert (
        twin_lines[twin_lines.index("| method | outcome | took | detail |") - 2]
        == "Attempts: promote churn v3"
    )


@pytest.mark.parametrize(("fixtures", "where"), [([], "index.html"), (["no_jinja"], "the JSON files")])
def test_a_long_table_of_the_twin_says_where_the_other_rows_are(
    fixtures: list[str], where: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    for fixture in fixtures:
        request.getfixturevalue(fixture)
    candidate = {"model": "churn", "value": 0.5, "verdict": "rejected", "reason": "a gate"}
    candidates = [{**candidate, "version": number} for number in range(53)]
    write_page(tmp_path, {"command": "select", "metric": "auc", "candidates": candidates}, "")
    lines = (tmp_path / "report.md").read_text().splitlines()
    assert lines[-3].startswith("| churn v49 |")
    assert lines[-1] == f"and 3 more, see {where}"


def test_the_candidates_are_those_of_the_newest_selection(tmp_path: Path) -> None:
    """A promotion has its own, unless it was told which version to promote."""
    candidates = [{"model": "churn", "version": 1, "value": 0.5, "verdict": "selected", "reason": "best"}]
    own = {"metric": "auc", "candidates": [{**candidates[0], "model": "houses"}]}
    selection = kept(tmp_path, "select", "09:01", "b-1", metric="auc", candidates=candidates)
    promotion = kept(tmp_path, "promote", "09:02", "b-1", selection=own)
    assert headline(tmp_path, promotion) == "promote 09:02"
    assert "| houses v1 |" in (tmp_path / "report.md").read_text()
    assert headline(tmp_path, selection) == "select 09:01"
    assert "| churn v1 |" in (tmp_path / "report.md").read_text()
    assert headline(tmp_path, {**promotion, "selection": None}) == "promote 09:02"
    assert "| churn v1 |" in (tmp_path / "report.md").read_text()


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        ("@channel", "`@channel`"),
        ("see https://evil.example/x", "`see https://evil.example/x`"),
        ("www.evil.example", "`www.evil.example`"),
        ("ann (ann@x)", "`ann (ann@x)`"),
        ("auc 0.9: better, by 2 %; a/b", "auc 0.9: better, by 2 %; a/b"),
    ],
)
def test_no_name_of_a_registry_mentions_or_links_in_the_twin(words: str, shown: str) -> None:
    """The twin is posted to chats and pull requests, which make people and addresses of plain text."""
    candidate = {"model": words, "version": 1, "value": 0.5, "verdict": "rejected", "reason": words}
    document = {"command": "select", "message": words, "warnings": [words], "candidates": [candidate]}
    lines = twin(view({"select": document}, "")).splitlines()
    assert lines[0] == f"**{shown}**"
    assert f"- ⚠️ {shown}" in lines
    assert f"| {shown} |" in lines[-1]


ODD: tuple[object, ...] = (
    5,
    "x",
    "\ud800",
    None,
    True,
    -1,
    math.inf,
    10**400,
    [],
    {},
    [[]],
    [{}],
    {"x": {}},
    ["x"],
    [None],
    math.nan,
)


@pytest.mark.parametrize("odd", ODD, ids=lambda odd: ascii(odd)[:20])
def test_an_odd_value_stops_no_page(odd: object) -> None:
    """In a file of the folder, which others may write: each value of each file is replaced in turn."""
    place = {
        "model": "m",
        "version": 1,
        "value": 0.5,
        "verdict": "selected",
        "reason": "best",
        "metric": "auc",
    }
    gates = [{"metric": "auc", "rule": ">= 0.8", "passed": True}]
    selection = {
        "metric": "auc",
        "candidates": [{**place, "gates": gates}],
        "selected": place,
        "champion": place,
    }
    attempt = {"method": "stage", "attempt": 1, "outcome": "done", "seconds": 0.5, "error": ""}
    version = {**place, "action": "keep", "rule": "last", "bytes": 5, "outcome": "", "storage": "s"}
    curve = {"points": [[0, 0], [1, 1]], "area": 0.5}
    evaluation = {"role": "champion", "model": "m", "version": 1, "file": "f", "rows": 2, "roc": curve}
    evaluation |= {"classes": ["a", "b"], "matrix": [[1, 2], [3, 4]]}
    held, reclaim = {"versions": 1, "bytes": 5, "uncounted": 0, "first": 5}, {"status": "planned", "bytes": 5}
    written: dict[str, dict[str, Any]] = {
        "select": selection,
        "promote": {"attempts": [attempt], "selection": selection, "previous": place},
        "cleanup": {"items": [version], "policy": [{"keep": ["last"]}], "held": held, "reclaim": reclaim},
        "history": {"items": [{**place, "since": "2026-11-28T09:15:00"}] * 2},
        "evaluation": {"items": [evaluation]},
    }
    common = {"build": "b-1", "status": "planned", "time": "2026-11-28T09:15:00", "warnings": ["careful"]}
    document = {"command": "train", "status": "trained", "message": "trained", "build": "b-1"}
    for name, content in written.items():
        whole = {**common, "command": name, "message": name, **content}
        for changed in with_one(whole, odd):
            shown = view({"train": document, name: changed}, "http://x", "", "PR-1")
            assert twin(shown), changed
            assert all(isinstance(each.lines, list) for each in shown.evaluations), changed


def with_one(value: object, odd: object) -> Iterator[Any]:
    """The value, once for each place in it with the odd one there."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        for changed in (odd, *with_one(item, odd)):
            copied: Any = dict(value) if isinstance(value, dict) else list(value)  # type: ignore[call-overload]
            copied[key] = changed
            yield copied


@pytest.fixture
def no_jinja(monkeypatch: pytest.MonkeyPatch) -> None:
    """Jinja2 is not installed."""
    monkeypatch.setitem(sys.modules, "jinja2", None)
    writing._template.cache_clear()


@pytest.mark.usefixtures("no_jinja")
def test_without_the_libraries_there_is_the_twin(tmp_path: Path) -> None:
    document = {"command": "promote", "status": "promoted", "message": "promoted", "build": "b-1"}
    assert write_page(tmp_path, document, "") == [
        "the report has no index.html: jinja2 is not installed; report.md has the same contents"
    ]
    assert {path.name for path in tmp_path.iterdir()} == {"report.md", MARK}


def finished(folder: Path) -> tuple[int, Invocation]:
    """The exit code of a promotion with a report in the folder, and what its invocation has kept."""
    session = Session(Config(), "http://x", Terminal(quiet=True), folder, BuildContext())
    result = PromoteResult(status="promoted", message="done")
    invocation = Invocation()
    with click.Context(cli, obj=invocation).scope(), pytest.raises(click.exceptions.Exit) as ended:
        finish(result, {"report": folder, "output": "json"}, session)
    return ended.value.exit_code, invocation


@pytest.mark.parametrize(
    ("uri", "link"),
    [
        ("http://ann:secret@mlflow.example:5000/x/", "http://mlflow.example:5000/x"),
        ("https://mlflow.example", "https://mlflow.example"),
        ("sqlite:///mlflow.db", ""),
    ],
)
def test_links_lead_to_the_server_without_a_login(uri: str, link: str, tmp_path: Path) -> None:
    """A browser asks for it; `***@` in a link would be tried as a login."""
    assert ui_address(Session(Config(), uri, Terminal(quiet=True), tmp_path, BuildContext())) == link


def broken(*_: object) -> None:
    raise RuntimeError("no picture\nof http://ann:secret@x")


def test_a_page_that_cannot_be_made_is_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever was raised; the twin is there."""
    monkeypatch.setattr("jenkins_mlflow.page.charts.charts", broken)
    document = {"command": "promote", "status": "promoted", "message": "promoted", "build": "b-1"}
    assert write_page(tmp_path, document, "") == [
        "the report has no index.html: RuntimeError: no picture of http://***@x; report.md has the same contents"
    ]
    assert {path.name for path in tmp_path.iterdir()} == {"report.md", MARK}


def failed(folder: Path, error: JenkinsMlflowError | Interrupted) -> int:
    """The exit code of a promotion of build b-1, with a report in the folder, that ended with this error."""
    session = Session(Config(), "http://x", Terminal(quiet=True), folder, BuildContext("b-1"))
    return fail(error, ["promote"], "promote", Invocation([session], report=folder))


@pytest.mark.parametrize(
    ("error", "code", "shown"),
    [
        (Refused("churn v3 fails a gate"), 1, "promote failed: churn v3 fails a gate"),
        (interrupted_by(signal.SIGTERM), 143, "interrupted by SIGTERM"),
    ],
)
def test_a_command_that_fails_is_what_the_page_is_about(
    error: JenkinsMlflowError | Interrupted, code: int, shown: str, tmp_path: Path
) -> None:
    """A selection that went well before it is in its table, and no longer in its headline."""
    candidates = [{"model": "churn", "version": 3, "value": 0.5, "verdict": "selected", "reason": "best"}]
    selection = kept(
        tmp_path, "select", "09:01", "b-1", status="selected", metric="auc", candidates=candidates
    )
    assert headline(tmp_path, selection) == "select 09:01"
    assert failed(tmp_path, error) == code
    assert (tmp_path / "report.md").read_text().startswith(f"**{shown}**\n")
    page = (tmp_path / "index.html").read_text()
    assert f'<h1 class="bad">{shown}</h1>' in page
    assert "churn v3" in page
    said = documents.check(json.loads((tmp_path / "promote.json").read_text()))
    assert (said["exit_code"], said["build"], said["error"]["message"]) == (code, "b-1", error.message)


def test_no_report_hides_why_a_command_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("jenkins_mlflow.commands.page.write_page", broken)
    assert failed(tmp_path, Refused("churn v3 fails a gate")) == 1
    said = capsys.readouterr().err
    assert "error: churn v3 fails a gate" in said
    assert "the report could not be finished: RuntimeError: no picture of http://***@x" in said


@pytest.mark.parametrize("part", ["cli.ending.keep_result", "commands.page.write_page"])
def test_no_report_changes_what_a_command_came_to(
    part: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The promotion is done: its result is told and its code is the exit code, whatever a report raises."""
    monkeypatch.setattr(f"jenkins_mlflow.{part}", broken)
    code, invocation = finished(tmp_path)
    said = json.loads(capsys.readouterr().out)
    assert (code, said["status"], said["exit_code"]) == (0, "promoted", 0)
    assert said["warnings"] == ["the report could not be finished: RuntimeError: no picture of http://***@x"]
    assert invocation.result is not None


def test_an_abort_while_the_report_is_made_keeps_the_result(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def aborted(*_: object) -> None:
        raise interrupted_by(signal.SIGTERM)

    monkeypatch.setattr("jenkins_mlflow.commands.page.write_page", aborted)
    code, invocation = finished(tmp_path)
    said = json.loads(capsys.readouterr().out)
    assert (code, said["status"], said["exit_code"], said["build_result"]) == (
        143,
        "promoted",
        143,
        "FAILURE",
    )
    assert said["error"]["message"] == "interrupted by SIGTERM"
    assert said["error"]["state"].startswith("the command itself ended with exit code 0: done; ")
    assert invocation.result is not None
    assert documents.check(said) == documents.check(as_document(invocation.result))
