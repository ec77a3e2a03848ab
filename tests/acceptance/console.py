"""Groovy for the script console: what an administrator clicks together and no REST call does."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager

from acceptance.items import LIBRARY
from acceptance.jenkins_server import JenkinsServer

IMPORTS = """
import hudson.slaves.EnvironmentVariablesNodeProperty
import jenkins.model.Jenkins
import jenkins.plugins.git.GitSCMSource
import jenkins.plugins.git.traits.BranchDiscoveryTrait
import org.jenkinsci.plugins.workflow.libs.GlobalLibraries
import org.jenkinsci.plugins.workflow.libs.LibraryConfiguration
import org.jenkinsci.plugins.workflow.libs.SCMSourceRetriever
"""


@contextmanager
def global_library(server: JenkinsServer, repository: str, branch: str) -> Iterator[None]:
    """Configure the library for all jobs, trusted; one of the same name is put back afterwards."""
    before = server.groovy(f"""{IMPORTS}
        def all = GlobalLibraries.get()
        def old = all.libraries.find {{ it.name == {_text(LIBRARY)} }}
        def source = new GitSCMSource({_text(repository)})
        source.traits = [new BranchDiscoveryTrait()]
        def ours = new LibraryConfiguration({_text(LIBRARY)}, new SCMSourceRetriever(source))
        ours.defaultVersion = {_text(branch)}
        ours.allowVersionOverride = false
        all.libraries = all.libraries.findAll {{ it.name != {_text(LIBRARY)} }} + [ours]
        println(old ? Jenkins.XSTREAM2.toXML(old) : '')
    """)
    try:
        yield
    finally:
        server.groovy(f"""{IMPORTS}
            def all = GlobalLibraries.get()
            def before = {_text(before)}
            def old = before ? [Jenkins.XSTREAM2.fromXML(before)] : []
            all.libraries = all.libraries.findAll {{ it.name != {_text(LIBRARY)} }} + old
        """)


@contextmanager
def path_first(server: JenkinsServer, folder: str) -> Iterator[None]:
    """Put a folder first on the PATH of every agent, until the end."""
    name = _text("PATH+JENKINS_MLFLOW_TEST")
    find = f"""{IMPORTS}
        def all = Jenkins.get().globalNodeProperties
        def own = all.get(EnvironmentVariablesNodeProperty)
    """
    server.groovy(f"""{find}
        if (own == null) {{
            own = new EnvironmentVariablesNodeProperty()
            all.add(own)
        }}
        own.envVars.put({name}, {_text(folder)})
        Jenkins.get().save()
    """)
    try:
        yield
    finally:
        server.groovy(f"""{find}
            own?.envVars?.remove({name})
            Jenkins.get().save()
        """)


def _text(value: str) -> str:
    """A Groovy string: JSON's, with the dollar sign escaped."""
    return json.dumps(value).replace("$", "\\$")
