"""What jobs.yaml may hold: every mistake is named by line and key; and the XML that becomes of it."""

from __future__ import annotations

import re
from ast import literal_eval
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from hypothesis import example, given, strategies as st
from jenkins_mlflow.config.values import SWITCH_WORDS
from jenkins_mlflow.errors import ConfigError, UsageError
from jenkins_mlflow.jenkins_jobs import job_xml
from jenkins_mlflow.jenkins_jobs.comparison import parse
from jenkins_mlflow.jenkins_jobs.definition import Definition, Parameter, load
from pydantic import ValidationError

ROOT = Path(__file__).parents[3]
HEAD = "repository: {url: https://git.example.com/r.git}\n"


def definition(tmp_path: Path, text: str) -> Definition:
    path = tmp_path / "jobs.yaml"
    path.write_text(text, encoding="utf-8")
    return load(path)


def job(tmp_path: Path, body: str) -> ET.Element:
    return job_xml.job(definition(tmp_path, f"{HEAD}jobs:\n  j: {body}\n"), "j")


def test_the_example_is_valid_and_its_scripts_are_in_the_repository() -> None:
    """jobs/jobs.yaml describes the reference pipeline, the nightly cleanup and the manual job."""
    example = load(ROOT / "jobs" / "jobs.yaml")
    assert [example.full_name(name) for name in example.jobs] == [
        "mlops/heart-disease",
        "mlops/nightly-cleanup",
        "mlops/manual",
    ]
    scripts = {rules.script for rules in example.jobs.values()}
    assert scripts == {
        "examples/heart-disease/Jenkinsfile",
        "jobs/nightly-cleanup.Jenkinsfile",
        "jobs/manual.Jenkinsfile",
    }
    nightly = (ROOT / "jobs" / "nightly-cleanup.Jenkinsfile").read_text(encoding="utf-8")
    assert f"cron('{example.jobs['nightly-cleanup'].schedule}')" in nightly


