"""What `jobs apply` would do, decided from the file and the stored XML alone."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from jenkins_mlflow.errors import JenkinsError, Refused, UsageError
from jenkins_mlflow.jenkins_jobs import job_xml
from jenkins_mlflow.jenkins_jobs.definition import Definition, load
from jenkins_mlflow.jenkins_jobs.plan import Item, Plan, plan
from support.jenkins import FOLDER, first_build

TEXT = """
folder: team/mlops
repository: {url: https://git.example.com/r.git, credentials: git}
jobs:
  train:
    description: Trains.
    keep_builds: 30
    disable_concurrent: true
    schedule: H 3 * * *
"""
NAME = "team/mlops/train"
HAND_MADE = "<flow-definition><description>my own</description><definition/></flow-definition>"
# What the Jenkinsfile of this job declares, and Jenkins' record of that.
PARAMETERS = """
<hudson.model.StringParameterDefinition><name>MODEL</name><defaultValue>x</defaultValue><trim>true</trim>
</hudson.model.StringParameterDefinition>"""
DISCARDER = """
<jenkins.model.BuildDiscarderProperty><strategy class="hudson.tasks.LogRotator"><daysToKeep>-1</daysToKeep>
<numToKeep>99</numToKeep><artifactDaysToKeep>-1</artifactDaysToKeep><artifactNumToKeep>-1</artifactNumToKeep></strategy>
</jenkins.model.BuildDiscarderProperty>"""
TRIGGER = "<hudson.triggers.TimerTrigger><spec>H 4 * * *</spec></hudson.triggers.TimerTrigger>"
RECORD = """
<jobProperties><string>jenkins.model.BuildDiscarderProperty</string></jobProperties>
<triggers><string>hudson.triggers.TimerTrigger</string></triggers>
<parameters><string>MODEL</string></parameters><options><string>skipDefaultCheckout</string></options>"""


@pytest.fixture
def definition(tmp_path: Path) -> Definition:
    path = tmp_path / "jobs.yaml"
    path.write_text(TEXT, encoding="utf-8")
    return load(path)


@pytest.fixture
def posted(definition: Definition) -> str:
    """The job as it was sent."""
    return job_xml.text(job_xml.job(definition, "train"))


def decide(definition: Definition, stored: str | None, *adopted: str) -> Item:
    """The plan's item for the job, whose folders are there."""
    made = plan(definition, {"team": FOLDER, "team/mlops": FOLDER, NAME: stored}, adopted)
    assert [item.action for item in made.items[:2]] == ["none", "none"]
    return made.items[2]


def built(posted: str) -> str:
    return first_build(posted, parameters=PARAMETERS, properties=DISCARDER, triggers=TRIGGER, record=RECORD)


def test_what_is_missing_is_created_folders_first(definition: Definition) -> None:
    made = plan(definition, {"team": None, "team/mlops": None, NAME: None})
    assert [(item.kind, item.name, item.action) for item in made.items] == [
        ("folder", "team", "create"),
        ("folder", "team/mlops", "create"),
        ("job", NAME, "create"),
    ]
    assert job_xml.is_own(ET.fromstring(made.items[0].xml))
    assert job_xml.is_own(ET.fromstring(made.items[2].xml))
    assert "+    <scriptPath>Jenkinsfile</scriptPath>" in made.items[2].diff.splitlines()


def test_a_job_as_it_was_sent_is_up_to_date(definition: Definition, posted: str) -> None:
    assert decide(definition, posted).action == "none"


def test_what_jenkins_adds_when_it_stores_is_no_difference(definition: Definition, posted: str) -> None:
    """Plugin versions, defaults, empty elements, another order, XML 1.1, an empty property of some plugin."""
    stored = first_build(posted)
    assert stored != posted
    assert 'plugin="git@' in stored
    assert decide(definition, stored).action == "none"


def test_what_the_jenkinsfile_declares_is_no_difference(definition: Definition, posted: str) -> None:
    """Its parameters, its trigger at another time, its other number of builds: Jenkins' record says whose they are."""
    stored = built(posted)
    assert "H 4 * * *" in stored
    assert "H 3 * * *" not in stored
    assert decide(definition, stored).action == "none"


def test_an_update_keeps_what_the_jenkinsfile_declares_and_the_record_of_it(
    definition: Definition, posted: str
) -> None:
    """Without the record Jenkins would never take a parameter away again."""
    stored = built(posted).replace("*/main", "*/old")
    item = decide(definition, stored)
    assert item.action == "update"
    changed = [line for line in item.diff.splitlines() if line[:1] in "+-" and line[:3] not in ("+++", "---")]
    assert [line.strip("+- ") for line in changed] == ["<name>*/old</name>", "<name>*/main</name>"]
    root = ET.fromstring(item.xml)
    assert [node.text for node in root.iterfind("actions/*/parameters/string")] == ["MODEL"]
    assert [node.findtext("name") for node in root.iterfind(f"properties/{job_xml.PARAMETERS}/*/*")] == [
        "MODEL"
    ]
    assert [node.text for node in root.iterfind(f"properties/{job_xml.TRIGGERS}//spec")] == ["H 4 * * *"]
    assert [node.text for node in root.iter("numToKeep")] == ["99"]


def test_a_scripted_pipelines_own_properties_are_left_alone(definition: Definition, posted: str) -> None:
    """`properties([...])` has a record of its own."""
    tracker = "org.jenkinsci.plugins.workflow.multibranch.JobPropertyTrackerAction"
    record = f"<jobPropertyDescriptors><string>{job_xml.PARAMETERS}</string></jobPropertyDescriptors>"
    stored = first_build(posted, parameters=PARAMETERS)
    stored = stored.replace(
        "<actions>", f'<actions><{tracker} plugin="workflow-multibranch@806">{record}</{tracker}>'
    )
    assert decide(definition, stored).action == "none"


@pytest.mark.parametrize(
    ("before", "after", "line"),
    [
        ("<disabled>false</disabled>", "<disabled>true</disabled>", "-  <disabled>true</disabled>"),
        ("*/main", "*/mine", "-          <name>*/mine</name>"),
        (">Jenkinsfile<", ">Other<", "-    <scriptPath>Other</scriptPath>"),
        ("Trains.", "Trained.", "-  <description>Trained."),
        (
            "<lightweight>true</lightweight>",
            "<lightweight>false</lightweight>",
            "+    <lightweight>true</lightweight>",
        ),
        (
            "<credentialsId>git</credentialsId>",
            "<credentialsId>me</credentialsId>",
            "-          <credentialsId>me</credentialsId>",
        ),
        (
            "<extensions></extensions>",
            "<extensions><hudson.plugins.git.extensions.impl.CleanCheckout/></extensions>",
            "-        <hudson.plugins.git.extensions.impl.CleanCheckout />",
        ),
        (
            "</parameterDefinitions>",
            f"{PARAMETERS.replace('MODEL', 'MINE')}</parameterDefinitions>",
            "-          <name>MINE</name>",
        ),
        (
            "</triggers>\n    </org",
            "<hudson.triggers.SCMTrigger><spec>* * * * *</spec></hudson.triggers.SCMTrigger></triggers>\n    </org",
            "-          <spec>* * * * *</spec>",
        ),
        (
            "<keepDependencies>",
            "<displayName>Mine</displayName><keepDependencies>",
            "-  <displayName>Mine</displayName>",
        ),
    ],
)
def test_what_a_person_changed_shows_in_the_difference(
    definition: Definition, posted: str, before: str, after: str, line: str
) -> None:
    stored = built(posted)
    assert before in stored
    item = decide(definition, stored.replace(before, after))
    assert item.action == "update"
    assert line in item.diff.splitlines()
    again = decide(definition, item.xml)
    assert again.action == "none"


def test_a_job_that_lost_its_concurrency_limit_differs(definition: Definition, posted: str) -> None:
    """The property is an empty element, which says something all the same."""
    root = ET.fromstring(posted)
    properties = root.find("properties")
    assert properties is not None
    properties[:] = [node for node in properties if node.tag != job_xml.NOT_CONCURRENT]
    item = decide(definition, job_xml.text(root))
    assert f"+    <{job_xml.NOT_CONCURRENT} />" in item.diff.splitlines()


def test_a_difference_shows_no_secrets(definition: Definition, posted: str) -> None:
    """Neither a trigger's token nor what Jenkins has encrypted, nor an address's password."""
    stored = posted.replace(
        "<disabled>",
        "<authToken>open-sesame</authToken><quietPeriod>{AQAAABAAAAAQNyJ6xxd3E8vP=}</quietPeriod><disabled>",
    ).replace("https://git.example.com", "https://me:hunter2@git.example.com")
    diff = decide(definition, stored).diff
    assert "-  <authToken>***</authToken>" in diff
    assert "-  <quietPeriod>***</quietPeriod>" in diff
    assert "https://***@git.example.com" in diff
    assert not any(secret in diff for secret in ("open-sesame", "AQAAAB", "hunter2"))


def test_a_job_of_somebody_else_is_refused_unless_adopted(definition: Definition) -> None:
    item = decide(definition, HAND_MADE)
    assert item.action == "refuse"
    with pytest.raises(Refused) as caught:
        Plan((item,)).require_allowed()
    assert caught.value.state == "nothing was written"
    assert f"--adopt {NAME}" in caught.value.next_step
    for name in ("train", NAME):
        adopted = decide(definition, HAND_MADE, name)
        assert adopted.action == "update"
        assert job_xml.is_own(ET.fromstring(adopted.xml))


def test_the_name_of_a_job_that_can_be_adopted_is_quoted_where_a_shell_asks_for_it() -> None:
    """Names in Jenkins hold blanks."""
    refused = Plan((Item("für alle/my job", "job", "refuse"), Item("train", "job", "refuse")))
    with pytest.raises(Refused) as caught:
        refused.require_allowed()
    assert caught.value.next_step.endswith(" from now on, --adopt 'für alle/my job' --adopt train")


def test_another_kind_of_job_is_refused_even_if_adopted(definition: Definition) -> None:
    """Jenkins cannot turn one kind into another."""
    item = decide(definition, "<project><description/></project>", "train")
    assert item.action == "refuse"
    assert "a project with this name exists" in item.obstacle


def test_a_job_where_a_folder_should_be_is_refused(definition: Definition) -> None:
    job = "org.jenkinsci.plugins.workflow.job.WorkflowJob"
    made = plan(definition, {"team": FOLDER, "team/mlops": job, NAME: None})
    assert [item.action for item in made.items] == ["none", "refuse", "create"]


def test_adopting_a_job_that_the_file_has_not_is_a_slip(definition: Definition, posted: str) -> None:
    with pytest.raises(UsageError, match=r'--adopt trian: not a job of jobs.yaml; did you mean "train"\?'):
        decide(definition, posted, "trian")


@pytest.mark.parametrize(
    "stored",
    [
        "<flow-definition>",
        "<!DOCTYPE x [<!ENTITY a 'b'>]><flow-definition/>",
        f"<flow-definition>{'<a>' * 5000}{'</a>' * 5000}</flow-definition>",
        "<flow-definition>\x01</flow-definition>",
    ],
)
def test_an_xml_that_cannot_be_trusted_is_an_error(definition: Definition, stored: str) -> None:
    with pytest.raises(JenkinsError, match=r"the config\.xml of team/mlops/train"):
        decide(definition, stored)


def test_parameters_of_the_file_and_of_the_jenkinsfile_live_together(
    definition: Definition, posted: str
) -> None:
    """The file's parameter is there before the first build; then the Jenkinsfile's counts."""
    mine = definition.model_validate(
        definition.model_dump()
        | {"jobs": {"train": {"parameters": {"MODEL": {"default": "y"}, "OTHER": {}}}}}
    )
    text = job_xml.text(job_xml.job(mine, "train"))
    stored = first_build(text, parameters=PARAMETERS, record=RECORD)
    assert decide(mine, stored).action == "none"
    root = ET.fromstring(decide(mine, stored.replace("*/main", "*/x")).xml)
    names = [node.findtext("name") for node in root.iterfind(f"properties/{job_xml.PARAMETERS}/*/*")]
    assert sorted(filter(None, names)) == ["MODEL", "OTHER"]


def with_parameters(definition: Definition, **parameters: Mapping[str, object]) -> Definition:
    """The job's parameters are these, in this order."""
    jobs = {"train": {"parameters": parameters}}
    return definition.model_validate(definition.model_dump() | {"jobs": jobs})


def sent(definition: Definition) -> str:
    return job_xml.text(job_xml.job(definition, "train"))


@pytest.mark.parametrize(
    ("before", "after", "line"),
    [
        ({"default": ""}, {"default": "false"}, "+          <defaultValue>false</defaultValue>"),
        ({"default": "false"}, {"default": ""}, "-          <defaultValue>false</defaultValue>"),
        ({"default": "x"}, {"default": " x"}, "+          <defaultValue> x</defaultValue>"),
        ({"default": ""}, {"default": " "}, "+          <defaultValue> </defaultValue>"),
        ({"description": ""}, {"description": "false"}, "+          <description>false</description>"),
        ({"default": True}, {"default": False}, "+          <defaultValue>false</defaultValue>"),
        ({"default": "false"}, {"default": False}, "-        <hudson.model.StringParameterDefinition>"),
        ({"choices": ["false"]}, {"choices": ["false", "true"]}, "+            <string>true</string>"),
    ],
)
def test_a_parameter_that_was_changed_in_the_file_is_an_update(
    definition: Definition, before: Mapping[str, object], after: Mapping[str, object], line: str
) -> None:
    """A text "false" is no truth value, and a blank in a default is a part of it."""
    item = decide(with_parameters(definition, A=after), sent(with_parameters(definition, A=before)))
    assert item.action == "update"
    assert line in item.diff.splitlines()
    assert decide(with_parameters(definition, A=after), item.xml).action == "none"


def test_what_jenkins_adds_to_a_parameter_is_no_difference(definition: Definition) -> None:
    """It stores ``trim``, and may leave out an empty description or default."""
    mine = with_parameters(
        definition, A={}, B={"default": "false"}, C={"default": False}, D={"choices": ["x"]}
    )
    stored = sent(mine).replace("</defaultValue></hudson", "</defaultValue><trim>false</trim></hudson")
    stored = stored.replace("<description />", "").replace("<defaultValue />", "<trim>false</trim>")
    assert "<description>" in sent(mine)
    assert stored.count("<trim>") == 3
    assert decide(mine, stored).action == "none"


def test_parameters_in_another_order_are_an_update(definition: Definition) -> None:
    """The form shows them in this order, a check box before a text field too."""
    text, box = {"default": "x"}, {"default": True}
    stored = sent(with_parameters(definition, A=text, B=box))
    for wanted in (
        with_parameters(definition, B=box, A=text),
        with_parameters(definition, C=text, A=text, B=box),
    ):
        item = decide(wanted, stored)
        assert item.action == "update"
        assert decide(wanted, item.xml).action == "none"


def test_a_jenkinsfiles_parameter_stays_where_it_is_among_those_of_the_file(definition: Definition) -> None:
    """Jenkins decides on its place."""
    text, box = {"default": "x"}, {"default": True}
    for order in ("MODEL A B", "A MODEL B", "A B MODEL"):
        mine = with_parameters(definition, **{name: box if name == "A" else text for name in order.split()})
        stored = first_build(sent(mine), record=RECORD)
        wanted = with_parameters(definition, A=box, B=text)
        assert decide(wanted, stored).action == "none"
        item = decide(with_parameters(definition, B=text, A=box), stored)
        assert item.action == "update"
        root = ET.fromstring(item.xml)
        names = [node.findtext("name") for node in root.iterfind(f"properties/{job_xml.PARAMETERS}/*/*")]
        assert names == order.replace("A", "?").replace("B", "A").replace("?", "B").split()
