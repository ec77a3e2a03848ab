"""A Jenkins agent without a Jenkins: what the step mlflowRun does there, with a library small enough to read."""

from __future__ import annotations

import hashlib
import json
import subprocess
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
AGENT = ROOT / "resources" / "jenkins_mlflow" / "agent"
LAUNCHER = (AGENT / "launch.sh").read_text(encoding="utf-8")
NONCE = "one-request"
# Stands in for the package: says which of its one library's files it got.
REQUEST = """import json, os, tiny
def main():
    message = tiny.__file__
    document = {"schema": 1, "command": "list", "status": "listed", "exit_code": 0, "message": message}
    print(os.environ["JENKINS_MLFLOW_NONCE"], json.dumps(document))
"""


def uv() -> str:
    """The uv of this machine, or a name that no program has."""
    for program in ("uv", str(ROOT / ".tools/bin/uv")):
        try:
            subprocess.run([program, "--version"], capture_output=True, check=True)
        except OSError:
            continue
        return program
    return "no"


def make_wheel(folder: Path, name: str = "tiny", code: str = "") -> str:
    """A wheel of a package, and the line that requires it with its hash."""
    folder.mkdir(parents=True, exist_ok=True)
    path, info = folder / f"{name}-1.0-py3-none-any.whl", f"{name}-1.0.dist-info"
    with zipfile.ZipFile(path, "w") as wheel:
        wheel.writestr(f"{name}.py", code)
        wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", f"{name}.py,,\n")
    return f"{name}==1.0 --hash=sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}\n"


@dataclass
class Launched:
    """What a step would see: the answer (None for none), and the build's log."""

    answer: dict[str, Any] | None
    log: str
    code: int

    @property
    def message(self) -> str:
        """What the answer says; the log where there is none."""
        return str(self.answer["message"]) if self.answer else self.log


@dataclass
class Agent:
    """A machine with a workspace, a cache, and a folder of wheels instead of an index.

    Attributes:
        folder: Where all of it is.
        env: Variables on top of the few that every agent has.
        files: What the library ships, by name.
    """

    folder: Path
    env: dict[str, str] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.workspace.mkdir(parents=True, exist_ok=True)
        self.home.mkdir()
        self.files = {
            "__init__.py": "",
            "agent/__init__.py": "",
            "agent/bootstrap.py": (AGENT / "bootstrap.py").read_text(encoding="utf-8"),
            "agent/start.py": (AGENT / "start.py").read_text(encoding="utf-8"),
            "agent/ready.py": "import tiny\n",
            "agent/request.py": REQUEST,
            "agent/requirements.txt": make_wheel(self.folder / "wheels"),
        }

    @property
    def workspace(self) -> Path:
        return self.folder / "workspace"

    @property
    def home(self) -> Path:
        return self.folder / "home"

    @property
    def cache(self) -> Path:
        return self.folder / "cache"

    @property
    def runner(self) -> Path:
        """Where this library's runner is installed."""
        return self.cache / self.key

    @property
    def key(self) -> str:
        digest = hashlib.sha256()
        for name in sorted(self.files):
            content = self.files[name].encode()
            digest.update(f"{name} {len(content)}\n".encode() + content)
        return digest.hexdigest()

    def send_bundle(self, files: Mapping[str, str] | None = None) -> None:
        """What the step does when the answer was "cold"."""
        text = json.dumps({"files": dict(files or self.files)})
        (self.workspace / "bundle.json").write_text(text, encoding="utf-8")

    def launch(self, launcher: str = LAUNCHER, umask: int = -1, timeout: float = 120) -> Launched:
        """One ``sh`` step.

        Args:
            launcher: The script.
            umask: The agent's; -1 for this process's.
            timeout: Seconds after which it hangs.
        """
        script = self.folder / "script.sh"
        script.write_text(launcher, encoding="utf-8")
        environ = {
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "HOME": str(self.home),
            "JENKINS_MLFLOW_CACHE": str(self.cache),
            "JENKINS_MLFLOW_WHEELS": str(self.folder / "wheels"),
            "JENKINS_MLFLOW_UV": uv(),
            "JENKINS_MLFLOW_PYTHON": str(ROOT / ".venv/bin/python"),
            "JENKINS_MLFLOW_KEY": self.key,
            "JENKINS_MLFLOW_BUNDLE": "bundle.json",
            "JENKINS_MLFLOW_NONCE": NONCE,
            "JENKINS_MLFLOW_REQUEST": '{"command": "list", "options": {}}',
            **self.env,
        }
        done = subprocess.run(
            ["sh", str(script)],
            cwd=self.workspace,
            env={name: value for name, value in environ.items() if value},
            umask=umask,
            capture_output=True,
            encoding="utf-8",
            check=False,
            timeout=timeout,
        )
        answers = [line for line in done.stdout.splitlines() if line.startswith(f"{NONCE} ")]
        answer = json.loads(answers[-1].partition(" ")[2]) if answers else None
        return Launched(answer, done.stderr, done.returncode)
