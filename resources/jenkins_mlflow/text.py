"""Making foreign text safe to show: registry names, error messages and addresses can hold anything."""

from __future__ import annotations

import re
import unicodedata

_PASSWORD = re.compile(r"(?<=://)([^/@:\s]*):[^/\s]*@")


def redact(text: str) -> str:
    """The text with the password of every address in it replaced, fit for logs, tags and reports."""
    return _PASSWORD.sub(r"\1:***@", text)


def printable(text: str) -> str:
    """The text without control characters (line breaks and terminal escapes among them), each shown as U+FFFD.

    What XML cannot hold (U+FFFE, U+FFFF) counts as one.
    """
    return "".join("\ufffd" if _is_control(char) else char for char in text)


def _is_control(char: str) -> bool:
    return unicodedata.category(char) in {"Cc", "Cf", "Cs"} or char in "\ufffe\uffff"


def one_line(text: str, limit: int = 200) -> str:
    """The text on one line, redacted and printable, cut to ``limit`` characters."""
    flat = printable(redact(" ".join(text.split())))
    return flat if len(flat) <= limit else flat[: limit - 1] + "…"


def markdown(text: str) -> str:
    """The text as a Markdown code span that nothing in it can leave."""
    safe = printable(text)
    longest = max((len(ticks) for ticks in re.findall(r"`+", safe)), default=0)
    fence = "`" * (longest + 1)
    pad = " " if safe.startswith("`") or safe.endswith("`") else ""
    return f"{fence}{pad}{safe}{pad}{fence}"


def number(value: float) -> str:
    """A metric's value for people: six significant digits, none of them noise."""
    return f"{value:.6g}"


def plural(count: int, noun: str) -> str:
    """`1 version`, `3 versions`."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
