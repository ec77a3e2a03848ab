"""Everything said to a person: messages, questions and progress go to standard error, data never does."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

_SECONDS_BETWEEN_LINES = 5.0


@dataclass(frozen=True)
class Terminal:
    """Where messages go. ``quiet`` keeps errors, notices and questions, and drops the rest."""

    quiet: bool = False

    def say(self, text: str) -> None:
        """A message for whoever watches."""
        if not self.quiet:
            self.insist(text)

    def insist(self, text: str) -> None:
        """A message that is shown even when quiet: an error, a notice."""
        sys.stderr.write(f"{text}\n")
        sys.stderr.flush()

    @property
    def interactive(self) -> bool:
        """Whether there is a person to answer a question."""
        return sys.stdin.isatty()

    def ask(self, question: str) -> str:
        """Ask a question; end of input is an empty answer."""
        sys.stderr.write(f"{question}: ")
        sys.stderr.flush()
        return sys.stdin.readline().strip().lower()

    def confirm(self, question: str) -> bool:
        """Ask a question whose default answer is no; end of input means no."""
        return self.ask(f"{question} [y/N]") in ("y", "yes")

    @contextmanager
    def progress(self, what: str, total: int) -> Iterator[Callable[[], None]]:
        """Show progress: a bar at a terminal, a plain line now and then in a build log.

        Yields:
            A function to call after each of the ``total`` steps.
        """
        if self.quiet or total == 0:
            yield lambda: None
        elif sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

            columns = (
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TimeRemainingColumn(),
            )
            with Progress(*columns, console=Console(stderr=True)) as bar:
                task = bar.add_task(what, total=total)
                yield lambda: bar.advance(task)
        else:
            yield _plain_progress(self, what, total)


def _plain_progress(terminal: Terminal, what: str, total: int) -> Callable[[], None]:
    done, last = 0, time.monotonic()

    def advance() -> None:
        nonlocal done, last
        done += 1
        if done == total or time.monotonic() - last >= _SECONDS_BETWEEN_LINES:
            last = time.monotonic()
            terminal.say(f"{what}: {done} of {total}")

    return advance
