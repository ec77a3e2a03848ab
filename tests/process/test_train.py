"""Training: what is run with which environment, what is gathered afterwards, what is registered."""

from __future__ import annotations

import json
import os
import re
import signal
import sys
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from jenkins_mlflow.build import BuildContext
from jenkins_mlflow.commands.train import train_result
from jenkins_mlflow.config.train import Train
from jenkins_mlflow.errors import ConnectionFailed, Interrupted, RegistryError, UsageError
from jenkins_mlflow.results.base import document
from jenkins_mlflow.training.logged import LoggedModel, LoggedRun, RegisteredVersion
from jenkins_mlflow.training.plan import TrainPlan, plan_training
from jenkins_mlflow.training.result import Trained
from jenkins_mlflow.training.run import gather, train

VERSION = (RegisteredVersion("heart", 1),)
MADE = "2 runs logged, 2 versions registered"
BUILD = BuildContext(id="b-1", url="https://ci/1", job="heart", user="ada", git_commit="c0ffee")


def rules(**changes: Any) -> Train:
    return Train(**{"experiment": "heart", "candidates": {"svm": "true", "knn": "true"}, **changes})


def planned(
    tmp_path: Path, environ: Mapping[str, str] | None = None, only: Collection[str] = (), **changes: Any
) -> TrainPlan:
    return plan_training(
        rules(**changes), BUILD, "http://mlflow:5000", environ or {}, tmp_path / "logs", only
    )


def run(candidate: str, number: int = 1, **changes: Any) -> LoggedRun:
    made = LoggedRun(f"{candidate}{number}", "calm-cat", candidate, "1", True, 2.5, {"roc_auc": 0.9})
    return replace(made, **changes)


class Registry:
    """An MLflow in memory, in which the scripts' runs appear when it is asked for the second time."""

    def __init__(self, logged: Sequence[LoggedRun] = (), earlier: Sequence[LoggedRun] = ()) -> None:
        self.runs = list(earlier)
        self.logged = list(logged)
        self.models: dict[str, tuple[LoggedModel, ...]] = {}
        self.versions: dict[str, tuple[RegisteredVersion, ...]] = {}
        self.experiments: list[str] = []
        self.registered: list[tuple[str, str]] = []
        self.marks: dict[str, str] = {}
        self.ended: list[str] = []
        self.asked = 0
        self.left_by_others: list[LoggedRun] = []
        self.left_before = 0

    def prepare(self, experiment: str) -> None:
        self.experiments.append(experiment)

    def runs_of_build(self, build: str) -> list[LoggedRun]:
        assert build == "b-1"
        self.asked += 1
        return self.runs + (self.logged if self.asked > 1 else [])

    def left_running(self, experiment: str, started_before: int) -> list[LoggedRun]:
        assert experiment == "heart"
        self.left_before = started_before
        return self.left_by_others

    def versions_of_runs(self, run_ids: Collection[str]) -> dict[str, tuple[RegisteredVersion, ...]]:
        return {run_id: self.versions[run_id] for run_id in run_ids if run_id in self.versions}

    def models_of_runs(self, build: str, runs: Sequence[LoggedRun]) -> dict[str, tuple[LoggedModel, ...]]:
        return {run.run_id: self.models.get(run.run_id, ()) for run in runs}

    def mark(self, runs: Sequence[LoggedRun], outcome: str) -> None:
        for made in runs:
            self.marks[made.run_id] = outcome

    def end(self, runs: Sequence[LoggedRun]) -> None:
        self.ended += [made.run_id for made in runs]

    def register(self, model: LoggedModel, name: str) -> RegisteredVersion:
        self.registered.append((model.name, name))
        self.versions[model.run_id] = (RegisteredVersion(name, len(self.registered)),)
        return self.versions[model.run_id][0]


def trained(plan: TrainPlan, registry: Registry) -> Trained:
    return train(plan, registry, lambda line: None, grace=5)


