"""`--to-server` with the real command between two real servers: what is copied, what is not sent, and the way back."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import MakeServer, RunCli
from jenkins_mlflow.registry.client import Registry
from jenkins_mlflow.registry.connection import connect
from mlflow import MlflowClient
from mlflow.entities import LoggedModelOutput
from support.copied import FILES, downloaded, files_of, rich, run_data
from support.proxy import CountingProxy
from support.seeding import client, fresh_name
from support.servers import Server, Store
from support.stored import Kind, predictions, register

Proxies = Callable[[Server], CountingProxy]
MAKES = ("runs/create", "model-versions/create", "runs/log-batch")
READS = ("search", "get-history", "get-by-name", "get")


class Pair:
    """Two servers behind proxies, a config that names the second, and the command with a login for each."""

    def __init__(
        self, here: CountingProxy, other: CountingProxy, run_cli: RunCli, folder: Path, models: str
    ) -> None:
        self.here, self.other, self._run_cli, self._folder = here, other, run_cli, folder
        self.login = {
            "MLFLOW_TRACKING_USERNAME": "ann",
            "MLFLOW_TRACKING_PASSWORD": "secret-of-here",
            "PROD_USER": "prod",
            "PROD_PASSWORD": "secret-of-there",
        }
        (folder / "mlops.yaml").write_text(
            f"models: {models}\n"
            f"tracking_uri: {here.url}\n"
            "select: {gates: {roc_auc: '>= 0.5'}}\n"
            "promote: {lock: {wait: 0s}}\n"
            "servers:\n"
            f"  prod: {{uri: '{other.url}', model: 'prod-{{model}}', "
            "username_env: PROD_USER, password_env: PROD_PASSWORD}\n"
        )

    def run(self, *command: str, code: int = 0, **env: str) -> dict[str, object]:
        done = self._run_cli(*command, "--output=json", env={**self.login, **env}, cwd=self._folder)
        assert done.code == code, done.stderr
        assert "secret-of" not in done.stdout + done.stderr
        self.said = done.stderr
        return done.doc

    def production(self, name: str) -> list[int]:
        found = Registry(connect(self.other.url)).find_model(name)
        return (
            [version.number for version in found.versions if version.stage == "Production"] if found else []
        )


@pytest.fixture
def pair_of(run_cli: RunCli, tmp_path: Path, make_proxy: Proxies) -> Callable[[Server, Server, str], Pair]:
    return lambda a, b, models: Pair(make_proxy(a), make_proxy(b), run_cli, tmp_path, models)


PairOf = Callable[[Server, Server, str], Pair]


@pytest.mark.parametrize(
    ("kind", "source", "target"),
    [
        ("logged", ("3.17.2", "sqlite"), ("2.22.4", "sqlite")),
        ("run", ("2.22.4", "sqlite"), ("3.17.2", "sqlite")),
        ("logged", ("3.17.2", "sqlite"), ("3.3.2", "file")),
    ],
    ids=["3.17.2 to 2.22.4", "2.22.4 to 3.17.2", "3.17.2 to an affected file store"],
)
def test_a_version_goes_to_another_server_whole(
    kind: Kind, source: tuple[str, Store], target: tuple[str, Store], make_server: MakeServer, pair_of: PairOf
) -> None:
    """Files, run and tags are the same there; it predicts; again: nothing is sent; a rollback there returns."""
    here, other, name = make_server(*source), make_server(*target), fresh_name()
    # MLflow 3.3.2 answers 500 to whoever reads a file whose name is not ASCII.
    files = {path: content for path, content in FILES.items() if path.isascii() or other.version != "3.3.2"}
    first = rich(here.url, name, kind, files=files)
    pair, into = pair_of(here, other, name), f"prod-{name}"
    dry = pair.run("promote", "--to-server=prod", "--model", name, "--dry-run")
    assert dry["copied"]["version"] is None  # type: ignore[index]
    assert dry["plan"][0].startswith(f"{name} version 1: is copied to {into} on prod (")  # type: ignore[index]
    assert dry["plan"][1:] == [  # type: ignore[index]
        f"the copy in {into}: stage None -> Production",
        f"{into}: alias champion on no version -> on the copy",
    ]
    assert Registry(connect(other.url)).find_model(into) is None

    pair.here.reset()
    done = pair.run("promote", "--to-server=prod", "--model", name, "--version=1")
    assert (done["status"], done["model"], done["version"]) == ("promoted", into, 1), pair.said
    assert files_of(other.url, into, 1) == files_of(here.url, name, 1)
    copy = Registry(connect(other.url)).version(into, 1)
    assert copy.run_id
    wanted = run_data(here.url, first.run_id)
    del wanted["tags"]["mlflow.parentRunId"]
    found = run_data(other.url, copy.run_id)
    assert {key: found["tags"].get(key) for key in wanted["tags"]} == wanted["tags"]
    assert {**found, "tags": 0} == {**wanted, "tags": 0}
    artifacts = downloaded(other.url, f"runs:/{copy.run_id}/")
    assert {path for path in artifacts if not path.startswith("model")} == set(files)
    assert copy.description == "what it is"
    assert copy.tags["team"] == "blue"
    origin = json.loads(copy.tags["jenkins_mlflow.copied_from"])
    assert {key: origin[key] for key in ("model", "version", "run")} == {
        "model": name,
        "version": 1,
        "run": first.run_id,
    }
    assert copy.tags["jenkins_mlflow.promoted_at"] > "2026-01-01T00:00:00+00:00"
    assert predictions(other.url, [f"models:/{into}/1"]) == {f"models:/{into}/1": [42]}

    assert all(r.method == "GET" or r.endpoint.endswith(READS) for r in pair.here.requests), (
        pair.here.requests
    )
    assert {r.login for r in pair.here.requests} == {"ann:secret-of-here"}
    assert {r.login for r in pair.other.requests} == {"prod:secret-of-there"}

    pair.other.reset()
    assert pair.run("promote", "--to-server=prod", "--model", name, "--version=1")["status"] == "already"
    dry = pair.run("promote", "--to-server=prod", "--model", name, "--version=1", "--dry-run")
    assert dry["message"] == f"{into} version 1 is in production already, nothing to do"
    assert not [
        r
        for r in pair.other.requests
        if r.method == "PUT" or ("create" in r.endpoint and "lock" not in str(r.json))
    ]

    rich(here.url, name, kind, score=0.9, files=files)
    second = pair.run("promote", "--to-server=prod")
    assert (second["status"], second["version"]) == ("promoted", 2), pair.said
    back = pair.run("rollback", "--model", into, "--tracking-uri", other.url)
    assert back["production"] == [{"model": into, "version": 1}]

    doctor = ("doctor", "--storage", "--models", into, "--tracking-uri", other.url)
    healthy = pair.run(*doctor, code=int(other.version == "3.3.2"))  # which has problems of its own
    assert not [f for f in healthy["findings"] if f["what"] == "files changed"]  # type: ignore[attr-defined]
    file = next(other.folder.rglob(copy.run_id)) / "artifacts" / "model" / "padding.bin"
    file.write_bytes(b"y" * 1000)
    (found,) = [f for f in pair.run(*doctor, code=1)["findings"] if f["what"] == "files changed"]  # type: ignore[attr-defined]
    assert found["message"].startswith(
        f"{into} version 1: its files are not those that were copied from {name} version 1 of {pair.here.url}: "
    )


def test_a_selection_compares_with_the_other_server(make_server: MakeServer, pair_of: PairOf) -> None:
    """The champion is what is in production there: a copy, or another version; what is in production here is a
    candidate; what was approved over one version replaces no other."""
    here, other, name = make_server(), make_server("3.17.2", "postgresql"), fresh_name()
    into = f"prod-{name}"
    for score in (0.7, 0.8):
        rich(here.url, name, score=score)
    client(here.url).set_registered_model_alias(name, "champion", "2")
    rich(other.url, into, score=0.75)
    client(other.url).set_registered_model_alias(into, "champion", "1")
    pair = pair_of(here, other, name)
    outside = ("promote", "--to-server=prod", "--dry-run", f"--model={name}", "--over=nothing")
    pair.run(*outside, code=1, MLOPS__MODELS="another-group-*")
    assert f"it would replace {into}/1" in pair.said
    chosen = pair.run("select", "--to-server=prod")
    assert chosen["status"] == "selected"
    assert chosen["message"] == (
        f"Selected {name} v2 (0.8), 0.05 higher than the champion {into} on prod v1 (0.75). "
        f"On prod it replaces {into} version 1."
    )
    assert chosen["replaces"] == {"model": into, "version": 1, "value": 0.75}
    named = ("promote", "--to-server=prod", "--model", name, "--version=2")
    pair.run(*named, f"--over={into}/7", code=1)
    assert f"was to replace {into}/7, but now it would replace {into}/1" in pair.said
    assert not [r for r in pair.other.requests if r.method == "PUT" or r.endpoint in MAKES]
    done = pair.run(*named, f"--over={into}/1")
    assert (done["status"], done["previous"]) == ("promoted", {"model": into, "version": 1})
    kept = pair.run("promote", "--to-server=prod")
    assert (kept["status"], kept["production"]) == ("champion_kept", [{"model": into, "version": 2}])
    assert kept["message"].startswith(f"Kept {name} v2 (0.8). Best challenger: v1")  # type: ignore[attr-defined]
    assert pair.run("select")["status"] == "champion_kept"
    assert not [r for r in pair.here.requests if r.method != "GET" and not r.endpoint.endswith(READS)]


def test_a_build_is_compared_with_what_an_earlier_build_has_brought_there(
    make_server: MakeServer, pair_of: PairOf
) -> None:
    """Scope `build` leaves out the runs of other builds, but not that of the champion, whose copy is there."""
    here, other, name = make_server(), make_server("3.17.2", "postgresql"), fresh_name()
    pair = pair_of(here, other, name)
    replaced = []
    for build, score, code in (("b-1", 0.7, 0), ("b-2", 0.8, 0), ("b-3", 0.75, 0)):
        run = register(here.url, name, padding=int(score * 1000)).run_id
        client(here.url).log_metric(run, "roc_auc", score)
        client(here.url).set_tag(run, "jenkins_mlflow.build", build)
        done = pair.run("promote", "--to-server=prod", "--scope=build", f"--build={build}", code=code)
        replaced.append((done["status"], done["selection"]["champion"]))  # type: ignore[index]
    first, second = ({"model": name, "version": at, "value": value} for at, value in ((1, 0.7), (2, 0.8)))
    assert replaced == [("promoted", None), ("promoted", first), ("champion_kept", second)]
    assert pair.production(f"prod-{name}") == [2]


def test_no_other_login_reaches_the_other_server(
    make_server: MakeServer, pair_of: PairOf, tmp_path: Path
) -> None:
    """No file of the user has one for it: a .netrc, MLflow's credentials; a check gets the login of the server that
    it is to look at, and no other."""
    here, other, name = make_server(), make_server("3.17.2", "postgresql"), fresh_name()
    rich(here.url, name)
    pair = pair_of(here, other, name)
    home = tmp_path / "home"
    (home / ".mlflow").mkdir(parents=True)
    (home / ".netrc").write_text("default login netrc password secret-of-netrc\n")
    (home / ".netrc").chmod(0o600)
    (home / ".mlflow/credentials").write_text(
        "[mlflow]\nmlflow_tracking_username = saved\nmlflow_tracking_password = secret-of-home\n"
    )
    seen = tmp_path / "seen"
    show = f"env | grep -e ^MLFLOW_TRACKING -e '^[A-Z_]*=secret-of' | sort > {seen}"
    check = json.dumps(["bash", "-c", show])
    pair.run("promote", "--to-server=prod", HOME=str(home), MLOPS__PROMOTE__CHECK__COMMAND=check)
    assert {r.login for r in pair.here.requests} == {"ann:secret-of-here"}
    assert {r.login for r in pair.other.requests} == {"prod:secret-of-there"}
    assert seen.read_text().splitlines() == [
        "MLFLOW_TRACKING_PASSWORD=secret-of-there",
        f"MLFLOW_TRACKING_URI={pair.other.url}",
        "MLFLOW_TRACKING_USERNAME=prod",
        "PROD_PASSWORD=secret-of-there",
    ]
    config = tmp_path / "mlops.yaml"
    config.write_text(
        config.read_text().replace(", username_env: PROD_USER, password_env: PROD_PASSWORD", "")
    )
    pair.other.reset()
    pair.run("promote", "--to-server=prod", "--dry-run", HOME=str(home))
    assert {r.login for r in pair.other.requests} == {""}
    pair.login |= {"MLFLOW_TRACKING_USERNAME": "", "MLFLOW_TRACKING_PASSWORD": ""}
    pair.here.reset()
    pair.run("promote", "--to-server=prod", "--dry-run", HOME=str(home))
    assert {r.login for r in pair.here.requests} == {"netrc:secret-of-netrc"}


def checkpoints(mlflow: MlflowClient, folder: Path, *values: float) -> tuple[str, list[str]]:
    """Log one model for each value of roc_auc in one run; return the run's id and the models' ids."""
    (folder / "weights").write_text("w")
    run_id, ids = mlflow.create_run("0").info.run_id, []
    for step, value in enumerate(values):
        made = mlflow.create_logged_model("0", name=f"step{step}", source_run_id=run_id).model_id
        mlflow.log_outputs(run_id, [LoggedModelOutput(made, step)])
        mlflow.log_metric(run_id, "roc_auc", value, step=step, model_id=made)
        mlflow.log_metric(run_id, f"only {step}", value, model_id=made)
        mlflow.log_model_artifacts(made, str(folder))
        mlflow.finalize_logged_model(made, "READY")
        ids.append(made)
    for step in range(3):
        mlflow.log_metric(run_id, "seconds", step, step=step)
    mlflow.set_terminated(run_id)
    return run_id, ids


def test_the_copy_has_the_metrics_of_its_own_model(
    make_server: MakeServer, pair_of: PairOf, tmp_path: Path
) -> None:
    """Its run logged a worse model last. The champion there is the better one, also if its origin is deleted here."""
    here, other, name = make_server(), make_server("3.17.2", "postgresql"), fresh_name()
    pair, mlflow = pair_of(here, other, name), client(here.url)
    (tmp_path / "files").mkdir()
    run_id, ids = checkpoints(mlflow, tmp_path / "files", 0.97, 0.3)
    mlflow.create_registered_model(name)
    mlflow.create_model_version(name, f"models:/{ids[0]}", run_id, model_id=ids[0])
    done = pair.run("promote", "--to-server=prod")
    assert (done["status"], done["version"]) == ("promoted", 1), pair.said
    copy = Registry(connect(other.url)).version(f"prod-{name}", 1)
    assert copy.tags["jenkins_mlflow.metric"] == "roc_auc=0.97"
    metrics = run_data(other.url, str(copy.run_id))["metrics"]
    assert {key: len(points) for key, points in metrics.items()} == {"roc_auc": 1, "only 0": 1, "seconds": 3}
    mlflow.delete_model_version(name, "1")
    register(here.url, name)
    client(here.url).log_metric(str(mlflow.get_model_version(name, "2").run_id), "roc_auc", 0.5)
    kept = pair.run("select", "--to-server=prod")
    assert kept["message"] == (
        f"Kept prod-{name} on prod v1 (0.97). Best challenger: {name} v2 with 0.5, 0.47 lower."
    )


def test_what_was_in_production_there_is_read_there(make_server: MakeServer, pair_of: PairOf) -> None:
    """The record of a promotion here says nothing about the other server; a champion that was taken out or renamed
    there is named."""
    here, other, name = make_server(), make_server("3.17.2", "postgresql"), fresh_name()
    pair, into, mlflow = pair_of(here, other, name), f"prod-{name}", client(other.url)
    rich(here.url, name)
    assert pair.run("promote", f"--model={name}")["status"] == "promoted"
    chosen = pair.run("select", "--to-server=prod")
    first = f"Selected {name} v1 (0.8): nothing is in Production"
    assert chosen["message"] == f"{first} yet. On prod it replaces nothing."
    pair.run("promote", "--to-server=prod")
    mlflow.transition_model_version_stage(into, "1", "Archived")
    mlflow.delete_registered_model_alias(into, "champion")
    chosen = pair.run("select", "--to-server=prod", code=3)
    assert chosen["message"] == (
        "There is no candidate to choose from; production is unchanged. "
        f"Nothing is in Production: {into} v1 was taken out without this tool. `jenkins-mlflow rollback "
        f"--model {into} --recorded --tracking-uri {pair.other.url}` brings it back."
    )
    mlflow.delete_registered_model(into)
    chosen = pair.run("select", "--to-server=prod")
    assert chosen["message"] == (
        f"{first}: {into}, in production before, was deleted or renamed without this tool. On prod it replaces nothing."
    )
