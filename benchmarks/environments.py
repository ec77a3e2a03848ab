"""What the runner's environment on an agent costs: the part for servers, with the part for stores, and full MLflow.

Makes each environment anew with uv (packages come from its cache or the index), measures its size and a command in
it, on a server and on its database opened directly, and prints a table. usage: environments.py
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from common import machine, server_with, table

ROOT = Path(__file__).resolve().parent.parent
AGENT = ROOT / "resources" / "jenkins_mlflow" / "agent"
ENVIRONMENTS = {
    "the runner, for servers": [AGENT / "requirements.txt"],
    "the runner, with the part for stores": [AGENT / "requirements.txt", AGENT / "stores.txt"],
    "full MLflow and scikit-learn": [ROOT / "requirements.txt"],
}
ROUNDS = 5


def main() -> None:
    """Measure and print."""
    uv = shutil.which("uv") or str(ROOT / ".tools" / "bin" / "uv")
    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "server").mkdir()
        server = server_with(folder / "server", models=3, versions=3)
        try:
            for number, (label, requirements) in enumerate(ENVIRONMENTS.items()):
                venv = folder / f"venv{number}"
                started = time.monotonic()
                subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, venv], check=True)
                python = venv / "bin" / "python"
                install = [
                    uv,
                    "pip",
                    "install",
                    "--quiet",
                    "--link-mode=copy",
                    "--require-hashes",
                    "--python",
                    str(python),
                ]
                subprocess.run(
                    [*install, *(part for path in requirements for part in ("-r", str(path)))], check=True
                )
                installed = time.monotonic() - started
                packages = len(list(venv.glob("lib/python*/site-packages/*.dist-info")))
                files = (path for path in venv.rglob("*") if path.is_file() and not path.is_symlink())
                size = sum(path.stat().st_size for path in files)
                stores = list(venv.glob("lib/python*/site-packages/mlflow"))
                rows.append(
                    [
                        label,
                        str(packages),
                        f"{size / 1e6:.0f} MB",
                        f"{installed:.1f} s",
                        f"{_cpu_seconds(python, server.url, name):.2f}",
                        f"{_cpu_seconds(python, server.store_uri, name):.2f}" if stores else "",
                    ]
                )
        finally:
            server.stop()
    columns = ["environment", "packages", "size", "installed in", "`list`, server: CPU s", "database: CPU s"]
    print(f"## The runner's environment on an agent, medians of {ROUNDS}\n")
    print(table(columns, rows))
    print(f"\n{machine()}.\n")


def _cpu_seconds(python: Path, uri: str, folder: str) -> float:
    environ = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT / "resources"), "HOME": folder}
    command = [str(python), "-m", "jenkins_mlflow", "list", f"--tracking-uri={uri}", "--quiet"]
    spent = []
    for _ in range(ROUNDS + 1):
        process = subprocess.Popen(command, env=environ, stdout=subprocess.DEVNULL)
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        assert process.returncode == 0
        spent.append(used.ru_utime + used.ru_stime)
    return statistics.median(spent[1:])


if __name__ == "__main__":
    main()
