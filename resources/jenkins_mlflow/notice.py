"""The fallback notice: what a person needs to promote by hand when every method has failed, and why it has.

MLflow's UI (3.17) shows stages only after switching off "New model registry UI" on the version's page and answering
its dialog with "Disable"; the page's address is `#/models/NAME/versions/N`.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

from jenkins_mlflow.connection import HTTP_SCHEMES, is_affected
from jenkins_mlflow.promotion import Attempt, Outcome
from jenkins_mlflow.promotion_plan import Plan
from jenkins_mlflow.server_faults import looks_like_file_store as looks_like_file_store
from jenkins_mlflow.snapshot import ARCHIVED
from jenkins_mlflow.text import markdown, printable, redact

_RULE = "=" * 78
_SHOW_STAGES = (
    'Switch off "New model registry UI" on the right of the page and answer the dialog with "Disable": '
    "stages can be changed only then, and aliases no longer show."
)
_CHOOSE_STAGE = (
    'Open the "Stage" drop-down, choose "Transition to -> {stage}", tick the box that archives the existing '
    "versions of that stage, and confirm."
)
_NO_HELP = (
    "Deleting old versions or running the cleanup: the failure lies in how MLflow writes one version's record, "
    "not in how many there are."
)


@dataclass(frozen=True)
class Facts:
    """What the notice is written from.

    Attributes:
        uri: The tracking URI; shown without its password.
        server_version: None when the server did not say.
        file_store: Whether the server keeps its registry in files; None when that cannot be known.
        ui_url, tunnel: The config's ``ui`` section.
    """

    plan: Plan
    outcome: Outcome
    uri: str
    server_version: str | None
    file_store: bool | None
    ui_url: str | None = None
    tunnel: str | None = None


@dataclass(frozen=True)
class Section:
    """A heading with its lines; numbered if they are steps to take in order."""

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
    """The notice as Markdown, for artifacts and tickets; nothing from the registry can leave its code span."""
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
        Section("In production right now", _production(facts, name)),
        Section("Promote by hand in MLflow's UI", tuple(_steps(facts, name, code)), numbered=True),
        Section("Will the UI work on this server?", tuple(_honest_word(facts, code))),
        Section("The permanent fix", _permanent_fix(facts, code)),
        Section("What does not help", (_NO_HELP,)),
    ]


def _tried(attempts: Sequence[Attempt], name: Callable[[str], str]) -> list[str]:
    """One line for each method: its last outcome, and how often it was tried."""
    last: dict[str, Attempt] = {}
    for attempt in attempts:
        undoing = attempt.outcome in ("undone", "not undone")
        last[f"{attempt.method} {attempt.error}" if undoing else attempt.method] = attempt
    return [
        f"{name(attempt.method)}: {attempt.outcome}"
        + (f" ({name(attempt.error)})" if attempt.error else "")
        + (f", {attempt.attempt} tries" if attempt.attempt > 1 else "")
        for attempt in last.values()
    ]


def _production(facts: Facts, name: Callable[[str], str]) -> tuple[str, ...]:
    serving = tuple(f"{name(version.model)} version {version.number}" for version in facts.outcome.production)
    return serving or (f"NOTHING: {name(facts.plan.candidate.model)} has no version in production",)


def _steps(facts: Facts, name: Callable[[str], str], code: Callable[[str], str]) -> list[str]:
    plan, missing = facts.plan, " ".join(facts.outcome.missing)
    over_http = urlsplit(facts.uri).scheme in HTTP_SCHEMES
    base = (facts.ui_url or (redact(facts.uri) if over_http else "http://localhost:5000")).rstrip("/")
    steps = [f"Open the tunnel: {code(printable(facts.tunnel))}"] if facts.tunnel else []
    if not over_http and not facts.ui_url:
        steps.append(f"Start the UI: {code('mlflow ui --backend-store-uri ' + _argument(redact(facts.uri)))}")
    steps.append(
        f"Open {base}/#/models/{quote(plan.candidate.model, safe='')}/versions/{plan.candidate.number}"
    )
    if plan.needs_alias and plan.target.alias and "alias" in missing:
        steps.append(f'Click the pencil beside "Aliases" and add the alias {name(plan.target.alias)}.')
    if plan.needs_stage and plan.target.stage and "stage" in missing:
        steps += [
            _SHOW_STAGES,
            _CHOOSE_STAGE.format(stage=plan.target.stage),
        ]
    steps += [
        f"Move {name(old.model)} version {old.number} to {ARCHIVED} in the same way." for old in plan.others
    ]
    steps.append(f"Check: {code('jenkins-mlflow list --models ' + _argument(plan.candidate.model))}")
    return steps


def _argument(text: str) -> str:
    """A shell argument to copy, on one line whatever the registry holds."""
    return printable(shlex.quote(text))


def _honest_word(facts: Facts, code: Callable[[str], str]) -> list[str]:
    version, affected = facts.server_version, is_affected(facts.server_version)
    server = f"MLflow {version}" if version else "an MLflow of unknown version"
    if affected is None:
        return [f"Unknown: the server is {server}. The UI calls the same endpoint as the failed methods."]
    if not affected or facts.file_store is False:
        return [
            f"The server is {server}: stages work there in principle, so the UI should, once the cause above is gone."
        ]
    sure = "No" if facts.file_store else "Probably not"
    candidate = facts.plan.candidate
    model = _argument(candidate.model)
    command = (
        f"jenkins-mlflow promote --model {model} --version {candidate.number} --tracking-uri /path/to/mlruns"
    )
    why = "keeps its registry in files, and" if facts.file_store else "may keep its registry in files; then"
    fault = 'the UI\'s stage change fails with the same error ("RepresentationError")'
    return [
        f"{sure}: the server is {server} and {why} {fault}.",
        f"What works today, on the machine that has the server's folder: {code(command)}",
    ]


def _permanent_fix(facts: Facts, code: Callable[[str], str]) -> tuple[str, ...]:
    if is_affected(facts.server_version) is False:
        return ("Find the cause in the MLflow server's log; this version has no known fault with stages.",)
    return (
        f"Upgrade the server to MLflow 3.5.1 or later: {code('pip install --upgrade mlflow')}, then restart it; or",
        "move the registry into a database and start the server on it: "
        + code("mlflow migrate-filestore --source ./mlruns --target sqlite:///mlflow.db")
        + " (MLflow 3.17; writes SQLite only), then "
        + code("mlflow server --backend-store-uri sqlite:///mlflow.db"),
    )
