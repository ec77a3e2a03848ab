"""Every finding of the doctor, made real; none on a healthy set-up; and the probe, which leaves nothing."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest
from builders import snapshot, version
from conftest import MakeAccounts, MakeServer
from jenkins_mlflow.build import BuildContext
from jenkins_mlflow.commands.doctor.models import examine
from jenkins_mlflow.commands.doctor.server import clock, file_store, login
from jenkins_mlflow.registry.client import Registry
from jenkins_mlflow.registry.connection import connect
from jenkins_mlflow.registry.holder import Holder
from jenkins_mlflow.registry.version import Target
from jenkins_mlflow.tags import HOLDER_TAG, PROBE_PREFIX, UNWRITTEN_TAG
from runner import Ended, Zygote
from support.promoting import without_flags
from support.proxy import Answer, CountingProxy, Fault, Request, Send, respond
from support.seeding import Spec, client, fresh_name, give_files, seed
from support.servers import Server

TARGET = Target("Production", "champion")
SERVING = Spec(stage="Production", aliases=("champion",))


@pytest.fixture(scope="module")
def zygote(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Zygote]:
    with Zygote(tmp_path_factory.mktemp("zygote")) as running:
        yield running


def doctor(zygote: Zygote, url: str, name: str, *options: str, **env: str) -> Ended:
    quiet = {"MLFLOW_HTTP_REQUEST_TIMEOUT": "30", **env}
    done = zygote.run("doctor", f"--models={name}", f"--tracking-uri={url}", *options, **quiet)
    problems = [finding["message"] for finding in done.doc["findings"] if finding["status"] == "problem"]
    assert all(problem in done.doc["message"] for problem in problems), "the message names every problem"
    return done


def found(ended: Ended, what: str) -> dict[str, Any]:
    findings = [finding for finding in ended.doc["findings"] if finding["what"] == what]
    assert findings, ended.doc["findings"]
    first: dict[str, Any] = findings[0]
    return first


def unwell(ended: Ended) -> list[str]:
    return [finding["what"] for finding in ended.doc["findings"] if finding["status"] != "fine"]


def test_a_healthy_set_up_has_no_finding(make_server: MakeServer, zygote: Zygote) -> None:
    """Nor after promotions and a probe, which leaves no model."""
    server, name = make_server(), fresh_name()
    without_flags(server.url)
    seed(server.store_uri, {name: [Spec(), Spec()]})
    for number in (1, 2):
        argv = ("promote", f"--model={name}", f"--version={number}", f"--tracking-uri={server.url}")
        assert zygote.run(*argv).code == 0
    done = doctor(zygote, server.url, name, "--probe")
    assert (done.code, done.doc["status"], unwell(done)) == (0, "fine", [])
    tried = [finding["what"] for finding in done.doc["findings"] if finding["what"].startswith("probe")]
    assert tried == [
        "probe: making a model",
        "probe: artifacts: written and read",
        "probe: changing a stage",
        "probe: setting an alias",
    ]
    assert not Registry(connect(server.url)).probes()
    assert not list(server.folder.rglob("probe.txt"))


def test_the_probe_proves_an_affected_server(make_server: MakeServer, zygote: Zygote) -> None:
    server, name = make_server("3.3.2", "file"), fresh_name()
    seed(server.url, {name: [SERVING]})
    done = doctor(zygote, server.url, name, "--probe")
    assert done.code == 1
    assert found(done, "server")["status"] == "problem"
    stage = found(done, "probe: changing a stage")
    assert (stage["status"], "upgrade the server" in stage["fix"]) == ("problem", True)
    assert f"probe: changing a stage: {stage['message']}" in done.doc["message"]
    assert found(done, "probe: setting an alias")["status"] == "fine"
    assert not Registry(connect(server.url)).probes()


def test_what_a_killed_probe_left_is_found_and_removed(make_server: MakeServer, zygote: Zygote) -> None:
    """What is young belongs to a probe at work."""
    server, name = make_server(), fresh_name()
    seed(server.store_uri, {name: [SERVING]})
    killed, at_work = f"{PROBE_PREFIX}killed", f"{PROBE_PREFIX}at-work"
    client(server.url).create_registered_model(killed)
    with sqlite3.connect(server.store_uri.removeprefix("sqlite:///")) as database:
        # a minute more than the limit: the server's clock, in its answers, has whole seconds
        older = "UPDATE registered_models SET creation_time = creation_time - 660000 WHERE name = ?"
        database.execute(older, (killed,))
    registry = Registry(connect(server.url))
    assert killed not in registry.names()
    done = doctor(zygote, server.url, name)
    assert found(done, "scratch model")["fix"] == (
        f"`jenkins-mlflow doctor --probe --tracking-uri {server.url}` removes it when it is 10 minutes old"
    )
    client(server.url).create_registered_model(at_work)
    doctor(zygote, server.url, name, "--probe")
    assert registry.probes() == [at_work]
    registry.lower_flag(at_work)


def promoted_twice(server: Server, zygote: Zygote) -> tuple[Server, str, tuple[str, str]]:
    """A model whose version 2 this tool promoted over version 1, and the options of a command on it."""
    name = fresh_name()
    without_flags(server.url)
    seed(server.store_uri, {name: [Spec(), Spec()]})
    give_files(server.url, name)
    end = (f"--model={name}", f"--tracking-uri={server.url}")
    for number in (1, 2):
        assert zygote.run("promote", f"--version={number}", *end).code == 0
    return server, name, end


def test_drift_and_both_ways_out(make_server: MakeServer, zygote: Zygote) -> None:
    """Somebody puts version 1 back in MLflow's pages: doctor ends with 7, rollback --recorded brings version 2 back."""
    server, name, end = promoted_twice(make_server(), zygote)
    mlflow = client(server.store_uri)

    def by_hand() -> None:
        mlflow.transition_model_version_stage(name, "1", "Production", archive_existing_versions=True)
        mlflow.set_registered_model_alias(name, "champion", "1")

    by_hand()
    done = doctor(zygote, server.url, name)
    assert (done.code, done.doc["status"]) == (7, "drift")
    finding = found(done, "changed outside")
    head = f"{name}: version 1 was put into Production or @champion without this tool, some time after 20"
    assert finding["message"].startswith(head)
    assert finding["message"].endswith("; recorded: version 2")
    assert finding["fix"] == (
        f"`jenkins-mlflow rollback --model {name} --recorded --tracking-uri {server.url}` or "
        f"`jenkins-mlflow history --model {name} --adopt --reason '...' --tracking-uri {server.url}`"
    )
    back = zygote.run("rollback", "--recorded", *end)
    assert (back.code, back.doc["status"], back.doc["version"]) == (0, "rolled_back", 2)
    assert doctor(zygote, server.url, name).code == 0
    by_hand()
    adopted = zygote.run("history", "--adopt", "--reason=it is better", *end)
    assert adopted.doc["message"] == f"{name} version 1 is recorded as in production"
    assert unwell(doctor(zygote, server.url, name)) == []
    again = zygote.run("history", "--adopt", "--reason=it is better", *end)
    assert again.doc["status"] == "nothing"
    assert zygote.run("rollback", *end).doc["version"] == 2


