"""The commands as people and Jenkins run them: documents, exit codes, streams, questions, signals."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import MakeServer, RunCli
from jenkins_mlflow.cli.main import cli
from support import documents
from support.proxy import CountingProxy, delay, respond
from support.seeding import Spec, client, fresh_name, seed
from support.servers import Server, clean_environ

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "scripts" / "promote-model.py"


@pytest.fixture
def uri(make_server: MakeServer) -> str:
    return make_server().url


@pytest.fixture
def fresh(make_server: MakeServer) -> Callable[..., str]:
    """``fresh(Spec(), ...)``: the name of a new model with these versions."""

    def make(*specs: Spec) -> str:
        name = fresh_name()
        seed(make_server().store_uri, {name: list(specs)})
        return name

    return make


def script(*arguments: str, uri: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(SCRIPT), *arguments],
        env=clean_environ(MLFLOW_TRACKING_URI=uri),
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def test_promote_selects_and_promotes(
    uri: str, fresh: Callable[..., str], run_cli: RunCli, tmp_path: Path
) -> None:
    """Without a config file: the best of the group by roc_auc, one document on standard output, the talk on stderr."""
    name = fresh(
        Spec(metrics={"roc_auc": 0.7}), Spec(metrics={"roc_auc": 0.9}), Spec(metrics={"roc_auc": 0.8})
    )
    done = run_cli(
        "promote",
        f"--models={name}",
        f"--tracking-uri={uri}",
        "--output=json",
        f"--report={tmp_path / 'r'}",
        "--approved-by=Grace\x1b[2J <g@x>",
        env={
            "BUILD_USER": "Ann\x9b2J",
            "BUILD_URL": "http://jenkins/job/1/",
            "MLOPS__NOTIFY__COMMAND": '["sleep", "1.1"]',  # the file and the output tell the same time all the same
        },
    )
    doc = done.doc
    assert (done.code, doc["schema"], doc["command"], doc["status"], doc["exit_code"]) == (
        0,
        1,
        "promote",
        "promoted",
        0,
    )
    assert (doc["model"], doc["version"], doc["method"], doc["previous"]) == (name, 2, "stage-archive", None)
    assert doc["production"] == [{"model": name, "version": 2}]
    assert [c["version"] for c in doc["selection"]["candidates"]] == [2, 3, 1]
    assert doc["notice"] is None
    assert f"Selected {name} v2 (0.9)" in done.stderr
    assert json.loads((tmp_path / "r" / "promote.json").read_text()) == doc
    assert (tmp_path / "r" / "promote.csv").read_text().splitlines()[0] == "method,try,outcome,seconds,detail"
    tags = client(uri).get_model_version(name, "2").tags
    assert (
        tags["jenkins_mlflow.promoted_by"] == "Ann\ufffd2J"
    )  # no control characters, which a terminal obeys
    assert tags["jenkins_mlflow.approved_by"] == "Grace\ufffd[2J <g@x>"
    assert tags["jenkins_mlflow.build_url"] == "http://jenkins/job/1/"
    assert tags["jenkins_mlflow.metric"] == "roc_auc=0.9"


def test_a_refused_promotion_is_in_the_report_of_its_build(
    uri: str, fresh: Callable[..., str], run_cli: RunCli, tmp_path: Path
) -> None:
    """The page of the selection before it is no longer all there is."""
    name, build = fresh(Spec(metrics={"roc_auc": 0.7})), {"BUILD_TAG": "jenkins-demo-1"}
    where = (f"--models={name}", f"--tracking-uri={uri}", "--output=json", "--report=r")
    assert run_cli("select", *where, env=build).code == 0
    done = run_cli("promote", f"--model={name}", "--version=9", *where, env=build)
    assert (done.code, done.doc["status"]) == (1, "error")
    assert json.loads((tmp_path / "r" / "promote.json").read_text()) == done.doc
    assert (tmp_path / "r" / "report.md").read_text().startswith(f"**promote failed: {done.doc['message']}")
    assert f"{name} v1" in (tmp_path / "r" / "candidates.svg").read_text()


def test_a_value_that_no_picture_can_show_fails_no_promotion(
    uri: str, fresh: Callable[..., str], run_cli: RunCli, tmp_path: Path
) -> None:
    """A training that diverged: its loss is in the table, and the others are in the picture."""
    name = fresh(Spec(metrics={"loss": 0.25}), Spec(metrics={"loss": 1e200}))
    where = (f"--models={name}", f"--tracking-uri={uri}", "--metric=loss", "--direction=minimize")
    done = run_cli("promote", *where, "--output=json", "--report=r")
    assert (done.code, done.doc["status"], done.doc["warnings"]) == (0, "promoted", [])
    assert f"{name} v1" in (tmp_path / "r" / "candidates.svg").read_text()
    assert "1e+200" in (tmp_path / "r" / "report.md").read_text()


def test_a_promotion_replaces_what_it_was_approved_over_and_nothing_else(
    uri: str, fresh: Callable[..., str], run_cli: RunCli
) -> None:
    """While a person thought about it another version went into production: refused, as long as it is not done."""
    name = fresh(Spec(metrics={"roc_auc": 0.7}), Spec(metrics={"roc_auc": 0.9}))
    where = (f"--models={name}", f"--tracking-uri={uri}", "--output=json")
    promote = ("promote", *where, f"--model={name}")
    assert run_cli("select", *where).doc["replaces"] is None
    first = run_cli(*promote, "--version=1", "--over=nothing")
    assert (first.code, first.doc["status"]) == (0, "promoted")
    assert run_cli("select", *where).doc["replaces"] == {"model": name, "version": 1, "value": 0.7}
    late = run_cli(*promote, "--version=2", "--over=nothing")
    assert (late.code, late.doc["status"]) == (1, "error")
    assert f"{name} version 2 was to replace nothing, but now it would replace {name}/1" in late.stderr
    assert client(uri).get_model_version(name, "2").current_stage == "None"
    assert run_cli(*promote, "--version=2", f"--over={name}/1").doc["status"] == "promoted"
    again = run_cli(*promote, "--version=2", f"--over={name}/1")
    assert (again.code, again.doc["status"]) == (0, "already"), "the agent was lost, and the stage runs again"
    kept = run_cli("promote", *where, f"--over={name}/2")
    assert (kept.code, kept.doc["status"]) == (0, "champion_kept"), (
        "nothing is promoted, and the approval fits"
    )
    other = run_cli("promote", *where, f"--over={name}/1", "--dry-run")
    assert f"a promotion was to replace {name}/1, but now it would replace {name}/2" in other.stderr


def test_all_that_a_promotion_replaces_is_named(uri: str, fresh: Callable[..., str], run_cli: RunCli) -> None:
    """A person moved the alias, so that another version has it than the stage: both left production."""
    name = fresh(Spec(), Spec(stage="Production"), Spec(aliases=("champion",)))
    done = run_cli("promote", f"--model={name}", "--version=1", f"--tracking-uri={uri}", "--output=json")
    assert done.doc["message"] == (
        f"promoted {name} version 1 by stage-archive, replacing {name} version 3 (alias champion) and "
        f"{name} version 2 (Production); verified in the registry"
    )
    assert done.doc["previous"] == {"model": name, "version": 3}
    assert done.doc["replaced"] == [{"model": name, "version": 3}, {"model": name, "version": 2}]


@pytest.mark.parametrize(
    ("specs", "flags", "code", "status"),
    [
        ([0.9], [], 0, "promoted"),
        ([0.8, 0.7], ["first"], 0, "champion_kept"),
        ([0.8], ["--metric=nope"], 3, "no_candidate"),
        ([0.8], ["--dry-run"], 0, "planned"),
        ([], [], 3, "no_candidate"),
    ],
)
def test_promote_ends_by_what_is_to_do_next(
    specs: list[float],
    flags: list[str],
    code: int,
    status: str,
    uri: str,
    fresh: Callable[..., str],
    run_cli: RunCli,
) -> None:
    """0 for promoted, kept and planned; 3 when nothing passes."""
    name = fresh(*(Spec(metrics={"roc_auc": value}) for value in specs))
    if "first" in flags:
        client(uri).transition_model_version_stage(name, "1", "Production")
    given = [flag for flag in flags if flag.startswith("--")]
    done = run_cli("promote", f"--models={name}", f"--tracking-uri={uri}", "--output=json", *given)
    assert (done.code, done.doc["exit_code"], done.doc["status"]) == (code, code, status)


@pytest.mark.parametrize("command", ["select", "list"])
def test_a_pattern_that_matches_nothing_names_the_nearest(
    command: str, uri: str, fresh: Callable[..., str], run_cli: RunCli
) -> None:
    """A mistyped name is no empty group."""
    name = fresh(Spec(metrics={"roc_auc": 0.9}))
    done = run_cli(
        command, f"--models={name}", f"--models={name}-x*", f"--tracking-uri={uri}", "--output=json"
    )
    assert (done.code, done.doc["status"]) == (2, "error")
    assert done.doc["message"] == f'"{name}-x*" matches no registered model; the nearest name is "{name}"'


def test_gates_come_from_the_config(
    uri: str, fresh: Callable[..., str], run_cli: RunCli, tmp_path: Path
) -> None:
    """mlops.yaml in the working directory is found; its gate rejects; exit 3; nothing is promoted."""
    name = fresh(Spec(metrics={"roc_auc": 0.7}))
    (tmp_path / "mlops.yaml").write_text(
        f'tracking_uri: {uri}\nmodels: {name}\nselect: {{gates: {{roc_auc: ">= 0.8"}}}}\n'
    )
    done = run_cli("select", "--output=json")
    assert (done.code, done.doc["status"], done.doc["selected"]) == (3, "no_candidate", None)
    assert done.doc["candidates"][0]["reason"] == "roc_auc 0.7 is not >= 0.8"
    assert done.doc["candidates"][0]["gates"] == [
        {"metric": "roc_auc", "rule": ">= 0.8", "value": 0.7, "passed": False}
    ]


def test_a_flag_beats_the_environment_beats_the_file(
    uri: str, fresh: Callable[..., str], run_cli: RunCli, tmp_path: Path
) -> None:
    """The order of the layers, seen in the metric that a select reports."""
    name = fresh(Spec())
    (tmp_path / "mlops.yaml").write_text(
        f"tracking_uri: {uri}\nmodels: {name}\nselect: {{metric: from_file}}\n"
    )
    env = {"MLOPS__SELECT__METRIC": "from_env"}
    assert run_cli("select", "--output=json").doc["metric"] == "from_file"
    assert run_cli("select", "--output=json", env=env).doc["metric"] == "from_env"
    assert run_cli("select", "--output=json", "--metric=from_flag", env=env).doc["metric"] == "from_flag"


def test_another_registry_in_the_environment_is_a_warning(
    uri: str, fresh: Callable[..., str], run_cli: RunCli
) -> None:
    """MLflow's client would use it, so a training script registers versions where no command looks for them."""
    name = fresh(Spec())
    for registry, warned in ((f"{uri}/", False), ("http://other:secret@registry.example:80/x/", True)):
        done = run_cli(
            "list", name, "--tracking-uri", uri, "--output=json", env={"MLFLOW_REGISTRY_URI": registry}
        )
        expected = (
            f"MLFLOW_REGISTRY_URI is http://registry.example/x: this command uses the registry of the tracking URI, "
            f"{uri}, but MLflow's client, such as in a training script, registers versions in the former"
        )
        assert (done.code, done.doc["warnings"]) == (0, [expected] if warned else [])
    done = run_cli(
        "list", name, "--tracking-uri", uri, "--output=json", env={"MLFLOW_REGISTRY_URI": "http://[x"}
    )
    assert done.code == 0, "no address at all"
    assert done.doc["warnings"][0].startswith("MLFLOW_REGISTRY_URI is http://[x: this command uses ")


