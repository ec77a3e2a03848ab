"""A file store becomes a database that answers the same, whoever wrote it and wherever the copy is killed."""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import RunCli
from mlflow import MlflowClient
from mlflow.entities import Dataset, DatasetInput, LoggedModelOutput, Trace, ViewType
from support.environments import OWN_VERSION, mlflow_python
from support.postgres import Postgres
from support.seeding import Spec, client, seed
from support.servers import Store, clean_environ, start_server
from support.thorough import THOROUGH

WRITER = Path(__file__).parents[1] / "support" / "file_store.py"
YEAR = WRITER.with_name("year_store.py")
VERSIONS = ("2.22.4", "3.3.2", OWN_VERSION) if THOROUGH else ("3.3.2", OWN_VERSION)
KILLED = """
import os, sys
from jenkins_mlflow.migration import target
from jenkins_mlflow.cli.main import main
left = [int(sys.argv.pop(1))]
execute = target._Batch.flush
def flush(batch):
    execute(batch)
    left[0] -= 1
    if left[0] < 0:
        os.kill(os.getpid(), 9)
target._Batch.flush = flush
main()
"""


@pytest.fixture(scope="module")
def make_store(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """``make_store(version)``: a file store that this MLflow has filled; nobody may change it."""
    made: dict[str, Path] = {}

    def make(version: str) -> Path:
        if version not in made:
            folder = tmp_path_factory.mktemp("store") / "mlruns"
            subprocess.run(
                [str(mlflow_python(version)), str(WRITER), str(folder), "3000"],
                env=clean_environ(),
                cwd=folder.parent,
                check=True,
                capture_output=True,
            )
            made[version] = folder
        return made[version]

    return make


def everything(folder: Path) -> dict[str, tuple[int, bytes]]:
    return {
        str(path): (path.stat().st_mtime_ns, path.read_bytes() if path.is_file() else b"")
        for path in folder.rglob("*")
    }


def targets(tmp_path: Path, kind: str, request: pytest.FixtureRequest) -> str:
    if kind == "sqlite":
        return f"sqlite:///{tmp_path / 'new' / 'mlflow.db'}"
    postgres: Postgres = request.getfixturevalue("postgres")
    return postgres.create_database()


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
@pytest.mark.parametrize("version", VERSIONS)
def test_a_file_store_becomes_a_database(
    version: str,
    kind: str,
    make_store: Callable[[str], Path],
    run_cli: RunCli,
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> None:
    """Planned, copied, found to be there already, refused when it has changed; the source is as it was."""
    if not THOROUGH and (version, kind) not in (("3.3.2", "sqlite"), (OWN_VERSION, "postgresql")):
        pytest.skip("make test-faults has every version on every database")
    folder, uri = make_store(version), targets(tmp_path, kind, request)
    before = everything(folder)
    argv = ("migrate", f"--from={folder}", f"--to={uri}", "--output=json", "--skip-unreadable")
    planned = run_cli(*argv, "--dry-run")
    assert (planned.code, planned.doc["status"]) == (0, "planned"), planned.stderr
    assert not (tmp_path / "new").exists()
    done = run_cli(*argv)
    assert (done.code, done.doc["status"], done.doc["differences"]) == (0, "migrated", []), done.stderr
    items = {item["kind"]: (item["found"], item["verified"]) for item in done.doc["items"]}
    assert items["runs"] == (4, 4)
    assert items["experiments"] == (3, 3)
    assert items["metric points"][0] == items["metric points"][1] > 3000
    assert items["aliases"] == (4, 4)
    assert everything(folder) == before
    mlflow = client(uri)
    versions = {
        int(version.version): version.current_stage
        for version in mlflow.search_model_versions("name='churn'")
    }
    unchanged = dict.fromkeys(range(1, 5), "None")  # MLflow 3.3.2 could neither change stages nor delete
    wanted = unchanged if version == "3.3.2" else {1: "Archived", 2: "Production", 3: "Staging"}
    assert versions == wanted
    number = mlflow.create_experiment("made afterwards")
    again = run_cli(*argv)
    assert again.code == 1
    assert "holds other data" in again.doc["error"]["message"]
    assert re.search(
        r"migrated into it before \(\d+ of \d+ items are the same\)", again.doc["error"]["next_step"]
    )
    promoted = run_cli("promote", "--model=churn", "--version=3", f"--tracking-uri={uri}", "--output=json")
    assert promoted.code == 0, promoted.stderr
    if kind == "postgresql":
        assert int(number) < 100
        assert len(done.doc["renumbered"]) == 2


@pytest.fixture(scope="module")
def year(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    """A file store with what a year of use leaves in it, and the ids of some of its parts; nobody may change it."""
    folder = tmp_path_factory.mktemp("year") / "mlruns"
    done = subprocess.run(
        [sys.executable, str(YEAR), str(folder)],
        env=clean_environ(),
        cwd=folder.parent,
        check=True,
        capture_output=True,
        text=True,
    )
    return folder, json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_all_of_a_year_is_in_the_database_or_named(
    kind: str,
    year: tuple[Path, dict[str, str]],
    run_cli: RunCli,
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> None:
    folder, ids = year
    uri = targets(tmp_path, kind, request)
    done = run_cli("migrate", f"--from={folder}", f"--to={uri}", "--output=json")
    assert (done.code, done.doc["status"], done.doc["differences"]) == (0, "migrated", []), (
        done.stdout + done.stderr
    )
    assert {item["kind"]: (item["found"], item["verified"]) for item in done.doc["items"]} == {
        "experiments": (5, 5),
        "runs": (17, 17),
        "metric points": (36, 36),
        "params": (6, 6),
        "tags": (25, 25),
        "datasets": (3, 2),  # one is that of a run that is gone
        "logged models": (5, 4),  # one is deleted
        "traces": (1, 1),
        "assessments": (12, 12),
        "registered models": (6, 6),
        "versions": (11, 9),  # two are deleted
        "aliases": (3, 3),
    }
    crowded, elsewhere, datasets, session, orphans = done.doc["warnings"]
    assert crowded == (
        "left out: 4 metric points of 1 logged model with the step, time and run of another point; a database has only "
        "one of them, here the greatest for the first dataset"
    )
    assert elsewhere == (
        "left out: 3 metric points of 1 logged model, logged by runs of another experiment; MLflow's file store does "
        "not show them either, and the runs have them"
    )
    assert datasets == (
        "left out: the dataset of 6 metric points of 2 runs; a database has it only for the metrics of logged models"
    )
    assert session == "the session of 1 trace is cut to 250 characters, which is what a database can hold"
    assert orphans == (
        "1 metric of 1 logged model belong to runs that no longer exist or are left out; a database cannot contain them"
    )
    before, after = client(folder.as_uri()), client(uri)
    for run in ("evaluation", "run"):
        assert linked(after, ids[run]) == linked(before, ids[run])
    assert linked(after, ids["evaluation"]) == ([ids["model"]], [])
    assert after.get_run(ids["run"]).data.metrics["tied"] == 0.7
    points = [
        (point.key, point.step, point.value) for point in after.get_logged_model(ids["model"]).metrics or ()
    ]
    assert sorted(point for point in points if point[0] in ("loss", "tied")) == [
        *(("loss", step, 1 / (step + 1)) for step in range(5)),
        ("tied", 0, 0.7),
    ]
    one, other = (mlflow.get_trace(ids["trace"]) for mlflow in (before, after))
    assert (other.info.tags, other.data.to_dict()) == (one.info.tags, one.data.to_dict())
    assert assessed(other) == assessed(one)
    assert assessed(other)[ids["expectation"]][0] == {"a": [1]}


def linked(mlflow: MlflowClient, run: str) -> tuple[list[str], list[tuple[str, int]]]:
    """The logged models that a run has read, and those that it made, with their steps."""
    found = mlflow.get_run(run)
    assert found.inputs
    assert found.outputs
    made = [(each.model_id, each.step) for each in found.outputs.model_outputs]
    return [each.model_id for each in found.inputs.model_inputs], made


def assessed(trace: Trace) -> dict[str, tuple[Any, ...]]:
    """The assessments of a trace: value and times of each by its id."""
    found: list[Any] = trace.info.assessments
    return {each.assessment_id: (each.value, each.create_time_ms, each.last_update_time_ms) for each in found}


def damaged_store(folder: Path) -> Path:
    """A file store with two good things, and with one file damaged in each of the others."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
        mlflow = MlflowClient(tracking_uri=folder.as_uri(), registry_uri=folder.as_uri())
        mlflow.create_registered_model("m")
        for name in ("good", "latin", "cut", "empty"):
            run = mlflow.create_run("0", run_name=name).info.run_id
            mlflow.log_param(run, "who", name)
            mlflow.log_metric(run, "auc", 0.5)
            model = mlflow.create_logged_model("0", name=name, source_run_id=run, params={"who": name})
            mlflow.log_metric(run, "loss", 0.1, model_id=model.model_id)
            mlflow.create_model_version("m", f"{folder.as_uri()}/0/{run}/artifacts", run, tags={"who": name})
    for path in folder.rglob("who"):
        if path.read_text(encoding="utf-8") == "latin":
            path.write_bytes(b"caf\xe9")
    damages = {"cut": "1700000000000 0.5 0\n17", "empty": ""}
    for name, text in damages.items():
        run_folder = next(
            path.parents[1] for path in folder.glob("0/*/params/who") if path.read_bytes() == name.encode()
        )
        (run_folder / "metrics" / "auc").write_text(text, encoding="utf-8")
    return folder


def test_one_damaged_file_is_named_and_only_what_it_belongs_to_is_left_out(
    run_cli: RunCli, tmp_path: Path
) -> None:
    """A param that is no UTF-8, a metric whose last line is cut off, and an empty one, as a full disk leaves it."""
    folder = damaged_store(tmp_path / "mlruns")
    argv = ("migrate", f"--from={folder}", f"--to=sqlite:///{tmp_path}/m.db", "--output=json")
    first, *named = run_cli(*argv, "--dry-run").doc["error"]["message"].splitlines()
    assert first == "these files cannot be read:"
    assert sorted(re.sub("/[^/]{32}/|/m-[^/]*/", "/ID/", name) for name in named) == [
        "0/ID/metrics/auc",
        "0/ID/metrics/auc",
        "0/ID/params/who",
        "0/models/ID/params/who",
        "models/m/version-2/tags/who",
    ]
    done = run_cli(*argv, "--skip-unreadable")
    assert (done.code, done.doc["status"], done.doc["differences"]) == (0, "migrated", []), done.stderr
    items = {item["kind"]: (item["found"], item["verified"]) for item in done.doc["items"]}
    assert (items["runs"], items["logged models"], items["versions"]) == ((1, 1), (3, 3), (3, 3))


def described_store(folder: Path) -> None:
    """A file store with four runs; each has a dataset, and a logged model among its outputs."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
        mlflow = MlflowClient(tracking_uri=folder.as_uri(), registry_uri=folder.as_uri())
        for name in ("model", "input", "output", "good"):
            run = mlflow.create_run("0", run_name=name).info.run_id
            mlflow.log_inputs(run, [DatasetInput(Dataset(name, f"digest of {name}", "local", "x"))])
            model = mlflow.create_logged_model("0", name=name, source_run_id=run)
            mlflow.log_outputs(run, [LoggedModelOutput(model.model_id, 0)])


def test_a_description_that_is_no_mapping_is_named_and_left_out(run_cli: RunCli, tmp_path: Path) -> None:
    """Of a logged model, of a run's input and output, and of a dataset: a list, and an empty file."""
    folder = tmp_path / "mlruns"
    described_store(folder)
    of_run = {path.parent.name: path.read_text() for path in folder.glob("0/*/meta.yaml")}
    runs = {
        name: run
        for run, text in of_run.items()
        for name in ("input", "output")
        if f"run_name: {name}" in text
    }
    damaged = [
        next(path for path in folder.glob("0/models/*/meta.yaml") if "name: model\n" in path.read_text()),
        next(folder.glob(f"0/{runs['input']}/inputs/*/meta.yaml")),
        next(folder.glob(f"0/{runs['output']}/outputs/*/meta.yaml")),
        next(path for path in folder.glob("0/datasets/*/meta.yaml") if "name: input\n" in path.read_text()),
    ]
    for path, text in zip(damaged, ("- a\n", "- a\n", "", ""), strict=True):
        path.write_text(text)
    argv = ("migrate", f"--from={folder}", f"--to=sqlite:///{tmp_path}/m.db", "--output=json")
    first, *named = run_cli(*argv, "--dry-run").doc["error"]["message"].splitlines()
    assert first == "these files cannot be read:"
    assert sorted(named) == sorted(str(path.relative_to(folder)) for path in damaged)
    done = run_cli(*argv, "--skip-unreadable")
    assert (done.code, done.doc["status"], done.doc["differences"]) == (0, "migrated", []), done.stderr
    items = {item["kind"]: (item["found"], item["verified"]) for item in done.doc["items"]}
    assert (items["runs"], items["logged models"]) == ((2, 2), (3, 3))


def test_what_cannot_be_read_is_refused_and_named(
    make_store: Callable[[str], Path], run_cli: RunCli, tmp_path: Path
) -> None:
    """MLflow 3.3.2 leaves an empty version behind when it fails to rename a model."""
    done = run_cli(
        "migrate", f"--from={make_store('3.3.2')}", f"--to=sqlite:///{tmp_path}/m.db", "--output=json"
    )
    assert (done.code, done.doc["error"]["type"]) == (1, "Refused")
    assert done.doc["error"]["message"].splitlines() == [
        "these files cannot be read:",
        "models/new name/version-1/meta.yaml",
    ]
    assert not list(tmp_path.glob("m.db*"))


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"] if THOROUGH else ["sqlite"])
def test_killed_at_any_batch_it_converges(
    kind: str,
    make_store: Callable[[str], Path],
    run_cli: RunCli,
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> None:
    """Kill -9 before each unit is committed, one after the other; the last run finds the rest and verifies all."""
    folder, uri = make_store(OWN_VERSION), targets(tmp_path, kind, request)
    argv = ["migrate", f"--from={folder}", f"--to={uri}", "--output=json"]
    counts: list[int] = []
    for at in range(20 if THOROUGH else 4):
        done = subprocess.run(
            [sys.executable, "-c", KILLED, str(0 if THOROUGH else at), *argv],
            env=clean_environ(),
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != -signal.SIGKILL:
            assert done.returncode == 0, done.stderr
            break
        counts.append(at)
        if THOROUGH and at > 2:
            break
    assert counts
    finished = run_cli(*argv)
    assert finished.doc["status"] in {"migrated", "already"}, finished.stderr
    again = run_cli(*argv)
    assert (again.code, again.doc["status"]) == (0, "already"), again.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "migrate needs --from and --to, or --stages-to-aliases (with --map for other aliases)"),
        (
            ["--from=x"],
            "migrate needs --from and --to, or --stages-to-aliases (with --map for other aliases)",
        ),
        (
            ["--from=nowhere", "--to=sqlite:///x.db"],
            "there is no MLflow file store in {}/nowhere: the folder does not exist",
        ),
        (
            ["--from=nowhere", "--to=http://u:secret@h"],
            "--to http://***@h is not a database that can be migrated to",
        ),
        (["--from=nowhere", "--to=sqlite:///"], "--to sqlite:/// is not a database that can be migrated to"),
        (["--stages-to-aliases", "--map=Foo=x"], "Invalid value for '--map'"),
        (
            ["--stages-to-aliases", "--map=Staging=champion", "--tracking-uri=sqlite:///no.db"],
            "alias champion means production (promote.alias), so the version in Staging cannot have it",
        ),
    ],
)
def test_bad_usage_is_refused(arguments: list[str], message: str, run_cli: RunCli, tmp_path: Path) -> None:
    """Before anything is read or made."""
    done = run_cli("migrate", *arguments, "--output=json")
    assert done.code == 2
    assert message.format(tmp_path) in done.doc["error"]["message"]
    assert list(tmp_path.iterdir()) == []


def test_the_alias_of_production_is_to_be_configured(run_cli: RunCli, tmp_path: Path) -> None:
    """The advice makes a config that moves this alias; the document has it, too."""
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    seed(uri, {"m": [Spec(stage="Production")]})
    argv = ("migrate", "--stages-to-aliases", "--map=Production=live", f"--tracking-uri={uri}")
    planned = run_cli(*argv, "--dry-run", "--output=json").doc
    assert planned["config"] == ["promote.stage: null", "promote.alias: live", "promote.methods: [alias]"]
    done = run_cli(*argv)
    assert done.code == 0, done.stderr
    assert done.stdout.endswith(
        "next:  load models by alias; then set promote.stage: null, promote.alias: live and promote.methods: [alias] "
        "in mlops.yaml\n"
    )


def test_a_password_is_shown_nowhere(make_store: Callable[[str], Path], run_cli: RunCli) -> None:
    """The database does not answer; the error names it without the login."""
    uri = "postgresql+psycopg://ada:hunter2@127.0.0.1:1/mlflow"
    done = run_cli("migrate", f"--from={make_store(OWN_VERSION)}", f"--to={uri}", "--output=json")
    assert (done.code, done.doc["error"]["type"]) == (1, "ConnectionFailed")
    assert "hunter2" not in done.stdout + done.stderr
    assert "postgresql+psycopg://***@127.0.0.1:1/mlflow" in done.doc["error"]["message"]


def answers(uri: str) -> dict[str, Any]:
    """What a server says of everything in it, by names that a migration keeps."""
    mlflow = client(uri)
    said: dict[str, Any] = {}
    experiments = mlflow.search_experiments(ViewType.ALL)
    for experiment in experiments:
        said[f"experiment {experiment.name}"] = (experiment.lifecycle_stage, experiment.tags)
        for run in mlflow.search_runs([experiment.experiment_id], run_view_type=ViewType.ALL):
            points = {key: points_of(mlflow, run.info.run_id, key) for key in run.data.metrics}
            inputs = run.inputs.dataset_inputs if run.inputs else []
            datasets = [(each.dataset.name, each.dataset.digest) for each in inputs]
            data = (
                run.info.status,
                run.info.lifecycle_stage,
                run.info.run_name,
                run.data.params,
                run.data.tags,
            )
            said[f"run {run.info.run_id}"] = (experiment.name, *data, points, datasets)
    for model in mlflow.search_registered_models():
        said[f"model {model.name}"] = (dict(model.aliases), model.tags, model.description)
    for found in mlflow.search_model_versions():
        one = mlflow.get_model_version(found.name, found.version)
        parts = (one.current_stage, one.tags, one.description, one.run_id, one.source, one.creation_timestamp)
        said[f"version {one.name} {one.version}"] = parts
    return said


def points_of(mlflow: MlflowClient, run: str, key: str) -> list[tuple[int, int, str]]:
    """A database takes a repeated point once, and has the largest number for an infinite one."""
    largest = {"inf": repr(sys.float_info.max), "-inf": repr(-sys.float_info.max)}
    values = {
        (point.step, point.timestamp, largest.get(repr(point.value), repr(point.value)))
        for point in mlflow.get_metric_history(run, key)
    }
    return sorted(values)


def test_a_server_on_the_new_database_gives_the_same_answers(
    make_store: Callable[[str], Path], run_cli: RunCli, tmp_path: Path
) -> None:
    """Asked over HTTP, one server on the folder and one on the database."""
    old, new, source = tmp_path / "old", tmp_path / "new", make_store(OWN_VERSION)
    shutil.copytree(source, old / "mlruns")  # a server may write into it
    assert run_cli("migrate", f"--from={source}", f"--to=sqlite:///{new}/mlflow.db").code == 0
    said = []
    stores: list[tuple[Path, Store]] = [(old, "file"), (new, "sqlite")]
    for folder, store in stores:
        server = start_server(folder, store=store)
        try:
            said.append(answers(server.url))
        finally:
            server.stop()
    before, after = said
    assert sum(name.startswith("run ") for name in before) == 4
    assert sum(name.startswith("version ") for name in before) > 3
    assert after.keys() == before.keys()
    for name, answer in before.items():
        assert after[name] == answer, name
