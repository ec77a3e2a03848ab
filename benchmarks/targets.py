"""The targets of performance, in one table: what a command takes now, what a bare script takes, the ratio, the target.

usage: targets.py [--rounds 5] [--large 100000] [--store sqlite] [--part start]... [--workers 8]...

Whole processes, on one server; each command and its bare script in turn, medians. Seconds suffer from a busy machine,
seconds of CPU and requests hardly do: both are shown. ``--large 0`` leaves out the rows of a large registry.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import itertools
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import requests
from common import machine, server_with
from jenkins_mlflow.registry.http import HttpDoor
from jenkins_mlflow.text import plural
from overhead import BARE_READ
from support.postgres import Postgres
from support.proxy import CountingProxy
from support.servers import clean_environ

ROOT = Path(__file__).resolve().parents[1]
AGENT = ROOT / "resources" / "jenkins_mlflow" / "agent"
MODELS, VERSIONS, WORKERS = 300, 20, 2
OURS = [sys.executable, "-m", "jenkins_mlflow"]
BARE = [sys.executable, "-c"]
DELETED, DELETERS = 1200, 8
Serve = Callable[[Path, int, int], AbstractContextManager[str]]
PARTS = ("start", "request", "read", "promote", "exclusive", "delete", "large", "large-delete")
BARE_DELETE = """
import sys, requests
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote
from jenkins_mlflow.registry.http import HttpDoor
from pathlib import Path
door = HttpDoor({url!r}, {{}}, Path("/nonexistent"))
with ThreadPoolExecutor({workers}) as pool:
    list(pool.map(lambda pair: door.delete_version(*pair), {pairs!r}))
"""
# Asks nothing back, holds no lock, takes nobody's word into account.
BARE_RETIRE = """
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from jenkins_mlflow.registry.http import HttpDoor
door = HttpDoor({url!r}, {{}}, Path("/nonexistent"))
def retire(name):
    door.delete_alias(name, "no-such-alias")
    door.version(name, {version})
    door.set_stage(name, {version}, "Archived", archive_existing=False)
    door.delete_alias(name, "champion")
began = time.perf_counter()
with ThreadPoolExecutor(8) as pool:
    list(pool.map(retire, [f"model-{{number:04}}" for number in range({models})]))
print(time.perf_counter() - began)
"""


@dataclass(frozen=True)
class Cost:
    """What one process took; ``mb`` is the most memory that it had at once."""

    seconds: float
    cpu: float
    mb: float


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    what: str
    now: str
    bare: str
    ratio: str
    target: str


# Runs one command after the other. A process counts the memory of the one that started it as its own, so this one,
# which is small, starts them.
HELPER = """
import json, os, subprocess, sys
for line in sys.stdin:
    argv, folder, environ, out = json.loads(line)
    with open(out, "w") as file:
        process = subprocess.Popen(argv, cwd=folder, env=environ, stdout=file, stderr=file)
        _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    print(json.dumps([process.returncode, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024]), flush=True)