def test_the_plan_names_commands_logs_and_tags(tmp_path: Path) -> None:
    """Arguments are split once, no shell; every candidate's runs carry build and candidate."""
    plan = planned(
        tmp_path, {"PATH": "/bin"}, candidates={"svm": "python t.py --x 'a b'", "knn": ["t", "a b"]}
    )

    assert [command.argv for command in plan.commands] == [("python", "t.py", "--x", "a b"), ("t", "a b")]
    first = plan.commands[0]
    assert first.log == tmp_path / "logs" / "svm.log"
    assert {key: value for key, value in first.environment.items() if key != "MLFLOW_RUN_CONTEXT"} == {
        "PATH": "/bin",
        "PYTHONUNBUFFERED": "1",
        "MLFLOW_TRACKING_URI": "http://mlflow:5000",
        "MLFLOW_EXPERIMENT_NAME": "heart",
    }
    assert json.loads(first.environment["MLFLOW_RUN_CONTEXT"]) == {
        "jenkins_mlflow.build": "b-1",
        "jenkins_mlflow.build_url": "https://ci/1",
        "jenkins_mlflow.job": "heart",
        "jenkins_mlflow.git_commit": "c0ffee",
        "jenkins_mlflow.candidate": "svm",
    }


def test_tags_that_are_there_already_stay(tmp_path: Path) -> None:
    """A team's own MLFLOW_RUN_CONTEXT is kept, ours wins where both speak."""
    mine = json.dumps({"team": "cardio", "jenkins_mlflow.build": "forged"})
    (svm, _) = planned(tmp_path, {"MLFLOW_RUN_CONTEXT": mine}).commands

    tags = json.loads(svm.environment["MLFLOW_RUN_CONTEXT"])
    assert (tags["team"], tags["jenkins_mlflow.build"]) == ("cardio", "b-1")


@pytest.mark.parametrize("text", ["{", "[1]", '"x"', "nonsense"])
def test_a_broken_run_context_is_refused(tmp_path: Path, text: str) -> None:
    """MLflow would fail in every script; it is said before the first one starts."""
    with pytest.raises(UsageError, match="MLFLOW_RUN_CONTEXT in the environment is not a JSON object"):
        planned(tmp_path, {"MLFLOW_RUN_CONTEXT": text})


def test_the_environment_cannot_redirect_the_runs(tmp_path: Path) -> None:
    """A stray run or experiment id would put all candidates into one place; buffering is its own choice."""
    stray = {
        "MLFLOW_RUN_ID": "r",
        "MLFLOW_EXPERIMENT_ID": "7",
        "MLFLOW_TRACKING_URI": "x",
        "PYTHONUNBUFFERED": "",
    }
    (svm, _) = planned(tmp_path, stray).commands

    assert "MLFLOW_RUN_ID" not in svm.environment
    assert "MLFLOW_EXPERIMENT_ID" not in svm.environment
    assert svm.environment["MLFLOW_TRACKING_URI"] == "http://mlflow:5000"
    assert svm.environment["PYTHONUNBUFFERED"] == ""


@pytest.mark.parametrize(
    ("uri", "allowed"),
    [("./mlruns", True), ("file:///srv/mlruns", True), ("sqlite:///m.db", False), ("http://h", False)],
)
def test_file_stores_are_allowed_to_scripts(tmp_path: Path, uri: str, allowed: bool) -> None:
    """MLflow 3.17 refuses a file store unless told otherwise, and the person has chosen one."""
    (svm, _) = plan_training(rules(), BUILD, uri, {}, tmp_path).commands
    assert ("MLFLOW_ALLOW_FILE_STORE" in svm.environment) is allowed


def test_only_picks_candidates(tmp_path: Path) -> None:
    """--only keeps the config's order, and a near miss is named."""
    assert [c.name for c in planned(tmp_path, only=["knn", "svm"]).commands] == ["svm", "knn"]
    assert [c.name for c in planned(tmp_path, only=["knn"]).commands] == ["knn"]
    with pytest.raises(UsageError) as refused:
        planned(tmp_path, only=["knn", "svn"])
    assert refused.value.message == '--only: there is no candidate "svn"; did you mean "svm"?'
    assert refused.value.next_step == "choose from: svm, knn"


