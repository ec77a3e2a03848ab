"""What the commands cost: whole processes beside a bare script that makes the same requests, on the same server.

usage: overhead.py [--rounds 5] [--before FOLDER]

Each command runs through both doors: by HTTP, and with MLflow's client (JENKINS_MLFLOW_DOOR=store); or, with
``--before``, beside the package of another checkout: the folder that has `jenkins_mlflow` in it. The bare scripts
decode and count what they get, and look at nothing; the bare promotion does not read back, lock or tag either.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import requests
from common import machine, server_with, table
from jenkins_mlflow.registry.http import HttpDoor
from support.proxy import CountingProxy
from support.servers import clean_environ

MODELS, VERSIONS, WORKERS = 300, 20, 2
MODEL = "model-0000"
COMMAND = [sys.executable, "-m", "jenkins_mlflow"]

BARE_READ = """
import requests, json
session, api = requests.Session(), {url!r} + "/api/2.0/mlflow/"
def pages(method, path, key, **query):
    found = []
    while True:
        sent = {{"params": query}} if method == "GET" else {{"json": query}}
        answer = json.loads(session.request(method, api + path, **sent).content)
        found += answer.get(key, [])
        query["page_token"] = answer.get("next_page_token", "")
        if not query["page_token"]:
            return found
models = pages("GET", "registered-models/search", "registered_models", max_results=1000)
versions = pages("GET", "model-versions/search", "model_versions", max_results=10000)
if {runs}:
    experiments = [e["experiment_id"] for e in pages("POST", "experiments/search", "experiments", max_results=1000)]
    ids, runs = [version["run_id"] for version in versions], []
    for start in range(0, len(ids), 4500):
        some = ",".join(repr(run_id) for run_id in ids[start : start + 4500])
        query = {{"experiment_ids": experiments, "max_results": 4500, "filter": f"attributes.run_id IN ({{some}})"}}
        runs += json.loads(session.post(api + "runs/search", json=query).content)["runs"]
    print(len(runs))
