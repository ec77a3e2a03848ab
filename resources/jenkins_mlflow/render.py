"""One document, four forms: JSON, CSV, Markdown, and text for people, all made from the same object."""

from __future__ import annotations

import csv
import io
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timezone
from typing import Any, TextIO

from jenkins_mlflow.text import markdown, number, printable

Document = Mapping[str, Any]
Row = Sequence[object]
FORMATS = ("text", "json", "csv", "md")
_WIDTH_WITHOUT_TERMINAL = 160
_STATUS_ICONS = {"fine": "ok", "note": "note", "problem": "PROBLEM"}
_STAGE_ICONS = {"Production": "🏆", "Staging": "📌", "Archived": "🗑️ "}


def render(document: Document, form: str, stream: TextIO) -> None:
    """Write a command's document.

    Args:
        document: The command's result.
        form: One of FORMATS.
        stream: Where to; for text, its terminal decides the table's width.
    """
    if form == "json":
        json.dump(document, stream, ensure_ascii=False, allow_nan=False)
        stream.write("\n")
    elif form == "csv":
        stream.write(_csv(*table(document)))
    elif form == "md":
        stream.write(_markdown(*table(document)))
    elif document["command"] == "list":
        stream.write(tree(document))
    elif document["command"] == "cleanup":
        stream.write(retention(document))
    else:
        _text(document, stream)


def table(document: Document) -> tuple[list[str], list[Row]]:
    """The document's rows for CSV, Markdown and text tables."""
    return _TABLES.get(str(document["command"]), _no_table)(document)


def _no_table(document: Document) -> tuple[list[str], list[Row]]:
    return ["command", "status", "message"], [[document["command"], document["status"], document["message"]]]


def _train_table(document: Document) -> tuple[list[str], list[Row]]:
    rows: list[Row] = []
    for candidate in document.get("candidates", ()):
        runs = [run for run in document["runs"] if run["candidate"] == candidate["name"]] or [None]
        for run in runs:
            versions = ", ".join(f"{v['model']} v{v['version']}" for v in run["versions"]) if run else "none"
            metrics = ", ".join(f"{k} {_number(v)}" for k, v in sorted(run["metrics"].items())) if run else ""
            rows.append(
                [candidate["name"], candidate["status"], _number(candidate["seconds"]), versions, metrics]
            )
    return ["candidate", "status", "seconds", "registered", "metrics"], rows


def _select_table(document: Document) -> tuple[list[str], list[Row]]:
    rows: list[Row] = [
        [c["model"], c["version"], _number(c["value"]), c["verdict"], c["reason"]]
        for c in document.get("candidates", ())
    ]
    return ["model", "version", str(document.get("metric", "metric")), "verdict", "reason"], rows


def _promote_table(document: Document) -> tuple[list[str], list[Row]]:
    rows: list[Row] = [
        [a["method"], a["attempt"] or "", a["outcome"], _number(a["seconds"]), a["error"]]
        for a in document.get("attempts", ())
    ]
    return ["method", "try", "outcome", "seconds", "detail"], rows


def _cleanup_table(document: Document) -> tuple[list[str], list[Row]]:
    rows: list[Row] = [
        [
            i["model"],
            i["version"],
            i["stage"],
            ", ".join(i["aliases"]),
            i["action"],
            i["reason"],
            ": ".join(filter(None, (i["outcome"], i["error"]))),
        ]
        for i in document.get("items", ())
    ]
    return ["model", "version", "stage", "aliases", "action", "reason", "outcome"], rows


def _lease_table(document: Document) -> tuple[list[str], list[Row]]:
    rows: list[Row] = [
        [e["model"], e["version"], e["holder"], e["until"] or "for ever", "runs" if e["runs"] else "ended"]
        for e in document.get("leases", ())
    ]
    return ["model", "version", "holder", "until", "state"], rows


def _restore_table(document: Document) -> tuple[list[str], list[Row]]:
    rows: list[Row] = [
        [
            i["model"],
            i["version"],
            _day(int(i["deleted"] * 1000)),
            i["outcome"],
            i["number"],
            i["note"],
            i["build"],
        ]
        for i in document.get("items", ())
    ]
    return ["model", "version", "deleted", "outcome", "now", "note", "build"], rows


def _list_table(document: Document) -> tuple[list[str], list[Row]]:
    metric = str(document.get("metric", "metric"))
    rows: list[Row] = [
        [
            m["name"],
            v["version"],
            v["stage"],
            ", ".join(v["aliases"]),
            _number(v["value"]),
            _day(v["created"]),
            v["run_id"],
        ]
        for m in document.get("models", ())
        for v in m["versions"]
    ]
    return ["model", "version", "stage", "aliases", metric, "created", "run"], rows


def _doctor_table(document: Document) -> tuple[list[str], list[Row]]:
    rows: list[Row] = [
        [_STATUS_ICONS[f["status"]], f["what"], f["message"], f["fix"]] for f in document.get("findings", ())
    ]
    return ["", "what", "found", "what to do"], rows


def _jobs_table(document: Document) -> tuple[list[str], list[Row]]:
    items = document.get("items")
    if items is None:
        return _no_table(document)
    if document["action"] == "apply":
        columns = ["kind", "job", "action", "outcome"]
        return columns, [[item[column] for column in columns] for item in items]
    rows: list[Row] = [
        [
            i["job"],
            i["build"],
            i["result"],
            _span(i["age"], " ago"),
            _span(i["seconds"]),
            _happened(i["outcome"]),
        ]
        for i in items
    ]
    return ["job", "build", "result", "started", "duration", "outcome"], rows


