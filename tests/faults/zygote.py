"""Runs commands without paying for the import of MLflow each time: imports it once, then forks a child a command.

Reads one JSON line a command (argv, env, out) and answers with two: the child's number, then how it ended. It has no
thread but its own, so forking it is safe, which forking a test process with its proxies would not be.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import jenkins_mlflow.cleanup.apply
import jenkins_mlflow.cleanup.reclaim
import jenkins_mlflow.cli.main
import jenkins_mlflow.commands.promote.promote
import jenkins_mlflow.registry.http
import jenkins_mlflow.registry.store
import mlflow
import mlflow.store.model_registry.rest_store
import mlflow.tracking._model_registry.client
import mlflow.utils.rest_utils  # noqa: F401


def child(command: dict[str, Any]) -> None:
    """The command, in a process of its own."""
    os.environ.update(command["env"])
    out = os.open(command["out"] + ".out", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    err = os.open(command["out"] + ".err", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(out, 1)
    os.dup2(err, 2)
    sys.stdin = Path(os.devnull).open()  # noqa: SIM115  the zygote has read from its own, which cannot be set up any more
    code = 1
    try:
        code = jenkins_mlflow.cli.main.run(command["argv"])
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def main() -> None:
    """Serve until the standard input ends."""
    for line in sys.stdin:
        command = json.loads(line)
        os.chdir(command["cwd"])
        pid = os.fork()
        if pid == 0:
            child(command)
        print(json.dumps({"pid": pid}), flush=True)
        ended = os.waitpid(pid, 0)[1]
        print(json.dumps({"code": os.waitstatus_to_exitcode(ended)}), flush=True)


if __name__ == "__main__":
    main()