def test_production_emptied_outside_is_drift(make_server: MakeServer, zygote: Zygote) -> None:
    server, name = make_server(), fresh_name()
    seed(server.store_uri, {name: [Spec()]})
    give_files(server.url, name)
    end = (f"--model={name}", f"--tracking-uri={server.url}")
    assert zygote.run("promote", "--version=1", *end).code == 0
    mlflow = client(server.store_uri)
    mlflow.transition_model_version_stage(name, "1", "Archived")
    mlflow.delete_registered_model_alias(name, "champion")
    done = doctor(zygote, server.url, name)
    assert done.code == 7
    assert (
        "version 1 was taken out of Production or @champion, or deleted without this tool"
        in done.doc["message"]
    )
    assert zygote.run("rollback", "--recorded", *end).code == 0
    assert doctor(zygote, server.url, name).code == 0


def test_a_selection_says_that_the_champion_s_model_is_gone(make_server: MakeServer, zygote: Zygote) -> None:
    """Another model has a record that somebody has written into its tags: it was never in production."""
    server, name, _ = promoted_twice(make_server(), zygote)
    forged = {"jenkins_mlflow.promoted_at": "2099-01-01T00:00:00+00:00"}
    seed(
        server.store_uri,
        {f"{name}-other": [Spec(tags=forged, stage="Archived"), Spec(metrics={"roc_auc": 0.9})]},
    )
    client(server.store_uri).delete_registered_model(name)
    done = zygote.run("select", f"--models={name}*", f"--tracking-uri={server.url}", "--output=json")
    assert done.code == 0, done.stderr
    assert done.doc["message"] == (
        f"Selected {name}-other v2 (0.9): nothing is in Production: {name}, in production before, "
        "was deleted or renamed without this tool."
    )


