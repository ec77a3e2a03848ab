"""The fallback notice: how to promote by hand when every method has failed, and why they failed.

Its statements about a server's pages and log were checked in a browser
(tests/browser/test_notice_browser.py).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from jenkins_mlflow.promotion.notice_steps import Facts as Facts, target_options, ui_steps
from jenkins_mlflow.registry.connection import is_affected
from jenkins_mlflow.registry.version import PRODUCTION
from jenkins_mlflow.registry.writer import Attempt
from jenkins_mlflow.text import argument, markdown, plural, printable

_RULE = "=" * 78
_SIGN = 'the page shows "500 Internal Server Error" for a few seconds, and the stage stays as it was'
_NO_HELP = "Deleting old versions or running the cleanup: how many versions there are does not matter."
_NO_HELP_FAULT = (
    "Deleting old versions or running the cleanup: the failure lies in how MLflow writes one version's record, "
    "not in how many there are."
)


@dataclass(frozen=True)
class Section:
    """A heading with its lines, which are numbered if they are steps to take in order."""

    heading: str
    lines: tuple[str, ...]
    numbered: bool = False


def text_notice(facts: Facts) -> str:
    """The notice for a terminal and a build log."""
    lines = [_RULE, f"  {_title(facts, printable)}", _RULE]
    for section in _sections(facts, printable, str):
        lines += ["", section.heading]
        for number, line in enumerate(section.lines, 1):
            lines.append(f"  {number}. {line}" if section.numbered else f"  - {line}")
    return "\n".join([*lines, "", _RULE, ""])


def markdown_notice(facts: Facts) -> str:
    """The notice as Markdown, for artifacts and tickets. Text from the registry cannot break out of its code span."""
    lines = [f"# {_title(facts, markdown)}"]
    for section in _sections(facts, markdown, markdown):
        lines += ["", f"## {section.heading}", ""]
        lines += [
            f"{number}. {line}" if section.numbered else f"- {line}"
            for number, line in enumerate(section.lines, 1)
        ]
    return "\n".join([*lines, ""])


def _title(facts: Facts, name: Callable[[str], str]) -> str:
    target, candidate = facts.plan.target, facts.plan.candidate
    goal = f"stage {target.stage}" if target.stage else f"alias {target.alias}"
    return f"PROMOTE BY HAND: {name(candidate.model)} version {candidate.number} -> {goal}"


def _sections(facts: Facts, name: Callable[[str], str], code: Callable[[str], str]) -> list[Section]:
    return [
        Section("What was tried", tuple(_tried(facts.outcome.attempts, name))),
        Section(f"In {_place(facts)} right now", _production(facts, name)),
        Section("Will MLflow's UI work on this server?", tuple(_honest_word(facts, code))),
        Section("Promote by hand in MLflow's UI", tuple(ui_steps(facts, name, code)), numbered=True),
        Section("The permanent fix", _permanent_fix(facts, code)),
        Section("What does not help", (_NO_HELP_FAULT if facts.may_fail_in_the_ui else _NO_HELP,)),
    ]


def _tried(attempts: Sequence[Attempt], name: Callable[[str], str]) -> list[str]:
    """One line for each method, with its last outcome and the number of tries."""
    last: dict[str, Attempt] = {}
    for attempt in attempts:
        undoing = attempt.outcome in ("undone", "not undone")
        last[f"{attempt.method} {attempt.error}" if undoing else attempt.method] = attempt
    return [
        f"{name(attempt.method)}: {attempt.outcome}"
        + (f" ({name(attempt.error)})" if attempt.error else "")
        + (f", {plural(attempt.attempt, 'try', 'tries')}" if attempt.attempt > 1 else "")
        for attempt in last.values()
    ]


def _production(facts: Facts, name: Callable[[str], str]) -> tuple[str, ...]:
    serving = tuple(f"{name(version.model)} version {version.number}" for version in facts.outcome.production)
    return serving or (f"NOTHING: {name(facts.plan.candidate.model)} has no version in {_place(facts)}",)


def _place(facts: Facts) -> str:
    """Where the version was to go, in words. Only the stage Production is called production."""
    stage = facts.plan.target.stage
    return "production" if stage in (None, PRODUCTION) else str(stage)


def _honest_word(facts: Facts, code: Callable[[str], str]) -> list[str]:
    version, affected = facts.server_version, is_affected(facts.server_version)
    server = f"MLflow {version}" if version else "an MLflow of unknown version"
    if facts.plan.target.stage is None:
        return [
            f"The server is {server}: it should, once the cause above is gone; aliases have no known fault."
        ]
    if affected is None:
        same = "The UI calls the same endpoint as the failed methods"
        return [f"Unknown: the server is {server}. {same}; if that fails, {_SIGN}."]
    if not facts.may_fail_in_the_ui:
        return [
            f"The server is {server}: stages work there in principle, so the UI should, once the cause above is gone."
        ]
    sure = "No" if facts.file_store else "Probably not"
    candidate = facts.plan.candidate
    model = argument(candidate.model)
    command = (
        f"jenkins-mlflow promote --model {model} --version {candidate.number} --tracking-uri /path/to/mlruns"
        f"{target_options(facts)}"
    )
    why = "keeps its registry in files, and" if facts.file_store else "may keep its registry in files; then"
    log = 'the server\'s log says "RepresenterError"'
    fault = "RepresentationError, in Python yaml.representer.RepresenterError"
    return [
        f"{sure}: the server is {server} and {why} the UI's stage change fails too: {_SIGN}, and {log} ({fault}).",
        f"What works today, on the machine that has the server's folder: {code(command)}",
    ]


def _permanent_fix(facts: Facts, code: Callable[[str], str]) -> tuple[str, ...]:
    if not facts.may_fail_in_the_ui:
        return (
            "Find the cause in the MLflow server's log; no known fault of this MLflow version explains the failures.",
        )
    upgrade, allow = code("pip install --upgrade mlflow"), code("MLFLOW_ALLOW_FILE_STORE=true")
    return (
        f"Upgrade the server to MLflow 3.5.1 or later: {upgrade}, then restart it with {allow} set; or",
        "move the registry into a database and start the server on it: "
        + code("jenkins-mlflow migrate --from ./mlruns --to sqlite:///mlflow.db")
        + " (or into PostgreSQL), then "
        + code("mlflow server --backend-store-uri sqlite:///mlflow.db"),
    )
