"""A training that promotes its versions itself: production is put back, and the result says so."""

from __future__ import annotations

import itertools
import json
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import MakeServer, RunCli
from jenkins_mlflow.build import BuildContext
from jenkins_mlflow.commands import put_back as module
from jenkins_mlflow.commands.put_back import put_back
from jenkins_mlflow.commands.session import Session
from jenkins_mlflow.config.schema import Config
from jenkins_mlflow.errors import Interrupted
from jenkins_mlflow.registry.change import Change
from jenkins_mlflow.registry.client import Registry
from jenkins_mlflow.registry.snapshot import Snapshot
from jenkins_mlflow.signals import interrupted_by
from jenkins_mlflow.tags import BUILD_TAG, INTENT_TAG, PROMOTED_AT
from jenkins_mlflow.terminal import Terminal
from jenkins_mlflow.training.self_promotion import SelfPromotion, self_promotions
from support.command import Finished
from support.seeding import Spec, client, seed

BUILD = "b-1"
OURS = {BUILD_TAG: BUILD}
OLD = Spec(stage="Production", aliases=("champion",))


class Training:
    """A model with a champion, and what a script of build b-1 did to it."""

    def __init__(self, uri: str, model: str) -> None:
        self.uri, self.model, self.mlflow = uri, model, client(uri)
        self.session = Session(
            Config(models=model),  # type: ignore[arg-type]
            uri,
            Terminal(quiet=True),
            Path("unused"),
            BuildContext(id=BUILD),
        )
        self.registry = self.session.registry(may_create=True)
        seed(uri, {model: [OLD]})
        self.before = self.snapshot()
        seed(uri, {model: [Spec(run_tags=OURS)]})

    def snapshot(self) -> Snapshot:
        return self.registry.snapshot([self.model], with_runs=True)

    def stage(self, number: int, stage: str, *, archive: bool = False) -> None:
        self.mlflow.transition_model_version_stage(
            self.model, str(number), stage, archive_existing_versions=archive
        )

    def alias(self, number: int) -> None:
        self.mlflow.set_registered_model_alias(self.model, "champion", str(number))

    def found(self, *, known: bool = True) -> tuple[SelfPromotion, ...]:
        after = self.snapshot()
        ours = {v.run_id for v in after.versions() if v.run and v.run.tags.get(BUILD_TAG) == BUILD}
        run_ids = {run_id for run_id in ours if run_id}
        return self_promotions(
            self.before if known else after, (), after, self.session.target, run_ids, time.time()
        )

    def marks(self) -> dict[str, object]:
        model = self.snapshot().require(self.model)
        return {"champion": model.aliases.get("champion"), **{str(v.number): v.stage for v in model.versions}}


BACK = {"champion": 1, "1": "Production", "2": "None"}


@pytest.fixture
def training(make_server: MakeServer, tmp_path: Path) -> Training:
    """On the server that the session shares, so with a model of its own."""
    return Training(make_server().url, tmp_path.name)


def test_stage_and_alias_are_put_back(training: Training) -> None:
    training.stage(2, "Production", archive=True)
    training.alias(2)
    (done,) = put_back(training.session, training.registry, training.found())
    assert training.marks() == BACK
    assert done.done
    message = (
        f"the training put {training.model} v2 into production itself, before any gate; "
        "put back, in production now: v1; leave that to promote, or accept it with train.may_promote: true"
    )
    assert (done.message, training.session.warnings) == (message, [message])
    assert [vars(change) for change in done.part.changes] == [
        {"model": training.model, "mark": 1, "found": "Archived", "wanted": "Production"},
        {"model": training.model, "mark": 2, "found": "Production", "wanted": "None"},
        {"model": training.model, "mark": "champion", "found": 2, "wanted": 1},
    ]
    assert training.registry.flags() == [], "the lock is given back"


def test_what_another_branch_has_put_back_is_done(training: Training) -> None:
    """Both saw it; the second one finds it as it should be, and writes nothing."""
    training.alias(2)
    found = training.found()
    put_back(training.session, training.registry, found)
    (again,) = put_back(training.session, training.registry, found)
    assert (again.done, training.marks()) == (True, BACK)


def test_a_recorded_promotion_since_then_is_left_alone(training: Training) -> None:
    training.stage(2, "Production", archive=True)
    training.alias(2)
    found = training.found()
    training.mlflow.set_model_version_tag(training.model, "2", PROMOTED_AT, "2026-11-24T10:00:00+00:00")
    assert put_back(training.session, training.registry, found) == ()
    assert training.marks() == {"champion": 2, "1": "Archived", "2": "Production"}


def test_what_somebody_else_set_since_then_stands(training: Training) -> None:
    training.stage(2, "Production", archive=True)
    found = training.found()
    seed(training.uri, {training.model: [Spec(stage="Production")]})
    (done,) = put_back(training.session, training.registry, found)
    assert training.marks() == {"champion": 1, "1": "Production", "2": "None", "3": "Production"}
    assert "in production now: v3, v1" in done.message


