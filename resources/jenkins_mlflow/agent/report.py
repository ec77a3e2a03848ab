"""Claims the report folder for this build, and removes the files of an earlier build in the workspace."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from pathlib import Path

from jenkins_mlflow.report import MARK, REPORT_FILES, not_a_report, probe, refuse_links

_FORMER_MARK = ".build"  # up to version 0.2.0, in any folder that a step named
# Only files that commands write: the team may keep its own files in the folder.
_WRITTEN = (
    *REPORT_FILES,
    *(_FORMER_MARK, "notice.txt", "notice.md", "*.log", "logs/**/*.log"),
    *("challenger-*.png", "champion-*.png"),
)


def claim(folder: Path, build: str) -> None:
    """Claim the folder for this build.

    Args:
        folder: The report folder; created if it does not exist.
        build: The build's identity. Commands of one build may run at once, in parallel branches: the first one
            removes the files of other builds, the others find the folder claimed.

    Raises:
        UsageError: The folder contains a symbolic link, or its path does; or it has files and is not a report
            folder, so that files of the team could be overwritten or removed.
        Refused: The folder cannot be written.
    """
    refuse_links(folder)
    if folder.is_dir() and _unmarked(folder) and not _former(folder):
        raise not_a_report(folder, "the parameter report")
    probe(folder)
    with (folder / MARK).open("a+", encoding="utf-8") as mark:
        fcntl.flock(mark, fcntl.LOCK_EX)
        mark.seek(0)
        if build and mark.read() == f"{build}\n":
            return
        for old in _left(folder):
            old.unlink(missing_ok=True)
        mark.truncate(0)
        mark.write(f"{build}\n")


def _unmarked(folder: Path) -> bool:
    """Whether it has files, apart from those in marked folders: a report folder may be inside another."""
    if (folder / MARK).is_file():
        return False
    return any(path.is_symlink() or not path.is_dir() or _unmarked(path) for path in folder.iterdir())


def _former(folder: Path) -> bool:
    """Whether an earlier version of the library claimed the folder, and it has only files that commands write."""
    claimed = folder / _FORMER_MARK
    written = {claimed, *_left(folder)}
    return claimed.is_file() and all(path in written for path in folder.rglob("*") if not path.is_dir())


def _left(folder: Path) -> Iterator[Path]:
    for pattern in _WRITTEN:
        yield from (path for path in folder.glob(pattern) if path.is_file() or path.is_symlink())
