#!/usr/bin/env python3
"""Writes agent/manifest.json: the files that the library ships to agents, and the key of their content.

Run it after a change in resources/jenkins_mlflow. `--check` changes nothing and fails if the manifest is
stale. Jenkins cannot list a library's resources, so the steps need the list; agents cache the runner under
the key.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent.parent / "resources" / "jenkins_mlflow"
NOT_SHIPPED = (
    "agent/manifest.json",
    "agent/requirements.in",
    "agent/stores.in",
    "agent/notify.in",
    "jenkins_jobs/",
    "py.typed",
)


def shipped_files(package: Path) -> dict[str, bytes]:
    """The content of every file that goes to an agent, by its name relative to the package."""
    files = {path.relative_to(package): path for path in sorted(package.rglob("*")) if path.is_file()}
    return {name.as_posix(): path.read_bytes() for name, path in files.items() if not _left_out(name)}


def _left_out(name: Path) -> bool:
    """Whether a file is not shipped: tools leave caches behind, and Jenkins reads resources as text."""
    caches = any(part.startswith(".") or part == "__pycache__" for part in name.parts)
    return caches or name.as_posix().startswith(NOT_SHIPPED)


def manifest(package: Path) -> str:
    """The manifest's text; bootstrap.py computes the same key from the files that arrive on the agent."""
    files = shipped_files(package)
    digest = hashlib.sha256()
    for name in sorted(files):
        digest.update(f"{name} {len(files[name])}\n".encode() + files[name])
    return json.dumps({"key": digest.hexdigest(), "files": sorted(files)}, indent=2) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--check", action="store_true", help="fail if the manifest is stale, write nothing")
    parser.add_argument("--package", type=Path, default=PACKAGE, help="the package's folder")
    options = parser.parse_args()
    path, text = options.package / "agent" / "manifest.json", manifest(options.package)
    if options.check:
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            sys.exit("resources/jenkins_mlflow/agent/manifest.json is stale: run scripts/manifest.py")
    else:
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