def test_an_error_that_is_maximized_by_default_is_a_warning(
    uri: str, fresh: Callable[..., str], run_cli: RunCli
) -> None:
    """The worst model would be promoted; whoever writes the direction means it."""
    name = fresh(Spec({"rmse": 1.0}), Spec({"rmse": 9.0}))
    where = (f"--models={name}", f"--tracking-uri={uri}", "--metric=rmse", "--output=json")
    expected = (
        "select.metric is rmse, of which small values are usually good, but the largest is chosen by default: "
        "set select.direction to minimize, or to maximize if that is meant"
    )
    for command in (("select",), ("promote", "--dry-run")):
        assert run_cli(*command, *where).doc["warnings"] == [expected]
        for direction in ("minimize", "maximize"):
            assert run_cli(*command, *where, f"--direction={direction}").doc["warnings"] == []
    env = {"MLOPS__SELECT__METRIC": "rmse"}
    diagnosed = run_cli("doctor", f"--models={name}", f"--tracking-uri={uri}", "--output=json", env=env)
    found = {finding["what"]: finding for finding in diagnosed.doc["findings"]}
    assert (diagnosed.code, found["direction"]["status"]) == (0, "note")
    assert "; ".join((found["direction"]["message"], found["direction"]["fix"])) == expected.replace(
        ": ", "; "
    )


