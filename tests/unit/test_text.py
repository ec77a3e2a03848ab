"""Text that is safe to show: no secret of an address, nothing that a terminal, Markdown or a shell acts on."""

from __future__ import annotations

import subprocess
import time

import pytest
from jenkins_mlflow.text import (
    argument,
    arguments,
    difference,
    markdown,
    number,
    one_line,
    plural,
    printable,
    redact,
    span,
)
from support.steps import steps_of

SECRETS = ("s3cret", "cret", "TOKEN", "hunter2")


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("http://u:s3cret@h:5000/x", "http://***@h:5000/x"),
        ("postgresql://h/db?user=u&password=s3cret", "postgresql://h/db?user=***&password=***"),
        ("postgresql+psycopg://u:s3/cret@h", "postgresql+psycopg://***@h"),
        ("postgresql+psycopg://u:5000/cret@h", "postgresql+psycopg://***@h"),
        ("postgresql://u:s3?cret@h/db", "postgresql://***@h/db"),
        ("postgresql://u:s3#cret@h/db", "postgresql://***@h/db"),
        ("mssql+pyodbc:///?odbc_connect=SERVER%3Dh%3BPWD%3Ds3cret", "mssql+pyodbc:///?odbc_connect=***"),
        (
            "mssql+pyodbc:///?odbc_connect=DRIVER={SQL Server};UID=u;PWD=s3cret",
            "mssql+pyodbc:///?odbc_connect=*** Server};UID=u;PWD=***",
        ),
        ("http://u:p@s3cret@h", "http://***@h"),
        ("http://TOKEN@h", "http://***@h"),
        ("http://TOKEN:@h", "http://***@h"),
        ("http://h/?api_key=s3cret", "http://h/?api_key=***"),
        ("http://h/api?s3cret", "http://h/api?***"),
        ("http://h/#access_token=s3cret", "http://h/#access_token=***"),
        ("http://h/#/models?token=s3cret", "http://h/#/models?token=***"),
        ("http://proxy/http://u:s3cret@h/x", "http://proxy/http://***@h/x"),
        ("http://u:s3/cret@h", "http://***@h"),
        ("see 'http://u:s3cret@h/?password=s3cret', please", "see 'http://***@h/?password=***', please"),
        ("url: /api/2.0/x?password=s3cret (Caused by", "url: /api/2.0/x?password=*** (Caused by"),
        ("connection failed: password=s3cret host=h", "connection failed: password=*** host=h"),
    ],
)
def test_no_secret_of_an_address_is_shown(address: str, shown: str) -> None:
    """The login goes whole, a query's value unless its key is known to be harmless; the rest stays."""
    assert redact(address) == shown
    assert not any(secret in redact(address) for secret in SECRETS)


@pytest.mark.parametrize(
    "text",
    [
        "http://localhost:5001/#/models/churn%40x/versions/2",
        "http://mlflow.example:5000/prefix",
        "https://github.com/team/repo@v1 installed",
        "http://h:5000/a@b",
        "http://[::1]:5000",
        "postgresql://h/db?sslmode=require&connect_timeout=5",
        "sqlite:////srv/mlflow.db",
        "models:/churn@champion",
        "ssh -L 5001:localhost:5001 user@server",
        "churn version 2: 12:30 a@b",
    ],
)
def test_what_holds_no_secret_stays(text: str) -> None:
    """Ordinary addresses and sentences are shown as they are."""
    assert redact(text) == text