def test_a_production_model_that_was_deleted_is_drift(make_server: MakeServer, zygote: Zygote) -> None:
    """Its history can be read all the same; adopting says that it is gone. Made anew, it is another one."""
    server, name, end = promoted_twice(make_server(), zygote)
    mlflow = client(server.store_uri)
    mlflow.delete_registered_model(name)
    done = doctor(zygote, server.url, name)
    assert (done.code, done.doc["status"]) == (7, "drift")
    finding = found(done, "changed outside")
    assert finding["message"].startswith(
        f"{name}: the registered model was deleted or renamed without this tool, "
    )
    assert finding["fix"].startswith(f"`jenkins-mlflow history --model {name} --adopt --reason '...'")
    told = zygote.run("history", *end)
    assert (told.code, [item["version"] for item in told.doc["items"]]) == (0, [1, 2])
    assert [part["model"] for part in told.doc["drift"]] == [name]
    configured = zygote.run("history", *end, MLOPS__MODELS=name)
    assert [item["version"] for item in configured.doc["items"]] == [1, 2]
    seed(server.store_uri, {name: [Spec(), Spec()]})
    anew = found(doctor(zygote, server.url, name), "changed outside")["message"]
    assert (
        "; recorded: version 2, which was deleted: the version 2 that exists now was registered at " in anew
    )
    mlflow.delete_registered_model(name)
    adopted = zygote.run("history", "--adopt", "--reason=retired", *end)
    assert adopted.doc["message"] == f"{name}: recorded as not in production"
    assert doctor(zygote, server.url, name).code == 0
    assert zygote.run("history", *end).doc["drift"] == []
    missing = zygote.run("history", f"--model={name}-x", f"--tracking-uri={server.url}")
    assert missing.doc["message"].startswith(f"there is no registered model '{name}-x'; ")


def test_a_model_that_an_account_may_not_read_is_not_gone(
    make_accounts: MakeAccounts, zygote: Zygote
) -> None:
    """Its events can be read, and its name is in no list."""
    accounts, name = make_accounts(), fresh_name()
    seed(accounts.url(), {name: [Spec()]})
    give_files(accounts.url(), name)
    end = (f"--model={name}", f"--tracking-uri={accounts.url()}")
    assert zygote.run("promote", "--version=1", *end).code == 0
    stranger = accounts.create(f"stranger-to-{name}", {name: "DENY"})
    assert "changed outside" not in unwell(doctor(zygote, stranger, name))
    assert doctor(zygote, accounts.url(), name).code == 0