def test_by_hand_is_exit_4_with_a_notice(
    make_server: MakeServer,
    make_proxy: Callable[[Server], CountingProxy],
    fresh: Callable[..., str],
    run_cli: RunCli,
    tmp_path: Path,
) -> None:
    """Every method fails: the notice is on stderr even when quiet, in two files, and in the document."""
    name = fresh(Spec(metrics={"roc_auc": 0.7}))
    proxy = make_proxy(make_server())
    proxy.inject(respond(500), method="POST", path="transition-stage")
    proxy.inject(respond(500), method="POST", path="registered-models/alias")
    done = run_cli("promote", f"--models={name}", f"--tracking-uri={proxy.url}", "--output=json", "--quiet")
    assert (done.code, done.doc["status"]) == (4, "manual")
    notice = done.doc["notice"]
    assert f"PROMOTE BY HAND: {name} version 1 -> stage Production" in done.stderr
    assert notice["text"].strip() in done.stderr
    assert (tmp_path / "mlflow-report" / "notice.txt").read_text() == notice["text"]
    assert (tmp_path / "mlflow-report" / "notice.md").read_text().startswith("# PROMOTE BY HAND")
    assert f"{proxy.url}/#/models/{name}/versions/1" in notice["text"]


def test_an_affected_server_without_its_folder(make_server: MakeServer, run_cli: RunCli) -> None:
    """The incident: 3.3.2 on files, no folder: exit 4 within 15 s, and the notice says that the UI fails too."""
    server = make_server("3.3.2", "file")
    seed(server.url, {"incident": [Spec(metrics={"roc_auc": 0.9}, linked=True)]})
    started = time.monotonic()
    done = run_cli("promote", "--models=incident", f"--tracking-uri={server.url}", "--output=json")
    assert time.monotonic() - started < 15
    assert (done.code, done.doc["status"]) == (4, "partial")
    assert "No: the server is MLflow 3.3.2 and keeps its registry in files" in done.doc["notice"]["text"]
    fixed = run_cli(
        "promote",
        "--model=incident",
        "--version=1",
        f"--tracking-uri={server.url}",
        "--output=json",
        env={"MLOPS__PROMOTE__FILE_STORE": server.store_uri},
    )
    assert (fixed.code, fixed.doc["status"], fixed.doc["method"]) == (0, "promoted", "file-store")


