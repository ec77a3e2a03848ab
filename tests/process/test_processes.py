"""Running candidates as real processes: output, parallelism, failures, timeouts, signals, no leftovers."""

from __future__ import annotations

import os
import re
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from jenkins_mlflow.processes import Command, Ended, Processes

Argv = tuple[str, ...]


class Bench:
    """Builds commands whose logs go to a folder, runs them, keeps what was said."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.said: list[str] = []
        self.on_line: Callable[[str], None] = lambda line: None

    def say(self, line: str) -> None:
        self.said.append(line)
        self.on_line(line)

    def processes(
        self,
        commands: dict[str, Argv],
        *,
        jobs: int = 2,
        timeout: float | None = None,
        stop: bool = True,
        grace: float = 5,
        on_end: Callable[[Ended], None] = lambda ended: None,
    ) -> Processes:
        made = [
            Command(name, argv, self.folder / f"{name}.log", {**os.environ, "MARK": str(self.folder)})
            for name, argv in commands.items()
        ]
        return Processes(
            made,
            jobs=jobs,
            timeout=timeout,
            stop_on_failure=stop,
            say=self.say,
            grace=grace,
            on_end=on_end,
        )

    def run(
        self,
        commands: dict[str, Argv],
        *,
        jobs: int = 2,
        timeout: float | None = None,
        stop: bool = True,
        grace: float = 5,
    ) -> dict[str, Ended]:
        started = self.processes(commands, jobs=jobs, timeout=timeout, stop=stop, grace=grace)
        return {ended.name: ended for ended in started.run()}

    def log(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text(encoding="utf-8")


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """Signals as a terminal has them: tests started by nohup or in the background would inherit ignored ones."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGHUP)}
    for number, handler in before.items():
        if handler is signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler)
    yield Bench(tmp_path)
    for number, handler in before.items():
        signal.signal(number, handler)


def sh(script: str) -> Argv:
    return ("sh", "-c", script)


LOUD = ("timeout", "--foreground", "-s", "KILL", "8", "yes")
"""Prints as fast as it is read, for 8 seconds if nobody ends it."""


