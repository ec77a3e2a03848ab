"""A workspace full of traps: what a repository may bring to change how the runner is installed, or what it runs."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

CRY = "hijacked"
"""What every trap says that somebody steps into."""
ELSEWHERE = "elsewhere"
"""The folder that settings would have packages installed into."""

# Of the standard library, of what the runner requires, and of the package itself.
MODULES = (
    *("tiny", "json", "os", "fcntl", "pip", "venv", "yaml", "click", "mlflow", "requests"),
    *("jenkins_mlflow", "sitecustomize", "usercustomize"),
)
# Not those that Jenkins' own wrapper around a script calls (touch, sleep, mv, ps): it runs in the workspace.
PROGRAMS = ("python", "python3", "uv", "pip", "git", "ls", "id", "tr", "env")


def lay(
    workspace: Path, *, into: str = ELSEWHERE, netrc: str = "localhost", programs: Sequence[str] = PROGRAMS
) -> None:
    """Lay all traps.

    Args:
        workspace: An existing folder.
        into: Where its settings would have packages installed.
        netrc: The host that its .netrc has a login for.
        programs: The names of programs in the folders that ``PATH_FIRST`` names.
    """
    target = f'target = "{into}"\n'
    evil = f"raise SystemExit('{CRY}')\n"
    files = {
        **{f"{name}.py": evil for name in MODULES},
        "jenkins_mlflow/__init__.py": evil,
        "uv.toml": f"no-index = true\n[pip]\nno-deps = true\n{target}",
        "pyproject.toml": f"[project]\nname = 'x'\n[tool.uv.pip]\n{target}",
        "setup.cfg": "[install]\nprefix = elsewhere\n",
        **dict.fromkeys(
            ("pip.conf", ".config/pip/pip.conf", ".pip/pip.conf"), f"[global]\ntarget = {into}\n"
        ),
        ".config/uv/uv.toml": f"[pip]\n{target}",
        ".pydistutils.cfg": "[install]\nprefix = elsewhere\n",
        ".python-version": "2.7\n",
        ".netrc": f"machine {netrc} login {CRY} password {CRY}\n",
    }
    for name, text in files.items():
        path = workspace / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    for name in programs:
        program = workspace / "bin" / name
        program.parent.mkdir(exist_ok=True)
        program.write_text(f"#!/bin/sh\necho {CRY} >&2\nexit 1\n")
        program.chmod(0o755)


def environment(workspace: str) -> dict[str, str]:
    """Variables of a step that lead into its workspace; PATH is not among them, see ``PATH_FIRST``."""
    return {
        "HOME": workspace,
        "PYTHONPATH": workspace,
        "PYTHONSTARTUP": f"{workspace}/sitecustomize.py",
        "PIP_CONFIG_FILE": "pip.conf",
        "PIP_TARGET": f"{workspace}/{ELSEWHERE}",
        "PIP_REQUIRE_VIRTUALENV": "nonsense",
        "UV_CONFIG_FILE": "uv.toml",
        "UV_NO_VERIFY_HASHES": "1",
    }


PATH_FIRST = "bin:."


def commit(folder: Path, links: Mapping[str, str]) -> Path:
    """A repository with what is in the folder, links included.

    Args:
        folder: What was laid.
        links: Where each symbolic link leads, by its name.
    """
    for name, target in links.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.symlink_to(target)
    for arguments in (
        ("init", "--quiet"),
        ("add", "--all", "--force"),
        ("commit", "--quiet", "-m", "all of it"),
    ):
        who = ("-c", "user.name=t", "-c", "user.email=t@example.invalid", "-c", "core.hooksPath=/dev/null")
        subprocess.run(["git", "-C", str(folder), *who, *arguments], check=True, capture_output=True)
    return folder
