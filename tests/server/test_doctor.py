"""The doctor: what it finds, on pure snapshots and on real servers, and that it changes nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from builders import snapshot, version
from conftest import MakeServer, RunCli
from jenkins_mlflow.build import BuildContext
from jenkins_mlflow.commands.doctor.models import examine
from jenkins_mlflow.promotion.intent import Intent
from jenkins_mlflow.promotion.plan import plan_promotion
from jenkins_mlflow.registry.client import Registry
from jenkins_mlflow.registry.connection import connect
from jenkins_mlflow.registry.holder import Holder
from jenkins_mlflow.registry.lock import Lock
from jenkins_mlflow.registry.snapshot import Model, Snapshot
from jenkins_mlflow.registry.version import Target, Version
from jenkins_mlflow.tags import INTENT_TAG
from support.proxy import CountingProxy
from support.seeding import Spec, seed
from support.servers import Server, Store

TARGET = Target("Production", "champion")
ONE = version("m", 1, stage="Production", aliases=("champion",))
TWO = version("m", 2, stage="Production")
REPAIR = "`jenkins-mlflow promote --model m --version 2` or `--version 1`"


@pytest.mark.parametrize(
    ("versions", "what", "fix"),
    [
        ((ONE, version("m", 2)), "models", ""),
        ((ONE, TWO), "two in production", REPAIR),
        ((version("m", 1, aliases=("champion",)), TWO), "stage and alias differ", REPAIR),
        ((version("m", 1, aliases=("champion",)), version("m", 2)), "models", ""),
        ((version("m", 1, stage="Production", aliases=("champion",)),), "models", ""),
    ],
)
def test_each_ailment_has_its_remedy(versions: tuple[Version, ...], what: str, fix: str) -> None:
    findings = examine(snapshot(*versions), TARGET)
    assert [(finding.what, finding.fix) for finding in findings] == [(what, fix)]
    assert (findings[0].status == "fine") == (not fix)


def test_an_exclusive_group_has_one_champion() -> None:
    group = snapshot(ONE, version("n", 1, stage="Production", aliases=("champion",)))
    assert [finding.status for finding in examine(group, TARGET)] == ["fine"]
    findings = examine(group, replace(TARGET, exclusive=True))
    assert [finding.what for finding in findings] == ["several champions"]
    assert "2 of its models are in production: m version 1, n version 1" in findings[0].message


BEGUN = Intent.of(
    plan_promotion(snapshot(version("m", 1, stage="Production"), version("m", 2)), "m", 2, TARGET).table,
    "promotion",
    "2026-11-23T02:00:00+00:00",
    "jenkins",
    "",
).tags()[INTENT_TAG]


@pytest.mark.parametrize("tag", [BEGUN, "nonsense"])
def test_an_unfinished_promotion_is_found(tag: str) -> None:
    model = replace(snapshot(ONE, TWO).models[0], tags={INTENT_TAG: tag})
    findings = examine(Snapshot((model,)), TARGET)
    assert [finding.what for finding in findings] == ["unfinished promotion"]
    assert ("promote --recover" in findings[0].fix) == (tag != "nonsense")


def registry_of(url: str, name: str) -> Model:
    return Registry(connect(url)).model(name)


@pytest.mark.parametrize(
    ("mlflow", "store", "status", "code"),
    [("3.17.2", "sqlite", "fine", 0), ("3.17.2", "file", "note", 0), ("3.3.2", "file", "problem", 1)],
)
def test_servers(
    mlflow: str,
    store: Store,
    status: str,
    code: int,
    make_server: MakeServer,
    make_proxy: Callable[[Server], CountingProxy],
    run_cli: RunCli,
) -> None:
    """An affected server is a problem, a file store worth a word; nothing is written."""
    server = make_server(mlflow, store)
    seed(server.url, {"doctored": [Spec(stage="Production")]})
    before = registry_of(server.url, "doctored")
    proxy = make_proxy(server)
    done = run_cli("doctor", "--models", "doctored", "--tracking-uri", proxy.url, "--output=json")
    found = {finding["what"]: finding for finding in done.doc["findings"]}
    assert (done.code, found["server"]["status"]) == (code, status)
    assert (
        f"MLflow {mlflow} with a {'database' if store == 'sqlite' else 'file store'}"
        in found["server"]["message"]
    )
    assert {request.method for request in proxy.requests} <= {"GET", "POST"}
    posts = {r.path for r in proxy.requests if r.method == "POST" and not r.path.endswith("search")}
    assert posts == {"/api/2.0/mlflow/model-versions/set-tag"}  # of a version that cannot exist
    assert registry_of(server.url, "doctored") == before
    assert len(proxy.requests) <= 12


def test_a_lock_is_shown_with_its_holder(make_server: MakeServer, run_cli: RunCli) -> None:
    server = make_server()
    seed(server.store_uri, {"held": [Spec()]})
    holder = Holder.this_process(
        "promote", ("held",), ("held",), BuildContext(user="ann", url="http://ci/7/"), 60
    )
    with Lock(Registry(connect(server.url)), holder, wait=5):
        done = run_cli("doctor", "--models", "held", "--tracking-uri", server.url)
    assert "held is being worked on: promote of held by build http://ci/7/ (ann on" in done.stdout
    assert done.code == 0


def test_a_flag_that_cannot_be_read_is_named(make_server: MakeServer, run_cli: RunCli) -> None:
    """Anybody who may create a model can make one."""
    server = make_server()
    registry = Registry(connect(server.url))
    name = "jenkins-mlflow.lock.unreadable"
    registry.raise_flag(name, {"jenkins_mlflow.lock": '{"lease": 1e300}'}, "")
    done = run_cli("doctor", "--output=json", "--tracking-uri", server.url)
    registry.lower_flag(name)
    # other tests may have left flags on this server
    locks = [
        finding
        for finding in done.doc["findings"]
        if finding["what"] == "lock" and "cannot be read" in finding["message"]
    ]
    assert [(finding["status"], finding["message"], finding["fix"]) for finding in locks] == [
        (
            "note",
            f"the flag {name} cannot be read: it holds up every command for 10 s",
            f"if it comes back, find out which account makes it; if it stays, delete the registered model {name}",
        )
    ]