"""


@functools.cache
def helper() -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", HELPER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
    )


def run(argv: Sequence[str], folder: Path, code: int = 0, **environ: str) -> Cost:
    """Run one process to its end."""
    starter, out = helper(), folder / "out"
    assert starter.stdin
    assert starter.stdout
    started = time.perf_counter()
    starter.stdin.write(json.dumps([list(argv), str(folder), clean_environ(**environ), str(out)]) + "\n")
    ended, cpu, mb = json.loads(starter.stdout.readline())
    assert ended == code, f"{argv} ended with {ended}: {out.read_text()[-2000:]}"
    return Cost(time.perf_counter() - started, cpu, mb)


def in_turn(calls: Sequence[Callable[[], Cost]], rounds: int) -> list[Cost]:
    """The median of each, called in turn so that a busy moment hits all; the first round fills caches."""
    costs = [[call() for call in calls] for _ in range(rounds + 1)][1:]
    return [
        Cost(
            *(statistics.median(value) for value in zip(*(vars(cost).values() for cost in each), strict=True))
        )
        for each in zip(*costs, strict=True)
    ]


def compared(what: str, ours: Cost, bare: Cost, target: str, counted: str = "") -> Row:
    """Wall and CPU of both; the ratio of each."""
    ratio = f"{ours.seconds / bare.seconds:.1f} wall, {ours.cpu / bare.cpu:.1f} CPU"
    now = f"{ours.seconds:.2f} s, {ours.cpu:.2f} CPU, {ours.mb:.0f} MB{counted}"
    return Row(what, now, f"{bare.seconds:.2f} s, {bare.cpu:.2f} CPU, {bare.mb:.0f} MB", ratio, target)


def reading(url: str, folder: Path, rounds: int, *, large: int = 0) -> Iterator[Row]:
    """`list`, `select` and `cleanup --dry-run` beside a script that fetches and decodes the same pages."""
    bare = [*BARE, BARE_READ.format(url=url, runs=True)]
    names = {"list": ["list"], "cleanup --dry-run": ["cleanup", "--dry-run"]}
    if not large:
        names |= {
            "cleanup --dry-run --no-bytes": ["cleanup", "--dry-run", "--no-bytes"],
            "select": ["select", "--direction=maximize"],
        }
    forms = ["json", "text"] if large else ["json"]
    for name, arguments in names.items():
        for form in forms:
            command = [*OURS, *arguments, f"--output={form}", "--tracking-uri"]
            with CountingProxy(url) as proxy:
                run([*command, proxy.url], folder)
                count = len(proxy.requests)
            ours, theirs = in_turn(
                [functools.partial(run, [*command, url], folder), functools.partial(run, bare, folder)],
                rounds,
            )
            label = f"`{name}`" + (f" of {large:,} versions, {form}" if large else "")
            target = "1.3 wall, 200 MB" if large else "1.3 wall"
            yield compared(label, ours, theirs, target, f", {count} requests")


def promoting(url: str, folder: Path, rounds: int) -> Row:
    """A promotion of one version beside the import of MLflow's client."""
    versions = iter(range(1, 1000))

    def promote() -> Cost:
        version = next(versions) % (VERSIONS - 1) + 1
        return run(
            [*OURS, "promote", "--model=model-0000", f"--version={version}", "--tracking-uri", url], folder
        )

    ours, theirs = in_turn([promote, lambda: run([*BARE, "from mlflow import MlflowClient"], folder)], rounds)
    with CountingProxy(url) as proxy:
        run(
            [*OURS, "promote", "--model=model-0000", f"--version={VERSIONS}", "--tracking-uri", proxy.url],
            folder,
        )
        count = len(proxy.requests)
    return compared("`promote` (bare: import MlflowClient)", ours, theirs, "0.5 wall", f", {count} requests")


def exclusive(url: str, folder: Path, serve: Serve) -> Row:
    """All models have a champion; one version takes the place of all of them. Bare: what the others take, unchecked."""
    arguments = [f"--version={VERSIONS - 1}", "--output=json", "--quiet"]
    with CountingProxy(url) as proxy, serve(folder / "bare", MODELS, VERSIONS) as other:

        def promote(model: str, server: str) -> float:
            argv = [*OURS, "promote", f"--model={model}", "--tracking-uri", server, *arguments]
            run(argv, folder, MLOPS__PROMOTE__EXCLUSIVE="true")
            return float(json.loads((folder / "out").read_text().splitlines()[-1])["lock_seconds"])

        run([*BARE, BARE_RETIRE.format(url=other, models=MODELS, version=VERSIONS)], folder)
        bare = float((folder / "out").read_text())
        promote("model-0001", proxy.url)
        count = len(proxy.requests)
    with serve(folder / "direct", MODELS, VERSIONS) as fresh:
        held = promote("model-0001", fresh)
    return Row(
        f"`promote`, exclusive group of {MODELS} in production (bare: the four requests a model, 8 threads)",
        f"lock held {held:.1f} s, {count} requests",
        f"{bare:.1f} s",
        f"{count / MODELS:.1f} a model, {held / bare:.1f} wall",
        "10 s, 5 a model",
    )


