"""The lines of a build's log: nothing in them steers the terminal, and none can hang or fill the reader."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st
from jenkins_mlflow.jenkins_jobs.log import LIMIT, Lines, clean

CUT = f"… [cut after {LIMIT} characters]"


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("plain\ttab", "plain\ttab"),
        ("\x1b[31;1mred\x1b[0m", "red"),
        ("by \x1b[8mha:////4CUuS7Zj+/A30mr=\x1b[0madmin", "by admin"),  # as core 2.528 sends it
        ("by \x1b[8mha:////4CUuS7", "by "),  # cut in its middle
        ("\x1b]0;title\x07text", "text"),
        ("\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("10 %\r20 %\r100 %\r", "100 %"),
        ("bell\x07 and \x1b[2Jclear", "bell\ufffd and clear"),
        ("\u202egnp.exe", "\ufffdgnp.exe"),
        ("x" * (LIMIT + 1), "x" * LIMIT + CUT),
        ("x" * LIMIT, "x" * LIMIT),
    ],
)
def test_a_line_cannot_steer_the_terminal(line: str, shown: str) -> None:
    assert clean(line) == shown


@pytest.mark.parametrize("start", ["\x1b]", "\x1b[8mha:", "\x1b[", "\x1b", "\x1b[0;", "\r"])
@pytest.mark.parametrize("filler", ["", "a", "0 "])
def test_unfinished_sequences_cost_no_more_than_their_length(start: str, filler: str) -> None:
    """With patterns that look for each end anew, this takes minutes."""
    without_cap = clean((start + filler) * 100_000, limit=1_000_000)
    assert "\x1b" not in without_cap


def test_a_line_that_arrives_in_pieces_is_one_line() -> None:
    lines = Lines()
    assert lines.feed("one\ntw") == ["one"]
    assert lines.feed("o\r") == []
    assert lines.feed("\nthr") == ["two"]
    assert lines.rest() == ["thr"]
    assert Lines().rest() == []


def test_a_line_without_an_end_is_not_kept() -> None:
    """A build that never ends its line must not fill the reader's memory; a progress bar's last state counts."""
    lines = Lines()
    for _ in range(50):
        assert lines.feed("x" * LIMIT) == []
        assert len(lines.pending) <= LIMIT + 1
    assert lines.feed("\n") == ["x" * LIMIT + CUT]
    for percent in range(100):
        lines.feed(f"{percent} %\r")
    assert len(lines.pending) < 10
    assert lines.feed("\n") == ["99 %"]


@given(st.lists(st.text(alphabet="ab\x1b[]8mha:0;\x07\\\r\n\t", max_size=20), max_size=8))
def test_the_pieces_make_no_difference(pieces: list[str]) -> None:
    lines = Lines()
    shown = [line for piece in pieces for line in lines.feed(piece)] + lines.rest()
    *whole, rest = "".join(pieces).split("\n")
    assert shown == [clean(line) for line in (*whole, *([rest] if rest else []))]
    assert not any(char in line for line in shown for char in "\x1b\x07\r")
