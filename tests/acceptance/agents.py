"""Agents of a test's own: nodes of the Jenkins under test with processes on this machine, which can be killed."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from support.processes import Background
from support.servers import clean_environ

from acceptance.console import IMPORTS
from acceptance.jenkins_server import JenkinsServer
from acceptance.job_scripts import text

CONNECT_SECONDS = 60


@dataclass(frozen=True)
class Agent:
    """A node and its process."""

    server: JenkinsServer = field(repr=False)
    name: str
    label: str
    process: Background = field(repr=False)

    def kill(self) -> None:
        """Kill the agent and everything that it runs, without a chance to say so."""
        family = _family(self.process.pid)
        self.process.stop(signal.SIGKILL)
        for pid in family:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def lose(self) -> None:
        """Kill it, then remove the node, as a cloud does with a machine that is gone.

        Jenkins would wait for five minutes for another kind of node to come back.
        """
        self.kill()
        address = f"computer/{self.name}/"
        self.server.until(
            f"{self.name} to be offline",
            lambda: self.server.json(address, "offline")["offline"] or None,
            CONNECT_SECONDS,
            lambda: self.server.get(f"{address}logText/progressiveText").text,
        )
        remove(self.server, self.name)


@contextlib.contextmanager
def agents(
    server: JenkinsServer, label: str, count: int, folder: Path, **environ: str
) -> Iterator[dict[str, Agent]]:
    """New agents with one executor each, by name, connected; the calling test is skipped if they cannot connect.

    Args:
        server: The Jenkins under test.
        label: Their label; their names begin with it.
        count: How many.
        folder: An empty folder for their files.
        environ: More of their environment.
    """
    if not shutil.which("java"):
        pytest.skip("needs a java on this machine, for agents of the test's own")
    jar = folder / "agent.jar"
    jar.write_bytes(server.get("jnlpJars/agent.jar").content)
    with contextlib.ExitStack() as stack:
        made = {}
        for name in (f"{label}-{number}" for number in range(1, count + 1)):
            stack.callback(remove, server, name)
            secret, *connection = _create(server, name, label, folder / name).split()
            made[name] = Agent(server, name, label, _start(server, name, secret, connection, jar, environ))
            stack.callback(made[name].kill)
        for agent in made.values():
            _connected(server, agent)
        yield made


def remove(server: JenkinsServer, name: str) -> None:
    """Remove a node, if it is there, as one that was made for one build: what it ran is lost at once."""
    server.groovy(f"""{IMPORTS}
        import org.jenkinsci.plugins.durabletask.executors.OnceRetentionStrategy
        def node = Jenkins.get().getNode({text(name)})
        if (node) {{
            node.retentionStrategy = new OnceRetentionStrategy(1)
            Jenkins.get().removeNode(node)
        }}
    """)


def _create(server: JenkinsServer, name: str, label: str, folder: Path) -> str:
    """Make a node for an agent that calls; returns its secret and the options for the way that it can call by."""
    return server.groovy(f"""{IMPORTS}
        import hudson.model.Node
        import hudson.slaves.DumbSlave
        import hudson.slaves.JNLPLauncher
        import jenkins.websocket.WebSockets
        def launcher = new JNLPLauncher()
        launcher.webSocket = WebSockets.isSupported()
        def node = new DumbSlave({text(name)}, {text(str(folder))}, launcher)
        node.labelString = {text(label)}
        node.numExecutors = 1
        node.mode = Node.Mode.EXCLUSIVE
        Jenkins.get().addNode(node)
        println(Jenkins.get().getComputer({text(name)}).jnlpMac + (launcher.webSocket ? ' -webSocket' : ''))
    """)


def _start(
    server: JenkinsServer, name: str, secret: str, connection: list[str], jar: Path, environ: dict[str, str]
) -> Background:
    folder = jar.parent / name
    folder.mkdir()
    given = folder / "secret"
    given.touch(0o600)
    given.write_text(secret)
    command = [
        "java",
        "-jar",
        str(jar),
        "-url",
        server.url,
        "-name",
        name,
        "-secret",
        f"@{given}",
        *connection,
    ]
    return Background([*command, "-workDir", str(folder)], folder / "agent.log", clean_environ(**environ))


def _connected(server: JenkinsServer, agent: Agent) -> None:
    def online() -> bool:
        return server.json(f"computer/{agent.name}/", "offline")["offline"] is False

    try:
        agent.process.wait_until(online, CONNECT_SECONDS)
    except AssertionError as error:
        pytest.skip(f"agents on this machine do not reach {server.url}: {error}")


def _family(pid: int) -> set[int]:
    """A leader's process group and all its descendants, which may have groups of their own."""
    listed = subprocess.run(
        ["ps", "-A", "-o", "pid=,ppid=,pgid="], capture_output=True, text=True, check=True
    ).stdout
    rows = [tuple(map(int, line.split())) for line in listed.splitlines()]
    found = {process for process, _, group in rows if group == pid}
    while more := {process for process, parent, _ in rows if parent in found} - found:
        found |= more
    return found