def test_defaults_of_the_plan(tmp_path: Path) -> None:
    """One candidate a core unless the config says otherwise; a single command is one candidate."""
    assert planned(tmp_path).jobs == min(2, os.cpu_count() or 1)
    assert planned(tmp_path, jobs=7).jobs == 7
    (only,) = planned(tmp_path, candidates={}, command="python train.py").commands
    assert (only.name, only.argv) == ("train", ("python", "train.py"))


def test_runs_and_versions_are_gathered(tmp_path: Path) -> None:
    """The result lists this training's runs, not those of an earlier try or another branch of the build."""
    huge = 1.7976931348623157e308  # as SQL stores keep an infinity
    registry = Registry(
        logged=[run("svm"), run("knn", metrics={"roc_auc": 0.8, "broken": float("nan"), "inf": huge})],
        earlier=[run("svm", 0), run("forest", 0)],
    )
    registry.versions["svm1"] = (RegisteredVersion("heart-svm", 3),)

    plan = planned(tmp_path, {"PATH": os.environ["PATH"]})
    result = trained(plan, registry)

    assert registry.experiments == ["heart"]
    assert (result.status, result.exit_code, result.warnings) == ("trained", 0, ())
    assert result.message == "2 of 2 candidates trained; 2 runs logged, 1 version registered"
    shown = json.loads(json.dumps(document(train_result(plan, result)), allow_nan=False))
    assert shown["runs"] == [
        {
            "run_id": "svm1",
            "name": "calm-cat",
            "candidate": "svm",
            "metrics": {"roc_auc": 0.9},
            "seconds": 2.5,
            "versions": [{"model": "heart-svm", "version": 3}],
        },
        {
            "run_id": "knn1",
            "name": "calm-cat",
            "candidate": "knn",
            "metrics": {"roc_auc": 0.8, "broken": None, "inf": None},
            "seconds": 2.5,
            "versions": [],
        },
    ]
    assert shown["build"] == "b-1"
    (svm, _) = shown["candidates"]
    assert {**svm, "seconds": 0} == {
        "name": "svm",
        "status": "ok",
        "exit_code": 0,
        "seconds": 0,
        "log": str(tmp_path / "logs" / "svm.log"),
        "error": "",
        "command": [],
    }


def test_the_script_sees_its_environment(tmp_path: Path) -> None:
    """What the plan says is what a real process gets, and what it says is passed on."""
    said: list[str] = []
    script = "import os; print(os.environ['MLFLOW_EXPERIMENT_NAME'], os.environ['MLFLOW_RUN_CONTEXT'][:23])"
    plan = planned(tmp_path, {"PATH": os.environ["PATH"]}, candidates={"svm": [sys.executable, "-c", script]})
    train(plan, Registry([run("svm")]), said.append)

    assert said[:-1] == ['[svm] heart {"jenkins_mlflow.build"']


def test_each_candidate_ends_with_a_line_and_its_time(tmp_path: Path) -> None:
    """A failure names its log, what never started says so."""
    said: list[str] = []
    commands = {"good": "true", "bad": "false", "late": "true"}
    plan = planned(tmp_path, {"PATH": os.environ["PATH"]}, candidates=commands, jobs=1)
    train(plan, Registry([run("good")]), said.append)

    assert [re.sub(r"\d+\.\d s", "N s", line) for line in said] == [
        "[good] ok after N s",
        f"[bad] failed after N s: exit code 1; its log: {tmp_path}/logs/bad.log",
        "[late] never started: another candidate failed",
    ]


