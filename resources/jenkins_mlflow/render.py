"""Writes a result in one of four forms: JSON, CSV, Markdown, and text for people.

JSON and CSV have exact numbers; text and Markdown round them.
"""

from __future__ import annotations

import csv
import io
import shutil
import textwrap
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import TextIO

from jenkins_mlflow.results.base import Result, json_pieces
from jenkins_mlflow.terminal import colored
from jenkins_mlflow.text import markdown, number, printable, redact

Row = Sequence[object]
FORMATS = ("text", "json", "csv", "md")


def render(result: Result, form: str, stream: TextIO, advice: Callable[[str], str] = str) -> None:
    """Write a command's result.

    Args:
        result: The command's result.
        form: One of FORMATS.
        stream: The stream to write to; if it is a terminal, its width decides where text is wrapped.
        advice: Completes the advised commands in lines and next step; those in the message are complete.
    """
    if form == "json":
        _write_json(result, stream)
    elif form == "csv":
        stream.write(_csv(*result.table()))
    elif form == "md":
        stream.write(_markdown(*result.table()))
    else:
        lines = result.lines()
        if lines is not None:
            stream.writelines(f"{advice(line)}\n" for line in lines)
        elif result.in_table:
            _write_table(*result.table(), stream)
        if not result.message_was_shown:
            stream.write(f"{printable(redact(result.message))}\n")
        if result.next_step:
            stream.write(f"next:  {printable(advice(result.next_step))}\n")


def _write_json(result: Result, stream: TextIO) -> None:
    """One line of JSON. Characters that the stream's encoding lacks are escaped as JSON allows."""
    encoding = (stream.encoding or "utf-8").lower().replace("_", "-")
    stream.writelines(json_pieces(result, ascii_only=encoding not in ("utf-8", "utf8")))
    stream.write("\n")


def _write_table(columns: Sequence[str], rows: Sequence[Row], stream: TextIO) -> None:
    """Plain columns; the rows of one model are below its name, so that no name is ever broken."""
    cells = [[_cell(cell) for cell in row] for row in rows]
    grouped = columns[0] == "model"
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
    of_name: dict[str, list[list[str]]] = defaultdict(list)
    for row in cells:
        of_name[row[0] if grouped else ""].append(row)
    for name, group in of_name.items():
        if grouped:
            stream.write(f"{bold}{name}{plain}\n")
        stream.writelines(f"{line([row[at] for at in used])}\n" for row in group)


def _wrapped(line: str, limit: int | None) -> str:
    """A line wrapped to the width of the terminal, with further lines indented; no word is broken."""
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
    """The number of terminal cells of a text: two for an emoji."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)


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
