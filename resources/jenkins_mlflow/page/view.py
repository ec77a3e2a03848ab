"""The contents of the report: plain values, made from the results of a build's commands. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

from jenkins_mlflow import VERSION, errors
from jenkins_mlflow.page.documents import Document, amount, part, parts, text, texts
from jenkins_mlflow.page.evaluation import Evaluation, evaluations
from jenkins_mlflow.page.retention import Cleaned, cleaned
from jenkins_mlflow.text import number, printable

_SHOWN = ("train", "select", "promote", "rollback", "cleanup")


@dataclass(frozen=True)
class Candidate:
    """A row of the table of candidates."""

    model: str
    version: str
    value: float | None
    shown: str
    verdict: str
    reason: str
    gates: str
    url: str


@dataclass(frozen=True)
class Past:
    """An earlier promotion, for the chart over time."""

    label: str
    version: str
    when: str
    value: float


@dataclass(frozen=True)
class View:
    """Everything that the page shows; all text is printable, none is escaped yet.

    Attributes:
        decision: The decision, in one sentence.
        good: Whether nobody has to act on it.
        facts: Labels and values; a value with an address is a link.
        metric: The metric that ranks the candidates.
        candidates: The candidates and the champion.
        evaluations: The predictions of challenger and champion, if their runs have logged them.
        past: Earlier promotions with a known value of the metric.
        attempted: The version that the attempts were about; it may not be that of the decision.
        attempts: Method, number, outcome, seconds and detail of each attempt.
        cleanup: The cleanup; None if there was none.
        warnings: The warnings of all results.
    """

    decision: str
    good: bool
    facts: tuple[tuple[str, str, str], ...]
    metric: str
    candidates: tuple[Candidate, ...]
    evaluations: tuple[Evaluation, ...]
    past: tuple[Past, ...]
    attempted: str
    attempts: tuple[tuple[str, str, str, float, str], ...]
    cleanup: Cleaned | None
    warnings: tuple[str, ...]


def view(documents: Mapping[str, Document], ui: str, build_url: str = "", change: str = "") -> View:
    """Select and order the contents.

    Args:
        documents: The results by command, oldest first; ``history`` has the past promotions.
        ui: The address of MLflow's pages; empty if it is not known.
        build_url: The build's page in Jenkins; empty outside a build.
        change: The change request that is built, which promotes nothing; empty for a branch.
    """
    newest = {name: documents[name] for name in reversed([*documents]) if name in _SHOWN}
    deciding = _deciding(newest)
    changing = next((each for name, each in newest.items() if name in ("promote", "rollback")), {})
    selections = (each if name == "select" else part(each, "selection") for name, each in newest.items())
    selection = next(filter(None, selections), {})
    past = parts(documents.get("history") or {}, "items")
    metric = text(selection.get("metric")) or next((text(each.get("metric")) for each in reversed(past)), "")
    return View(
        (proposal(selection) if change and deciding is selection else "") or _decision(deciding),
        _is_good(deciding),
        tuple(_facts(deciding, ui, build_url)),
        metric,
        tuple(_candidate(each, ui) for each in parts(selection, "candidates")),
        evaluations(documents.get("evaluation") or {}),
        tuple(_past(past, metric)),
        _attempted(changing),
        tuple(
            (
                text(each.get("method")),
                text(each.get("attempt") or ""),
                text(each.get("outcome")),
                amount(each, "seconds") or 0.0,
                text(each.get("error")),
            )
            for each in parts(changing, "attempts")
        ),
        cleaned(documents.get("cleanup") or {}),
        tuple(dict.fromkeys(warning for each in documents.values() for warning in texts(each, "warnings"))),
    )


def _deciding(newest: Mapping[str, Document]) -> Document:
    """The result that the page is about: the newest one. A cleanup that went well is a section below the one before."""
    decisions = (each for name, each in newest.items() if name != "cleanup" or not _is_good(each))
    return next(decisions, newest.get("cleanup", {}))


def _decision(document: Document) -> str:
    said = text(document.get("message")) or "nothing was done"
    return f"{text(document.get('command'))} failed: {said}" if document.get("status") == "error" else said


def _is_good(document: Document) -> bool:
    """Whether nobody has to act: the result itself says so by its exit code."""
    return document.get("exit_code") == errors.DONE


def proposal(selection: Document) -> str:
    """How a change request would change production, as a sentence; empty if it would not."""
    chosen, replaced = selection.get("selected"), selection.get("replaces") or selection.get("champion")
    if not isinstance(chosen, Mapping):
        return ""
    name = f"{text(chosen.get('model'))} version {text(chosen.get('version'))}"
    if not isinstance(replaced, Mapping):
        return f"this change would put {name} into production, the first version there"
    over = f"{text(replaced.get('model'))} version {text(replaced.get('version'))}"
    new, old = chosen.get("value"), replaced.get("value")
    values = ""
    if isinstance(new, float) and isinstance(old, float):
        values = f": {text(selection.get('metric'))} {number(old, new)} -> {number(new, old)}"
    return f"this change would replace {over} by {name}{values}"


def link(address: str) -> str:
    """The address if a page may link to it (http or https), else an empty string."""
    try:
        return address if urlsplit(address).scheme in ("http", "https") else ""
    except ValueError:
        return ""


def _facts(document: Document, ui: str, build_url: str) -> list[tuple[str, str, str]]:
    build, server, error = printable(build_url), text(document.get("tracking_uri")), part(document, "error")
    facts = [
        ("state", text(error.get("state")), ""),
        ("next step", text(error.get("next_step")), ""),
        ("MLflow", server, link(ui or server)),
        ("build", text(document.get("build")) or build, link(build)),
        ("time", text(document.get("time")).replace("T", " ").removesuffix("+00:00") + " UTC", ""),
        ("method", text(document.get("method")), ""),
        ("jenkins-mlflow", VERSION, ""),
    ]
    return [fact for fact in facts if fact[1].strip()]


def _candidate(each: Document, ui: str) -> Candidate:
    known = amount(each, "value")
    model, version = str(each.get("model")), str(each.get("version"))
    base = link(ui)
    gates = ", ".join(
        f"{text(gate.get('metric'))} {text(gate.get('rule'))}: {'passed' if gate.get('passed') else 'FAILED'}"
        for gate in parts(each, "gates")
    )
    return Candidate(
        printable(model),
        printable(version),
        known,
        number(known) if known is not None else "unknown",
        text(each.get("verdict")),
        text(each.get("reason")),
        gates,
        f"{base.rstrip('/')}/#/models/{_quoted(model)}/versions/{_quoted(version)}" if base else "",
    )


def _quoted(name: str) -> str:
    return quote(name, safe="", errors="replace")


def _attempted(document: Document) -> str:
    """The model and version of a promotion or a rollback, and which of the two it was."""
    if not document.get("model"):
        return ""
    return f"{text(document.get('command'))} {text(document.get('model'))} v{text(document.get('version'))}"


def _past(items: Sequence[Document], metric: str) -> list[Past]:
    return [
        Past(
            f"{text(each.get('model'))} v{text(each.get('version'))}",
            text(each.get("version")),
            text(each.get("since"))[:16].replace("T", " "),
            value,
        )
        for each in items
        if (value := amount(each, "value")) is not None and each.get("metric") == metric
    ]