def test_an_alias_moved_outside_is_drift_and_one_command_mends_it(
    make_server: MakeServer, zygote: Zygote
) -> None:
    """Stage and alias then mean two versions: one finding says it, and a rollback says which command settles it."""
    server, name, end = promoted_twice(make_server(), zygote)
    client(server.store_uri).set_registered_model_alias(name, "champion", "1")
    done = doctor(zygote, server.url, name)
    assert (done.code, unwell(done)) == (7, ["changed outside"])
    refused = zygote.run("rollback", *end)
    assert refused.doc["message"] == (
        f"2 versions of {name} are in production (version 2 by its stage, version 1 by its alias), "
        "so there is no single previous version"
    )
    assert f"`jenkins-mlflow rollback --model {name} --recorded --tracking-uri " in refused.stderr
    assert "` returns to version 2" in refused.stderr
    assert zygote.run("rollback", "--recorded", *end).code == 0
    assert doctor(zygote, server.url, name).code == 0


def test_history_alone_is_no_authority(make_server: MakeServer, zygote: Zygote) -> None:
    """A version without a record of its own is not returned to, whatever the history says."""
    server, name, end = promoted_twice(make_server(), zygote)
    mlflow = client(server.store_uri)
    mlflow.delete_model_version_tag(name, "2", "jenkins_mlflow.promoted_at")
    mlflow.transition_model_version_stage(name, "1", "Production", archive_existing_versions=True)
    done = zygote.run("rollback", "--recorded", *end)
    assert done.code == 1
    assert done.doc["message"] == (
        f"{name} version 2 is recorded as in production, but it has no promotion record"
    )


def test_an_account_without_rights_is_told(make_accounts: MakeAccounts, zygote: Zygote) -> None:
    accounts, name = make_accounts(), fresh_name()
    seed(accounts.url(), {name: [SERVING]})
    reader = accounts.create(f"reader-of-{name}")
    done = doctor(zygote, reader, name)
    finding = found(done, "rights")
    assert (done.code, finding["message"]) == (1, f"this account may not change {name}")
    editor = accounts.create(f"editor-of-{name}", {name: "EDIT"})
    assert "rights" not in unwell(doctor(zygote, editor, name))


def dated(seconds: float) -> Fault:
    def fault(request: Request, send: Send) -> Answer:
        answer = send()
        kept = tuple((key, value) for key, value in answer.headers if key.lower() != "date")
        return Answer(
            answer.status, answer.body, (*kept, ("Date", formatdate(time.time() + seconds, usegmt=True)))
        )

    return fault


def test_clocks_that_differ(
    make_server: MakeServer, make_proxy: Callable[[Server], CountingProxy], zygote: Zygote
) -> None:
    server, name = make_server(), fresh_name()
    seed(server.store_uri, {name: [SERVING]})
    proxy = make_proxy(server)
    proxy.inject(dated(-3600))
    finding = found(doctor(zygote, proxy.url, name), "clock")
    assert finding["status"] == "note"
    assert "s ahead of the store's: records get wrong times" in finding["message"]


def test_a_lock_whose_holder_is_gone(make_server: MakeServer, zygote: Zygote) -> None:
    server, name = make_server(), fresh_name()
    seed(server.store_uri, {name: [SERVING]})
    registry = Registry(connect(server.url))
    holder = Holder.this_process("promote", (name,), (name,), BuildContext(user="ann"), 0.1)
    flag = f"jenkins-mlflow.lock.{name}"
    registry.raise_flag(flag, {HOLDER_TAG: holder.to_tag()}, "")
    time.sleep(4)  # the server tells its time in whole seconds
    finding = found(doctor(zygote, server.url, name), "stale lock")
    registry.lower_flag(flag)
    assert finding["message"].startswith(f"{name} was being worked on (promote of {name} (ann on ")


def test_an_alias_that_leads_nowhere(make_server: MakeServer, zygote: Zygote) -> None:
    server, name = make_server(), fresh_name()
    seed(server.store_uri, {name: [SERVING]})
    with sqlite3.connect(server.store_uri.removeprefix("sqlite:///")) as database:
        row = "SELECT * FROM registered_model_aliases WHERE name = ?"
        columns = [column[0] for column in database.execute(row, (name,)).description]
        values = dict(zip(columns, database.execute(row, (name,)).fetchone(), strict=True))
        values |= {"alias": "old", "version": 9}
        marks = ",".join("?" * len(columns))
        database.execute(f"INSERT INTO registered_model_aliases VALUES ({marks})", [*values.values()])
    done = doctor(zygote, server.url, name)
    finding = found(done, "dangling alias")
    assert done.code == 1
    assert finding["message"] == f"{name}: alias old is on version 9, which does not exist: loading it fails"
    assert finding["fix"].startswith(f"MLFLOW_TRACKING_URI={server.url} python -c ")
    assert f"delete_registered_model_alias('\"'\"'{name}'\"'\"'" in finding["fix"]


