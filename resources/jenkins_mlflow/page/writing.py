"""Writes the report into its folder. Imports Jinja2 and pygal only when a report is written."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jenkins_mlflow.page.documents import Document
from jenkins_mlflow.page.evaluation import TITLES, Evaluation
from jenkins_mlflow.page.view import View, view
from jenkins_mlflow.report import write_report
from jenkins_mlflow.text import markdown, one_line, parsed_json, printable

if TYPE_CHECKING:
    from jinja2 import Template

PAGE, TWIN = "index.html", "report.md"
_COMMANDS = ("train", "select", "promote", "rollback", "cleanup", "history", "evaluation")
_LARGEST = 20_000_000
_LISTED = 50


def write_page(
    folder: Path,
    document: Document,
    ui: str,
    build_url: str = "",
    change: str = "",
    beside: Sequence[Document] = (),
) -> list[str]:
    """Write the page of a build, from this result and those that its earlier commands left in the folder.

    Outside of a build it is about this command alone.

    Args:
        folder: The report folder.
        document: The command's result.
        ui: The address of MLflow's pages; empty if it is not known.
        build_url: The build's page in Jenkins; empty outside a build.
        change: The change request that is built; empty for a branch.
        beside: What else is known for the page: the history, the evaluation.

    Returns:
        Warnings: what could not be written.
    """
    new = {str(each["command"]): each for each in (*beside, document)}
    earlier = _earlier(folder, str(document["build"])) if document.get("build") else {}
    shown = view({name: earlier[name] for name in earlier if name not in new} | new, ui, build_url, change)
    files: dict[str, str] = {}
    try:
        from jenkins_mlflow.page.charts import charts

        pictures = charts(shown)
        style = Path(__file__).with_name("report.css").read_text(encoding="utf-8")
        files = {**pictures, "report.css": style, PAGE: page(shown, pictures)}
        problems = []
    except Exception as error:  # noqa: BLE001  any error of the two libraries leaves the Markdown copy
        why = one_line(f"{type(error).__name__}: {error}")
        if isinstance(error, ModuleNotFoundError):
            why = f"{error.name} is not installed"
        problems = [f"the report has no {PAGE}: {why}; {TWIN} has the same contents"]
    files[TWIN] = twin(shown, PAGE if PAGE in files else "the JSON files")
    return problems + [
        problem for name, text in files.items() if (problem := write_report(folder, name, text))
    ]


def page(shown: View, pictures: Mapping[str, str]) -> str:
    """The HTML, without inline styles or scripts; everything from a registry is escaped."""
    return _template().render(
        view=shown, charts=pictures, titles=TITLES, rows=[evaluated(each) for each in shown.evaluations]
    )


@functools.cache
def _template() -> Template:
    from jinja2 import Environment, StrictUndefined

    source = Path(__file__).with_name("index.html.jinja").read_text(encoding="utf-8")
    return Environment(autoescape=True, undefined=StrictUndefined).from_string(source)


def evaluated(each: Evaluation) -> dict[str, str]:
    """A version's row in the table that describes curves and pictures as text, by column."""
    sources = [each.file] if each.file else [picture.source for picture in each.pictures]
    return {
        "version": each.name,
        "role": each.role,
        "predictions": str(each.rows or ""),
        "positive class": each.positive,
        "ROC AUC": each.roc.shown if each.roc else "",
        "average precision": each.precision_recall.shown if each.precision_recall else "",
        "from": printable("; ".join([*sources, *each.notes])),
    }


def twin(shown: View, more_in: str = PAGE) -> str:
    """The same contents as Markdown, for chats and pull requests.

    Args:
        shown: The contents.
        more_in: The files of the report that have the rows which a long table leaves out.
    """
    lines = [f"**{_md(shown.decision)}**", ""]
    lines += [
        f"- {label}: {f'<{address}>' if address and address == value else _md(value)}"
        for label, value, address in shown.facts
    ]
    lines += [f"- ⚠️ {_md(warning)}" for warning in shown.warnings]
    if shown.candidates:
        lines += [
            "",
            *_table(
                ("version", shown.metric, "verdict", "why"),
                [
                    (f"{each.model} v{each.version}", each.shown, each.verdict, each.reason)
                    for each in shown.candidates
                ],
                more_in,
            ),
        ]
    if shown.evaluations:
        table = [evaluated(each) for each in shown.evaluations]
        lines += ["", *_table(tuple(table[0]), [tuple(row.values()) for row in table], more_in)]
    if shown.attempts:
        rows = [
            (method, outcome, f"{seconds:.2f} s", detail)
            for method, _, outcome, seconds, detail in shown.attempts
        ]
        lines += ["", f"Attempts: {_md(shown.attempted)}", ""] if shown.attempted else [""]
        lines += _table(("method", "outcome", "took", "detail"), rows, more_in)
    if shown.cleanup:
        lines += ["", _md(shown.cleanup.message), ""]
        lines += [f"- {label}: {_md(amount)}" for label, amount in shown.cleanup.storage]
        columns = ("model", "kept", "deleted", "size of their files")
        models = [(each.model, each.stays, each.goes, each.bytes) for each in shown.cleanup.models]
        lines += ["", *_table(columns, models, more_in)] if models else []
    return "\n".join(lines) + "\n"


def _table(columns: tuple[str, ...], rows: Sequence[tuple[str, ...]], more_in: str) -> list[str]:
    shown, more = rows[:_LISTED], len(rows) - _LISTED
    lines = [_row(columns), _row(("---",) * len(columns), plain=True), *map(_row, shown)]
    return [*lines, f"\nand {more} more, see {more_in}"] if more > 0 else lines


def _row(cells: tuple[str, ...], *, plain: bool = False) -> str:
    return "| " + " | ".join(cell if plain else _md(cell).replace("|", "\\|") for cell in cells) + " |"


def _md(text: str) -> str:
    """Text that Markdown shows unchanged: anything but plain words becomes a code span.

    An address or a mention is not plain: chats and pull requests turn them into links and notifications.
    """
    plain = all(char.isalnum() or char in " .,:;/()+-%" for char in text)
    return text if plain and "//" not in text and "www." not in text.lower() else markdown(text)


def _earlier(folder: Path, build: str) -> dict[str, Any]:
    """The results of earlier commands of this build, oldest first; unreadable files are skipped."""
    found = {}
    for command in _COMMANDS:
        path = folder / f"{command}.json"
        try:
            if path.is_symlink() or path.stat().st_size > _LARGEST:
                continue
            document = parsed_json(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        if (
            isinstance(document, dict)
            and document.get("command") == command
            and str(document.get("build")) == build
        ):
            found[command] = document
    return dict(sorted(found.items(), key=lambda each: str(each[1].get("time"))))
