"""What training asks MLflow, against real servers of three versions and stores opened directly."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from conftest import MakeServer, RunCli
from jenkins_mlflow.build import BuildContext
from jenkins_mlflow.config.train import Train
from jenkins_mlflow.errors import RegistryError
from jenkins_mlflow.registry.client import Registry
from jenkins_mlflow.registry.connection import connect
from jenkins_mlflow.registry.retries import RetryPolicy
from jenkins_mlflow.tags import BUILD_TAG, CANDIDATE_TAG
from jenkins_mlflow.training.logged import RegisteredVersion
from jenkins_mlflow.training.plan import plan_training
from jenkins_mlflow.training.registered import MlflowTrainingRegistry
from jenkins_mlflow.training.run import gather, train
from mlflow import MlflowClient
from support.proxy import CountingProxy, drop_after
from support.seeding import Spec, client, seed
from support.servers import Server

STORES = {
    "3.17.2 on SQLite": {"version": "3.17.2", "store": "sqlite"},
    "3.17.2 on PostgreSQL": {"version": "3.17.2", "store": "postgresql"},
    "3.3.2 on files": {"version": "3.3.2", "store": "file"},
    "2.22.4 on SQLite": {"version": "2.22.4", "store": "sqlite"},
    "SQLite, opened directly": {},
    "files, opened directly": {},
}


@pytest.fixture(params=STORES)
def uri(request: pytest.FixtureRequest, make_server: MakeServer, tmp_path: Path) -> str:
    """The address of a server or store; servers are shared, so tests use names of their own."""
    arguments: dict[str, Any] = STORES[request.param]
    if arguments:
        return make_server(**arguments).url
    return f"sqlite:///{tmp_path}/mlflow.db" if "SQLite" in request.param else str(tmp_path / "mlruns")


@pytest.fixture
def unique(tmp_path: Path) -> str:
    """A model's name that no other test uses, with everything in it that an MLflow filter could trip over."""
    return f'it\'s "{tmp_path.name}" 📦'


@pytest.fixture
def experiment(tmp_path: Path) -> str:
    """An experiment's name of the test's own. Without quotes: MLflow's file store cannot find such experiments."""
    return f"{tmp_path.name} % 📦"


