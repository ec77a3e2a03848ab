"""What is said to a person: it never raises, and nothing in it acts on the terminal."""

from __future__ import annotations

import io
import sys

import pytest
from jenkins_mlflow.terminal import Terminal, colored


class Broken(io.StringIO):
    """A stream whose reader has gone, at a terminal."""

    def write(self, text: str) -> int:
        raise BrokenPipeError

    def readline(self, size: int | None = -1) -> str:  # type: ignore[override]
        raise OSError(5, "Input/output error")

    def isatty(self) -> bool:
        return True


def closed() -> io.StringIO:
    stream = io.StringIO()
    stream.close()
    return stream


@pytest.mark.parametrize("make", [Broken, closed])
def test_messages_and_questions_never_raise(make: object, monkeypatch: pytest.MonkeyPatch) -> None:
    """A closed standard error, a reader that has gone, an input that cannot be read: the answer is no."""
    monkeypatch.setattr(sys, "stderr", make())  # type: ignore[operator]
    monkeypatch.setattr(sys, "stdin", make())  # type: ignore[operator]
    terminal = Terminal()
    terminal.say("a")
    terminal.alert("b", color="red")
    assert terminal.confirm("sure?") is False
    assert terminal.interactive is (make is Broken)
    with terminal.progress("deleting", 2) as advance:
        advance()
        advance()


def test_a_name_cannot_act_on_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """Escapes and carriage returns of a message are shown as replacement characters, secrets are hidden."""
    Terminal().say("a\x1b[2J\rb\n\tc http://u:p@h")
    assert capsys.readouterr().err == "a\ufffd[2J\ufffdb\n        c http://***@h\n"


def test_color_is_for_terminals_that_want_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """NO_COLOR and dumb terminals get none."""
    stream = Broken()
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert colored(stream)
    assert not colored(io.StringIO())
    monkeypatch.setenv("NO_COLOR", "1")
    assert not colored(stream)
    monkeypatch.setenv("NO_COLOR", "")
    monkeypatch.setenv("TERM", "dumb")
    assert not colored(stream)