def alive(pid_file: Path) -> bool:
    """Whether the process whose pid a script wrote still runs (a zombie does not)."""
    try:
        state = Path(f"/proc/{pid_file.read_text().strip()}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def gone(pid_file: Path) -> bool:
    """Whether that process ends within moments."""
    deadline = time.monotonic() + 3
    while alive(pid_file) and time.monotonic() < deadline:
        time.sleep(0.02)
    return not alive(pid_file)


def test_output_goes_to_its_log_and_prefixed_to_the_watcher(bench: Bench) -> None:
    """Standard output and error, a last line without line break, prefixes aligned."""
    ended = bench.run({"svm": sh("echo out; echo err >&2; printf last"), "forest": sh("echo hello")}, jobs=1)

    assert {name: (e.status, e.exit_code, e.error) for name, e in ended.items()} == {
        "svm": ("ok", 0, ""),
        "forest": ("ok", 0, ""),
    }
    assert bench.log("svm") == "out\nerr\nlast\n"
    assert bench.said == ["[svm]    out", "[svm]    err", "[svm]    last", "[forest] hello"]


def test_lines_stay_whole_when_candidates_talk_at_once(bench: Bench) -> None:
    """Two candidates writing 2,000 lines in small pieces each never share a line and lose none."""
    chatter = "import os\nfor i in range(2000):\n os.write(1, b'%d ' % i); os.write(1, b'x' * 50 + b'\\n')"
    bench.run(dict.fromkeys(("a", "b"), (sys.executable, "-c", chatter)))

    expected = [f"{i} {'x' * 50}" for i in range(2000)]
    for name in ("a", "b"):
        assert [
            line.removeprefix(f"[{name}] ") for line in bench.said if line.startswith(f"[{name}] ")
        ] == expected
        assert bench.log(name).splitlines() == expected
    assert len(bench.said) == 4000


def test_garbage_and_progress_bars_are_tamed(bench: Bench) -> None:
    """Bytes that are no UTF-8, terminal escapes, carriage returns, passwords in addresses."""
    bench.run(
        {"a": sh(r"printf '\377\376 ok\n\033[31mred\033[0m\n10%%\r50%%\r100%%\nx://u:secret@h\n\000\007\n'")}
    )

    assert bench.said == ["[a] \ufffd\ufffd ok", "[a] red", "[a] 100%", "[a] x://***@h", "[a] \ufffd\ufffd"]
    assert "secret" not in bench.log("a")


def test_a_line_without_end_comes_in_parts(bench: Bench) -> None:
    """A megabyte without a line break neither stalls nor grows the memory; every byte is logged."""
    bench.run({"a": (sys.executable, "-c", "print('x' * 1_000_000)")})

    assert bench.log("a").replace("\n", "") == "x" * 1_000_000
    assert 2 < len(bench.said) < 20


def test_output_is_live(bench: Bench, tmp_path: Path) -> None:
    """A line reaches the watcher while its script still runs."""
    go = tmp_path / "go"
    bench.on_line = lambda line: go.touch() if "waiting" in line else None

    ended = bench.run(
        {"a": sh(f"echo waiting; until [ -e {go} ]; do sleep 0.02; done; echo went on")}, timeout=10
    )

    assert ended["a"].status == "ok"
    assert bench.said[-1] == "[a] went on"


@pytest.mark.parametrize("jobs", [1, 2])
def test_no_more_than_jobs_at_once(bench: Bench, tmp_path: Path, jobs: int) -> None:
    """Each script counts who else is at work; two at once really overlap."""
    script = f"cd {tmp_path}; touch $$.busy; ls | grep -c busy; sleep 0.3; rm $$.busy"
    bench.run({name: sh(script) for name in "abcd"}, jobs=jobs)

    assert max(int(line.split()[-1]) for line in bench.said) == jobs


@pytest.mark.parametrize(
    ("argv", "code", "error"),
    [
        pytest.param(sh("exit 7"), 7, "exit code 7", id="exit code"),
        pytest.param(sh("kill -9 $$"), -9, "killed by SIGKILL", id="signal"),
        pytest.param(sh("kill -35 $$"), -35, "killed by signal 35", id="signal without a name"),
        pytest.param(("no-such-program", "x"), None, "command not found: no-such-program", id="not found"),
        pytest.param(("/",), None, "cannot run /: Permission denied", id="not executable"),
    ],
)
def test_a_failure_says_what_failed(bench: Bench, argv: Argv, code: int | None, error: str) -> None:
    """Exit codes, signals and commands that cannot be started each have their word; the log has it too."""
    ended = bench.run({"a": argv})["a"]

    assert (ended.status, ended.exit_code, ended.error) == ("failed", code, error)
    assert code is not None or bench.log("a") == f"{error}\n"


@pytest.mark.parametrize("broken", [sh("exit 1"), ("no-such-program",)], ids=["exit code", "not found"])
def test_stop_cancels_the_rest(bench: Bench, tmp_path: Path, broken: Argv) -> None:
    """With stop, one failure ends what runs, its children too, and nothing else starts."""
    pid = tmp_path / "pid"
    until = f"until [ -s {pid} ]; do sleep 0.02; done"
    bad = sh(f"{until}; exit 1") if broken[0] == "sh" else broken
    ended = bench.run({"long": sh(f"sleep 60 & echo $! > {pid}; wait"), "bad": bad, "late": sh("echo never")})

    assert {name: e.status for name, e in ended.items()} == {
        "long": "cancelled",
        "bad": "failed",
        "late": "cancelled",
    }
    assert ended["late"].error == "never started: another candidate failed"
    assert not (tmp_path / "late.log").exists()
    assert not pid.exists() or gone(pid)


def test_continue_lets_the_others_finish(bench: Bench) -> None:
    """With continue, a failure concerns nobody else."""
    ended = bench.run(
        {"bad": sh("exit 1"), "gone": ("no-such-program",), "good": sh("true")}, jobs=1, stop=False
    )

    assert [e.status for e in ended.values()] == ["failed", "failed", "ok"]


def test_who_prints_without_pause_is_no_obstacle(bench: Bench) -> None:
    """Its timeout holds, and the others are heard meanwhile: one who has ended has its own outcome."""
    ended = bench.run({"loud": LOUD, "quiet": sh("echo hi")}, timeout=1, stop=False)

    assert {name: (e.status, e.exit_code) for name, e in ended.items()} == {
        "loud": ("timeout", -signal.SIGTERM),
        "quiet": ("ok", 0),
    }
    assert "[quiet] hi" in bench.said


def test_a_signal_reaches_who_prints_without_pause(bench: Bench) -> None:
    """It is acted on between two pieces of output."""
    bench.on_line = lambda line: os.kill(os.getpid(), signal.SIGINT) if len(bench.said) == 1 else None
    processes = bench.processes({"loud": LOUD})

    assert [(e.status, e.exit_code) for e in processes.run()] == [("cancelled", -signal.SIGTERM)]


@pytest.mark.parametrize("timeout", [None, 5], ids=["another failed", "timeout"])
def test_who_has_ended_before_its_output_was_read_has_its_own_outcome(
    bench: Bench, tmp_path: Path, timeout: float | None
) -> None:
    """Neither a timeout nor a failure of another one that comes since makes a failure of it."""
    bench.on_line = lambda line: time.sleep((timeout or 1) + 0.5)  # until then, both have ended
    printed = tmp_path / "printed"
    bad = f"while [ ! -e {printed} ]; do sleep 0.05; done; exit 1"
    ended = bench.run({"bad": sh(bad), "good": sh(f"echo hi; touch {printed}")}, timeout=timeout)

    assert {name: (e.status, e.error) for name, e in ended.items()} == {
        "bad": ("failed", "exit code 1"),
        "good": ("ok", ""),
    }


def test_a_timeout_ends_the_whole_group(bench: Bench, tmp_path: Path) -> None:
    """The script and the child that it waits for are both ended, politely."""
    pid = tmp_path / "pid"
    ended = bench.run(
        {"a": sh(f"trap 'echo bye; exit 3' TERM; sleep 60 & echo $! > {pid}; wait")}, timeout=0.3
    )["a"]

    assert (ended.status, ended.error) == ("timeout", "stopped after its timeout of 0.3 s")
    assert bench.said == ["[a] bye"]
    assert 0.3 <= ended.seconds < 3
    assert gone(pid)


def test_who_ignores_sigterm_is_killed(bench: Bench) -> None:
    """After the grace period SIGTERM becomes SIGKILL."""
    ended = bench.run({"a": sh("trap '' TERM; while :; do sleep 0.05; done")}, timeout=0.2, grace=0.3)["a"]

    assert (ended.status, ended.exit_code) == ("timeout", -signal.SIGKILL)
    assert ended.seconds < 3


def test_a_background_process_cannot_hold_the_training(bench: Bench, tmp_path: Path) -> None:
    """A helper left running with the pipe open is ended soon after its script."""
    pid = tmp_path / "pid"
    ended = bench.run({"a": sh(f"sleep 60 & echo $! > {pid}; echo done")})["a"]

    assert (ended.status, bench.said) == ("ok", ["[a] done"])
    assert ended.seconds < 1
    assert gone(pid)


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="finds processes in /proc")
@pytest.mark.parametrize("timeout", [None, 1], ids=["ends", "timeout"])
def test_a_helper_in_another_session_is_ended_too(
    bench: Bench, tmp_path: Path, timeout: float | None
) -> None:
    """Setsid and a double fork take a helper out of the process group, not out of sight."""
    pid = tmp_path / "pid"
    wait = "sleep 60" if timeout else "true"
    script = (
        f"setsid sh -c 'echo $$ > {pid}; exec sleep 60' & until [ -s {pid} ]; do sleep 0.02; done; {wait}"
    )
    ended = bench.run({"a": sh(script)}, timeout=timeout)["a"]

    assert ended.status == ("timeout" if timeout else "ok")
    assert gone(pid)