@pytest.mark.parametrize("piece", ["a", "://", "u:", "@", "?a=", "password", "http://a", "`", "="])
def test_redaction_takes_linear_time(piece: str) -> None:
    """A line of 64 KiB, whatever it repeats, is no work."""
    started = time.process_time()
    redact(piece * (65_536 // len(piece)))
    assert time.process_time() - started < 1


def test_redaction_is_stable() -> None:
    """What was redacted once stays as it is when a later layer does it again."""
    once = redact("http://u:p@h/?a=b&password=x")
    assert redact(once) == once == "http://***@h/?a=***&password=***"


def test_nothing_reaches_the_terminal_as_a_command() -> None:
    """Escapes, line breaks and directions are replaced; text in any script stays."""
    assert printable("a\x1b]0;x\x07b\r\n\u202e🫀é") == "a\ufffd]0;x\ufffdb\ufffd\ufffd\ufffd🫀é"
    assert one_line("a\n  b http://u:p@h") == "a b http://***@h"
    assert one_line("x" * 300) == "x" * 199 + "…"


def test_a_megabyte_of_zeros_is_shown_in_few_steps() -> None:
    """A notify command printed 200 MB of them, and showing them took longer than it was allowed."""
    text = "\0" * 1_000_000
    assert printable(text) == "\ufffd" * len(text)
    assert steps_of(lambda: printable(text)) < 1000


def test_a_code_span_holds_whatever_is_in_it() -> None:
    """The fence is longer than any run of backticks inside."""
    assert markdown("a`b``c") == "```a`b``c```"
    assert markdown("`a`") == "`` `a` ``"


def test_arguments_are_quoted_for_a_shell() -> None:
    """Plain names stay readable; anything else is one word."""
    assert argument("churn-2") == "churn-2"
    assert argument("a b; $(reboot)") == "'a b; $(reboot)'"
    odd = ["a\nb", "it's\\ \x1b[31m", "\u2028", "\U000e0001", "'$(reboot)\n", "`x`\r"]
    for text in odd:
        assert argument(text) == printable(argument(text)), "one line, nothing that a terminal obeys"
        shell = ["bash", "-c", f"printf %s {argument(text)}"]
        back = subprocess.run(shell, env={"LC_ALL": "C.UTF-8"}, capture_output=True, check=True)
        assert back.stdout.decode() == text


def test_an_argument_that_looks_like_an_option_comes_after_two_dashes() -> None:
    """Else the command would take it for one."""
    assert arguments("churn", "7") == "churn 7"
    assert arguments("a b") == "'a b'"
    assert arguments("-dash", "7") == "-- -dash 7"


def test_numbers_and_counts_are_for_people() -> None:
    """Four decimals or, for small and large ones, as many digits as mean something; singular and plural."""
    assert [number(v) for v in (0.915234, 0.9, 1.0, 12.5, 1e-7, 123456789.0)] == [
        "0.9152",
        "0.9",
        "1",
        "12.5",
        "1e-07",
        "123456789",
    ]
    assert [number(0.79999, 0.8), number(0.8, 0.8), number(0.8 - 1e-16, 0.8)] == [
        "0.79999",
        "0.8",
        "0.7999999999999999",
    ]
    assert [plural(1, "version"), plural(0, "version"), plural(2, "try", "tries")] == [
        "1 version",
        "0 versions",
        "2 tries",
    ]


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (None, ""),
        (-5.0, "0 s"),
        (0.9, "0 s"),
        (59.9, "59 s"),
        (60, "1 min"),
        (90, "90 s"),
        (119.9, "119 s"),
        (120, "2 min"),
        (179, "2 min"),
        (3600, "1 h"),
        (5400, "90 min"),
        (86_400, "1 d"),
        (90_000, "25 h"),
        (7 * 86_400 - 1, "6 d"),
        (7 * 86_400, "7 d"),
    ],
)
def test_a_time_is_never_rounded_up(seconds: float | None, said: str) -> None:
    """What is younger than 7 days is at most 6 days old; one unit and a bit is told in the smaller unit."""
    assert span(seconds) == said
    assert span(seconds, " ago") == (f"{said} ago" if said else "")


@pytest.mark.parametrize(
    ("new", "old", "beside", "said"),
    [
        (0.9123, 0.914247, None, "0.0019"),
        (0.95, 0.9, None, "0.05"),
        (0.90002, 0.9, None, "2e-05"),
        (12.0, 2.5, None, "9.5"),
        (0.90196, 0.9, 0.002, "0.00196"),
    ],
)
def test_a_difference_has_the_digits_of_the_values(
    new: float, old: float, beside: float | None, said: str
) -> None:
    assert difference(new, old, beside) == said