def test_an_alias_with_upper_case_and_a_stage_without_alias(make_server: MakeServer, zygote: Zygote) -> None:
    server, name, other = make_server(), fresh_name(), fresh_name()
    seed(server.store_uri, {name: [Spec(stage="Production", aliases=("champion", "Blue"))]})
    seed(server.store_uri, {other: [Spec(stage="Production"), Spec(stage="Staging")]})
    done = doctor(zygote, server.url, name)
    assert (done.code, found(done, "alias with upper case")["status"]) == (0, "note")
    done = doctor(zygote, server.url, other)
    finding = found(done, "stage without alias")
    assert finding["message"] == (
        f"{other}: version 1 in Production, version 2 in Staging, without an alias; "
        "stages are deprecated since MLflow 2.9"
    )
    assert (
        finding["fix"] == f"`jenkins-mlflow promote --model {other} --version 1 --tracking-uri {server.url}`"
    )


def test_history_that_is_not_written(
    make_server: MakeServer, make_proxy: Callable[[Server], CountingProxy], zygote: Zygote
) -> None:
    server, name = make_server(), fresh_name()
    seed(server.store_uri, {name: [Spec()]})
    proxy = make_proxy(server)
    proxy.inject(respond(403, '{"error_code": "PERMISSION_DENIED"}'), path="runs/create")
    assert zygote.run("promote", f"--model={name}", "--version=1", f"--tracking-uri={proxy.url}").code == 0
    assert any(key.startswith(UNWRITTEN_TAG) for key in Registry(connect(server.url)).model(name).tags)
    done = doctor(zygote, server.url, name)
    assert (done.code, found(done, "history not written")["status"]) == (0, "note")


def test_a_file_store_that_is_not_served(make_server: MakeServer, zygote: Zygote, tmp_path: Path) -> None:
    server, name = make_server(), fresh_name()
    seed(server.store_uri, {name: [SERVING]})
    done = doctor(zygote, server.url, name, MLOPS__PROMOTE__FILE_STORE=str(tmp_path))
    finding = found(done, "file store not served")
    assert done.code == 1
    assert f"--backend-store-uri {tmp_path}" in finding["fix"]


def test_a_login_that_others_can_read() -> None:
    secret = {"MLFLOW_TRACKING_PASSWORD": "x"}
    assert [f.what for f in login("http://mlflow.example:5000", secret)] == ["login without TLS"]
    assert [f.what for f in login("http://u:p@mlflow.example:5000", {})] == ["login without TLS"]
    for uri, environ in (
        ("https://mlflow.example", secret),
        ("http://localhost:5000", secret),
        ("http://mlflow.example:5000", {}),
    ):
        assert not list(login(uri, environ))
    insecure = {"MLFLOW_TRACKING_INSECURE_TLS": "true"}
    assert [f.what for f in login("https://mlflow.example", insecure)] == ["certificate not checked"]


def test_the_clock_of_a_store_that_is_opened_directly_matters_more(tmp_path: Path) -> None:
    folder = connect(str(tmp_path))
    assert [f.status for f in clock(folder, 1000.0, 1100.0)] == ["problem"]
    assert not list(clock(folder, 1000.0, 1030.0))
    assert not list(file_store(str(tmp_path), folder, files=True))


def test_the_models_are_fine_only_without_a_problem() -> None:
    group = snapshot(version("m", 1, stage="Production"))
    assert [f.what for f in examine(group, TARGET)] == ["models", "stage without alias"]
