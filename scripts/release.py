#!/usr/bin/env python3
"""Checks, builds, installs and runs the packages for a release, in a bare environment. Publishes nothing."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from importlib.metadata import PathDistribution
from pathlib import Path
from zipfile import Path as ZipPath

from jenkins_mlflow import VERSION

ROOT = Path(__file__).resolve().parent.parent
DIST = ROOT / "dist"
REQUIRED = (
    "Name",
    "Version",
    "Summary",
    "License-Expression",
    "Requires-Python",
    "Author",
    "Keywords",
    "Classifier",
)
# Prepares a first promotion and a cleanup on a new database, without a server.
TRY = """
import sys
from mlflow import MlflowClient
mlflow = MlflowClient(sys.argv[1], sys.argv[1])
mlflow.create_registered_model("m")
run = mlflow.create_run(mlflow.create_experiment("e"))
mlflow.log_metric(run.info.run_id, "roc_auc", 0.9)
mlflow.create_model_version("m", f"{run.info.artifact_uri}/model", run.info.run_id)
"""


def check_source() -> None:
    """Check that the changelog has this version with a date, everything is committed, and the tag is free."""
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    if not re.search(rf"^## \[{re.escape(VERSION)}\] - \d{{4}}-\d{{2}}-\d{{2}}$", changelog, re.MULTILINE):
        sys.exit(f"CHANGELOG.md has no dated heading for {VERSION}: write `## [{VERSION}] - YYYY-MM-DD`")
    if _git("status", "--porcelain"):
        sys.exit("there are uncommitted changes: commit them first")
    if _git("tag", "--list", f"v{VERSION}"):
        sys.exit(f"the tag v{VERSION} exists: set VERSION in resources/jenkins_mlflow/__init__.py")


def build() -> list[Path]:
    """Build the wheel and the source distribution."""
    shutil.rmtree(DIST, ignore_errors=True)
    shutil.rmtree(ROOT / "build" / "lib", ignore_errors=True)
    run([sys.executable, "-m", "build", "--no-isolation", "--outdir", str(DIST), str(ROOT)], quiet=True)
    made = sorted(DIST.iterdir())
    run([sys.executable, "-m", "twine", "check", "--strict", *map(str, made)])
    return made


def check_metadata(wheel: Path) -> None:
    """Check that the metadata has everything that a package index shows."""
    (info,) = (path for path in ZipPath(wheel).iterdir() if path.name.endswith(".dist-info"))
    metadata = PathDistribution(info).metadata
    missing = [key for key in REQUIRED if not metadata.get_all(key)]
    if missing or not metadata.json.get("description"):
        sys.exit(f"the metadata lacks {', '.join(missing) or 'the README'}")


def try_it(made: Path) -> None:
    """Install one package into an empty environment, and use it."""
    with tempfile.TemporaryDirectory() as folder:
        run([sys.executable, "-m", "venv", folder])
        python, store = f"{folder}/bin/python", f"sqlite:///{folder}/mlflow.db"
        run([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", f"{made}[stores]"])
        run([python, "-c", TRY, store], quiet=True)
        command = f"{folder}/bin/jenkins-mlflow"
        if run([command, "--version"]).strip() != f"jenkins-mlflow {VERSION}":
            sys.exit(f"{made.name} says that it is another version")
        for arguments in (
            ["schema"],
            ["schema", "--result", "promote"],
            ["init", "--output", "-"],
            ["promote"],
            ["list"],
            ["cleanup", "--yes"],
            ["doctor"],
        ):
            uri = [] if arguments[0] == "schema" else ["--tracking-uri", store]
            run([command, *arguments, *uri], quiet=True, cwd=folder)
        print(f"{made.name}: installed and used in a bare environment")


def run(command: list[str], *, quiet: bool = False, cwd: str | None = None) -> str:
    """Run a program; show its output unless ``quiet``, and always if it fails."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=cwd)
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")
    if not quiet and done.stdout:
        print(done.stdout, end="")
    return done.stdout


def _git(*arguments: str) -> str:
    return run(["git", "-C", str(ROOT), *arguments], quiet=True).strip()


def main() -> None:
    """Run every check, the fastest first."""
    check_source()
    made = build()
    check_metadata(next(path for path in made if path.suffix == ".whl"))
    for path in made:
        try_it(path)
    print(
        f"\nReady. To tag it:\n  git tag -a v{VERSION} -m 'Version {VERSION}'\n  git push origin v{VERSION}"
    )
    print(f"To publish it: twine upload {DIST.relative_to(ROOT)}/*, and set v{VERSION} in Jenkins")


if __name__ == "__main__":
    main()
