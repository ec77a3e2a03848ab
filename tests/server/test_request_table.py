"""What each request of a promotion is for: docs/performance.md has a table, which is compared with real requests."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from conftest import MakeServer
from jenkins_mlflow.registry.records import EXPERIMENT
from support.proxy import CountingProxy
from support.seeding import Spec, client, seed
from support.servers import Server, clean_environ

ROOT = Path(__file__).parents[2]
DOCS = (ROOT / "docs/performance.md").read_text(encoding="utf-8")
ROW = re.compile(r"^\| (\d+) \| `(\w+) ([\w/-]+)`(?: x (\d+))? \| [^|]{10,} \|$", re.MULTILINE)


def documented() -> list[str]:
    """One line for each request, in order."""
    text = DOCS.partition("## The requests of a promotion")[2].partition("\n## ")[0]
    rows = [
        (int(first), f"{method} {path}", int(times or 1)) for first, method, path, times in ROW.findall(text)
    ]
    lines = [line for _, line, times in rows for _ in range(times)]
    assert [first for first, _, _ in rows] == [
        1 + sum(times for *_, times in rows[:at]) for at in range(len(rows))
    ]
    return lines


def test_the_requests_of_a_promotion_are_those_of_the_table(
    make_server: MakeServer, make_proxy: Callable[[Server], CountingProxy], tmp_path: Path
) -> None:
    """A version takes another one's place, whatever else is in the registry; the table has every request, in order."""
    server = make_server()
    champion = Spec(metrics={"roc_auc": 0.8}, stage="Production", aliases=("champion",))
    seed(server.store_uri, {"counted": [champion, Spec(metrics={"roc_auc": 0.9})]}, "counted")
    mlflow = client(server.url)
    if mlflow.get_experiment_by_name(EXPERIMENT) is None:  # made once for a server
        mlflow.create_experiment(EXPERIMENT)
    proxy = make_proxy(server)
    command = [
        sys.executable,
        "-m",
        "jenkins_mlflow",
        "promote",
        "--model",
        "counted",
        "--tracking-uri",
        proxy.url,
    ]
    environ = clean_environ(BUILD_TAG="b-1", BUILD_URL="http://ci/1", BUILD_USER="ann")
    done = subprocess.run(command, cwd=tmp_path, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    made = (re.sub(r"/api/2.0/(mlflow-artifacts/artifacts)/\S+", r"\1", str(each)) for each in proxy.requests)
    assert "\n".join(made) == "\n".join(documented())
