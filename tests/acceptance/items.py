"""The items that tests make, as Jenkins wants them: pipeline jobs, folders, library configurations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from xml.etree.ElementTree import Element, SubElement

LIBRARY = "jenkins-mlflow"
LIBS = "org.jenkinsci.plugins.workflow.libs"


def pipeline(script: str) -> Element:
    """A job with a pipeline script of its own, in the sandbox."""
    job = Element("flow-definition")
    definition = SubElement(
        job, "definition", {"class": "org.jenkinsci.plugins.workflow.cps.CpsFlowDefinition"}
    )
    _texts(definition, script=script, sandbox="true")
    return job


def pipeline_from_scm(
    repository: str, branch: str, path: str, parameters: Mapping[str, str | Sequence[str] | bool]
) -> Element:
    """A job whose script is a file of a repository.

    Args:
        repository: Address of the repository.
        branch: Its branch.
        path: The file.
        parameters: The job's parameters with their defaults; a list is a choice.
    """
    job = Element("flow-definition")
    _parameters(SubElement(job, "properties"), parameters)
    definition = SubElement(
        job, "definition", {"class": "org.jenkinsci.plugins.workflow.cps.CpsScmFlowDefinition"}
    )
    scm = SubElement(definition, "scm", {"class": "hudson.plugins.git.GitSCM"})
    _texts(scm, configVersion="2", doGenerateSubmoduleConfigurations="false")
    remote = SubElement(SubElement(scm, "userRemoteConfigs"), "hudson.plugins.git.UserRemoteConfig")
    _texts(remote, url=repository)
    _texts(SubElement(SubElement(scm, "branches"), "hudson.plugins.git.BranchSpec"), name=f"*/{branch}")
    _texts(definition, scriptPath=path, lightweight="true")
    return job


def folder(library: tuple[str, str] | None = None) -> Element:
    """A folder; with a library's repository and branch it has that library, untrusted as all folders' libraries."""
    item = Element("com.cloudbees.hudson.plugins.folder.Folder")
    properties = SubElement(item, "properties")
    if library:
        libraries = SubElement(SubElement(properties, f"{LIBS}.FolderLibraries"), "libraries")
        libraries.append(_library(*library))
    return item


def multibranch(repository: str) -> Element:
    """A project with a job for each branch of a repository that has a Jenkinsfile."""
    source = Element("source", {"class": "jenkins.plugins.git.GitSCMSource"})
    _texts(source, id="branches", remote=repository)
    SubElement(SubElement(source, "traits"), "jenkins.plugins.git.traits.BranchDiscoveryTrait")
    return _multibranch(source)


def pull_requests(api: str, owner: str, repository: str) -> Element:
    """A project with a job for each open pull request of a repository of GitHub, or of what stands in for GitHub."""
    plugin = "org.jenkinsci.plugins.github__branch__source"
    source = Element("source", {"class": f"{plugin.replace('__', '_')}.GitHubSCMSource"})
    _texts(source, id="changes", apiUri=api, repoOwner=owner, repository=repository)
    trait = SubElement(SubElement(source, "traits"), f"{plugin}.OriginPullRequestDiscoveryTrait")
    _texts(trait, strategyId="2")  # the pull request as it is, not merged
    return _multibranch(source)


def _multibranch(source: Element) -> Element:
    owner = "org.jenkinsci.plugins.workflow.multibranch.WorkflowMultiBranchProject"
    project = Element(owner)
    sources = SubElement(project, "sources", {"class": "jenkins.branch.MultiBranchProject$BranchSourceList"})
    SubElement(SubElement(sources, "data"), "jenkins.branch.BranchSource").append(source)
    SubElement(sources, "owner", {"class": owner, "reference": "../.."})
    factory = "org.jenkinsci.plugins.workflow.multibranch.WorkflowBranchProjectFactory"
    _texts(SubElement(project, "factory", {"class": factory}), scriptPath="Jenkinsfile")
    return project


def login(name: str, user: str, password: str) -> Element:
    """Credentials: a user name with a password."""
    kind = "com.cloudbees.plugins.credentials.impl.UsernamePasswordCredentialsImpl"
    item = Element(kind)
    _texts(item, scope="GLOBAL", id=name, username=user, password=password)
    return item


def secret_text(name: str, text: str) -> Element:
    """Credentials: one text."""
    item = Element("org.jenkinsci.plugins.plaincredentials.impl.StringCredentialsImpl")
    _texts(item, scope="GLOBAL", id=name, secret=text)
    return item


def _library(repository: str, branch: str) -> Element:
    library = Element(f"{LIBS}.LibraryConfiguration")
    _texts(library, name=LIBRARY)
    retriever = SubElement(library, "retriever", {"class": f"{LIBS}.SCMSourceRetriever"})
    scm = SubElement(retriever, "scm", {"class": "jenkins.plugins.git.GitSCMSource"})
    _texts(scm, id=LIBRARY, remote=repository)
    SubElement(SubElement(scm, "traits"), "jenkins.plugins.git.traits.BranchDiscoveryTrait")
    _texts(library, defaultVersion=branch, implicit="false", allowVersionOverride="false")
    return library


def _parameters(properties: Element, parameters: Mapping[str, str | Sequence[str] | bool]) -> None:
    if not parameters:
        return
    definitions = SubElement(
        SubElement(properties, "hudson.model.ParametersDefinitionProperty"), "parameterDefinitions"
    )
    for name, default in parameters.items():
        if isinstance(default, str):
            definition = SubElement(definitions, "hudson.model.StringParameterDefinition")
            _texts(definition, name=name, defaultValue=default)
        elif isinstance(default, bool):
            definition = SubElement(definitions, "hudson.model.BooleanParameterDefinition")
            _texts(definition, name=name, defaultValue=str(default).lower())
        else:
            definition = SubElement(definitions, "hudson.model.ChoiceParameterDefinition")
            _texts(definition, name=name)
            choices = SubElement(definition, "choices", {"class": "java.util.Arrays$ArrayList"})
            array = SubElement(choices, "a", {"class": "string-array"})
            for choice in default:
                SubElement(array, "string").text = choice


def _texts(parent: Element, **texts: str) -> None:
    for name, text in texts.items():
        SubElement(parent, name).text = text