def one_request(url: str, count: int = 60) -> Row:
    """The smallest request there is, on a kept connection by the http door, and on a fresh connection each."""
    door = HttpDoor(url, {}, Path("/nonexistent"))
    calls: list[Callable[[], object]] = [
        door.server_version,
        lambda: requests.get(f"{url}/version", timeout=30).content,
    ]
    times: list[list[float]] = [[], []]
    for turn in range(count):
        for at, call in enumerate(calls):
            started = time.perf_counter()
            call()
            if turn:
                times[at].append((time.perf_counter() - started) * 1000)
    ours, fresh = (statistics.median(each) for each in times)
    return Row(
        f"one request, {WORKERS} workers (bare: a fresh connection)",
        f"{ours:.1f} ms",
        f"{fresh:.1f} ms",
        f"{ours / fresh:.1f} wall",
        "2 wall",
    )


def starting(folder: Path, rounds: int) -> list[Row]:
    """Help and a mistake beside the import of click."""
    calls = [
        lambda: run([*OURS, "--help"], folder),
        lambda: run([*OURS, "promot"], folder, 2),
        lambda: run([*BARE, "import click"], folder),
    ]
    shown, wrong, bare = in_turn(calls, 3 * rounds)
    return [
        compared("`--help` (bare: import click)", shown, bare, "2 wall"),
        compared("a usage error (bare: import click)", wrong, bare, "2 wall"),
    ]


def cold_agent(folder: Path, rounds: int) -> Row:
    """The runner's base environment by uv, with its packages in uv's cache."""
    uv = shutil.which("uv") or str(ROOT / ".tools" / "bin" / "uv")
    venv = folder / "cold"

    def install() -> Cost:
        shutil.rmtree(venv, ignore_errors=True)
        made = run([uv, "venv", "--quiet", "--python", sys.executable, str(venv)], folder)
        python = str(venv / "bin" / "python")
        filled = run(
            [
                uv,
                "pip",
                "install",
                "--quiet",
                "--python",
                python,
                "--require-hashes",
                "-r",
                str(AGENT / "requirements.txt"),
            ],
            folder,
        )
        return Cost(made.seconds + filled.seconds, made.cpu + filled.cpu, 0)

    (cost,) = in_turn([install], rounds)
    size = sum(path.stat().st_size for path in venv.rglob("*") if path.is_file() and not path.is_symlink())
    return Row(
        "cold agent over HTTP, uv",
        f"{cost.seconds:.1f} s, {cost.cpu:.2f} CPU, {size / 1e6:.0f} MB",
        "",
        "",
        "3 s, 30 MB",
    )


