"""Makes foreign text safe to show: registry names, error messages and addresses can contain anything.

Nothing here takes more than linear time, because a build log's line may be crafted to be slow.
"""

from __future__ import annotations

import json
import re
import shlex
import unicodedata
from collections.abc import Sequence
from typing import Any

HIDDEN = "***"
_UNITS = ((86_400, "d"), (3600, "h"), (60, "min"))

# Query keys whose values are shown; every other value may be a secret.
_HARMLESS = frozenset(
    [
        "application_name",
        "charset",
        "client_encoding",
        "connect_timeout",
        "driver",
        "encrypt",
        "page",
        "sslmode",
        "target_session_attrs",
        "timeout",
        "trustservercertificate",
    ]
)
_PLAIN_VALUE = re.compile(r"[\w.+ -]*")
_ADDRESS = re.compile(r'://[^\s"<>`]*')
_HOST = re.compile(r"(?:[\w.-]*|\[[\w:.%]*\])(:\d*)?")
_QUERY_ITEM = re.compile(r"(?<=[?&#;])[^?&#;]+")
_CLOSING = "'),.:;]}"
# A secret outside an address: a database's connection string, the path of a request in an error message.
_ASSIGNMENT = re.compile(
    r"(?i)(password|passwd|pwd|token|secret|api_?key|access_?key)(\s?=\s?|%3D)(?!\*\*\*)[^\s&;,'\"<>`]+"
)


def redact(text: str) -> str:
    """The text without the secrets of the addresses in it, safe for logs, tags and reports.

    A login is hidden completely, because a user name may be a token. A query's value is hidden unless its key
    is known to be harmless. This also covers malformed addresses, whose passwords contain ``/``, ``?`` or
    ``@`` unescaped.
    """
    if "=" not in text and "://" not in text:
        return text
    return _ASSIGNMENT.sub(rf"\1\2{HIDDEN}", _ADDRESS.sub(lambda found: _redact_address(text, found), text))


def _redact_address(text: str, found: re.Match[str]) -> str:
    scheme = re.search(r"[\w+.-]*$", text[max(0, found.start() - 40) : found.start()])
    over_http = scheme is not None and scheme[0].lower() in {"http", "https"}
    return "://" + "://".join(
        _hide_query(part) for part in _hide_logins(found[0][3:].split("://"), over_http=over_http)
    )


def _hide_logins(parts: list[str], *, over_http: bool) -> list[str]:
    """Hide the login of each address in a chain such as ``proxy/http://user:password@host``."""
    kept: list[str] = []
    for part in parts:
        login = _login(part, over_http=over_http)
        kept.append(HIDDEN + part[login:] if login else part)
        over_http = True
    return kept


def _login(rest: str, *, over_http: bool) -> int:
    """The length of the login at the start of the text after ``://``; 0 if there is none."""
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
    host = _HOST.fullmatch(authority.rstrip(_CLOSING))
    if host and (over_http or not host[1]):
        return 0  # for a database, `u:5000/x@h` is a login with a slash in its password
    before_query = re.split(r"[?#]", rest, maxsplit=1)[0]
    return max(before_query.rfind("@") if "@" in before_query else rest.rfind("@"), 0)


def _hide_query(rest: str) -> str:
    start = re.search(r"[?#]", rest)
    if start is None:
        return rest
    head, tail = rest[: start.start()], rest[start.start() :]
    return head + _QUERY_ITEM.sub(_hide_value, tail)


def _hide_value(item: re.Match[str]) -> str:
    key, equals, value = item[0].partition("=")
    closing = item[0][len(item[0].rstrip(_CLOSING)) :]
    if not equals:
        in_fragment = item.string[item.start() - 1] == "#"
        return item[0] if in_fragment or not key.strip(_CLOSING) else HIDDEN + closing
    if key.lower() in _HARMLESS and _PLAIN_VALUE.fullmatch(value.rstrip(_CLOSING)):
        return item[0]
    return f"{key}={HIDDEN}{closing}"


def printable(text: str) -> str:
    """The text without control characters (including line breaks and terminal escapes), each shown as U+FFFD.

    Characters that XML cannot contain (U+FFFE, U+FFFF) count as such.
    """
    if text.isascii() and text.isprintable():
        return text
    return text.translate(_PRINTABLE)


