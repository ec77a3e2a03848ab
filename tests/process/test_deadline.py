"""One check with a deadline: how it ended, in words; bounded in time and memory; nothing of it stays."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from jenkins_mlflow.deadline import run_bounded
from support.servers import clean_environ


def run(tmp_path: Path, *argv: str, timeout: float = 20) -> str:
    return run_bounded(argv, os.environ, tmp_path / "r" / "log", timeout).failure


@pytest.mark.parametrize(
    ("argv", "failure"),
    [
        (("true",), ""),
        (("sh", "-c", "echo nonsense; exit 3"), "it ended with exit code 3: nonsense"),
        (("sh", "-c", "echo x; printf '\\n \\n'; exit 3"), "it ended with exit code 3: x"),
        (("sh", "-c", "kill -9 $$"), "it ended by SIGKILL"),
        (("sh", "-c", "kill -35 $$"), "it ended by signal 35"),
        (("sh", "-c", "echo http://u:s3cret@h; exit 1"), "it ended with exit code 1: http://***@h"),
        (("no-such-program",), "command not found: no-such-program"),
        (("a\0b",), "cannot run a\ufffdb: embedded null byte"),
    ],
)
def test_the_failure_says_how_it_ended(tmp_path: Path, argv: tuple[str, ...], failure: str) -> None:
    """Exit code or signal, and the last line that says something."""
    assert run(tmp_path, *argv) == failure


def test_a_deadline_ends_it(tmp_path: Path) -> None:
    """Even if it ignores SIGTERM."""
    assert run(tmp_path, "sh", "-c", "trap '' TERM; sleep 60", timeout=0.3) == "it did not end within 0.3 s"


def test_a_log_that_cannot_be_written_is_a_warning(tmp_path: Path) -> None:
    """A file is in the report folder's way: the check runs, and its end counts."""
    (tmp_path / "r").write_text("")
    ended = run_bounded(("sh", "-c", "exit 3"), os.environ, tmp_path / "r" / "log", 20)
    assert (ended.failure, ended.warning) == (
        "it ended with exit code 3",
        f"the log {tmp_path}/r/log cannot be written: File exists",
    )


def test_a_flood_of_lines_is_read_and_dropped(tmp_path: Path) -> None:
    """To log each of 100 million lines would take longer than the program may: the log has the first and the last."""
    flood = "seq 1000000; echo the end; exit 3"
    assert run(tmp_path, "sh", "-c", flood, timeout=120) == "it ended with exit code 3: the end"
    lines = (tmp_path / "r" / "log").read_text().splitlines()
    (note,) = (at for at, line in enumerate(lines) if not line.isdigit() and at < len(lines) - 1)
    first, last = lines[:note], lines[note + 1 : -1]
    assert first == [str(number) for number in range(1, len(first) + 1)]
    assert last == [str(number) for number in range(1_000_001 - len(last), 1_000_001)]
    assert (len(first) > 100_000, len(last) > 1000) == (True, True)
    whole = sum(len(str(number)) + 1 for number in range(1, 1_000_001)) + len("the end\n")
    shown = sum(len(line) + 1 for line in (*first, *last, lines[-1]))
    assert lines[note] == f"... {whole - shown} bytes of output were dropped here ..."


def test_a_huge_line_takes_no_memory(tmp_path: Path) -> None:
    """200 MB without a line break: this process stays below 150 MB."""
    script = """
        import os
        from pathlib import Path
        from jenkins_mlflow.deadline import run_bounded
        argv = ["sh", "-c", "head -c 200000000 /dev/zero | tr '\\\\0' x; exit 1"]
        ended = run_bounded(argv, os.environ, Path("/dev/null"), 60)
        assert ended.failure.startswith("it ended with exit code 1: xxx"), ended
        assert len(ended.failure) < 300
        status = Path("/proc/self/status").read_text()  # ru_maxrss would begin with that of pytest
        print(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM")))
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)],
        env=clean_environ(),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    assert int(done.stdout) < 150_000