@pytest.mark.parametrize("output", ["csv", "md", "text"])
def test_every_form_has_every_version(
    output: str, uri: str, fresh: Callable[..., str], run_cli: RunCli
) -> None:
    """The tree, CSV and Markdown of a list come from the same document."""
    name = fresh(Spec(metrics={"roc_auc": 0.25}), Spec(stage="Production", aliases=("champion",)))
    done = run_cli("list", f"--models={name}", f"--tracking-uri={uri}", f"--output={output}")
    assert done.code == 0
    assert name in done.stdout
    assert "0.25" in done.stdout
    lines = done.stdout.splitlines()
    expected = {"csv": 3, "md": 4, "text": 4}
    assert len(lines) == expected[output]
    if output == "text":
        assert lines[0] == f"📦 {name}"
        assert lines[1].startswith("   🏆 Version 2 - Stage: Production  @champion  ")


def test_cleanup_without_a_terminal_needs_yes(uri: str, fresh: Callable[..., str], run_cli: RunCli) -> None:
    """Nobody to ask: refused before anything is deleted; --dry-run shows, --yes deletes."""
    name = fresh(Spec(), Spec(), Spec())
    base = ("cleanup", f"--models={name}", "--keep-last=1", f"--tracking-uri={uri}", "--output=json")
    refused = run_cli(*base)
    assert (refused.code, refused.doc["status"]) == (1, "error")
    assert refused.doc["error"]["state"] == "nothing was deleted"
    dry = run_cli(*base, "--dry-run")
    assert (dry.code, dry.doc["status"]) == (0, "planned")
    assert len(client(uri).search_model_versions(f"name = '{name}'")) == 3
    done = run_cli(*base, "--yes")
    assert (done.code, done.doc["status"]) == (0, "deleted")
    assert [v.version for v in client(uri).search_model_versions(f"name = '{name}'")] == ["3"]
    again = run_cli(*base, "--yes")
    assert (again.code, again.doc["status"]) == (0, "nothing")


