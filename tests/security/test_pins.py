"""Everything that is installed is pinned, with the hash of what was looked at."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LISTED = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
# A team's own requirements, as a team would have them, are no pins of ours.
PINNED = [
    name
    for name in LISTED.splitlines()
    if name.endswith(".txt") and (ROOT / name).with_suffix(".in").is_file()
]


def test_the_lists_are_found() -> None:
    assert {"requirements.txt", "docker/mlflow.txt", "scripts/uv.txt"} <= set(PINNED)
    assert "resources/jenkins_mlflow/agent/requirements.txt" in PINNED


@pytest.mark.parametrize("name", PINNED)
def test_every_requirement_has_a_version_and_a_hash(name: str) -> None:
    """Pip and uv refuse anything else with --require-hashes, but only when it is installed."""
    text = (ROOT / name).read_text(encoding="utf-8")
    requirements = re.split(r"\n(?=\S)", re.sub(r"^ *#.*\n", "", text, flags=re.MULTILINE).strip())
    assert requirements
    for requirement in requirements:
        assert re.match(
            r"[\w.-]+(\[[\w,]+\])?==[\w.!+]+( ;[^\\]*)? \\\n +--hash=sha256:[0-9a-f]{64}\b", requirement
        ), requirement.splitlines()[0]


def test_scripts_install_with_hashes_only() -> None:
    """The one exception is this package itself, from the checkout, without dependencies."""
    text = (ROOT / "scripts/setup.sh").read_text(encoding="utf-8")
    for line in re.findall(r'.*(?:pip install|\$\{pip\[@\]\}").* .*', text):
        assert (
            "--require-hashes" in line or "--no-deps" in line or line.endswith("--disable-pip-version-check)")
        )