def _span(seconds: float | None, suffix: str = "") -> str:
    """Seconds as people say it, in the largest unit that fits: `90 s`, `12 min`, `5 h`, `3 d`."""
    if seconds is None:
        return ""
    units = ((86_400, "d"), (3600, "h"), (60, "min"))
    size, unit = next(((size, unit) for size, unit in units if seconds >= 2 * size), (1, "s"))
    return f"{seconds / size:.0f} {unit}{suffix}"


def _happened(outcome: Mapping[str, Any] | None) -> str:
    if outcome is None:
        return ""
    what = " ".join(str(outcome[key]) for key in ("command", "status") if outcome[key])
    return ": ".join(str(part) for part in (what, outcome["message"]) if part)


_TABLES: dict[str, Callable[[Document], tuple[list[str], list[Row]]]] = {
    "train": _train_table,
    "select": _select_table,
    "promote": _promote_table,
    "rollback": _promote_table,
    "doctor": _doctor_table,
    "cleanup": _cleanup_table,
    "lease": _lease_table,
    "list": _list_table,
    "restore": _restore_table,
    "jobs": _jobs_table,
}


def tree(document: Document) -> str:
    """The registry as people know it: 📦 model, 🏆 in production, 📌 staged or aliased, 🗑️ archived."""
    lines: list[str] = []
    for model in document["models"]:
        lines.append(f"📦 {printable(model['name'])}")
        for version in model["versions"]:
            icon = "🏆" if version["production"] else _STAGE_ICONS.get(version["stage"], "")
            icon = icon or ("📌" if version["aliases"] else "  ")
            details = [version["stage"] if version["stage"] != "None" else "-"]
            details += [f"@{printable(alias)}" for alias in version["aliases"]]
            if version["value"] is not None:
                details.append(f"{printable(document['metric'])} {_number(version['value'])}")
            details.append(_day(version["created"]))
            lines.append(f"   {icon} v{version['version']:<4} {'  '.join(details)}")
    lines.append(document["message"])
    return "\n".join(lines) + "\n"


def retention(document: Document) -> str:
    """A cleanup: the policy in words, then model by model what stays by which rule, and what goes."""
    lines: list[str] = []
    for policy in document["policy"] if document["items"] else ():
        whose = "each model" if policy["models"] is None else f"models {printable(policy['models'])}"
        lines.append(f"Keep of {whose}: {', '.join(policy['keep']) or 'nothing'}.")
    for model in dict.fromkeys(item["model"] for item in document["items"]):
        lines.append(f"📦 {printable(model)}")
        for item in document["items"]:
            if item["model"] == model:
                word = _FATES[item["outcome"] or item["action"]]
                marks = [item["stage"]] if item["stage"] != "None" else []
                marks += [f"@{alias}" for alias in item["aliases"]]
                told = [_day(item["created"]), *marks, item["error"] or item["reason"]]
                lines.append(printable(f"   {word:<12} v{item['version']:<4} {'  '.join(told)}"))
    return "\n".join([*lines, printable(document["message"])]) + "\n"


_FATES = {
    "keep": "keep",
    "delete": "🗑️  delete",
    "defer": "later",
    "deleted": "🗑️  deleted",
    "already gone": "🗑️  gone",
    "kept: changed meanwhile": "kept",
    "kept: in use": "kept",
    "failed": "FAILED",
    "not reached": "not reached",
}


def _text(document: Document, stream: TextIO) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    columns, rows = table(document)
    # A promotion's attempts were shown as they happened.
    listed = document["command"] in ("train", "select", "doctor", "lease") or "items" in document
    if rows and listed:
        width = None if stream.isatty() else _WIDTH_WITHOUT_TERMINAL
        grid = Table(box=None, pad_edge=False, header_style="bold")
        for column in columns:
            grid.add_column(printable(column), overflow="fold")
        for row in rows:
            # Text, not markup: a registry name such as [red] must stay what it is.
            grid.add_row(*(Text(_cell(cell)) for cell in row))
        Console(file=stream, width=width, highlight=False).print(grid)
    stream.write(f"{document['message']}\n")


def _csv(columns: Sequence[str], rows: Sequence[Row]) -> str:
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([_inert(_cell(cell)) for cell in row] for row in rows)
    return buffer.getvalue()


def _inert(cell: str) -> str:
    """A cell that no spreadsheet takes for a formula (OWASP, CSV injection)."""
    return f"'{cell}" if cell[:1] in ("=", "+", "@") or (cell[:1] == "-" and not _is_number(cell)) else cell


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _markdown(columns: Sequence[str], rows: Sequence[Row]) -> str:
    head = ["| " + " | ".join(columns) + " |", "| " + " | ".join("---" for _ in columns) + " |"]
    body = ["| " + " | ".join(_markdown_cell(_cell(cell)) for cell in row) + " |" for row in rows]
    return "\n".join(head + body) + "\n"


def _markdown_cell(cell: str) -> str:
    plain = all(char.isalnum() or char in " .,:-/@" for char in cell)
    return cell if plain else markdown(cell).replace("|", "\\|")


def _cell(value: object) -> str:
    return "" if value is None else printable(str(value))


def _number(value: float | None) -> str:
    return "" if value is None else number(value)


def _day(milliseconds: int) -> str:
    return (
        datetime.fromtimestamp(milliseconds / 1000, timezone.utc).strftime("%Y-%m-%d %H:%M")
        if milliseconds
        else ""
    )


def prepare_streams() -> None:
    """Make icons and foreign names printable on an agent whose locale has no UTF-8."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
