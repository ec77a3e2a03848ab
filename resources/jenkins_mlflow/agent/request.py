"""Runs one request of a Jenkins step, given as JSON in the environment, and prints its JSON document.

No value is ever part of a shell's text: it travels as data from the step's map to the command's argv. The
document is one line that begins with the request's nonce, so nothing else on standard output is taken for it.
The process exits with 0 whenever it has printed a document, whatever the exit code in it: only then does
Jenkins' `sh` return standard output.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from jenkins_mlflow import extras
from jenkins_mlflow.agent.build_log import write_outcome
from jenkins_mlflow.agent.extras import bring
from jenkins_mlflow.agent.report import claim
from jenkins_mlflow.agent.scope import refuse_silent_scope
from jenkins_mlflow.agent.short import shortened
from jenkins_mlflow.build import build_id
from jenkins_mlflow.cli.ending import Invocation, fail
from jenkins_mlflow.cli.main import run
from jenkins_mlflow.errors import FAILED, JenkinsMlflowError
from jenkins_mlflow.results.base import json_pieces
from jenkins_mlflow.secrecy import hide_process

REQUEST = "JENKINS_MLFLOW_REQUEST"
NONCE = "JENKINS_MLFLOW_NONCE"


def command_line(request: Mapping[str, object]) -> list[str]:
    """The arguments for the `jenkins-mlflow` command.

    Args:
        request: `command`, `options` with the step's camelCase names, and the `user` who started the build.
    """
    options = request["options"]
    assert isinstance(options, dict)
    pairs = [
        (re.sub("[A-Z]", lambda letter: "-" + letter[0].lower(), name), value)
        for name, value in options.items()
    ]
    return [
        str(request["command"]),
        *(word for name, value in pairs for word in _words(name, value)),
        "--output=json",
    ]


def _words(name: str, value: object) -> Iterator[str]:
    if isinstance(value, list):
        yield from (f"--{name}={item}" for item in value)
    elif value is True:
        yield f"--{name}"
    elif value is not False and value is not None:
        yield f"--{name}={value}"


def main() -> None:
    """Run the request in this process; exit with 0 after a document, else with the command's code."""
    channel = os.fdopen(os.dup(1), "w", encoding="utf-8")
    # What a library or a child process prints belongs into the build log, not between the document's lines.
    os.dup2(2, 1)
    hide_process()
    extras.brought_by(bring)
    request, nonce = json.loads(os.environ.pop(REQUEST)), os.environ.pop(NONCE)
    # an agent whose locale is ASCII replaces the other letters of a job's name in the variables that it passes on
    os.environ.update(request.get("environment", {}))
    if request.get("user"):
        os.environ.setdefault("BUILD_USER_ID", request["user"])
    arguments, invocation = command_line(request), Invocation()
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        try:
            if report := request["options"].get("report"):
                try:
                    claim(Path(report), build_id(os.environ))
                except JenkinsMlflowError:
                    arguments.remove(f"--report={report}")  # nor is the failure written there
                    raise
            refuse_silent_scope(request, Path.cwd(), os.environ)
            code = run(arguments, invocation)
        except JenkinsMlflowError as refused:
            code = fail(refused, arguments, request["command"], invocation)
    if invocation.result is None:
        sys.stderr.write(printed.getvalue())
        sys.exit(code or FAILED)
    result = shortened(invocation.result, request["options"].get("report") or "")
    write_outcome(invocation.result, sys.stderr)  # the document goes to the step, the log to people
    channel.write(f"{nonce} ")
    channel.writelines(json_pieces(result, ascii_only=True))
    channel.write("\n")
    channel.flush()


if __name__ == "__main__":
    main()
