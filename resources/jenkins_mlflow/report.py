"""The report folder: checked before any change; later, a file that cannot be written is only a warning."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from jenkins_mlflow.errors import Refused, UsageError
from jenkins_mlflow.text import printable

MARK = ".jenkins-mlflow-report"
"""The file that marks a report folder: only in a folder with this mark, files of an earlier build are removed."""
_TRIAL_BYTES = 4096


def refuse_links(folder: Path) -> None:
    """Refuse symbolic links, because a checkout may have put one in the folder's place.

    Raises:
        UsageError: The folder, one above it, or something in it is a symbolic link.
    """
    ways = [folder] if folder.is_absolute() else [folder, *folder.parents]
    for path in (*ways, *folder.rglob("*")):
        if path.is_symlink():
            raise UsageError(
                f"{path} is a symbolic link; the report is not written through it",
                state="nothing was written",
                next_step="remove it, or choose another folder with --report",
            )


def create(folder: Path) -> None:
    """Create the folder. If it is new or empty, it gets the mark, before any other file.

    Raises:
        OSError: That is not possible.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if not any(folder.iterdir()):
        (folder / MARK).touch()


def probe(folder: Path) -> None:
    """Create the folder, and test it by writing a file and removing it again.

    Raises:
        Refused: That is not possible; nothing else was done.
    """
    trial = folder / f".trial-{os.urandom(4).hex()}"
    try:
        create(folder)
        try:
            trial.write_bytes(b" " * _TRIAL_BYTES)
        finally:
            with suppress(OSError):
                trial.unlink()
    except OSError as error:
        raise Refused(
            f"the report folder {printable(str(folder))} cannot be written: {error.strerror or error}",
            state="nothing was changed",
            next_step="choose another folder with --report, correct the permissions, or free disk space",
        ) from error


def write_report(folder: Path, name: str, content: str | bytes) -> str:
    """Write a file of the report, completely or not at all.

    Args:
        folder: The report folder; created if it does not exist.
        name: The file's name.
        content: The content of the file.

    Returns:
        A warning if the file could not be written, else an empty string.
    """
    path, fresh = folder / name, folder / f".{name}-{os.urandom(4).hex()}"
    try:
        create(folder)
        try:
            if isinstance(content, bytes):
                fresh.write_bytes(content)
            else:
                fresh.write_text(content, encoding="utf-8", errors="backslashreplace")
            fresh.replace(path)
        finally:
            with suppress(OSError):
                fresh.unlink()
    except OSError as error:
        return f"the report {printable(str(path))} could not be written: {error.strerror or error}"
    return ""
