"""All output for people: messages, questions and progress go to standard error, data never does.

Nothing here raises. A message that cannot be shown (a closed standard error, a full disk) must not stop a
promotion halfway. No message can control the terminal: control characters are replaced, and secrets in
addresses hidden.
"""

from __future__ import annotations

import io
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TextIO, cast

from jenkins_mlflow.errors import Interrupted, JenkinsMlflowError
from jenkins_mlflow.text import printable, redact

_SECONDS_BETWEEN_LINES = 5.0
_COLORS = {"red": 31, "green": 32, "yellow": 33, "cyan": 36}


def prepare_streams() -> None:
    """Make the three standard streams usable, even if the caller has closed them, and in any encoding.

    A closed stream becomes the null device. Otherwise the next file or socket would get its number, and
    messages would be written into that. Characters that an encoding lacks are escaped.
    """
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        try:
            os.fstat(number)
        except OSError:
            null = os.open(os.devnull, os.O_RDWR)
            if null != number:
                os.dup2(null, number)
        if getattr(sys, name) is None or getattr(sys, name).closed:
            setattr(sys, name, os.fdopen(number, mode, closefd=False))
        stream = getattr(sys, name)
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace" if number == 0 else "backslashreplace")


def colored(stream: TextIO | io.TextIOBase) -> bool:
    """Whether to use color: at a terminal, unless NO_COLOR is set (https://no-color.org)."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def discard(stream: TextIO) -> None:
    """Send what a stream still buffers, and everything that follows, to the null device.

    Otherwise Python would try to write it once more when it exits, and exit with 120 on failure.
    """
    with suppress(OSError, ValueError):
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, stream.fileno())
        os.close(null)


class _Messages(io.TextIOBase):
    """Standard error; what cannot be written is dropped."""

    def __init__(self) -> None:
        self._stream = sys.stderr  # rich's progress bar replaces sys.stderr while it shows

    def write(self, text: str) -> int:
        try:
            self._stream.write(text)
            self._stream.flush()
        except (OSError, ValueError):
            discard(self._stream)
        return len(text)

    def isatty(self) -> bool:
        with suppress(OSError, ValueError):
            return self._stream.isatty()
        return False


@dataclass(frozen=True)
class Terminal:
    """The output of messages.

    Attributes:
        quiet: Keep errors, notices and questions, and drop the rest.
        advice: Completes the commands that messages advise.
    """

    quiet: bool = False
    advice: Callable[[str], str] = str

    def say(self, text: str) -> None:
        """Show a message, unless quiet."""
        if not self.quiet:
            self.alert(text)

    def alert(self, text: str, color: str = "") -> None:
        """Show a message even when quiet: an error, a notice.

        Args:
            text: One or more lines.
            color: red, green, yellow or cyan, at a terminal that shows colors.
        """
        messages, safe = _Messages(), _safe(self.advice(text))
        if color and colored(messages):
            safe = f"\x1b[{_COLORS[color]}m{safe}\x1b[0m"
        messages.write(f"{safe}\n")

    def alert_error(self, error: JenkinsMlflowError | Interrupted, message: str = "") -> None:
        """Show an error, the current state and the next step.

        Args:
            error: The error.
            message: Shown instead of the error's own message.
        """
        lines = [f"error: {line}" for line in (message or error.message).splitlines()]
        lines += [f"state: {error.state}"] if error.state else []
        lines += [f"next:  {error.next_step}"] if error.next_step else []
        self.alert("\n".join(lines), color="red")

    @property
    def interactive(self) -> bool:
        """Whether a person can answer a question."""
        with suppress(OSError, ValueError):
            return sys.stdin.isatty()
        return False

    def ask(self, question: str) -> str:
        """Ask a question; end of input, or unreadable input, is an empty answer."""
        _Messages().write(f"{_safe(question)}: ")
        with suppress(OSError, ValueError):
            return sys.stdin.readline().strip().lower()
        return ""

    def confirm(self, question: str) -> bool:
        """Ask a question whose default answer is no; end of input means no."""
        return self.ask(f"{question} [y/N]") in ("y", "yes")

    @contextmanager
    def progress(self, what: str, total: int) -> Iterator[Callable[[], None]]:
        """Show progress: a bar on a terminal, an occasional plain line in a build log.

        Yields:
            A function to call after each of the ``total`` steps.
        """
        if self.quiet or total == 0:
            yield lambda: None
        elif _Messages().isatty():
            from rich.console import Console
            from rich.progress import (
                BarColumn,
                MofNCompleteColumn,
                Progress,
                ProgressColumn,
                Task,
                TextColumn,
                TimeRemainingColumn,
            )
            from rich.text import Text

            class Rate(ProgressColumn):
                def render(self, task: Task) -> Text:
                    return Text(f"{task.speed or 0:.1f} a second")

            columns = (
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                Rate(),
                TimeRemainingColumn(),
            )
            with Progress(*columns, console=Console(file=cast(TextIO, _Messages()))) as bar:
                task = bar.add_task(what, total=total)
                yield lambda: bar.advance(task)
        else:
            yield _plain_progress(self, what, total)


def _safe(text: str) -> str:
    return "\n".join(printable(line.expandtabs()) for line in redact(text).split("\n"))


def _plain_progress(
    terminal: Terminal, what: str, total: int, clock: Callable[[], float] = time.monotonic
) -> Callable[[], None]:
    done, began = 0, clock()
    last = began

    def advance() -> None:
        nonlocal done, last
        done += 1
        if done == total or clock() - last >= _SECONDS_BETWEEN_LINES:
            last = clock()
            rate = done / (last - began) if last > began else 0.0
            time_left = f", {(total - done) / rate:.0f} s left" if rate and done < total else ""
            terminal.say(f"{what}: {done} of {total} ({rate:.1f} a second{time_left})")

    return advance