def deleting(
    server: str, folder: Path, workers: Sequence[int], versions: int, names: Iterator[str], *, large: int = 0
) -> Iterator[Row]:
    """A cleanup of many versions beside as many threads that delete as many and look at nothing, process and all.

    Args:
        server: Where they are.
        folder: For the processes.
        workers: Deletions at once, for each row.
        versions: How many each model has; the 40 oldest go.
        names: Models that nothing was deleted from, for all rows.
        large: How many versions the registry has, if that is the point.
    """

    def clean_up(url: str, chosen: Sequence[str], count: int, *how: str) -> Cost:
        argv = [*OURS, "cleanup", *how, f"--keep-last={versions - 41}", f"--workers={count}"]
        argv += [f"--max-deletions={DELETED}"]
        return run([*argv, "--tracking-uri", url, *(f"--models={name}" for name in chosen)], folder)

    for count in workers:
        first, second, third = (list(itertools.islice(names, DELETED // 40)) for _ in range(3))
        pairs = [(name, number) for name in first for number in range(1, 41)]
        bare = run([*BARE, BARE_DELETE.format(url=server, pairs=pairs, workers=count)], folder)
        plan = clean_up(server, second, count, "--dry-run", "--no-bytes").seconds
        ours = clean_up(server, second, count, "--yes")
        with CountingProxy(server) as proxy:
            clean_up(proxy.url, third, count, "--yes")
            sent = proxy.requests
        deleted = sum(request.endpoint == "model-versions/delete" for request in sent)
        assert deleted == DELETED, f"{deleted} versions were deleted"
        among = f" of {large:,}" if large else ""
        yield Row(
            f"deletions, {plural(count, 'worker')}, {DELETED} versions{among}, whole process",
            f"{DELETED / ours.seconds:.0f} a second, {len(sent) / DELETED:.2f} requests each, "
            f"{ours.cpu:.2f} CPU; the plan alone {plan:.1f} s",
            f"{DELETED / bare.seconds:.0f} a second, {bare.cpu:.2f} CPU",
            f"{bare.seconds / ours.seconds:.2f} of it, {bare.seconds / (ours.seconds - plan):.2f} without the plan",
            "0.8 of it" if count == DELETERS else "",
        )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--large", type=int, default=100_000, help="versions of the large registry; 0 leaves it out"
    )
    parser.add_argument("--part", choices=PARTS, action="append", help="only this part; may be repeated")
    parser.add_argument(
        "--workers",
        type=int,
        action="append",
        help="deletions at once; may be repeated; 8 if it is not given",
    )
    parser.add_argument(
        "--store",
        choices=("sqlite", "postgresql"),
        default="sqlite",
        help="what every server keeps things in",
    )
    options = parser.parse_args()
    workers = options.workers or [DELETERS]
    print(
        f"## Targets: {MODELS} models x {VERSIONS} versions, medians of {options.rounds}, {WORKERS} workers\n"
    )
    print("| work | now | bare | ratio | at most |\n| --- | ---: | ---: | ---: | ---: |", flush=True)
    with tempfile.TemporaryDirectory() as name, database(options.store) as postgres:
        serve = functools.partial(serving, postgres=postgres)
        for row in measured(Path(name), options.rounds, options.large, options.part or PARTS, workers, serve):
            print(f"| {' | '.join(vars(row).values())} |", flush=True)
    print(f"\n{machine(options.store)}.\n", flush=True)


@contextlib.contextmanager
def database(store: str) -> Iterator[Postgres | None]:
    """A PostgreSQL, if that is the store."""
    if store == "sqlite":
        yield None
        return
    postgres = Postgres()
    try:
        yield postgres
    finally:
        postgres.stop()


def measured(
    folder: Path,
    rounds: int,
    large: int,
    parts: Sequence[str],
    workers: Sequence[int],
    serve: Serve,
) -> Iterator[Row]:
    """Every row of these parts, as soon as it is known."""
    if "start" in parts:
        yield from starting(folder, rounds)
        yield cold_agent(folder, rounds)
    if {"request", "read", "promote", "exclusive"} & set(parts):
        with serve(folder / "small", MODELS, VERSIONS) as url:
            if "request" in parts:
                yield one_request(url)
            if "read" in parts:
                yield from reading(url, folder, rounds)
            if "promote" in parts:
                yield promoting(url, folder, rounds)
            if "exclusive" in parts:
                yield exclusive(url, folder, serve)
    if "delete" in parts:
        with serve(folder / "deletions", 3 * DELETED // 40 * len(workers), 42) as url:
            yield from deleting(url, folder, workers, 42, model_names())
    if large and {"large", "large-delete"} & set(parts):
        with serve(folder / "large", large // 100, 100) as url:
            if "large" in parts:
                yield from reading(url, folder, 1, large=large)
            yield from deleting(url, folder, workers, 100, model_names(), large=large)


def model_names() -> Iterator[str]:
    """The names of a benchmark server's models."""
    return (f"model-{number:04}" for number in itertools.count())


@contextlib.contextmanager
def serving(folder: Path, models: int, versions: int, postgres: Postgres | None = None) -> Iterator[str]:
    """The address of a server with so many models and versions."""
    folder.mkdir()
    server = server_with(folder, models=models, versions=versions, workers=WORKERS, postgres=postgres)
    try:
        yield server.url
    finally:
        server.stop()


if __name__ == "__main__":
    main()
