"""Commands run by a zygote (see zygote.py), so that thousands of them are affordable."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from support.servers import clean_environ

# Faults pass or stay: two tries with short waits end either way quickly. A hanging server is given up after a second.
QUICK = {
    "MLOPS__PROMOTE__RETRY__ATTEMPTS": "3",
    "MLOPS__PROMOTE__RETRY__MAX_WAIT": "50ms",
    "MLOPS__PROMOTE__RETRY__DEADLINE": "20s",
    "MLOPS__PROMOTE__LOCK__WAIT": "20s",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "1",
    "MLFLOW_DISABLE_TELEMETRY": "true",
}
# A command that meets no fault waits for a busy machine.
PATIENT = {"MLFLOW_HTTP_REQUEST_TIMEOUT": "60"}


@dataclass(frozen=True)
class Ended:
    """How a command ended: its exit code (negative: a signal's number), document and messages."""

    code: int
    doc: dict[str, Any]
    stderr: str


class Zygote:
    """One command after the other; use as a context manager."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._numbers = itertools.count(1)
        folder.mkdir(parents=True, exist_ok=True)
        self._process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("zygote.py"))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=folder,
            env=clean_environ(**QUICK),
            start_new_session=True,
        )
        self.pid = 0
        self._out = ""

    def __enter__(self) -> Zygote:  # noqa: PYI034
        return self

    def __exit__(self, *error: object) -> None:
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            assert stream
            with contextlib.suppress(BrokenPipeError):
                stream.close()

    def start(self, *argv: str, **env: str) -> None:
        """Begin a command; ``pid`` is its process."""
        self._out = str(self._folder / f"run-{next(self._numbers)}")
        command = {"argv": [*argv, "--output=json"], "env": env, "out": self._out, "cwd": str(self._folder)}
        assert self._process.stdin
        self._process.stdin.write(json.dumps(command) + "\n")
        self._process.stdin.flush()
        self.pid = self._read()["pid"]

    def wait(self) -> Ended:
        """Its end."""
        code = self._read()["code"]
        out, err = (Path(f"{self._out}.{kind}").read_text(errors="replace") for kind in ("out", "err"))
        try:
            doc = json.loads(out)
        except ValueError:
            doc = {}
        return Ended(code, doc, err)

    def run(self, *argv: str, **env: str) -> Ended:
        self.start(*argv, **env)
        return self.wait()

    def kill(self) -> None:
        """SIGKILL to the command under way."""
        os.kill(self.pid, signal.SIGKILL)

    def sleep(self) -> None:
        """SIGSTOP to the command under way, as a suspended machine would have it."""
        os.kill(self.pid, signal.SIGSTOP)

    def wake(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        return answer