@pytest.mark.parametrize(("answer", "remaining"), [("", 2), ("n", 2), ("y", 1)])
def test_cleanup_asks_at_a_terminal(answer: str, remaining: int, uri: str, fresh: Callable[..., str]) -> None:
    """At a real terminal the question is asked, and Enter means no."""
    name = fresh(Spec(), Spec())
    master, terminal = pty.openpty()
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "jenkins_mlflow",
            "cleanup",
            f"--model={name}",
            "--keep-last=1",
            f"--tracking-uri={uri}",
        ],
        stdin=terminal,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=clean_environ(),
        text=True,
    )
    os.write(master, f"{answer}\n".encode())
    _, said = process.communicate(timeout=60)
    os.close(master)
    os.close(terminal)
    assert process.returncode == 0
    question = f"⚠️  Delete old versions of {name} (keeping last 1)? [y/N]: "
    assert f"\n1 version of 1 model would be deleted\n{question}" in said
    assert len(client(uri).search_model_versions(f"name = '{name}'")) == remaining


def test_the_script_lists(uri: str, fresh: Callable[..., str]) -> None:
    """promote-model.py --list shows the tree of all models."""
    name = fresh(Spec(), Spec(stage="Production"), Spec(stage="Archived"))
    done = script("--list", uri=uri)
    assert done.returncode == 0
    tree = f"📦 {name}\n   📌 Version 3 - Stage: Archived\n   🏆 Version 2 - Stage: Production\n"
    assert f"{tree}   📌 Version 1 - Stage: None\n" in done.stdout


def test_list_takes_models(uri: str, fresh: Callable[..., str], run_cli: RunCli) -> None:
    """`list MODEL...` is `list --models MODEL ...`."""
    one, two = fresh(Spec()), fresh(Spec())
    done = run_cli("list", one, two, f"--tracking-uri={uri}", "--output=json")
    assert [model["name"] for model in done.doc["models"]] == sorted([one, two])


def test_a_document_names_the_build_or_null(uri: str, fresh: Callable[..., str], run_cli: RunCli) -> None:
    """Also that of a command that failed."""
    name = fresh(Spec())
    for model, code in ((name, 0), (f"{name}-x", 2)):
        argv = ("list", model, f"--tracking-uri={uri}", "--output=json")
        outside, inside = run_cli(*argv), run_cli(*argv, env={"BUILD_TAG": "jenkins-a-7"})
        assert (outside.code, outside.doc["build"]) == (code, None)
        assert (inside.code, inside.doc["build"]) == (code, "jenkins-a-7")


def test_the_script_cleans_up_one_model(uri: str, fresh: Callable[..., str]) -> None:
    """--cleanup MODEL 2 with production at 5 of 5: 4 and 3 stay, 2 and 1 go, without a question."""
    name = fresh(Spec(), Spec(), Spec(), Spec(), Spec(stage="Production"))
    done = script("--cleanup", name, "2", uri=uri)
    assert done.returncode == 0, done.stderr
    assert sorted(int(v.version) for v in client(uri).search_model_versions(f"name = '{name}'")) == [3, 4, 5]


