"""Makes the lines of a build's log safe for a terminal."""

from __future__ import annotations

import re

from jenkins_mlflow.text import printable

LIMIT = 10_000  # characters of a line that are shown

# A build can write anything into its log. Each pattern stops at the next escape character, so the time is
# linear. Jenkins hides its notes in a line (links, colours) between "conceal" and "reset" (ConsoleNote, core
# 2.528).
_ESCAPES = re.compile(
    r"""\x1b\[8mha:[A-Za-z0-9+/=]*(?:\x1b\[0m)?   # a note of Jenkins, perhaps cut
    | \x1b\[[0-9;?]*[ -/]*[@-~]                   # colours, cursor
    | \x1b\][^\x07\x1b]*(?:\x07|\x1b\\)           # titles, links
    | \x1b.""",
    re.VERBOSE,
)


def clean(line: str, limit: int = LIMIT) -> str:
    """The line as a terminal would show it, without control sequences; tabs stay.

    Args:
        line: The line without its line break. A progress bar, which uses carriage returns, is shown in its
            last state.
        limit: The longest output; a longer one is cut and marked.
    """
    shown = _last_state(line).rstrip("\r")
    mark = f"… [cut after {limit} characters]" if len(shown) > limit else ""
    plain = _ESCAPES.sub("", shown[:limit])
    return "\t".join(printable(part) for part in plain.split("\t")) + mark


class Lines:
    """Assembles a log that arrives in pieces into clean lines."""

    def __init__(self) -> None:
        self.pending = ""

    def feed(self, text: str) -> list[str]:
        """The lines that end in this piece. Keeps as much of an unfinished one as will be shown."""
        *whole, rest = (self.pending + text).split("\n")
        self.pending = _last_state(rest)[: LIMIT + 1]
        return [clean(line) for line in whole]

    def rest(self) -> list[str]:
        """The text after the last line break, if any."""
        return [clean(self.pending)] if self.pending else []


def _last_state(line: str) -> str:
    """The text after the last carriage return; those at the line's very end belong to the line break."""
    return line[line.rstrip("\r").rfind("\r") + 1 :]