@pytest.mark.parametrize(
    ("commands", "on_failure", "logged", "status", "message"),
    [
        pytest.param(
            {"svm": "true", "knn": "false"},
            "stop",
            ["svm"],
            "failed",
            "1 of 2 candidates trained: knn failed (exit code 1; log LOGS/knn.log); "
            "1 run logged, 0 versions registered",
            id="stop fails the training",
        ),
        pytest.param(
            {"svm": "true", "knn": "no-such-thing"},
            "continue",
            ["svm"],
            "trained",
            "1 of 2 candidates trained: knn failed (command not found: no-such-thing; log LOGS/knn.log); "
            "1 run logged, 0 versions registered",
            id="continue does with what there is",
        ),
        pytest.param(
            {"svm": "false", "knn": "false"},
            "continue",
            ["svm"],
            "failed",
            "0 of 2 candidates trained: svm failed (exit code 1; log LOGS/svm.log), "
            "knn failed (exit code 1; log LOGS/knn.log); 1 run logged, 0 versions registered",
            id="nothing trained",
        ),
        pytest.param(
            {"svm": "true"},
            "stop",
            [],
            "failed",
            "0 of 1 candidate trained: svm missing (http://mlflow:5000 has no run of it; log LOGS/svm.log); "
            "0 runs logged, 0 versions registered",
            id="nothing logged",
        ),
    ],
)
def test_when_a_training_counts_as_failed(
    tmp_path: Path, commands: dict[str, str], on_failure: str, logged: list[str], status: str, message: str
) -> None:
    """The policy decides; nothing logged is a failure whatever the exit codes say."""
    environ = {"PATH": os.environ["PATH"]}
    plan = planned(tmp_path, environ, candidates=commands, on_failure=on_failure, jobs=1)
    result = trained(plan, Registry([run(name) for name in logged]))

    assert (result.status, result.message) == (status, message.replace("LOGS", str(tmp_path / "logs")))
    assert result.exit_code == (0 if status == "trained" else 1)


@pytest.mark.parametrize(
    ("printed", "error", "warning"),
    [
        pytest.param(
            "done",
            "http://mlflow:5000 has no run of it",
            "knn succeeded, but http://mlflow:5000 has no run of it with this build's tag: does its script call "
            "mlflow.set_tracking_uri, or MlflowClient.create_run, which ignores MLFLOW_RUN_CONTEXT?",
            id="its log says nothing",
        ),
        pytest.param(
            "View run a b at: http://mlflow:5000/#/experiments/1/runs/2",
            "http://mlflow:5000 has no run of it",
            "knn succeeded, but http://mlflow:5000 has no run of it with this build's tag: does its script call "
            "mlflow.set_tracking_uri, or MlflowClient.create_run, which ignores MLFLOW_RUN_CONTEXT?",
            id="a run without the build's tags",
        ),
        pytest.param(
            "View run calm-cat at: http://ada:secret@laptop:5001/#/experiments/1/runs/2",
            "logged to http://***@laptop:5001, not to http://mlflow:5000",
            "knn logged to another MLflow, http://***@laptop:5001, not to http://mlflow:5000: remove "
            "set_tracking_uri from its script (MLFLOW_TRACKING_URI is set for it), or train with that address",
            id="another server",
        ),
    ],
)
def test_a_candidate_without_a_run_is_missing(tmp_path: Path, printed: str, error: str, warning: str) -> None:
    """It ended well, but into another MLflow: nothing of it can be selected, so it did not train."""
    commands = {"svm": "true", "knn": ["echo", printed]}
    plan = planned(tmp_path, {"PATH": os.environ["PATH"]}, candidates=commands, register="heart")
    registry = Registry([run("svm")])
    registry.versions["svm1"] = VERSION
    result = trained(plan, registry)

    assert (result.status, result.exit_code) == ("failed", 1)
    assert [(one.name, one.status, one.error) for one in result.candidates] == [
        ("svm", "ok", ""),
        ("knn", "missing", error),
    ]
    assert result.message == (
        f"1 of 2 candidates trained: knn missing ({error}; log {tmp_path}/logs/knn.log); "
        "1 run logged, 1 version registered"
    )
    assert result.warnings == (warning,)
    assert registry.marks == {"svm1": "ok"}