def test_the_manual_jobs_parameters_are_those_of_its_jenkinsfile() -> None:
    """Those of jobs.yaml are for the first build; afterwards the Jenkinsfile's count, so they must not differ."""
    rules = load(ROOT / "jobs" / "jobs.yaml").jobs["manual"]
    script = (ROOT / rules.script).read_text(encoding="utf-8")
    declared = re.findall(
        r"\b(choice|string|booleanParam)\(\s*name: '(\w+)',\s*(\w+): (\[[^]]*\]|'[^']*'|\w+)", script
    )
    booleans = {"true": True, "false": False}
    expected = {
        name: (key, booleans[value] if kind == "booleanParam" else literal_eval(value))
        for kind, name, key, value in declared
    }
    found = {
        name: ("choices", list(parameter.choices))
        if parameter.choices
        else ("defaultValue", parameter.default)
        for name, parameter in rules.parameters.items()
    }
    assert list(found.items()) == list(expected.items())
    block = re.search(r"parameters \{(.*?)\n    \}", script, re.DOTALL)
    assert block is not None
    assert block[1].count("name: ") == len(expected)  # none was missed


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("jobs: {a: {}}\n", "jobs.yaml: repository: expected a value, but the key is missing"),
        (HEAD, "jobs.yaml: jobs: expected a value, but the key is missing"),
        (
            f"{HEAD}job: {{a: {{}}}}\njobs: {{a: {{}}}}\n",
            'jobs.yaml:2: job: unknown key; did you mean "jobs"?',
        ),
        (
            f"{HEAD}jobs:\n  a:\n    scirpt: x\n",
            'jobs.yaml:4: jobs.a.scirpt: unknown key; did you mean "script"?',
        ),
        (
            f"{HEAD}jobs: {{a: {{keep_builds: '3'}}}}\n",
            'jobs.yaml:2: jobs.a.keep_builds: expected a whole number, got "3"',
        ),
        (
            f"{HEAD}jobs: {{a: {{keep_builds: 0}}}}\n",
            "jobs.yaml:2: jobs.a.keep_builds: expected at least 1, got 0",
        ),
        (
            f"{HEAD}jobs: {{a: {{disable_concurrent: 1}}}}\n",
            "disable_concurrent: expected true or false, got 1",
        ),
        (f"{HEAD}jobs: {{a/b: {{}}}}\n", "jobs.yaml:2: jobs: expected a name that Jenkins allows"),
        (
            f"{HEAD}folder: a//b\njobs: {{a: {{}}}}\n",
            "jobs.yaml:2: folder: expected one line of text that is not blank",
        ),
        (f"{HEAD}jobs: {{a: {{script: ../x}}}}\n", "jobs.a.script: expected a path in the repository"),
        (
            f"{HEAD}jobs: {{a: {{schedule: every night}}}}\n",
            "jobs.a.schedule: expected a schedule of five fields",
        ),
        (
            f"{HEAD}jobs: {{a: {{parameters: {{n: {{default: 3}}}}}}}}\n",
            "default: expected text, true or false, got 3; put it in quotes",
        ),
        (
            f"{HEAD}jobs: {{a: {{parameters: {{n: {{default: No}}}}}}}}\n",
            'expected true, false or another text, got "No"; write true or false for a check box',
        ),
        (
            f'{HEAD}jobs: {{a: {{parameters: {{n: {{default: "\\x01"}}}}}}}}\n',
            'jobs.yaml:2: jobs.a.parameters.n.default: expected text without control characters, got "\\u0001"',
        ),
        (
            f'{HEAD}jobs: {{a: {{description: "a\\x1cb"}}}}\n',
            'jobs.yaml:2: jobs.a.description: expected text without control characters, got "a\\u001cb"',
        ),
        (f"{HEAD}jobs: {{a: {{description: 3}}}}\n", "jobs.yaml:2: jobs.a.description: expected text, got 3"),
        (
            f"{HEAD}jobs: {{a: {{parameters: {{n-o: {{}}}}}}}}\n",
            "jobs.a.parameters: expected a parameter name",
        ),
        (
            f"{HEAD}jobs: {{a: {{parameters: {{n: {{default: x, choices: [a]}}}}}}}}\n",
            "expected choices or a default; the first choice is the default",
        ),
        (
            "repository: {url: 'https://me:secret@git/r'}\njobs: {a: {}}\n",
            'repository.url: expected an address without a login, got "https://***@git/r"',
        ),
        (
            "repository: {url: 'https://ghp_secret@github.com/a/r.git'}\njobs: {a: {}}\n",
            'login, got "https://***@github.com/a/r.git"; use Jenkins\' credentials, with repository.credentials',
        ),
        (
            "repository: {url: 'HTTP://secret@git:8443'}\njobs: {a: {}}\n",
            'repository.url: expected an address without a login, got "HTTP://***@git:8443"',
        ),
        (
            "repository: {url: 'ssh://git:secret@git/r'}\njobs: {a: {}}\n",
            'repository.url: expected an address without a password, got "ssh://***@git/r"',
        ),
        (f"{HEAD}jobs: !!python/object:os.system {{}}\n", "expected plain YAML values, got the tag"),
    ],
)
def test_a_mistake_is_named_by_line_and_key(tmp_path: Path, text: str, problem: str) -> None:
    with pytest.raises(ConfigError) as caught:
        definition(tmp_path, text)
    assert problem in caught.value.message
    assert "secret" not in caught.value.message


@pytest.mark.parametrize(
    "url",
    [
        "ssh://git@git.example.com:2222/r.git",
        "git@git.example.com:mlops/r.git",
        "https://git.example.com/@scope/r.git",
        "https://git.example.com/r.git?at=a@b",
        "/srv/git/r.git",
    ],
)
def test_an_address_without_a_secret_is_taken(tmp_path: Path, url: str) -> None:
    """The user of SSH is no secret: its key is among Jenkins' credentials."""
    assert definition(tmp_path, f"repository: {{url: '{url}'}}\njobs: {{a: {{}}}}\n").repository.url == url


def test_all_mistakes_are_named_at_once(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        definition(tmp_path, f"{HEAD}jobs:\n  a: {{keep_builds: no}}\n  b: {{nope: 1}}\n")
    assert len(caught.value.message.splitlines()) == 2
    file = tmp_path / "jobs.yaml"
    assert caught.value.next_step == (
        f"correct jobs.a.keep_builds, jobs.b.nope in {file}; docs/jobs.md describes every key"
    )


def test_no_file_says_where_it_was_looked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=r"there is no jobs\.yaml and no jobs/jobs\.yaml"):
        load(None)