print(len(models), len(versions))
"""
BARE_PROMOTE = """
from mlflow import MlflowClient
client = MlflowClient({url!r}, {url!r})
client.transition_model_version_stage({model!r}, "{version}", "Production", archive_existing_versions=True)
client.set_registered_model_alias({model!r}, "champion", "{version}")
"""


@dataclass(frozen=True)
class Way:
    """One thing to run: its arguments by address and version, and what is added to the environment."""

    name: str
    argv: Callable[[str, int], list[str]]
    environ: Mapping[str, str] = field(default_factory=dict)


def ways(before: str) -> list[Way]:
    """What is measured, each command beside its bare script."""
    python = [sys.executable, "-c"]
    compared = {"PYTHONPATH": before} if before else {"JENKINS_MLFLOW_DOOR": "store"}
    doors = {"": {}, ", before" if before else ", MLflow's client": compared}

    def command(name: str, *arguments: str, on_version: bool = False) -> list[Way]:
        def argv(url: str, version: int) -> list[str]:
            more = ["--version", str(version)] if on_version else []
            return [*COMMAND, *arguments, "--tracking-uri", url, *more]

        return [Way(f"{name}: jenkins-mlflow{suffix}", argv, environ) for suffix, environ in doors.items()]

    return [
        Way("python starts", lambda url, version: [*python, "pass"]),
        Way("python imports click", lambda url, version: [*python, "import click"]),
        Way("python imports MlflowClient", lambda url, version: [*python, "from mlflow import MlflowClient"]),
        Way("jenkins-mlflow --help", lambda url, version: [*COMMAND, "--help"]),
        Way("list: bare script", lambda url, version: [*python, BARE_READ.format(url=url, runs=True)]),
        *command("list", "list", "--output", "json"),
        Way(
            "cleanup --dry-run: bare script",
            lambda url, version: [*python, BARE_READ.format(url=url, runs=False)],
        ),
        *command("cleanup --dry-run", "cleanup", "--dry-run", "--no-bytes", "--output", "json"),
        Way(
            "promote: bare MlflowClient",
            lambda url, version: [*python, BARE_PROMOTE.format(url=url, model=MODEL, version=version)],
        ),
        *command("promote", "promote", "--model", MODEL, "--quiet", on_version=True),
    ]


@dataclass(frozen=True)
class Cost:
    """What one process took."""

    seconds: float
    cpu: float


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--before", default="", help="folder of another jenkins_mlflow package")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        server = server_with(Path(folder), models=MODELS, versions=VERSIONS, workers=WORKERS)
        try:
            measure(server.url, arguments.rounds, Path(folder), ways(arguments.before))
            measure_one_request(server.url)
        finally:
            server.stop()


def measure(url: str, rounds: int, folder: Path, measured: list[Way]) -> None:
    """Time each way ``rounds`` times, in turn, so that a busy moment hits all of them; then count requests."""
    costs: dict[str, list[Cost]] = {measured_call.name: [] for measured_call in measured}
    version = 0
    for turn in range(rounds + 1):
        for measured_call in measured:
            version = version % (VERSIONS - 1) + 1  # always another one than is in production
            cost = run(measured_call, url, version, folder)
            if turn:  # the first turn fills the caches
                costs[measured_call.name].append(cost)
    rows = []
    with CountingProxy(url) as proxy:
        for measured_call in measured:
            version = version % (VERSIONS - 1) + 1
            proxy.reset()
            run(measured_call, proxy.url, version, folder)
            spent = costs[measured_call.name]
            middle = [
                statistics.median(values) for values in zip(*(vars(c).values() for c in spent), strict=True)
            ]
            best = min(cost.seconds for cost in spent)
            rows.append(
                [
                    measured_call.name,
                    len(proxy.requests),
                    f"{middle[0]:.2f}",
                    f"{best:.2f}",
                    f"{middle[1]:.2f}",
                ]
            )
    print(
        f"## Whole processes: {MODELS} models x {VERSIONS} versions, {rounds} rounds in turn, {WORKERS} workers\n"
    )
    print(table(["whole process", "requests", "median s", "best s", "CPU s"], rows))
    print(f"\n{machine()}.\n", flush=True)


def measure_one_request(url: str, count: int = 40) -> None:
    """The smallest request there is: on a kept connection, by the http door, on a fresh connection each."""
    session, door = requests.Session(), HttpDoor(url, {}, Path("/nonexistent"))
    calls: dict[str, Callable[[], object]] = {
        "requests.Session, kept connection": lambda: session.get(f"{url}/version").content,
        "jenkins-mlflow, kept connection": door.server_version,
        "requests, fresh connection": lambda: requests.get(f"{url}/version", timeout=30).content,
    }
    rows = []
    for name, call in calls.items():
        call()
        times = []
        for _ in range(count):
            started = time.perf_counter()
            call()
            times.append((time.perf_counter() - started) * 1000)
        rows.append([name, f"{statistics.median(times):.1f}", f"{min(times):.1f}"])
    print(f"## One request: {count} in a row, {WORKERS} workers\n")
    print(table(["", "median ms", "best ms"], rows))
    print(f"\n{machine()}.\n", flush=True)


def run(measured_call: Way, url: str, version: int, folder: Path) -> Cost:
    """Run one process to its end."""
    argv, started = measured_call.argv(url, version), time.perf_counter()
    with (folder / "out").open("w") as out:
        process = subprocess.Popen(
            argv, cwd=folder, env=clean_environ(**measured_call.environ), stdout=out, stderr=out
        )
        _, status, used = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, f"{argv}: {(folder / 'out').read_text()[-2000:]}"
    return Cost(seconds, used.ru_utime + used.ru_stime)


if __name__ == "__main__":
    main()