def test_a_log_that_cannot_be_written_stops_nothing(bench: Bench, tmp_path: Path) -> None:
    """The command runs and its output is shown; the log's problem is a warning."""
    (tmp_path / "a.log").mkdir()
    processes = bench.processes({"a": sh("echo hi"), "b": sh("echo ho")}, jobs=1)
    (tmp_path / "b.log").symlink_to("/dev/full")
    assert [ended.status for ended in processes.run()] == ["ok", "ok"]
    assert bench.said == ["[a] hi", "[b] ho"]
    assert processes.warnings == [
        f"the log {tmp_path}/a.log cannot be written: Is a directory",
        f"the log {tmp_path}/b.log cannot be written: No space left on device",
    ]


def test_two_trainings_in_one_folder_have_a_log_each(bench: Bench, tmp_path: Path) -> None:
    """The second one's file has a number, its result names that file, and the first one's lines are all in its own."""
    (tmp_path / "a.log").write_text("an older training\n" * 9)
    nested: list[Ended] = []

    def second(line: str) -> None:
        if line == "[a] first":
            nested.append(bench.run({"a": sh("echo second")})["a"])
            (tmp_path / "go").touch()

    bench.on_line = second
    first = bench.run({"a": sh(f"echo first; until [ -e {tmp_path}/go ]; do sleep 0.02; done; echo last")})[
        "a"
    ]

    assert first.log == tmp_path / "a.log"
    assert first.log.read_text() == "first\nlast\n"
    assert nested[0].log == tmp_path / "a.2.log"
    assert nested[0].log.read_text() == "second\n"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_everything_and_keeps_the_result(
    bench: Bench, tmp_path: Path, number: signal.Signals
) -> None:
    """What had ended stays known, what ran is cancelled with its children, the handlers are as before."""
    pid, before = tmp_path / "pid", signal.getsignal(number)
    bench.on_line = lambda line: os.kill(os.getpid(), number) if "ready" in line else None
    processes = bench.processes(
        {
            "first": sh("true"),
            "long": sh(f"sleep 60 & echo $! > {pid}; echo ready; wait"),
            "late": sh("echo never"),
        },
        jobs=1,
    )

    ended = {e.name: (e.status, e.error) for e in processes.run()}

    assert ended == {
        "first": ("ok", ""),
        "long": ("cancelled", "stopped: the build was interrupted"),
        "late": ("cancelled", "never started: the build was interrupted"),
    }
    assert processes.interrupted is not None
    assert processes.interrupted.exit_code == 128 + number
    assert signal.getsignal(number) is before
    assert gone(pid)


