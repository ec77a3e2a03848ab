"""One document, four forms: JSON, CSV, Markdown, and text for people, all made from the same object.

JSON and CSV have every number as it is; text and Markdown round it.
"""

from __future__ import annotations

import csv
import io
import itertools
import json
import shutil
import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timezone
from typing import Any, TextIO

from jenkins_mlflow.terminal import colored
from jenkins_mlflow.text import markdown, number, printable

Document = Mapping[str, Any]
Row = Sequence[object]
FORMATS = ("text", "json", "csv", "md")
_LISTED = ("train", "select", "cleanup", "doctor")  # a promotion's attempts were shown as they happened
_STATUS_ICONS = {"fine": "ok", "note": "note", "problem": "PROBLEM"}


def render(document: Document, form: str, stream: TextIO) -> None:
    """Write a command's document.

    Args:
        document: The command's result.
        form: One of FORMATS.
        stream: Where to; for text, its terminal decides where long lines are wrapped.
    """
    if form == "json":
        stream.write(_json(document, stream))
    elif form == "csv":
        stream.write(_csv(*table(document)))
    elif form == "md":
        stream.write(_markdown(*table(document)))
    elif document["command"] == "list":
        stream.write(tree(document))
    elif document["command"] == "cleanup":
        stream.write(retention(document))
    else:
        if document["command"] in _LISTED or "items" in document:
            _write_table(*table(document), stream)
        stream.write(f"{printable(document['message'])}\n")


def _json(document: Document, stream: TextIO) -> str:
    """One line of JSON. Where the stream's encoding lacks characters, they become JSON's own escapes."""
    encoding = (stream.encoding or "utf-8").lower().replace("_", "-")
    return json.dumps(document, ensure_ascii=encoding not in ("utf-8", "utf8"), allow_nan=False) + "\n"


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
            metrics = ", ".join(f"{k} {number(v)}" for k, v in sorted(run["metrics"].items())) if run else ""
            rows.append([candidate["name"], candidate["status"], candidate["seconds"], versions, metrics])
    return ["candidate", "status", "seconds", "registered", "metrics"], rows


def _select_table(document: Document) -> tuple[list[str], list[Row]]:
    rows: list[Row] = [
        [c["model"], c["version"], c["value"], c["verdict"], c["reason"]]
        for c in document.get("candidates", ())
    ]
    return ["model", "version", str(document.get("metric", "metric")), "verdict", "reason"], rows


def _promote_table(document: Document) -> tuple[list[str], list[Row]]:
    rows: list[Row] = [
        [a["method"], a["attempt"] or "", a["outcome"], a["seconds"], a["error"]]
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
            ": ".join(part for part in (i["outcome"], i["error"]) if part),
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
            v["value"],
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
    """The registry as people know it: 📦 model, 🏆 version in production, 📌 any other version."""
    lines: list[str] = []
    for model in document["models"]:
        lines.append(f"📦 {printable(model['name'])}")
        for version in model["versions"]:
            icon = "🏆" if version["production"] else "📌"
            lines.append(f"   {icon} Version {version['version']} - Stage: {version['stage']}")
            if not document.get("brief"):
                lines[-1] += "".join(f"  {detail}" for detail in _details(document, version))
    lines.append(printable(document["message"]))
    return "\n".join(lines) + "\n"


def _details(document: Document, version: Mapping[str, Any]) -> Iterator[str]:
    yield from (f"@{printable(alias)}" for alias in version["aliases"])
    if version["value"] is not None:
        yield f"{printable(document['metric'])} {number(version['value'])}"
    if version["created"]:
        yield _day(version["created"])


def _write_table(columns: Sequence[str], rows: Sequence[Row], stream: TextIO) -> None:
    """Plain columns; rows of one model stand below its name, so that no name is ever broken."""
    cells = [[_cell(cell) for cell in row] for row in rows]
    grouped = columns[:1] == ["model"]
    used = [at for at in range(int(grouped), len(columns)) if any(row[at] for row in cells)]
    if not used:
        return
    widths = [max(_width(columns[at]), *(_width(row[at]) for row in cells)) for at in used]
    limit = shutil.get_terminal_size().columns if stream.isatty() else None
    bold, plain = ("\x1b[1m", "\x1b[0m") if colored(stream) else ("", "")
    indent = "  " if grouped else ""

    def line(texts: Sequence[str]) -> str:
        whole = indent + "".join(
            f"{text}{' ' * (width - _width(text) + 2)}" for text, width in zip(texts, widths, strict=True)
        )
        return _wrapped(whole.rstrip(), limit)

    stream.write(f"{bold}{line([printable(columns[at]) for at in used])}{plain}\n")
    for name, group in itertools.groupby(cells, key=lambda row: row[0] if grouped else ""):
        if grouped:
            stream.write(f"{bold}{name}{plain}\n")
        stream.writelines(f"{line([row[at] for at in used])}\n" for row in group)


def _wrapped(line: str, limit: int | None) -> str:
    """A line that is longer than the terminal is wide goes on below, further in; no word is broken."""
    if limit is None or _width(line) <= limit:
        return line
    start = line[: len(line) - len(line.lstrip())]
    parts = textwrap.wrap(
        line.lstrip(),
        limit,
        initial_indent=start,
        subsequent_indent=f"{start}    ",
        break_long_words=False,
        break_on_hyphens=False,
    )
    return "\n".join(parts)


def _width(text: str) -> int:
    """The cells that a text takes at a terminal: two for an emoji."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)


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


def _csv(columns: Sequence[str], rows: Sequence[Row]) -> str:
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(_inert(_cell(column)) for column in columns)
    writer.writerows([_inert(_cell(cell, exact=True)) for cell in row] for row in rows)
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
    head = [
        "| " + " | ".join(map(_markdown_cell, columns)) + " |",
        "| " + " | ".join("---" for _ in columns) + " |",
    ]
    body = ["| " + " | ".join(_markdown_cell(_cell(cell)) for cell in row) + " |" for row in rows]
    return "\n".join(head + body) + "\n"


def _markdown_cell(cell: str) -> str:
    plain = all(char.isalnum() or char in " .,:-/@" for char in cell)
    return cell if plain else markdown(cell).replace("|", "\\|")


def _cell(value: object, *, exact: bool = False) -> str:
    if value is None:
        return ""
    return number(value) if isinstance(value, float) and not exact else printable(str(value))


def _day(milliseconds: int) -> str:
    return (
        datetime.fromtimestamp(milliseconds / 1000, timezone.utc).strftime("%Y-%m-%d %H:%M")
        if milliseconds
        else ""
    )