def test_a_job_by_default(tmp_path: Path) -> None:
    """Without options a job has its script and the marker, and no property."""
    xml = job(tmp_path, "{}")
    assert xml.findtext("description") == job_xml.MARKER
    assert job_xml.is_own(xml)
    assert len(xml.findall("properties/*")) == 0
    place = xml.find("definition")
    assert place is not None
    assert place.get("class") == "org.jenkinsci.plugins.workflow.cps.CpsScmFlowDefinition"
    assert place.findtext("scriptPath") == "Jenkinsfile"
    assert place.findtext("lightweight") == "true"
    assert place.findtext("scm/userRemoteConfigs/*/url") == "https://git.example.com/r.git"
    assert place.findtext("scm/branches/*/name") == "*/main"


def test_a_job_with_everything(tmp_path: Path) -> None:
    """Text that means something to XML stays text."""
    xml = job(
        tmp_path,
        "{description: 'a <b> & c', keep_builds: 7, disable_concurrent: true, schedule: '@daily', disabled: true, "
        "branch: refs/tags/v1, parameters: {A: {choices: [x, y]}, B: {default: true}, C: {default: '<&>'}}}",
    )
    xml = ET.fromstring(job_xml.text(xml))
    assert xml.findtext("description") == f"a <b> & c\n\n{job_xml.MARKER}"
    limits = {node.tag: node.text for node in xml.iterfind(f"properties/{job_xml.DISCARDER}/strategy/*")}
    unlimited = dict.fromkeys(("daysToKeep", "artifactDaysToKeep", "artifactNumToKeep"), "-1")
    assert limits == unlimited | {"numToKeep": "7"}
    assert xml.find(f"properties/{job_xml.NOT_CONCURRENT}") is not None
    assert (
        xml.findtext(f"properties/{job_xml.TRIGGERS}/triggers/hudson.triggers.TimerTrigger/spec") == "@daily"
    )
    assert xml.findtext("disabled") == "true"
    assert xml.findtext("definition/scm/branches/*/name") == "refs/tags/v1"
    parameters = xml.findall(f"properties/{job_xml.PARAMETERS}/parameterDefinitions/*")
    assert [node.tag.rpartition(".")[2] for node in parameters] == [
        "ChoiceParameterDefinition",
        "BooleanParameterDefinition",
        "StringParameterDefinition",
    ]
    assert [node.text for node in parameters[0].iter("string")] == ["x", "y"]
    assert [node.findtext("defaultValue") for node in parameters[1:]] == ["true", "<&>"]


@given(st.text(st.characters(exclude_categories=())))
@example("YES")
def test_text_that_is_accepted_arrives_in_jenkins_as_it_is(text: str) -> None:
    """XML cannot hold every character, and reads some as others."""
    try:
        parameter = Parameter(description=text, default=text)
    except ValidationError:
        assert text.casefold() in SWITCH_WORDS or not all(char.isprintable() or char == "\n" for char in text)
        return
    rules = {"repository": {"url": "u"}, "jobs": {"j": {"parameters": {"A": parameter}}}}
    xml = parse("j", job_xml.text(job_xml.job(Definition.model_validate(rules), "j")))
    (node,) = xml.iterfind(f"properties/{job_xml.PARAMETERS}/parameterDefinitions/*")
    assert (node.findtext("description"), node.findtext("defaultValue")) == (text.strip(), text)


@pytest.mark.parametrize(
    ("branch", "stored"), [("main", "*/main"), ("feature/x", "*/feature/x"), ("*/a", "*/a"), ("${B}", "${B}")]
)
def test_a_branch_is_written_as_the_git_plugin_does(tmp_path: Path, branch: str, stored: str) -> None:
    assert job(tmp_path, f"{{branch: '{branch}'}}").findtext("definition/scm/branches/*/name") == stored


def test_a_description_that_only_mentions_the_marker_is_not_ours() -> None:
    root = ET.fromstring(
        f"<flow-definition><description>{job_xml.MARKER}\nnot any more</description></flow-definition>"
    )
    assert not job_xml.is_own(root)
