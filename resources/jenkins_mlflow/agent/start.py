"""Starts the runner on an agent: bootstrap.py puts this file beside the package, where it is run as a program.

Checks what it needs at each start. Where files are missing it answers "cold", which has the runner installed again.
An environment that somebody else has made, such as an image's, is compared with what the library pins.
"""

import contextlib
import fcntl
import os
import sys
from typing import NoReturn

SRC = os.path.dirname(os.path.abspath(__file__))
READY_ENVIRONMENT = os.environ.get("JENKINS_MLFLOW_RUNNER_PYTHON")


def check_files(folder: int) -> None:
    with open(os.path.join(SRC, "files"), encoding="utf-8") as listed:
        for name in listed.read().splitlines():
            os.stat(name, dir_fd=folder)
    if not READY_ENVIRONMENT:
        os.stat(os.path.join(sys.prefix, "pyvenv.cfg"))  # without it, this is the Python of the machine


def check_ready_environment() -> None:
    """A missing package ends the command with an answer; another version is a warning, because it may well work."""
    from importlib.metadata import PackageNotFoundError, version

    missing, other = [], []
    with open(os.path.join(SRC, "jenkins_mlflow", "agent", "requirements.txt"), encoding="utf-8") as listed:
        pins = [line.split()[0].split("==") for line in listed if "==" in line]
    for name, pinned in pins:
        try:
            found = version(name)
        except PackageNotFoundError:
            missing.append(name)
        else:
            if found != pinned:
                other.append(f"{name} {found} instead of {pinned}")
    if not (missing or other):
        return
    from jenkins_mlflow.agent.bootstrap import report_failure, say

    environment = f"this agent's ready environment ({READY_ENVIRONMENT})"
    again = "rebuild the agent's image from docker/agent.Dockerfile of this library version"
    if missing:
        report_failure(f"{environment} lacks {', '.join(missing)}, which this library needs: {again}")
        sys.exit()
    else:
        say(f"{environment} was made for another library version ({', '.join(other)}): {again}")


def check(folder: int) -> NoReturn:
    """After an installation: import all that will be needed; the exit code says whether that worked."""
    try:
        check_files(folder)
        import jenkins_mlflow.agent.ready  # noqa: F401
    except (ImportError, OSError) as error:
        python = ".".join(map(str, sys.version_info[:2]))
        sys.exit(f"jenkins-mlflow: the runner does not start with Python {python}: {error}")
    sys.exit()


def start() -> None:
    folder = os.open(SRC, os.O_RDONLY)  # never closed: bootstrap.py removes no runner that holds a lock on it
    if sys.argv[1:] == ["check"]:
        check(folder)
    may_ask = os.environ.pop("JENKINS_MLFLOW_BUNDLE", "")  # not if it has come just now
    try:
        check_files(folder)
        if READY_ENVIRONMENT:
            check_ready_environment()
        from jenkins_mlflow.agent.request import main
    except (ImportError, OSError):
        if not may_ask:
            raise
        print(os.environ["JENKINS_MLFLOW_NONCE"] + ' {"status":"cold"}')
        sys.exit()
    with contextlib.suppress(OSError):
        fcntl.flock(folder, fcntl.LOCK_SH | fcntl.LOCK_NB)
    main()


if __name__ == "__main__":
    start()