Hand = Callable[[Training], None]


def unfinished(training: Training) -> None:
    training.mlflow.set_registered_model_tag(training.model, INTENT_TAG, "{}")


def moved(training: Training) -> None:
    training.stage(1, "Staging")


@pytest.mark.parametrize(
    ("hand", "known", "why", "advice"),
    [
        (None, False, "what was in production before is not known", "promote --model MODEL --version N"),
        (
            unfinished,
            True,
            "a promotion of this model is not finished",
            "promote --recover --models MODEL",
        ),
        (
            moved,
            True,
            "v1, which was in production before, was changed by somebody else",
            "promote --model MODEL --version N",
        ),
    ],
    ids=["unknown", "unfinished", "moved"],
)
def test_production_is_not_emptied_where_it_cannot_be_put_back(
    training: Training, hand: Hand | None, known: bool, why: str, advice: str
) -> None:
    training.stage(2, "Production", archive=True)
    training.alias(2)
    found = training.found(known=known)
    if hand:
        hand(training)
    before = training.marks()
    (done,) = put_back(training.session, training.registry, found)
    assert (done.done, training.marks()) == (False, before)
    assert done.message == (
        f"the training put {training.model} v2 into production itself, before any gate, and it was not put back: "
        f"{why}; in production now: v2; next: `jenkins-mlflow {advice.replace('MODEL', training.model)}`"
    )