@pytest.mark.parametrize(("answer", "remaining"), [("\n", 5), ("", 5), ("n\n", 5), ("y\n", 3)])
def test_the_script_asks_before_it_cleans_up_everything(answer: str, remaining: int, tmp_path: Path) -> None:
    """--cleanup asks the question that people know; Enter and the end of input mean no."""
    store = f"sqlite:///{tmp_path / 'mlflow.db'}"
    seed(store, {"all": [Spec()] * 5})
    done = script("--cleanup", uri=store, stdin=answer)
    assert done.returncode == 0
    question = "⚠️  Delete old versions of ALL models (keeping last 3)? [y/N]: "
    assert f"\n2 versions of 1 model would be deleted\n{question}" in done.stderr
    versions = client(store).search_model_versions("name = 'all'")
    assert len(versions) == remaining


def test_the_script_promotes(uri: str, fresh: Callable[..., str]) -> None:
    """--auto takes the best by metric, MODEL VERSION that version, MODEL the newest."""
    name = fresh(Spec(metrics={"roc_auc": 0.9}), Spec(metrics={"roc_auc": 0.8}))

    def production() -> list[str]:
        return [
            v.version
            for v in client(uri).search_model_versions(f"name = '{name}'")
            if v.current_stage == "Production"
        ]

    assert script("--auto", "--models", name, uri=uri).returncode == 0
    assert production() == ["1"]
    assert script(name, uri=uri).returncode == 0
    assert production() == ["2"]
    assert script(name, "1", uri=uri).returncode == 0
    assert production() == ["1"]


def test_an_abort_during_cleanup_says_what_was_done(
    make_server: MakeServer, make_proxy: Callable[[Server], CountingProxy], fresh: Callable[..., str]
) -> None:
    """SIGTERM while deleting: exit 143, and the document knows what is gone and what was not reached."""
    name = fresh(*[Spec()] * 30)
    proxy = make_proxy(make_server())
    proxy.inject(delay(0.4), path="model-versions/delete")
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "jenkins_mlflow",
            "cleanup",
            f"--model={name}",
            "--keep-last=0",
            "--allow-remove-all",
            "--yes",
            "--output=json",
            f"--tracking-uri={proxy.url}",
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=clean_environ(),
        text=True,
    )
    deadline = time.monotonic() + 60
    # with 8 workers the tenth request means that the first deletions have ended
    while sum("model-versions/delete" in r.path for r in proxy.requests) < 10 and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    out, said = process.communicate(timeout=60)
    doc = json.loads(out)
    gone = {i["version"] for i in doc["items"] if i["outcome"] == "deleted"}
    assert (process.returncode, doc["status"], doc["exit_code"]) == (143, "stopped", 143)
    assert "interrupted by SIGTERM" in said
    assert "Traceback" not in said
    assert 0 < len(gone) < 30
    kept = {int(v.version) for v in client(make_server().url).search_model_versions(f"name = '{name}'")}
    assert kept == set(range(1, 31)) - gone


def test_an_abort_before_the_first_write_changes_nothing(
    make_server: MakeServer, make_proxy: Callable[[Server], CountingProxy], fresh: Callable[..., str]
) -> None:
    """SIGINT while reading: exit 130, no traceback."""
    name = fresh(Spec())
    proxy = make_proxy(make_server())
    proxy.inject(delay(5), path="registered-models/search")
    process = subprocess.Popen(
        [sys.executable, "-m", "jenkins_mlflow", "promote", f"--model={name}", f"--tracking-uri={proxy.url}"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=clean_environ(),
        text=True,
    )
    deadline = time.monotonic() + 60
    while not proxy.requests and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert said == "error: interrupted by SIGINT\n"


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_abort_while_people_are_told_keeps_the_result(
    number: signal.Signals, code: int, uri: str, fresh: Callable[..., str], tmp_path: Path
) -> None:
    """The promotion is done, and the program that tells of it hangs: the document says what was promoted."""
    name = fresh(Spec())
    tell = ["sh", "-c", f"touch {tmp_path / 'begun'}; sleep 600"]
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "jenkins_mlflow", "promote", f"--model={name}", "--output=json"),
            f"--tracking-uri={uri}",
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=clean_environ(MLOPS__NOTIFY__COMMAND=json.dumps(tell), MLOPS__NOTIFY__TIMEOUT="10m"),
        cwd=tmp_path,
        text=True,
    )
    deadline = time.monotonic() + 60
    while not (tmp_path / "begun").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(number)
    out, said = process.communicate(timeout=60)
    doc = documents.check(json.loads(out))
    done = f"promoted {name} version 1 by stage-archive; verified in the registry"
    assert (process.returncode, doc["exit_code"], doc["status"], doc["message"]) == (
        code,
        code,
        "promoted",
        done,
    )
    assert (doc["model"], doc["version"], doc["production"]) == (name, 1, [{"model": name, "version": 1}])
    left = "the report may not be complete, and perhaps nobody was notified"
    state = f"the command itself ended with exit code 0: {done}; {left}"
    assert doc["error"] == {
        "type": "Interrupted",
        "message": f"interrupted by {number.name}",
        "state": state,
        "next_step": "",
    }
    assert f"error: interrupted by {number.name}\nstate: {state}\n" in said
    assert "Traceback" not in said