def test_a_training_that_registers_nothing_says_so(tmp_path: Path) -> None:
    """The next stage would find no candidate."""
    plan = planned(tmp_path, {"PATH": os.environ["PATH"]}, candidates={"svm": "true"})
    result = trained(plan, Registry([run("svm")]))
    assert result.status == "trained"
    (warning,) = result.warnings
    assert warning == (
        "no version was registered, so there is nothing to select: register a model in the training script, "
        "or set train.register to a model's name"
    )


def test_what_is_logged_but_not_registered_gets_registered(tmp_path: Path) -> None:
    """Finished runs of successful candidates without a version; of several models the last; never twice."""
    plan = planned(
        tmp_path,
        {"PATH": os.environ["PATH"]},
        candidates={
            "svm": "true",
            "knn": "true",
            "bad": "false",
            "two": "true",
            "none": "true",
            "open": "true",
        },
        register="heart-{candidate}",
        on_failure="continue",
    )
    registry = Registry(
        [run(c) for c in ("svm", "knn", "bad", "two", "none")] + [run("open", finished=False)]
    )
    registry.models = {
        f"{c}1": tuple(LoggedModel(f"{c}1", name, f"models:/m-{c}", f"m-{c}") for name in names)
        for c, names in {"svm": "m", "knn": "m", "bad": "m", "two": "ab", "open": "m"}.items()
    }
    registry.versions["svm1"] = (RegisteredVersion("own-name", 1),)

    result = trained(plan, registry)

    assert registry.registered == [("m", "heart-knn"), ("b", "heart-two")]
    assert {r.candidate: r.versions for r in result.runs} == {
        "svm": (RegisteredVersion("own-name", 1),),
        "knn": (RegisteredVersion("heart-knn", 1),),
        "bad": (),
        "two": (RegisteredVersion("heart-two", 2),),
        "none": (),
        "open": (),
    }
    assert result.warnings == (
        "run calm-cat of two logged a, b; the last one, b, was registered",
        (
            "candidate 'none' logged no model, so train.register has nothing to register; "
            "log one with `mlflow.*.log_model`"
        ),
        "a run of open did not finish, so its model was not registered",
    )
    trained(plan, registry)
    assert len(registry.registered) == 2


def test_mlflow_is_asked_before_anything_starts(tmp_path: Path) -> None:
    """An unreachable server costs no training time."""

    class Down(Registry):
        def prepare(self, experiment: str) -> None:
            raise ConnectionFailed("no server")

    plan = planned(
        tmp_path, {"PATH": os.environ["PATH"]}, candidates={"svm": ["touch", str(tmp_path / "started")]}
    )
    with pytest.raises(ConnectionFailed, match="no server"):
        trained(plan, Down())
    assert not (tmp_path / "started").exists()


def test_mlflow_lost_after_the_training_keeps_the_outcome(tmp_path: Path) -> None:
    """The candidates' outcome is reported although what they logged cannot be read."""

    class Lost(Registry):
        def versions_of_runs(self, run_ids: Collection[str]) -> dict[str, tuple[RegisteredVersion, ...]]:
            raise RegistryError("HTTP 500")

    result = trained(planned(tmp_path, {"PATH": os.environ["PATH"]}), Lost([run("svm")]))

    assert (result.status, result.exit_code) == ("failed", 1)
    assert result.message == "2 of 2 candidates trained; what they logged is not known: HTTP 500"
    assert [c.status for c in result.candidates] == ["ok", "ok"]


def test_an_abort_says_what_had_been_done(tmp_path: Path) -> None:
    """SIGTERM, which Jenkins sends, ends the training with 143 and the outcome so far."""
    plan = planned(
        tmp_path,
        {"PATH": os.environ["PATH"]},
        candidates={"svm": "true", "knn": ["sh", "-c", "echo go; sleep 60"]},
    )
    plan = replace(plan, jobs=1)
    registry = Registry([run("svm"), run("knn", finished=False, seconds=None)])
    registry.versions["svm1"] = (RegisteredVersion("heart-svm", 3),)
    result = train(plan, registry, lambda line: os.kill(os.getpid(), signal.SIGTERM), grace=5)

    assert (result.status, result.exit_code) == ("interrupted", 143)
    assert result.message == "interrupted by SIGTERM: 1 of 2 candidates trained: knn cancelled"
    assert [c.status for c in result.candidates] == ["ok", "cancelled"]
    assert [one.versions for one in result.runs if one.candidate == "svm"] == [registry.versions["svm1"]]
    assert registry.marks == {"knn1": "cancelled"}
    assert registry.ended == ["knn1"], "MLflow would show it as running for ever"


