"""Reading a whole registry: this package's snapshot against the script that people paste, on the same server.

usage: snapshot.py [--models 300] [--versions 20] [--sample 15]

The script asks for every version; it is run on ``sample`` models and extrapolated (``--sample 0`` runs it on all).
Both must come to the same stages, aliases and metrics, else the benchmark fails.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from common import machine, server_with, table
from jenkins_mlflow.registry.client import Registry
from jenkins_mlflow.registry.connection import connect
from support.proxy import CountingProxy
from support.seeding import client

if TYPE_CHECKING:
    from jenkins_mlflow.registry.snapshot import Snapshot
    from mlflow.entities.model_registry import RegisteredModel

Facts = dict[tuple[str, int], tuple[str, tuple[str, ...], dict[str, float]]]
ROUNDS = 3


def snapshot(url: str) -> Facts:
    """Stage, aliases and metrics of every version, by the package."""
    group: Snapshot = Registry(connect(url)).snapshot(["*"], with_runs=True)
    return {
        (v.model, v.number): (v.stage, v.aliases, dict(v.run.metrics) if v.run else {})
        for v in group.versions()
    }


def pasted_script(url: str, limit: int) -> Facts:
    """The same, version by version, for the first ``limit`` models."""
    mlflow, token = client(url), None
    facts: Facts = {}
    models: list[RegisteredModel] = []
    while True:
        page = mlflow.search_registered_models(page_token=token)
        models += page
        token = page.token
        if not token:
            break
    for model in models[:limit]:
        for found in mlflow.search_model_versions(f"name='{model.name}'"):
            version = mlflow.get_model_version(model.name, found.version)
            run = mlflow.get_run(str(version.run_id))
            facts[model.name, int(version.version)] = (
                str(version.current_stage),
                tuple(version.aliases),
                dict(run.data.metrics),
            )
    return facts


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--models", type=int, default=300)
    parser.add_argument("--versions", type=int, default=20)
    parser.add_argument("--sample", type=int, default=15, help="models that the pasted script reads; 0 = all")
    arguments = parser.parse_args()
    sample = min(arguments.sample or arguments.models, arguments.models)
    with tempfile.TemporaryDirectory() as folder:
        server = server_with(Path(folder), arguments.models, arguments.versions)
        try:
            compare(server.url, arguments.models, arguments.versions, sample)
        finally:
            server.stop()


def compare(url: str, models: int, versions: int, sample: int) -> None:
    """Measure both, check that they agree, print the table. Seconds are without the proxy that counts."""
    snapshot(url)  # the first request makes the server warm
    times = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        ours = snapshot(url)
        times.append(time.perf_counter() - started)
    started = time.perf_counter()
    theirs = pasted_script(url, sample)
    script_seconds = time.perf_counter() - started
    assert theirs.items() <= ours.items(), "the two read different things"
    assert len(ours) == models * versions, f"{len(ours)} versions read"
    with CountingProxy(url) as proxy:
        snapshot(proxy.url)
        our_requests = len(proxy.requests)
        proxy.reset()
        pasted_script(proxy.url, sample)
        script_requests = len(proxy.requests)
        per_model = sum("registered-models" not in request.path for request in proxy.requests) / sample
    pages = script_requests - per_model * sample
    rows = [
        ["snapshot (this package)", f"{our_requests:,}", f"{statistics.median(times):.1f}"],
        [f"version by version, {sample} models", f"{script_requests:,}", f"{script_seconds:.1f}"],
    ]
    if sample < models:
        factor = models / sample
        rows.append(
            [
                f"version by version, all (extrapolated x {factor:g})",
                f"{per_model * models + pages:,.0f}",
                f"{script_seconds * factor:.0f}",
            ]
        )
    print(f"## Whole registry: {models} models x {versions} versions, with metrics\n")
    print(table(["", "requests", "seconds"], rows))
    print(f"\nBoth came to the same stages, aliases and metrics. {machine()}.\n", flush=True)


if __name__ == "__main__":
    main()
