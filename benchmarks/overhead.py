"""What the command costs over a bare MlflowClient script that makes the same change: whole processes, same server.

usage: overhead.py [--rounds 7]

The script sets stage and alias and looks at nothing; the command also plans, reads back and tags.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from common import machine, server_with, table
from support.proxy import CountingProxy
from support.servers import clean_environ

MODEL, VERSIONS = "model-0000", 20
COMMAND = [sys.executable, "-m", "jenkins_mlflow"]

BARE_LIST = """
from mlflow import MlflowClient
client = MlflowClient({url!r}, {url!r})
client.search_registered_models(max_results=1000)
versions = client.search_model_versions(max_results=10000)
ids = ", ".join(repr(version.run_id) for version in versions)
experiments = [experiment.experiment_id for experiment in client.search_experiments()]
runs = client.search_runs(experiments, "attributes.run_id IN (" + ids + ")", max_results=1000)
print(len(versions), len(runs))
"""
BARE_PROMOTE = """
from mlflow import MlflowClient
client = MlflowClient({url!r}, {url!r})
client.transition_model_version_stage({model!r}, "{version}", "Production", archive_existing_versions=True)
client.set_registered_model_alias({model!r}, "champion", "{version}")
"""

Argv = Callable[[str, int], list[str]]
WAYS: dict[str, Argv] = {
    "python starts": lambda url, version: [sys.executable, "-c", "pass"],
    "python imports MlflowClient": lambda url, version: [sys.executable, "-c", "from mlflow import MlflowClient"],
    "jenkins-mlflow --help": lambda url, version: [*COMMAND, "--help"],
    "list: bare script": lambda url, version: [sys.executable, "-c", BARE_LIST.format(url=url)],
    "list: jenkins-mlflow": lambda url, version: [*COMMAND, "list", "--tracking-uri", url, "--output", "json"],
    "promote: bare script": lambda url, version: [
        sys.executable, "-c", BARE_PROMOTE.format(url=url, model=MODEL, version=version)
    ],
    "promote: jenkins-mlflow": lambda url, version: [
        *COMMAND, "promote", "--tracking-uri", url, "--model", MODEL, "--version", str(version), "--quiet"
    ],
}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=7)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as folder:
        server = server_with(Path(folder), models=1, versions=VERSIONS)
        try:
            measure(server.url, rounds, Path(folder))
        finally:
            server.stop()


def measure(url: str, rounds: int, folder: Path) -> None:
    """Time each way ``rounds`` times, in turn, so that a busy moment hits all of them; then count requests."""
    seconds: dict[str, list[float]] = {way: [] for way in WAYS}
    version = 0
    for turn in range(rounds + 1):
        for way, argv in WAYS.items():
            version = version % (VERSIONS - 1) + 1  # always another one than is in production
            started = time.perf_counter()
            run(argv(url, version), folder)
            if turn:  # the first turn fills the caches
                seconds[way].append(time.perf_counter() - started)
    rows = []
    with CountingProxy(url) as proxy:
        for way, argv in WAYS.items():
            version = version % (VERSIONS - 1) + 1
            proxy.reset()
            run(argv(proxy.url, version), folder)
            times = seconds[way]
            rows.append([way, len(proxy.requests), f"{statistics.median(times):.2f}", f"{min(times):.2f}"])
    print(f"## The command's own overhead: one model, {VERSIONS} versions, {rounds} rounds in turn\n")
    print(table(["whole process", "requests", "median s", "best s"], rows))
    print(f"\n{machine()}.\n", flush=True)


def run(argv: list[str], folder: Path) -> None:
    done = subprocess.run(argv, cwd=folder, env=clean_environ(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{argv}: {done.stdout}{done.stderr}"


if __name__ == "__main__":
    main()
