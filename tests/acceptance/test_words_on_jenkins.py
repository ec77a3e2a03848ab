"""What people read: the log ends each command as a terminal does, scope is never silent, causes have names."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.command import run_command
from support.seeding import Spec, client, seed

from acceptance.console import IMPORTS
from acceptance.jenkins_server import SANDBOX, JenkinsServer
from acceptance.job_scripts import call, groovy, steps, text
from acceptance.registry_state import CHAMPION, give_files, in_production, stages
from acceptance.served import Mlflow

Job = Callable[[str, str], str]
TIMES = re.compile(r"\b\d+\.\d+ s\b|\b\d+ s old\b|\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d\+\d\d:\d\d)?")
PLACE = re.compile(r"^(Report|MLflow): ")


def at_a_terminal(mlflow: Mlflow, folder: Path, *arguments: str) -> list[str]:
    """The lines of the same command, started by a person in an empty folder."""
    done = run_command(*arguments, "--tracking-uri", mlflow.direct, cwd=folder)
    assert done.code == 0, done.stderr
    return lines(done.stderr + done.stdout)


SERVER = r" --tracking-uri \S+?(?=[` ]|$)"  # advice repeats the option; a step gives the address in the environment


def lines(printed: str) -> list[str]:
    """What was said, without what differs from run to run."""
    same = (re.sub(r" \([\d.]+ a second.*\)|" + SERVER, "", line) for line in printed.splitlines())
    kept = (TIMES.sub("then", line.rstrip()) for line in same)
    return [line for line in kept if line and not PLACE.match(line)]


WORDS: dict[str, tuple[str, dict[str, Any], str]] = {
    "select": ("mlflowSelect", {"metric": "score"}, "select --metric=score"),
    "plan": (
        "mlflowPromote",
        {"model": "MODEL", "version": 2, "dryRun": True},
        "promote --model=MODEL --version=2 --dry-run",
    ),
    "promote": ("mlflowPromote", {"model": "MODEL", "version": 2}, "promote --model=MODEL --version=2"),
    "rollback": ("mlflowRollback", {"model": "MODEL", "to": 1}, "rollback --model=MODEL --to=1"),
    "recover": ("mlflowPromote", {"recover": True}, "promote --recover"),
    "lease": (
        "mlflowLease",
        {"model": "MODEL", "version": 3, "holder": "eu", "for": "30d"},
        "lease --model=MODEL --version=3 --holder=eu --for=30d",
    ),
    "cleanup": ("mlflowCleanup", {"keepLast": 1}, "cleanup --keep-last=1 --yes"),
}


def test_a_build_says_what_a_terminal_says(
    jenkins: JenkinsServer, trusted: str, mlflow: Mlflow, job: Job, tmp_path: Path
) -> None:
    """Two models with the same history, one worked on in a build, one by hand: the same words in the same order."""
    history = [
        replace_metric(CHAMPION, 0.7),
        Spec({"score": 0.9}),
        Spec({"score": 0.8}),
        Spec({"score": 0.5}),
    ]
    said: dict[str, list[str]] = {}
    seed(mlflow.direct, {"by-hand-it": history, "in-a-build": history})
    for model in ("by-hand-it", "in-a-build"):
        give_files(mlflow, model)
    for key, (_, _, arguments) in WORDS.items():
        command_line = arguments.replace("MODEL", "by-hand-it").split()
        said[key] = at_a_terminal(mlflow, tmp_path, *command_line, "--models=by-hand-it")
    calls = []
    for key, (step, given, _) in WORDS.items():
        named: dict[str, Any] = {
            name: "in-a-build" if value == "MODEL" else value for name, value in given.items()
        }
        calls += [f"echo('BEGIN {key}')", call(step, models="in-a-build", **named)]
    build = jenkins.run(job(trusted, steps(mlflow.url, *calls))).expect("SUCCESS").expect_no_log(*SANDBOX)
    parts = re.split(r"^BEGIN (\w+)$", build.console.replace("in-a-build", "by-hand-it"), flags=re.MULTILINE)
    assert all(said.values()), said
    for key, part in zip(parts[1::2], parts[2::2], strict=True):
        log = [line for line in lines(part) if not line.startswith(("[Pipeline]", "Finished: "))]
        missing = [line for line in said[key] if line not in log]
        assert not missing, f"{key}: {missing}\n{build.describe()}"
    assert stages(mlflow, "in-a-build") == stages(mlflow, "by-hand-it")


def replace_metric(spec: Spec, score: float) -> Spec:
    return Spec({"score": score}, spec.stage, spec.aliases)


def test_no_scope_is_silent(jenkins: JenkinsServer, trusted: str, fresh_mlflow: Mlflow, job: Job) -> None:
    """Without a config and a name a change is refused, the config elsewhere is named; allModels says it."""
    seed(fresh_mlflow.direct, {"mine": [CHAMPION, Spec(), Spec()], "of-others": [Spec(), Spec(), Spec()]})
    elsewhere = call("writeFile", file="models/heart/mlops.yaml", text="models: mine\n")
    for step in ("mlflowCleanup", "mlflowPromote"):
        silent = steps(fresh_mlflow.url, elsewhere, call(step))
        build = jenkins.run(job(trusted, silent)).expect("FAILURE")
        build.expect_log(
            "would work on every model of the registry; mlops.yaml is at models/heart/mlops.yaml"
        )
        build.expect_log("write config: 'models/heart/mlops.yaml', or name models or model; allModels: true")
    assert len(stages(fresh_mlflow, "of-others")) == 3
    said = steps(fresh_mlflow.url, call("mlflowCleanup", allModels=True, keepLast=1))
    build = jenkins.run(job(trusted, said)).expect("SUCCESS")
    assert (len(stages(fresh_mlflow, "mine")), len(stages(fresh_mlflow, "of-others"))) == (2, 1), (
        build.describe()
    )


def test_a_group_of_several_champions_is_said(
    jenkins: JenkinsServer, trusted: str, mlflow: Mlflow, job: Job
) -> None:
    """Which other model stays in production, and the key that makes one champion."""
    scored = [replace_metric(CHAMPION, 0.7)]
    seed(mlflow.direct, {"beside-a": [Spec({"score": 0.9})], "beside-b": scored})
    script = steps(mlflow.url, call("mlflowPromote", models="beside-*", metric="score"))
    build = jenkins.run(job(trusted, script)).expect("SUCCESS")
    build.expect_log(
        "Still in production beside it: beside-b version 1; promote.exclusive: true makes one champion"
    )
    assert (in_production(mlflow, "beside-a"), in_production(mlflow, "beside-b")) == ([1], [1])


def test_a_timers_build_is_recorded_by_the_timer(
    jenkins: JenkinsServer, trusted: str, mlflow: Mlflow, job: Job
) -> None:
    """Nobody pressed a button, and the agent's user promoted nothing."""
    seed(mlflow.direct, {"nightly": [CHAMPION, Spec()]})
    name = job(trusted, steps(mlflow.url, call("mlflowPromote", model="nightly", version="2")))
    jenkins.groovy(f"""{IMPORTS}
        import hudson.model.CauseAction
        import hudson.triggers.TimerTrigger
        def job = Jenkins.get().getItemByFullName({text(name)})
        job.scheduleBuild2(0, new CauseAction(new TimerTrigger.TimerTriggerCause()))
    """)
    path = "".join(f"job/{part}/" for part in name.split("/"))

    def built() -> bool | None:
        last = jenkins.json(path, "lastBuild[building,result]")["lastBuild"]
        return bool(last and last["result"]) or None

    jenkins.until("the timer's build", built, 900, lambda: name)
    tags = client(mlflow.direct).get_model_version("nightly", "2").tags
    assert tags["jenkins_mlflow.promoted_by"] == f"timer, job {name}", tags


def test_a_text_instead_of_a_map_says_what_to_write(jenkins: JenkinsServer, trusted: str, job: Job) -> None:
    """No MissingMethodException, and no agent."""
    build = jenkins.run(job(trusted, steps("", "mlflowPromote('heart')", agent=False))).expect("FAILURE")
    build.expect_log("mlflowPromote: parameters have names; write mlflowPromote(model: 'heart')")
    build.expect_no_log("Running on ", "MissingMethodException", *SANDBOX)


@pytest.mark.parametrize("step", ["mlflowTrain", "mlflowPipeline"])
def test_a_duration_in_words_costs_no_agent(
    jenkins: JenkinsServer, trusted: str, job: Job, step: str
) -> None:
    """The message has the step's name for it."""
    script = steps("", f"{step}(timeout: {groovy('10 minutes')})", agent=False)
    build = jenkins.run(job(trusted, script)).expect("FAILURE").expect_no_log("Running on ", *SANDBOX)
    build.expect_log(f"{step}: timeout must be a time such as 30m, 2h or 7d, not '10 minutes'")