@pytest.mark.parametrize("answered", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("nth", [0, 1, 2])
def test_a_stop_at_any_write_leaves_a_version_in_production(
    nth: int, answered: bool, training: Training, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the training promoted goes last, and the next command goes on."""
    training.stage(2, "Production", archive=True)
    training.alias(2)
    counted, real = itertools.count(), module._write

    def stopping(registry: Registry, change: Change) -> Callable[[], None]:
        def write() -> None:
            stop = next(counted) == nth
            if answered or not stop:
                real(registry, change)()
            if stop:
                raise interrupted_by(signal.SIGTERM)

        return write

    found = training.found()
    with monkeypatch.context() as patched:
        patched.setattr(module, "_write", stopping)
        with pytest.raises(Interrupted):
            put_back(training.session, training.registry, found)
    model = training.snapshot().require(training.model)
    assert model.staged("Production"), "who loads by the stage finds one"
    assert "champion" in model.aliases
    put_back(training.session, training.registry, training.found())
    assert training.marks() == BACK


SCRIPT = """\
import os

import mlflow
from mlflow import MlflowClient

assert "MLFLOW_HTTP_REQUEST_MAX_RETRIES" not in os.environ, "the runner's own settings are no business of a script"
client = MlflowClient()
with mlflow.start_run() as run:
    mlflow.log_metric("roc_auc", 0.5)
version = client.create_model_version({name!r}, run.info.artifact_uri + "/model", run.info.run_id).version
client.set_registered_model_alias({name!r}, "champion", version)
"""


@pytest.mark.parametrize(("accepted", "alias"), [(False, "1"), (True, "2")])
def test_a_training_may_not_promote_unless_the_config_says_so(
    accepted: bool, alias: str, make_server: MakeServer, run_cli: RunCli, tmp_path: Path
) -> None:
    """The incident's own script sets the alias: the champion still serves afterwards, and the build goes on."""
    uri, name = make_server().url, f"self-{accepted}"
    seed(uri, {name: [Spec(metrics={"roc_auc": 0.9}, stage="Production", aliases=("champion",))]})
    (tmp_path / "train.py").write_text(SCRIPT.format(name=name))
    rules: dict[str, Any] = {
        "tracking_uri": uri,
        "models": name,
        "train": {
            "experiment": name,
            "candidates": {"svm": f"{sys.executable} train.py"},
            **({"may_promote": True} if accepted else {}),
        },
    }
    (tmp_path / "mlops.yaml").write_text(yaml.safe_dump(rules))
    done = run_cli("train", "--output=json", "--build=b-1")

    assert (done.code, done.doc["status"]) == (0, "trained")
    assert client(uri).get_model_version_by_alias(name, "champion").version == alias
    assert [one["versions"] for one in done.doc["put_back"]] == ([] if accepted else [[2]])
    assert f"the training put {name} v2 into production itself" in done.stderr or accepted
    assert [warning.split(";")[0] for warning in done.doc["warnings"]] == [
        f"the training put {name} v2 into production itself, before any gate"
    ] * (not accepted)


def test_an_agent_that_was_lost_is_made_up_for_by_gathering(
    make_server: MakeServer, run_cli: RunCli, tmp_path: Path
) -> None:
    """Its script had moved the alias; only the tag of its run knows what was there before."""
    uri, name = make_server().url, "self-lost"
    seed(uri, {name: [OLD]})
    tags = {BUILD_TAG: "b-2", "jenkins_mlflow.candidate": "svm"}
    known = f'{{"{name}":[[1],1,0]}}'
    seed(
        uri,
        {name: [Spec(aliases=("champion",), run_tags={**tags, "jenkins_mlflow.production_before": known})]},
    )
    (tmp_path / "mlops.yaml").write_text(
        f"tracking_uri: {uri}\nmodels: {name}\ntrain: {{experiment: seed, candidates: {{svm: 'true'}}}}\n"
    )
    done = run_cli("train", "--gather", "--build=b-2", "--output=json")
    assert (done.code, done.doc["put_back"][0]["done"]) == (0, True)
    assert client(uri).get_model_version_by_alias(name, "champion").version == "1"


class Trained:
    """One training in a folder, whose script registers a version of a model and then does something by hand."""

    def __init__(self, uri: str, run_cli: RunCli, folder: Path) -> None:
        self.uri, self.run_cli, self.folder = uri, run_cli, folder

    def train(self, group: str, model: str, hand: str, **promote: object) -> Finished:
        script = f"{SCRIPT.format(name=model)}{hand}\n"
        (self.folder / "train.py").write_text(script)
        candidates = {"svm": f"{sys.executable} train.py"}
        rules = {"tracking_uri": self.uri, "models": group, "promote": promote}
        rules["train"] = {"experiment": "put-back", "candidates": candidates}
        (self.folder / "mlops.yaml").write_text(yaml.safe_dump(rules))
        return self.run_cli("train", "--output=json", f"--build={self.folder.name}")

    def champions(self, *names: str) -> list[str]:
        """What each model's champion is; nothing where it has none."""
        found = []
        for name in names:
            aliases: dict[str, int] = client(self.uri).get_registered_model(name).aliases
            found.append(str(aliases.get("champion", "")))
        return found


@pytest.fixture
def trained(make_server: MakeServer, run_cli: RunCli, tmp_path: Path) -> Trained:
    return Trained(make_server().url, run_cli, tmp_path)


def test_a_script_that_deletes_the_champion_leaves_what_it_promoted(trained: Trained) -> None:
    seed(trained.uri, {"deleted-1": [Spec(aliases=("champion",))]})
    ended = trained.train("deleted-1", "deleted-1", "client.delete_model_version('deleted-1', '1')")
    assert trained.champions("deleted-1") == ["2"], "production is not emptied"
    assert (ended.code, ended.doc["status"], ended.doc["put_back"][0]["done"]) == (1, "failed", False)
    assert "it was not put back: v1, which was in production before, was deleted" in ended.doc["message"]


def test_the_champion_of_an_exclusive_group_comes_back(trained: Trained) -> None:
    """The script took it out of production, in another model than its own."""
    seed(trained.uri, {"grouped-a": [Spec(aliases=("champion",))], "grouped-b": [Spec()]})
    hand = "client.delete_registered_model_alias('grouped-a', 'champion')"
    ended = trained.train("grouped-*", "grouped-b", hand, exclusive=True)
    assert trained.champions("grouped-a", "grouped-b") == ["1", ""]
    (part,) = ended.doc["put_back"]
    assert (ended.code, part["done"]) == (0, True)
    assert "put back, in production now: grouped-a v1;" in part["message"]


def test_a_version_put_into_the_production_model_is_taken_out(trained: Trained) -> None:
    """Promotions copy into that model; it is outside of the group."""
    seed(trained.uri, {"copied-dev": [Spec()], "production-of-copied": [Spec(aliases=("champion",))]})
    promote = {"methods": ["copy"], "stage": None, "copy_to": "production-of-copied"}
    ended = trained.train("copied-*", "production-of-copied", "", **promote)
    assert trained.champions("production-of-copied") == ["1"]
    assert [one["versions"] for one in ended.doc["put_back"]] == [[2]]


def test_what_another_build_at_work_has_promoted_does_not_come_back(trained: Trained) -> None:
    """The second build begins when the first one's script has promoted v2, and ends before the first one."""
    seed(trained.uri, {"two-builds": [Spec(stage="Production", aliases=("champion",))]})
    second = trained.folder / "second"
    second.mkdir()
    (second / "train.py").write_text(SCRIPT.format(name="two-builds"))
    train = {"experiment": "put-back", "candidates": {"svm": f"{sys.executable} train.py"}}
    rules = {"tracking_uri": trained.uri, "models": "two-builds", "train": train}
    (second / "mlops.yaml").write_text(yaml.safe_dump(rules))
    argv = [sys.executable, "-m", "jenkins_mlflow", "train", "--output=json", "--build=second"]
    hand = f"import subprocess\nsubprocess.run({argv}, cwd={str(second)!r}, stdout=open('second.json', 'w'))"
    ended = trained.train("two-builds", "two-builds", hand)
    other = json.loads((trained.folder / "second.json").read_text())
    assert [one["versions"] for one in other["put_back"]] == [[3]]
    assert (trained.champions("two-builds"), ended.doc["put_back"], ended.code) == (["1"], [], 0)
