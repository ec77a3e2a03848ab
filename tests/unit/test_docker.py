"""What can be checked of docker/ without an engine: the files fit together, and to what the library uses."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
DOCKER = ROOT / "docker"
COMPOSE: dict[str, Any] = yaml.safe_load((DOCKER / "compose.yaml").read_text(encoding="utf-8"))
CASC: dict[str, Any] = yaml.safe_load((DOCKER / "jenkins.yaml").read_text(encoding="utf-8"))
PLUGINS = dict(
    line.split(":")
    for line in (DOCKER / "plugins.txt").read_text(encoding="utf-8").splitlines()
    if line and not line.startswith("#")
)


def test_what_compose_builds_and_mounts_is_there() -> None:
    """Paths are relative to the compose file; named volumes and services are declared."""
    for service in COMPOSE["services"].values():
        if "build" in service:
            context = DOCKER / service["build"]["context"]
            assert (context / service["build"]["dockerfile"]).is_file()
        for volume in service.get("volumes", ()):
            source = volume.split(":")[0]
            assert source in COMPOSE["volumes"] or (DOCKER / source).is_dir()
        for needed, condition in service.get("depends_on", {}).items():
            assert condition["condition"] == "service_healthy"
            assert "healthcheck" in COMPOSE["services"][needed]
        for port in service.get("ports", ()):
            assert port.startswith("127.0.0.1:")  # a place to try it is nobody else's


@pytest.mark.parametrize("name", ["agent", "jenkins", "mlflow"])
def test_dockerfiles_copy_what_exists_and_pin_what_they_start_from(name: str) -> None:
    """COPY sources are in the repository; no image floats on `latest`."""
    text = (DOCKER / f"{name}.Dockerfile").read_text(encoding="utf-8")
    for source in re.findall(r"^COPY (\S+) \S+$", text, re.MULTILINE):
        assert (ROOT / source).is_file()
    (image,) = re.findall(r"^FROM (\S+)$", text, re.MULTILINE)
    assert re.search(r":\d", image)
    script = re.sub(r"^#.*", "", text, flags=re.MULTILINE).replace("\\\n", " ")
    for command in re.findall(r"\bpip install.*?(?:&&|$)", script, re.MULTILINE):
        assert "--require-hashes" in command
    assert re.findall(r"^USER (\S+)$", text, re.MULTILINE)[-1] != "root"


def test_the_ready_agent_has_both_parts_of_the_runner() -> None:
    """It installs nothing later, so that it must be able to open a database or a folder, too."""
    script = (DOCKER / "agent.Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ")
    (installed,) = re.findall(r"-m pip install .*", script)
    copied = re.findall(r"^COPY resources/jenkins_mlflow/agent/\S+ (\S+)$", script, re.MULTILINE)
    assert [name.rpartition("/")[2] for name in copied] == ["requirements.txt", "stores.txt", "notify.txt"]
    assert all(f"--requirement {name}" in installed for name in copied)


def test_every_step_that_the_library_uses_has_its_plugin() -> None:
    """By the plugin that brings the step or variable; pinned, since a Jenkins is rebuilt from this list."""
    steps = {
        "junit": "junit",
        "withCredentials": "credentials-binding",
        "input": "pipeline-input-step",
        "milestone": "pipeline-milestone-step",
        "lock": "lockable-resources",
        "libraryResource": "pipeline-groovy-lib",
        "catchError": "workflow-basic-steps",
        "node": "workflow-durable-task-step",
        "parallel": "workflow-cps",
    }
    groovy = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "src").rglob("*.groovy"))
    for step, plugin in steps.items():
        assert re.search(rf"\b{step}\(", groovy), step
        assert PLUGINS.get(plugin), plugin
    assert all(re.fullmatch(r"[\w.]+", pinned) for pinned in PLUGINS.values())


def test_the_jobs_run_what_is_in_the_repository() -> None:
    """The library has the name that the Jenkinsfiles ask for, and each script is there."""
    (library,) = CASC["unclassified"]["globalLibraries"]["libraries"]
    scripts = re.findall(r"\['[\w-]+', '([^']+)'\]", CASC["jobs"][0]["script"])
    assert len(scripts) == 3
    for script in scripts:
        assert f"@Library('{library['name']}') _" in (ROOT / script).read_text(encoding="utf-8")
    assert CASC["jenkins"]["securityRealm"]["local"]["users"][0]["password"] == "${JENKINS_ADMIN_PASSWORD}"
    assert {"configuration-as-code", "job-dsl", "git"} <= set(PLUGINS)
