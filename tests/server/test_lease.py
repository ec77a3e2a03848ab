"""Leases on real servers: taken, renewed, listed, released; and no cleanup deletes what is leased."""

from __future__ import annotations

import pytest
from conftest import MakeServer, RunCli
from jenkins_mlflow.registry.client import Registry
from jenkins_mlflow.registry.connection import connect
from jenkins_mlflow.tags import LEASE_TAG
from support.seeding import Spec, fresh_name, seed
from support.servers import Store


@pytest.mark.parametrize(("version", "store"), [("3.17.2", "sqlite"), ("3.3.2", "file")])
def test_a_leased_version_stays_until_it_is_released(
    version: str, store: Store, make_server: MakeServer, run_cli: RunCli
) -> None:
    """Leased by two, one gives it up, then the other; only then the cleanup takes it."""
    server, name = make_server(version, store), fresh_name()
    seed(server.url, {name: [Spec(), Spec()]})
    end = (f"--tracking-uri={server.url}", "--output=json")
    mine = ("lease", f"--model={name}", "--version=1", "--holder=cluster-eu")
    taken = run_cli(*mine, "--for=1h", *end)
    assert (taken.code, taken.doc["status"], taken.doc["leases"][0]["holder"]) == (0, "leased", "cluster-eu")
    renewed = run_cli(*mine, "--for=30d", *end)
    assert renewed.doc["leases"][0]["until"] > taken.doc["leases"][0]["until"]
    kept = run_cli("cleanup", f"--model={name}", "--keep-last=1", "--dry-run", *end)
    until = renewed.doc["leases"][0]["until"][:16].replace("T", " ")
    assert kept.doc["items"][1]["reason"] == f"lease cluster-eu until {until} UTC"
    listed = run_cli("lease", f"--models={name}", *end)
    assert [(e["version"], e["holder"], e["runs"]) for e in listed.doc["leases"]] == [(1, "cluster-eu", True)]
    assert run_cli(*mine, "--release", *end).doc["status"] == "released"
    assert run_cli(*mine, "--release", *end).code == 0
    assert LEASE_TAG + "cluster-eu" not in Registry(connect(server.url)).version(name, 1).tags
    gone = run_cli("cleanup", f"--model={name}", "--keep-last=1", "--yes", *end)
    assert [i["outcome"] for i in gone.doc["items"]] == ["", "deleted"]


def test_a_rollback_says_who_still_runs_what(make_server: MakeServer, run_cli: RunCli) -> None:
    """A rollback does not reach them; who runs the version that comes back, or has ended, is not named."""
    server, name = make_server(), fresh_name()
    leased = {LEASE_TAG + "edge": "2999-01-01T00:00:00+00:00", LEASE_TAG + "old": "2001-01-01T00:00:00+00:00"}
    champion = Spec(stage="Production", aliases=("champion",), tags=leased)
    seed(server.url, {name: [Spec(tags={LEASE_TAG + "lab": "2999-01-01T00:00:00+00:00"}), champion]})
    dry = ("rollback", f"--model={name}", "--to=1", "--dry-run", f"--tracking-uri={server.url}")
    done = run_cli(*dry, "--output=json")
    assert f"edge still runs {name} version 2 (lease edge until 2999-01-01 00:00 UTC)" in done.stderr
    assert [(each["version"], each["holder"]) for each in done.doc["leases"]] == [(2, "edge")]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--model=m"], "a lease needs --model, --version and --holder, and either --for or --release"),
        (["--for=1d"], "a lease needs --model, --version and --holder, and either --for or --release"),
        (
            ["--model=m", "--version=1", "--holder=a b", "--for=1d"],
            "--holder must be at most 100 letters, digits, dots, dashes and underscores",
        ),
        (["--model=m", "--version=1", "--holder=a", "--for=0s"], "--for must be more than 0"),
        (
            ["--for=7"],
            (
                "Invalid value for '--for': expected a duration: a number and its unit (ms, s, m, h, d, w); "
                'did you mean "7d"?'
            ),
        ),
    ],
)
def test_leases_that_make_no_sense(arguments: list[str], message: str, run_cli: RunCli) -> None:
    """Exit 2 with the reason, before anything is read."""
    done = run_cli("lease", *arguments, "--tracking-uri=http://127.0.0.1:9")
    assert done.code == 2
    assert message in done.stderr