def test_an_abort_that_ends_the_scripts_first_ends_their_runs_too(tmp_path: Path) -> None:
    """Jenkins sends SIGTERM to every process of a build, in an order of its own: here, when all scripts are gone."""

    class Late(Registry):
        def runs_of_build(self, build: str) -> list[LoggedRun]:
            found = super().runs_of_build(build)
            if self.asked == 2:
                raise Interrupted("interrupted by SIGTERM", signal_number=signal.SIGTERM)
            return found

    plan = planned(tmp_path, {"PATH": os.environ["PATH"]}, candidates={"knn": ["sh", "-c", "kill $$"]})
    registry = Late([run("knn", finished=False, seconds=None)])
    result = train(plan, registry, lambda line: None)

    assert (result.status, result.exit_code) == ("interrupted", 143)
    assert result.message.startswith(
        "interrupted by SIGTERM: 0 of 1 candidate trained: knn failed (killed by SIGTERM"
    )
    assert registry.marks == {"knn1": "failed"}
    assert registry.ended == ["knn1"], "MLflow would show it as running for ever"


def test_runs_are_marked_with_their_outcome_last(tmp_path: Path) -> None:
    """Whoever gathers, or starts again, sees it: also of a candidate that failed after its run was finished."""
    plan = planned(
        tmp_path,
        {"PATH": os.environ["PATH"]},
        candidates={"svm": "true", "knn": "false"},
        on_failure="continue",
    )
    registry = Registry([run("svm"), run("knn"), run("knn", 2, finished=False, seconds=None)])
    trained(plan, registry)
    assert registry.marks == {"svm1": "ok", "knn1": "failed", "knn2": "failed"}
    assert registry.ended == ["knn2"]


@pytest.mark.parametrize(
    ("earlier", "versions", "again", "marked", "ended"),
    [
        pytest.param([], (), True, {}, [], id="nothing was tried"),
        pytest.param([run("svm", outcome="ok")], (), False, {}, [], id="trained"),
        pytest.param([run("svm", outcome="failed")], VERSION, True, {}, [], id="failed"),
        pytest.param([run("svm")], VERSION, False, {"svm1": "ok"}, [], id="lost between version and mark"),
        pytest.param([run("svm")], (), True, {"svm1": "lost"}, [], id="lost before it was registered"),
        pytest.param(
            [run("svm", finished=False, seconds=None)],
            VERSION,
            True,
            {"svm1": "lost"},
            ["svm1"],
            id="lost in the middle",
        ),
        pytest.param(
            [run("svm", finished=False, seconds=None), run("svm", 2, outcome="ok")],
            VERSION,
            False,
            {"svm1": "lost"},
            ["svm1"],
            id="lost in the middle, then trained",
        ),
        pytest.param([run("svm", outcome="lost")], VERSION, True, {}, [], id="lost earlier"),
        pytest.param(
            [run("svm", outcome="lost"), run("svm", 2, outcome="ok")], VERSION, False, {}, [], id="second try"
        ),
    ],
)
def test_a_candidate_that_is_trained_is_not_trained_twice(
    tmp_path: Path,
    earlier: list[LoggedRun],
    versions: tuple[RegisteredVersion, ...],
    again: bool,
    marked: dict[str, str],
    ended: list[str],
) -> None:
    """A Jenkins branch that runs again after its agent was lost."""
    plan = planned(
        tmp_path, {"PATH": os.environ["PATH"]}, candidates={"svm": ["touch", str(tmp_path / "trained")]}
    )
    registry = Registry([run("svm", 9)] if again else [], earlier)
    registry.versions["svm1"] = versions
    result = train(plan, registry, lambda line: None, grace=5, resume=True)

    assert (tmp_path / "trained").exists() is again
    assert {key: value for key, value in registry.marks.items() if key != "svm9"} == marked
    assert registry.ended == ended
    good = "svm9" if again else earlier[-1].run_id
    assert (result.status, [made.run_id for made in result.runs]) == ("trained", [good])


