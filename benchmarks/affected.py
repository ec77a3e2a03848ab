"""Promotion on a server that cannot change stages (MLflow 3.3.2 on a file store): seconds and requests to an outcome.

usage: affected.py [--rounds 3]

Beside it the chain of client calls that people paste, with MLflow's own retries: ONE of its calls is measured, which
takes four minutes, and the chain is extrapolated from it.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from common import machine, table
from support.proxy import CountingProxy
from support.seeding import Spec, client, seed
from support.servers import Server, clean_environ, start_server

os.environ |= {"MLFLOW_ALLOW_FILE_STORE": "true", "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true"}
warnings.filterwarnings("ignore", category=FutureWarning)  # stages are what is measured
AFFECTED = "3.3.2"
MODEL, PASTED = "heart-disease", "pasted"
COMMAND = [sys.executable, "-m", "jenkins_mlflow", "promote", "--model", MODEL, "--output", "json"]
ONE_CALL = """
from mlflow import MlflowClient
client = MlflowClient({url!r}, {url!r})
client.transition_model_version_stage({model!r}, "2", "Production", archive_existing_versions=True)
"""
CHAIN = ("transition(archive=True)", "transition()")  # then the alias, which works at once


@dataclass(frozen=True)
class Way:
    """One way to promote: what is configured under ``promote``, and the exit code that must come out."""

    label: str
    settings: dict[str, str]
    code: int


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        server = start_server(folder / "server", version=AFFECTED, store="file")
        try:
            compare(server, rounds, folder)
        finally:
            server.stop()


def compare(server: Server, rounds: int, folder: Path) -> None:
    """Start the call that takes minutes (it mostly sleeps), measure the command meanwhile, wait for the call."""
    ways = [
        Way("jenkins-mlflow promote: the server's folder is reachable", {"FILE_STORE": server.store_uri}, 0),
        Way("jenkins-mlflow promote: it is not, a notice", {}, 4),
    ]
    linked = Spec(metrics={"roc_auc": 0.9}, linked=True)
    champion = Spec(stage="Production", aliases=("champion",))
    seed(server.url, {MODEL: [champion, linked], PASTED: [champion, linked]})
    rows = []
    with CountingProxy(server.url) as slow:
        started = time.perf_counter()
        script = ONE_CALL.format(url=slow.url, model=PASTED)
        call = subprocess.Popen(
            [sys.executable, "-c", script], cwd=folder, env=clean_environ(), stderr=subprocess.DEVNULL
        )
        try:
            rows += [measure(server, setup, rounds, folder) for setup in ways]
            code = call.wait(timeout=900)
        finally:
            call.kill()
        seconds, count = time.perf_counter() - started, len(slow.requests)
    assert code == 1, "the affected server changed the stage"
    rows += [
        [
            "MlflowClient: one transition(archive=True), MLflow's own retries",
            "fails",
            count,
            f"{seconds:.0f}",
        ],
        [
            f"MlflowClient: {', then '.join(CHAIN)} (extrapolated x {len(CHAIN)})",
            "fails",
            count * len(CHAIN),
            f"{seconds * len(CHAIN):.0f}",
        ],
    ]
    print(f"## A server that cannot change stages: MLflow {AFFECTED} on a file store\n")
    print(table(["whole process", "outcome", "requests", "seconds"], rows))
    print(
        f"\nMedian of {rounds} for the command; one call measured, once, for the client. "
        f"{machine().partition(', MLflow ')[0]}, client MLflow {version('mlflow')}.\n",
        flush=True,
    )


def measure(server: Server, setup: Way, rounds: int, folder: Path) -> list[object]:
    """Promote the same version again and again from the same start; then once more to count requests."""
    times = []
    for turn in range(rounds + 1):
        reset(server)
        seconds, outcome = run(server.url, setup, folder)
        if turn:  # the first turn fills the caches
            times.append(seconds)
    reset(server)
    with CountingProxy(server.url) as proxy:
        run(proxy.url, setup, folder)
        count = len(proxy.requests)
    return [setup.label, outcome, count, f"{statistics.median(times):.1f}"]


def reset(server: Server) -> None:
    """Version 1 in production and nothing else, straight in the store, which the server serves."""
    store = client(server.store_uri)
    for found in store.search_model_versions(f"name='{MODEL}'"):
        stage = "Production" if int(found.version) == 1 else "None"
        if found.current_stage != stage:
            store.transition_model_version_stage(MODEL, found.version, stage)
    store.set_registered_model_alias(MODEL, "champion", "1")


def run(url: str, setup: Way, folder: Path) -> tuple[float, str]:
    """One promotion of version 2 as a process: seconds, and what came out."""
    env = clean_environ(**{f"MLOPS__PROMOTE__{key}": value for key, value in setup.settings.items()})
    argv = [*COMMAND, "--version", "2", "--tracking-uri", url]
    started = time.perf_counter()
    done = subprocess.run(argv, cwd=folder, env=env, capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - started
    assert done.returncode == setup.code, f"{setup.label}: {done.stdout}{done.stderr}"
    document = json.loads(done.stdout)
    return seconds, f"{document['status']}, exit {done.returncode}"


if __name__ == "__main__":
    main()
