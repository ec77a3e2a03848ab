#!/usr/bin/env python3
"""Checks that every package of every pinned list has one version and at least one SHA-256 hash.

pip and uv refuse anything else with --require-hashes, but only at installation. A list is pinned if it has an
.in file beside it; a team's own requirements, such as those of the example, are not checked.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PINNED = re.compile(r"[\w.-]+(\[[\w,]+\])?==[\w.!+]+( ;[^\\]*)?( \\\n +--hash=sha256:[0-9a-f]{64})+")


def pinned_lists(root: Path) -> list[Path]:
    """The pinned lists that git tracks in this checkout."""
    listed = subprocess.run(
        ["git", "ls-files", "*.txt"], cwd=root, capture_output=True, text=True, check=True
    ).stdout
    names = (root / name for name in listed.splitlines())
    return [path for path in names if path.with_suffix(".in").is_file()]


def unpinned(text: str) -> Iterator[str]:
    """The first lines of entries without a version or a hash; "nothing" if the list is empty. Pure."""
    requirements = re.split(r"\n(?=\S)", re.sub(r"^ *#.*(\n|$)", "", text, flags=re.MULTILINE).strip())
    for requirement in requirements:
        if not PINNED.fullmatch(requirement.strip()):
            yield requirement.partition("\n")[0] or "nothing"


def main() -> None:
    lists = pinned_lists(ROOT)
    wrong = [
        f"{path.relative_to(ROOT)}: {line}"
        for path in lists
        for line in unpinned(path.read_text(encoding="utf-8"))
    ]
    if wrong or not lists:
        sys.exit(
            "\n".join(
                ["not pinned to one version with a hash (run `make pin`):", *(wrong or ["no list at all"])]
            )
        )


if __name__ == "__main__":
    main()