@pytest.mark.parametrize(
    ("svm", "policy", "status", "message"),
    [
        ("ok", "stop", "trained", "2 of 2 candidates trained; 2 runs logged, 2 versions registered"),
        (
            "failed",
            "stop",
            "failed",
            f"1 of 2 candidates trained: svm failed (its log is on the machine where it was trained); {MADE}",
        ),
        (
            "lost",
            "continue",
            "trained",
            "1 of 2 candidates trained: svm missing (none of its runs succeeded); 1 run logged, 1 version registered",
        ),
        (
            "forged",
            "stop",
            "failed",
            "1 of 2 candidates trained: svm missing (none of its runs succeeded); 1 run logged, 1 version registered",
        ),
    ],
)
def test_gathering_reads_the_outcomes(
    tmp_path: Path, svm: str, policy: str, status: str, message: str
) -> None:
    """Nothing is run; MLflow alone says how the candidates ended, and the policy decides."""
    plan = planned(
        tmp_path, on_failure=policy, candidates={"svm": "no-such-command", "knn": "no-such-command"}
    )
    registry = Registry(earlier=[run("svm", outcome=svm), run("knn", outcome="ok")])
    registry.versions = {"svm1": VERSION, "knn1": VERSION}
    result = gather(plan, registry)
    assert (result.status, result.message) == (status, message)
    assert not registry.marks


OPEN = run("svm", finished=False, seconds=None)


def test_what_a_lost_agent_left_running_is_ended_by_the_next_training_of_the_build(tmp_path: Path) -> None:
    """Also without --resume; runs of candidates that train elsewhere are left alone."""
    plan = planned(tmp_path, {"PATH": os.environ["PATH"]}, candidates={"svm": "true"})
    registry = Registry([run("svm", 2)], earlier=[OPEN, run("knn", finished=False, seconds=None)])
    trained(plan, registry)
    assert registry.marks == {"svm1": "lost", "svm2": "ok"}
    assert registry.ended == ["svm1"]


def test_gathering_ends_what_is_still_running(tmp_path: Path) -> None:
    """All other commands of the build have ended by now."""
    registry = Registry(earlier=[OPEN, run("knn", outcome="ok")])
    result = gather(planned(tmp_path, on_failure="continue"), registry)
    assert [one.status for one in result.candidates] == ["missing", "ok"]
    assert (registry.marks, registry.ended) == ({"svm1": "lost"}, ["svm1"])


@pytest.mark.parametrize(("timeout", "longest"), [(None, 86_400), ("30m", 1800)])
def test_what_an_earlier_build_left_running_is_ended(
    tmp_path: Path, timeout: str | None, longest: int
) -> None:
    """Nothing trains longer than its timeout, or than a day."""
    plan = planned(tmp_path, {"PATH": os.environ["PATH"]}, candidates={"svm": "true"}, timeout=timeout)
    registry = Registry([run("svm", 2)])
    registry.left_by_others = [OPEN]
    said: list[str] = []
    train(plan, registry, said.append, grace=5)
    assert said[0] == "ended 1 run that an earlier build left running"
    assert (registry.marks["svm1"], registry.ended) == ("lost", ["svm1"])
    assert abs(registry.left_before / 1000 + longest - time.time()) < 60


def test_runs_of_others_that_cannot_be_ended_stop_nothing(tmp_path: Path) -> None:
    class Foreign(Registry):
        def left_running(self, experiment: str, started_before: int) -> list[LoggedRun]:
            raise RegistryError("HTTP 403")

    plan = planned(tmp_path, {"PATH": os.environ["PATH"]}, candidates={"svm": "true"})
    assert trained(plan, Foreign([run("svm")])).status == "trained"