def test_a_signal_that_comes_with_the_last_end_is_not_lost(bench: Bench) -> None:
    """Jenkins ends the scripts and their runner at once: then nothing runs any more when the runner looks."""
    processes = bench.processes(
        {"only": sh("kill $$")}, on_end=lambda ended: os.kill(os.getpid(), signal.SIGTERM)
    )
    assert [each.error for each in processes.run()] == ["killed by SIGTERM"]
    assert processes.interrupted is not None
    assert processes.interrupted.exit_code == 143


def test_a_second_signal_kills_at_once(bench: Bench) -> None:
    """Who presses Ctrl-C twice does not wait for the grace period."""
    lines = {"ready": signal.SIGINT, "no": signal.SIGINT}

    def react(line: str) -> None:
        for word, number in lines.items():
            if line.endswith(word):
                os.kill(os.getpid(), number)

    bench.on_line = react
    started = time.monotonic()
    (ended,) = bench.processes(
        {"a": sh("trap 'echo no' TERM; echo ready; while :; do sleep 0.05; done")}, grace=30
    ).run()

    assert (ended.status, ended.exit_code) == ("cancelled", -signal.SIGKILL)
    assert time.monotonic() - started < 10


def test_an_error_of_the_watcher_leaves_nothing_running(bench: Bench, tmp_path: Path) -> None:
    """If output cannot be shown, the error comes through and no process stays behind."""
    pid = tmp_path / "pid"

    def broken(line: str) -> None:
        raise BrokenPipeError(line)

    bench.on_line = broken
    with pytest.raises(BrokenPipeError, match=re.escape("[a] hi")):
        bench.run({"a": sh(f"sleep 60 & echo $! > {pid}; echo hi; wait"), "b": sh("sleep 60")})
    assert gone(pid)


def test_it_works_outside_the_main_thread(bench: Bench) -> None:
    """There, signals cannot be noted and are left alone."""
    result: list[dict[str, Ended]] = []
    thread = threading.Thread(target=lambda: result.append(bench.run({"a": sh("echo hi")})))
    thread.start()
    thread.join(10)

    assert result[0]["a"].status == "ok"


def test_a_command_does_not_show_its_environment() -> None:
    """Credentials are in there, and reprs reach logs."""
    assert "secret" not in repr(
        Command("a", ("true",), Path("a.log"), {"MLFLOW_TRACKING_PASSWORD": "secret"})
    )
