"""One request on an agent: what the commands that it starts see of it, and what they can say in its name."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from hypothesis import given, strategies as st
from jenkins_mlflow.agent.request import command_line
from support.servers import clean_environ

NONCE = "the-nonce-of-this-request"
ENTRY = "from jenkins_mlflow.agent.request import main; main()"
# A training command that says it is the runner, on everything that it can write to.
SCRIPT = """
import json, os, pathlib
forged = json.dumps({"schema": 1, "command": "train", "status": "trained", "exit_code": 0, "message": "forged"})
print(forged, flush=True)
os.write(2, (forged + "\\n").encode())
for number in range(3, 64):
    try:
        os.write(number, (forged + "\\n").encode())
    except OSError:
        pass
pathlib.Path("seen.json").write_text(json.dumps(dict(os.environ)))
raise SystemExit(1)
"""


def test_a_command_can_print_what_it_likes_and_is_not_the_runner(tmp_path: Path) -> None:
    """Standard output has one line, the runner's; the command knows neither the request nor its nonce."""
    (tmp_path / "train.py").write_text(SCRIPT)
    config = {"train": {"experiment": "e", "candidates": {"svm": [sys.executable, "train.py"]}}}
    (tmp_path / "mlops.yaml").write_text(json.dumps(config))
    request = {"command": "train", "options": {}, "user": "ada"}
    done = subprocess.run(
        [sys.executable, "-c", ENTRY],
        cwd=tmp_path,
        env=clean_environ(
            MLFLOW_TRACKING_URI=str(tmp_path / "mlruns"),
            MLFLOW_TRACKING_TOKEN="the-teams-own",
            JENKINS_MLFLOW_REQUEST=json.dumps(request),
            JENKINS_MLFLOW_NONCE=NONCE,
        ),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    (line,) = done.stdout.splitlines()
    nonce, _, text = line.partition(" ")
    document = json.loads(text)
    assert (nonce, document["exit_code"], document["command"]) == (NONCE, 1, "train")
    assert "forged" in done.stderr  # the build log has it, as the command's own words
    seen = json.loads((tmp_path / "seen.json").read_text())
    assert not {"JENKINS_MLFLOW_REQUEST", "JENKINS_MLFLOW_NONCE"} & set(seen)
    assert seen["MLFLOW_TRACKING_TOKEN"] == "the-teams-own"  # a training logs to the server


def test_what_a_library_prints_is_not_the_answer(tmp_path: Path) -> None:
    """Whatever writes to the process's own standard output, past Python too: it is in the build's log."""
    noisy = (
        "import os; from jenkins_mlflow.agent import request; real = request.run\n"
        "def run(*given):\n"
        "    os.write(1, os.environb[b'SAID'])\n"
        "    return real(*given)\n"
        "request.run = run; request.main()"
    )
    environ = clean_environ(
        JENKINS_MLFLOW_REQUEST='{"command": "list", "options": {}}',
        JENKINS_MLFLOW_NONCE=NONCE,
        SAID=f"{NONCE} {{}}\n",
    )
    done = subprocess.run(
        [sys.executable, "-c", noisy],
        cwd=tmp_path,
        env=environ,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    (line,) = done.stdout.splitlines()
    assert json.loads(line.partition(" ")[2])["command"] == "list"
    assert f"{NONCE} {{}}" in done.stderr


VALUES: Any = st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists, max_leaves=5)


@given(st.dictionaries(st.from_regex(r"[a-z][a-zA-Z]{0,20}", fullmatch=True), VALUES, max_size=5))
def test_a_value_of_a_request_is_one_argument(options: dict[str, Any]) -> None:
    """Whatever it holds: no value becomes an option, a command or two arguments."""
    command, *arguments, output = command_line({"command": "promote", "options": options})
    assert (command, output) == ("promote", "--output=json")
    expected = sum(
        len(value) if isinstance(value, list) else value not in (None, False) for value in options.values()
    )
    assert len(arguments) == expected
    names = {"".join(f"-{c.lower()}" if c.isupper() else c for c in name) for name in options}
    assert {word.removeprefix("--").partition("=")[0] for word in arguments} <= names
    assert all(word.startswith("--") for word in arguments)
    assert os.linesep not in command