class _Printable(dict[int, int]):
    """The character to show for each. It remembers control characters: a program may print 200 MB of zeros."""

    def __missing__(self, code: int) -> int:
        if not _is_control(chr(code)):
            return code
        self[code] = 0xFFFD
        return 0xFFFD


_PRINTABLE = _Printable()


def _is_control(char: str) -> bool:
    return unicodedata.category(char) in {"Cc", "Cf", "Cs", "Zl", "Zp"} or char in "\ufffe\uffff"


def one_line(text: str, limit: int = 200) -> str:
    """The text on one line, redacted and printable, cut to ``limit`` characters."""
    flat = printable(redact(" ".join(text.split())))
    return flat if len(flat) <= limit else flat[: limit - 1] + "…"


def parsed_json(text: str | bytes) -> Any:
    """The value of a JSON text from an untrusted source.

    Raises:
        ValueError: The text is not JSON, or nested deeper than Python reads.
    """
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def argument(text: str) -> str:
    r"""A shell argument for advice that can be copied, on one line whatever the registry contains.

    Characters that a line cannot show are written as bash, zsh and ksh read them.

    >>> print(argument("it's new\n"))
    $'it\'s new\U0000000a'
    """
    if printable(text) == text:
        return shlex.quote(text)
    escaped = re.sub(r"([\\'])", r"\\\1", text)
    shown = (f"\\U{ord(char):08x}" if _is_control(char) else char for char in escaped)
    return f"$'{''.join(shown)}'"


def arguments(*texts: str) -> str:
    """Arguments for the end of a command, where none of them is taken for an option.

    >>> print(arguments("-dash", "7"))
    -- -dash 7
    """
    quoted = " ".join(map(argument, texts))
    return f"-- {quoted}" if any(text.startswith("-") for text in texts) else quoted


def markdown(text: str) -> str:
    """The text as a Markdown code span that nothing in it can leave."""
    safe = printable(text)
    longest = max((len(ticks) for ticks in re.findall(r"`+", safe)), default=0)
    fence = "`" * (longest + 1)
    pad = " " if safe.startswith("`") or safe.endswith("`") else ""
    return f"{fence}{pad}{safe}{pad}{fence}"


def number(value: float, beside: float | None = None) -> str:
    """A metric's value for people: four decimals, or four significant digits for a small number.

    Args:
        value: The value.
        beside: A number that it is compared with: as many digits are shown as distinguish the two.
    """
    for digits in range(4, 17):
        text = _rounded(value, digits)
        if beside is None or beside == value or text != _rounded(beside, digits):
            return text
    return repr(value)


def difference(new: float, old: float, beside: float | None = None) -> str:
    """The difference of two metric values, with no more digits than needed for people: `0.0019`.

    Args:
        new, old: The values.
        beside: As for ``number``.
    """
    apart = abs(new - old)
    if not apart < 10**9:
        return number(apart)
    text = f"{apart:.4f}".rstrip("0").rstrip(".")
    tells = float(text) != 0 and (beside is None or text != number(beside))
    return text if tells else number(apart, beside)


def _rounded(value: float, digits: int) -> str:
    if not 1 <= abs(value) < 10**9:
        return f"{value:.{digits}g}"
    return f"{value:.{digits}f}".rstrip("0").rstrip(".")


def plural(count: int, noun: str, several: str = "") -> str:
    """`1 version`, `3 versions`; ``several`` is for irregular plurals, such as that of try."""
    return f"{count} {noun}" if count == 1 else f"{count} {several or noun + 's'}"


def listed(items: Sequence[str], most: int) -> str:
    """The first items, and the number of the others: `a, b and 4 more`."""
    more = f" and {len(items) - most} more" if len(items) > most else ""
    return ", ".join(items[:most]) + more


def size(count: int) -> str:
    """Bytes in the unit that fits: `512 B`, `3.4 MB`."""
    value = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} TB"


def span(seconds: float | None, suffix: str = "") -> str:
    """A duration in one unit, never rounded up: `90 s`, `12 min`, `25 h`, `1 d`.

    The unit is the largest of which there are at least two; exactly one day or hour is `1 d` or `1 h`.
    """
    if seconds is None:
        return ""
    size, unit = next(
        ((size, unit) for size, unit in _UNITS if seconds >= 2 * size or seconds == size), (1, "s")
    )
    return f"{int(max(seconds, 0) / size)} {unit}{suffix}"