@pytest.fixture(autouse=True)
def _restore_mlflow(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Registering on a store opened directly sets MLflow's process-wide address."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "")
    yield
    import mlflow

    mlflow.set_tracking_uri("")


def training_registry(uri: str) -> MlflowTrainingRegistry:
    return MlflowTrainingRegistry(Registry(connect(uri, may_create=True), RetryPolicy(max_wait=0.1)))


def experiment_id(mlflow: MlflowClient, name: str) -> str:
    found = mlflow.get_experiment_by_name(name)
    assert found
    return str(found.experiment_id)


class Script:
    """What a training script does, with the tags that MLFLOW_RUN_CONTEXT gives it."""

    def __init__(self, uri: str, experiment: str, build: str) -> None:
        self._client = client(uri)
        self._experiment = experiment_id(self._client, experiment)
        self._build = build
        self.server_knows_models = True

    def run(self, candidate: str, *models: str, finish: bool = True) -> str:
        """Log a run with a metric and these models; its id. A server without logged models gets MLflow 2's tag."""
        from mlflow.exceptions import MlflowException

        tags = {BUILD_TAG: self._build, CANDIDATE_TAG: candidate}
        run = self._client.create_run(self._experiment, tags=tags, run_name=f"run of {candidate}")
        run_id: str = run.info.run_id
        self._client.log_metric(run_id, "roc_auc", 0.9)
        try:
            for name in models:
                made = self._client.create_logged_model(self._experiment, name, run_id, tags=tags)
                self._client.finalize_logged_model(made.model_id, "READY")
        except MlflowException:
            self.server_knows_models = False
            history = [{"run_id": run_id, "artifact_path": name} for name in models]
            self._client.set_tag(run_id, "mlflow.log-model.history", json.dumps(history))
        if finish:
            self._client.set_terminated(run_id)
        return run_id


def test_a_build_is_read_and_registered_everywhere(
    uri: str, experiment: str, unique: str, tmp_path: Path
) -> None:
    """Runs, models and versions of a build are found whatever the store; what is registered twice is there once."""
    registry = training_registry(uri)
    registry.prepare(experiment)
    registry.prepare(experiment)
    build = f"build of {tmp_path.name}"
    mine, other = Script(uri, experiment, build), Script(uri, experiment, f"{build} 2")
    first, second = mine.run("svm", "model"), mine.run("knn", "a", "b")
    other.run("svm", "model")

    runs = registry.runs_of_build(build)

    assert [(r.run_id, r.name, r.candidate, r.finished, dict(r.metrics)) for r in runs] == [
        (first, "run of svm", "svm", True, {"roc_auc": 0.9}),
        (second, "run of knn", "knn", True, {"roc_auc": 0.9}),
    ]
    assert registry.versions_of_runs([first, second]) == {}
    models = registry.models_of_runs(build, runs)
    assert {run: [m.name for m in found] for run, found in models.items()} == {
        first: ["model"],
        second: ["a", "b"],
    }

    made = [registry.register(models[run][-1], unique) for run in (first, second, first)]

    assert made == [RegisteredVersion(unique, n) for n in (1, 2, 1)]
    assert registry.versions_of_runs([first, second]) == {first: (made[0],), second: (made[1],)}
    version = client(uri).get_model_version(unique, "1")
    assert (version.run_id, version.status) == (first, "READY")
    if mine.server_knows_models:
        model_id = models[first][0].model_id
        assert version.source == f"models:/{model_id}"
        shown = client(uri).get_logged_model(str(model_id)).tags["mlflow.modelVersions"]
        assert [(entry["name"], str(entry["version"])) for entry in json.loads(shown)] == [(unique, "1")]


def test_what_builds_left_running_is_found(uri: str, experiment: str) -> None:
    """Whatever build it is of, if it began long ago; not what a team runs by itself, nor what has ended."""
    registry = training_registry(uri)
    registry.prepare(experiment)
    mlflow = client(uri)
    where = experiment_id(mlflow, experiment)
    ours = {BUILD_TAG: "b", CANDIDATE_TAG: "svm"}
    made = [
        mlflow.create_run(where, start_time=start, tags=tags).info.run_id
        for start, tags in [
            (1000, ours),
            (1000, {}),
            (3000, ours),
            (1000, {**ours, "jenkins_mlflow.outcome": "lost"}),
            (1000, ours),
        ]
    ]
    mlflow.set_terminated(made[4])

    found = registry.left_running(experiment, 2000)
    assert [(run.run_id, run.running) for run in found] == [(made[0], True)]


def test_a_deleted_experiment_is_refused_with_the_way_out(uri: str, experiment: str) -> None:
    """MLflow neither logs to it nor creates it again."""
    registry = training_registry(uri)
    registry.prepare(experiment)
    where = experiment_id(client(uri), experiment)
    client(uri).delete_experiment(where)

    with pytest.raises(RegistryError, match="is deleted") as refused:
        registry.prepare(experiment)
    assert refused.value.next_step.startswith(f"mlflow experiments restore -x {where}")


def test_a_lost_answer_registers_once(
    make_server: MakeServer,
    make_proxy: Callable[[Server], CountingProxy],
    experiment: str,
    unique: str,
    tmp_path: Path,
) -> None:
    """The version was made, its answer got lost: the retry finds it."""
    server = make_server()
    registry = training_registry(server.url)
    registry.prepare(experiment)
    build = tmp_path.name
    run_id = Script(server.url, experiment, build).run("svm", "model")
    (model,) = registry.models_of_runs(build, registry.runs_of_build(build))[run_id]
    proxy = make_proxy(server)
    proxy.inject(drop_after, path="model-versions/create", times=1)
    made = training_registry(proxy.url).register(model, unique)

    assert made == RegisteredVersion(unique, 1)
    assert registry.versions_of_runs([run_id]) == {run_id: (made,)}


def test_requests_do_not_grow_with_runs(
    make_server: MakeServer, make_proxy: Callable[[Server], CountingProxy], experiment: str, tmp_path: Path
) -> None:
    """Reading a build's runs, models and versions costs the same for one run and for twelve."""
    server, build = make_server(), tmp_path.name
    training_registry(server.url).prepare(experiment)
    script, proxy, counts = Script(server.url, experiment, build), make_proxy(server), []
    for more in (1, 11):
        for _ in range(more):
            script.run("svm", "model")
        proxy.reset()
        registry = training_registry(proxy.url)
        runs = registry.runs_of_build(build)
        registry.models_of_runs(build, runs)
        registry.versions_of_runs([run.run_id for run in runs])
        counts.append(len(proxy.requests))
    assert len(runs) == 12
    assert counts == [4, 4]


def test_a_plain_mlflow_script_takes_part(make_server: MakeServer, experiment: str, tmp_path: Path) -> None:
    """A real script that knows only MLflow, with an experiment of its own choice: tagged, found, registered."""
    script = (
        "import mlflow\n"
        "mlflow.set_experiment('chosen by the script')\n"
        "with mlflow.start_run(run_name='mine'):\n"
        "    mlflow.finalize_logged_model(mlflow.initialize_logged_model(name='m').model_id, 'READY')\n"
        "    mlflow.log_metric('roc_auc', 0.75)\n"
    )
    server = make_server()
    said: list[str] = []
    rules = Train.model_validate(
        {
            "experiment": experiment,
            "candidates": {"svm": [sys.executable, "-c", script]},
            "register": "plain {candidate}",
        }
    )
    build = BuildContext(id=tmp_path.name, url="https://ci/1", job="a 'job'", user="ada", git_commit="c0ffee")
    plan = plan_training(rules, build, server.url, dict(os.environ), tmp_path / "logs")

    result = train(replace(plan, timeout=120), training_registry(server.url), said.append)

    assert result.status == "trained", (result.message, said)
    (run,) = result.runs
    assert (run.name, run.candidate, dict(run.metrics)) == ("mine", "svm", {"roc_auc": 0.75})
    assert run.versions == (RegisteredVersion("plain svm", 1),)
    assert client(server.url).get_run(run.run_id).data.tags["jenkins_mlflow.job"] == "a 'job'"


def test_a_job_that_was_made_again_trains_again(
    make_server: MakeServer, run_cli: RunCli, tmp_path: Path
) -> None:
    """It counts from 1, so its build has the tag of an earlier one; the build's restart keeps the time of its start."""
    uri, log = make_server().url, tmp_path / "started"
    code = f"import mlflow; mlflow.start_run(); mlflow.log_metric('roc_auc', 1); open({str(log)!r}, 'a').write('x')"
    (tmp_path / "mlops.yaml").write_text(
        json.dumps(
            {"train": {"experiment": tmp_path.name, "candidates": {"svm": [sys.executable, "-c", code]}}}
        )
    )
    for started, trained in (("1764485000000", 1), ("1764485000000", 1), ("1764571400000", 2)):
        jenkins = {"BUILD_TAG": f"jenkins-{tmp_path.name}-1", "JENKINS_MLFLOW_BUILD_STARTED": started}
        done = run_cli("train", "--resume", "--tracking-uri", uri, "--output=json", env=jenkins)
        assert done.code == 0, done.stderr
        assert len(log.read_text()) == trained
        assert done.doc["build"] == f"jenkins-{tmp_path.name}-1@{started}"


def test_a_lost_training_is_taken_over_and_gathered(
    uri: str, experiment: str, unique: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of one build: a trained candidate, one whose agent was lost in the middle; another agent resumes and gathers.

    Nothing is printed to standard output, where the command's document goes: MLflow's client would like to.
    """
    registry = training_registry(uri)
    registry.prepare(experiment)
    build = f"build of {tmp_path.name}"
    script = Script(uri, experiment, build)
    trained, unfinished = script.run("svm", "model"), script.run("knn", "model", finish=False)
    registry.mark([run for run in registry.runs_of_build(build) if run.run_id == trained], "ok")
    log = tmp_path / "started"
    rules = Train.model_validate(
        {
            "experiment": experiment,
            "candidates": {name: ["sh", "-c", f"echo {name} >> {log}"] for name in ("svm", "knn")},
            "register": unique,
            "on_failure": "continue",
        }
    )
    plan = plan_training(rules, BuildContext(id=build), uri, {"PATH": os.environ["PATH"]}, tmp_path)

    capsys.readouterr()
    result = train(plan, registry, lambda line: None, resume=True)

    assert capsys.readouterr().out == ""
    assert log.read_text() == "knn\n"
    assert [run.run_id for run in result.runs] == [trained]  # the stand-in for knn's script logs nothing
    runs = {run.run_id: run for run in registry.runs_of_build(build)}
    assert (runs[trained].outcome, runs[unfinished].outcome) == ("ok", "lost")
    assert client(uri).get_run(unfinished).info.status == "KILLED"

    gathered = gather(plan, registry)
    assert [(found.name, found.status) for found in gathered.candidates] == [
        ("svm", "ok"),
        ("knn", "missing"),
    ]
    assert [(run.run_id, run.versions) for run in gathered.runs] == [
        (trained, (RegisteredVersion(unique, 1),))
    ]


def test_a_model_outside_of_the_group_is_named(
    make_server: MakeServer, run_cli: RunCli, tmp_path: Path
) -> None:
    """Perhaps its name is mistyped: `select` will not see it."""
    uri = make_server().url
    tags = {BUILD_TAG: "b-3", "jenkins_mlflow.candidate": "svm"}
    seed(uri, {"inside-1": [Spec(run_tags=tags)], "outsid-1": [Spec(run_tags=tags)]})
    (tmp_path / "mlops.yaml").write_text(
        f"tracking_uri: {uri}\nmodels: inside-*\ntrain: {{experiment: seed, candidates: {{svm: 'true'}}}}\n"
    )
    done = run_cli("train", "--gather", "--build=b-3", "--output=json")
    assert done.doc["warnings"] == [
        "outsid-1 is not of the group that `models` names (inside-*): `select` takes no version of it"
    ]
