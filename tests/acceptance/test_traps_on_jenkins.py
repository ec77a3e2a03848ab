"""A checkout full of traps in jobs of a real Jenkins: what a repository brings changes nothing but its own files."""

from __future__ import annotations

import contextlib
import json
import secrets
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from support.proxy import Answer, Request, Send
from support.seeding import Spec, seed
from support.traps import CRY, ELSEWHERE, PATH_FIRST, commit, environment, lay

from acceptance.jenkins_server import SANDBOX, JenkinsServer
from acceptance.job_scripts import HEAD, Block, block, call, results, text
from acceptance.registry_state import CHAMPION, champion, in_production
from acceptance.served import BRANCH, Mlflow, serve_repository

Job = Callable[[str, str], str]
SECRET = "what-the-agent-keeps-for-itself"


@contextlib.contextmanager
def trapped(folder: Path, mlflow: Mlflow, links: Mapping[str, str]) -> Iterator[str]:
    """Address of a repository that has every trap, and these symbolic links."""
    source = folder / "traps"
    source.mkdir()
    lay(source, netrc=urlsplit(mlflow.url).hostname or "")
    (folder / "bare").mkdir()
    with serve_repository(commit(source, links), folder / "bare") as address:
        yield address


@pytest.fixture
def outside(jenkins: JenkinsServer) -> str:
    """A folder of the agent's that no workspace has to do with; the pipelines make and remove it."""
    return f"/tmp/jenkins-mlflow-test-{secrets.token_hex(8)}"


def kept(outside: str) -> str:
    """Statements that make the folder, with a file that nobody may read or change."""
    return f"dir({text(outside)}) {{ writeFile(file: 'kept', text: {text(SECRET)}) }}"


def still_kept(outside: str) -> str:
    """Statements that say whether the folder is as it was, and remove it."""
    found = f"readFile('kept') == {text(SECRET)}"
    return f"dir({text(outside)}) {{ echo('KEPT: ' + ({found})); deleteDir() }}"


def trapped_build(repository: str, uri: str, outside: str, *calls: str) -> str:
    """A pipeline that checks the repository out and works there with an environment that leads into it.

    The runner is installed anew, because its cache is empty.
    """
    variables = {
        "MLFLOW_TRACKING_URI": uri,
        "MLFLOW_TRACKING_USERNAME": "tester",
        "MLFLOW_TRACKING_PASSWORD": "given-to-the-step",
        "JENKINS_MLFLOW_CACHE": f"{outside}/cache",
        **environment("@"),
    }
    pairs = (f"{text(f'{name}={value}')}.replace('@', pwd())" for name, value in variables.items())
    body = "\n".join(calls)
    return f"""{HEAD}node {{
        deleteDir()
        git(url: {text(repository)}, branch: {text(BRANCH)})
        try {{
            withEnv([{", ".join(pairs)}, {text(f"PATH={PATH_FIRST}:")} + env.PATH]) {{
                {body}
            }}
            echo('elsewhere: ' + fileExists({text(ELSEWHERE)}))
        }} finally {{
            dir({text(outside)}) {{ deleteDir() }}
        }}
    }}
    """


@pytest.fixture
def logins(mlflow: Mlflow) -> list[str]:
    """The login of each request that MLflow gets."""
    seen: list[str] = []

    def note(request: Request, send: Send) -> Answer:
        seen.append(request.login)
        return send()

    mlflow.proxy.inject(note)
    return seen


def test_a_checkout_full_of_traps_changes_nothing(
    jenkins: JenkinsServer,
    trusted: str,
    mlflow: Mlflow,
    job: Job,
    tmp_path: Path,
    outside: str,
    logins: list[str],
) -> None:
    """The runner is installed and works as ever, and it sends the login that the step was given."""
    seed(mlflow.direct, {"trapped": [CHAMPION, Spec()]})
    with trapped(tmp_path, mlflow, {}) as repository:
        script = trapped_build(
            repository,
            mlflow.url,
            outside,
            call("mlflowRun", "list", command="list", models="trapped"),
            call("mlflowPromote", "promote", models="trapped", model="trapped", version="2"),
        )
        build = jenkins.run(job(trusted, script)).expect("SUCCESS").expect_no_log(CRY, *SANDBOX)
    said = results(build.console)
    assert [model["name"] for model in said["list"]["models"]] == ["trapped"], build.describe()
    assert said["promote"]["version"] == 2, build.describe()
    assert (in_production(mlflow, "trapped"), champion(mlflow, "trapped")) == ([2], 2)
    build.expect_log("elsewhere: false")
    assert set(logins) == {"tester:given-to-the-step"}


def linked_build(repository: str, uri: str, outside: str, step: Block) -> str:
    """A pipeline whose step takes an agent, checks the repository out there, and archives the report itself."""
    prepare = block(
        "where = env.NODE_NAME",
        kept(outside),
        "deleteDir()",
        f"git(url: {text(repository)}, branch: {text(BRANCH)})",
    )
    given = f"trackingUri: {text(uri)}, prepare: {prepare}"
    return f"{HEAD}try {{ {step.replace(')', f', {given})')} }} finally {{ node(where) {{ {still_kept(outside)} }} }}\n"


LINKS = {"the folder": ("mlflow-report", ""), "a report": ("mlflow-report/list.json", "/kept")}


@pytest.mark.parametrize("what", LINKS)
def test_nothing_is_written_through_a_link_that_a_checkout_brings(
    what: str, jenkins: JenkinsServer, trusted: str, mlflow: Mlflow, job: Job, tmp_path: Path, outside: str
) -> None:
    """The build says which link, and what is behind it stays as it was and on its agent."""
    link, behind = LINKS[what]
    with trapped(tmp_path, mlflow, {link: f"{outside}{behind}"}) as repository:
        step = Block("mlflowRun(command: 'list', models: '*')")
        build = jenkins.run(job(trusted, linked_build(repository, mlflow.url, outside, step)))
    build.expect("FAILURE").expect_log("KEPT: true").expect_no_log(*SANDBOX)
    build.expect_log(f"{link} is a symbolic link; the report is not written through it")
    assert build.artifacts == {}, build.describe()


def test_nothing_behind_a_link_that_a_command_makes_is_archived(
    jenkins: JenkinsServer, trusted: str, mlflow: Mlflow, job: Job, tmp_path: Path, outside: str
) -> None:
    """A training leaves links to files of its agent in the report folder; the report is archived without them."""
    source = tmp_path / "source"
    source.mkdir()
    command = f"ln -s {outside}/kept mlflow-report/leak.txt && ln -s {outside} mlflow-report/leaks; exit 1"
    candidates = {"linker": ["sh", "-c", command]}
    config = {"models": "linked", "train": {"experiment": "linked", "candidates": candidates}}
    (source / "mlops.yaml").write_text(json.dumps(config))
    (tmp_path / "bare").mkdir()
    with serve_repository(commit(source, {}), tmp_path / "bare") as repository:
        script = linked_build(repository, mlflow.url, outside, Block("mlflowTrain(config: 'mlops.yaml')"))
        build = jenkins.run(job(trusted, script))
    build.expect("FAILURE").expect_log("KEPT: true").expect_no_log(*SANDBOX)
    assert "mlflow-report/train.json" in build.artifacts, build.describe()
    assert not [name for name, content in build.artifacts.items() if "leak" in name or SECRET in content]