def test_a_reader_that_leaves_is_no_traceback(uri: str, fresh: Callable[..., str]) -> None:
    """`jenkins-mlflow list | head -1` ends quietly."""
    name = fresh(*[Spec()] * 3)
    done = subprocess.run(
        ["bash", "-c", '"$0" -m jenkins_mlflow list --models "$1" | head -1', sys.executable, name],
        env=clean_environ(MLFLOW_TRACKING_URI=uri),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.stderr == ""


def test_schema_prints_json(run_cli: RunCli) -> None:
    """The schema names every section and needs no server."""
    schema = json.loads(run_cli("schema").stdout)
    assert set(schema["properties"]) == {
        "models",
        "tracking_uri",
        "train",
        "select",
        "promote",
        "servers",
        "cleanup",
        "notify",
        "ui",
    }


def test_help_needs_neither_server_nor_mlflow(run_cli: RunCli) -> None:
    """Help, schema and a refused config never import MLflow, which takes over a second."""
    code = (
        "import sys; from jenkins_mlflow.cli.main import run; "
        "run(['select', '--help']); print('mlflow' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=clean_environ()
    )
    assert done.stdout.endswith("False\n")


def test_every_command_and_option_has_help() -> None:
    """Nothing undocumented gets in."""
    for name, command in cli.commands.items():
        assert command.help, name
        assert not [
            p.name for p in command.params if p.param_type_name == "option" and not getattr(p, "help", "")
        ], name


def test_a_selection_of_one_build_reads_no_other_runs(
    uri: str, make_server: MakeServer, make_proxy: Callable[[Server], CountingProxy], run_cli: RunCli
) -> None:
    """The build's own, and that of the champion; it comes to the same as when all are read."""
    name = fresh_name()
    build = {"jenkins_mlflow.build": "b-7"}
    specs = [Spec(metrics={"roc_auc": 0.95}), Spec(metrics={"roc_auc": 0.7}, stage="Production")]
    seed(make_server().store_uri, {name: [*specs, Spec(metrics={"roc_auc": 0.8}, run_tags=build)]}, "scope")
    proxy = make_proxy(make_server())
    selected = run_cli(
        "select",
        f"--models={name}",
        f"--tracking-uri={proxy.url}",
        "--scope=build",
        "--build=b-7",
        "--output=json",
    )
    doc = selected.doc
    assert (doc["status"], doc["selected"]["version"], doc["champion"]["value"]) == ("selected", 3, 0.7)
    assert [(item["version"], item["value"]) for item in doc["candidates"]] == [(3, 0.8), (2, 0.7), (1, None)]
    assert doc["candidates"][2]["reason"] == "not trained by build b-7"
    searched = [request.body for request in proxy.requests if request.path.endswith("runs/search")]
    assert len(searched) == 2


def test_select_writes_the_gates_report_beside_its_result(
    make_server: MakeServer, run_cli: RunCli, tmp_path: Path
) -> None:
    """Only where a report folder was asked for."""
    server = make_server()
    seed(server.url, {"gated": [Spec(metrics={"roc_auc": 0.9})]})
    arguments = ("select", "--models=gated", f"--tracking-uri={server.url}")
    assert run_cli(*arguments).code == 0
    assert not list(tmp_path.iterdir())
    assert run_cli(*arguments, "--report=out").code == 0
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        ".jenkins-mlflow-report",
        "candidates.svg",
        "gates.xml",
        "index.html",
        "report.css",
        "report.md",
        "select.csv",
        "select.json",
    }
