"""The signing key and the addresses of `notify` stay with the command: nothing that it starts gets them, and nothing
that it writes shows them."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from conftest import RunCli
from jenkins_mlflow.commands.notify import URLS
from jenkins_mlflow.registry.client import Registry
from jenkins_mlflow.registry.connection import connect
from jenkins_mlflow.registry.signing import VARIABLE, Keys
from support.seeding import Spec, seed

KEY = "a-key-that-nobody-else-may-ever-see"
PASSWORD = "a-password-of-a-chat"
SECRETS = {VARIABLE: KEY, URLS: f"json://bot:{PASSWORD}@127.0.0.1:9"}
# Writes down its environment under its first argument's name.
SPY = """#!{python}
import json, os, pathlib, sys
seen = dict(os.environ)
step = sys.argv[1]
pathlib.Path("{folder}", step).write_text(repr(seen))
if step in ("fetch", "predict"):
    counts = dict(rows_in=1, rows_out=1, values=1, missing=0, infinite=0, numbers=1, least=1.0, most=1.0)
    answers = dict(fetch=dict(model="files"), predict=counts)
    pathlib.Path(sys.argv[-1]).write_text(json.dumps(answers[step]))
"""


@pytest.fixture
def spied(tmp_path: Path) -> Path:
    """A config whose every command is a spy, and a registry with one version."""
    seen = tmp_path / "seen"
    seen.mkdir()
    spy = tmp_path / "spy"
    spy.write_text(SPY.format(python=sys.executable, folder=seen))
    spy.chmod(0o755)
    program = tmp_path / "python"  # the smoke test gives it the script that it would run
    program.write_text(f'#!/bin/sh\nshift\nexec "{spy}" "$@"\n')
    program.chmod(0o755)
    config = {
        "tracking_uri": f"sqlite:///{tmp_path}/store.db",
        "models": ["spied"],
        "train": {"experiment": "e", "candidates": {"one": [str(spy), "train"]}},
        "promote": {
            "smoke_test": {"python": str(program), "pass_env": [*SECRETS]},
            "check": {"command": [str(spy), "check"]},
        },
        "notify": {"on": ["drift"]},
    }
    (tmp_path / "mlops.yaml").write_text(json.dumps(config))
    seed(str(config["tracking_uri"]), {"spied": [Spec()]})
    return seen


def test_no_command_that_is_started_gets_a_secret(spied: Path, tmp_path: Path, run_cli: RunCli) -> None:
    """Not the training, the smoke test's two steps, the check; not even if the config asks for it."""
    run_cli("train", "--report=report", env=SECRETS)
    done = run_cli("promote", "--model=spied", "--version=1", "--report=report", env=SECRETS)
    assert done.code == 0, done.stderr
    assert {path.name for path in spied.iterdir()} == {"train", "fetch", "predict", "check"}
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    for secret in (KEY, PASSWORD):
        assert not [path for path in files if secret.encode() in path.read_bytes()]
        assert secret not in done.stdout + done.stderr
    registry = Registry(connect(f"sqlite:///{tmp_path}/store.db"), keys=Keys((KEY,)))
    assert registry.version("spied", 1).record["jenkins_mlflow.check"] == "passed"


@pytest.mark.parametrize("text", ["", "too-short-to-be-a-key"])
def test_a_key_that_is_none_is_refused(text: str, spied: Path, run_cli: RunCli) -> None:
    """Before anything is read: a credential that came empty must not switch signatures off."""
    done = run_cli("promote", "--model=spied", "--version=1", env={VARIABLE: text})
    assert done.code == 2
    assert f"{VARIABLE} holds {'a key that is too short' if text else 'no key'}" in done.stderr
    assert not text or text not in done.stdout + done.stderr
