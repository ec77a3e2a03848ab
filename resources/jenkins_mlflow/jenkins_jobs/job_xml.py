"""Builds the XML of jobs and folders as Jenkins stores it.

It has no plugin versions: Jenkins finds the classes without them, and stores its own.
"""

from __future__ import annotations

from xml.etree import ElementTree as ET

from jenkins_mlflow.jenkins_jobs.definition import Definition, Job, Parameter

MARKER = "Managed by jenkins-mlflow (jobs.yaml); changes made here are overwritten"
ROOT = "flow-definition"
FOLDER = "com.cloudbees.hudson.plugins.folder.Folder"
DISCARDER = "jenkins.model.BuildDiscarderProperty"
PARAMETERS = "hudson.model.ParametersDefinitionProperty"
TRIGGERS = "org.jenkinsci.plugins.workflow.job.properties.PipelineTriggersJobProperty"
NOT_CONCURRENT = "org.jenkinsci.plugins.workflow.job.properties.DisableConcurrentBuildsJobProperty"
# Each of these properties contains one list of items that a Jenkinsfile can declare.
LISTS = {PARAMETERS: "parameterDefinitions", TRIGGERS: "triggers"}


def job(definition: Definition, name: str) -> ET.Element:
    """The XML of one of the file's jobs."""
    rules = definition.jobs[name]
    root = ET.Element(ROOT)
    ET.SubElement(root, "actions")
    _text(root, "description", f"{rules.description}\n\n{MARKER}".lstrip())
    _text(root, "keepDependencies", "false")
    _properties(ET.SubElement(root, "properties"), rules)
    _script(root, definition, rules)
    ET.SubElement(root, "triggers")
    _text(root, "disabled", str(rules.disabled).lower())
    return root


def folder() -> ET.Element:
    """The XML of an empty folder."""
    root = ET.Element(FOLDER)
    _text(root, "description", MARKER)
    ET.SubElement(root, "properties")
    return root


def is_own(root: ET.Element) -> bool:
    """Whether the description ends with the marker."""
    lines = (root.findtext("description") or "").strip().splitlines()
    return bool(lines) and lines[-1].strip() == MARKER


def text(root: ET.Element) -> str:
    """The text that is sent to Jenkins."""
    return ET.tostring(root, encoding="unicode", xml_declaration=False)


def _text(parent: ET.Element, tag: str, content: str) -> None:
    ET.SubElement(parent, tag).text = content


def _properties(parent: ET.Element, rules: Job) -> None:
    if rules.keep_builds:
        strategy = ET.SubElement(
            ET.SubElement(parent, DISCARDER), "strategy", {"class": "hudson.tasks.LogRotator"}
        )
        limits = {
            "daysToKeep": -1,
            "numToKeep": rules.keep_builds,
            "artifactDaysToKeep": -1,
            "artifactNumToKeep": -1,
        }
        for tag, limit in limits.items():
            _text(strategy, tag, str(limit))
    if rules.disable_concurrent:
        _text(ET.SubElement(parent, NOT_CONCURRENT), "abortPrevious", "false")
    if rules.schedule:
        triggers = ET.SubElement(ET.SubElement(parent, TRIGGERS), LISTS[TRIGGERS])
        _text(ET.SubElement(triggers, "hudson.triggers.TimerTrigger"), "spec", rules.schedule)
    if rules.parameters:
        parameters = ET.SubElement(ET.SubElement(parent, PARAMETERS), LISTS[PARAMETERS])
        for name, parameter in rules.parameters.items():
            _parameter(parameters, name, parameter)


def _parameter(parent: ET.Element, name: str, parameter: Parameter) -> None:
    kind = "Choice" if parameter.choices else "Boolean" if isinstance(parameter.default, bool) else "String"
    node = ET.SubElement(parent, f"hudson.model.{kind}ParameterDefinition")
    _text(node, "name", name)
    _text(node, "description", parameter.description)
    if parameter.choices:
        choices = ET.SubElement(node, "choices", {"class": "java.util.Arrays$ArrayList"})
        array = ET.SubElement(choices, "a", {"class": "string-array"})
        for choice in parameter.choices:
            _text(array, "string", choice)
    else:
        default = parameter.default
        _text(node, "defaultValue", str(default).lower() if isinstance(default, bool) else default)


def _script(root: ET.Element, definition: Definition, rules: Job) -> None:
    """The Jenkinsfile, read from git without a checkout on the controller (lightweight)."""
    repository = definition.repository
    place = ET.SubElement(
        root, "definition", {"class": "org.jenkinsci.plugins.workflow.cps.CpsScmFlowDefinition"}
    )
    scm = ET.SubElement(place, "scm", {"class": "hudson.plugins.git.GitSCM"})
    _text(scm, "configVersion", "2")
    remote = ET.SubElement(ET.SubElement(scm, "userRemoteConfigs"), "hudson.plugins.git.UserRemoteConfig")
    _text(remote, "url", repository.url)
    if repository.credentials:
        _text(remote, "credentialsId", repository.credentials)
    branch = ET.SubElement(ET.SubElement(scm, "branches"), "hudson.plugins.git.BranchSpec")
    _text(branch, "name", _branch(rules.branch or repository.branch))
    _text(scm, "doGenerateSubmoduleConfigurations", "false")
    ET.SubElement(scm, "submoduleCfg", {"class": "empty-list"})
    ET.SubElement(scm, "extensions")
    _text(place, "scriptPath", rules.script)
    _text(place, "lightweight", "true")


def _branch(name: str) -> str:
    """A plain branch as the git plugin's form writes it; references, patterns and variables stay."""
    return name if name.startswith(("*", "refs/", "$", ":")) else f"*/{name}"
