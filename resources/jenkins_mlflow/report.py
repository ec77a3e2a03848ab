"""The report folder: checked before any change; later, a file that cannot be written is only a warning.

Only a folder that was new or empty has the mark. Version 0.2.0 did not write it, and at a terminal the report may go
into a folder with other files. So a folder without it counts as a report if it has the document of a command.
"""

from __future__ import annotations

import os
import re
from contextlib import suppress
from pathlib import Path

from jenkins_mlflow.errors import Refused, UsageError
from jenkins_mlflow.text import printable

MARK = ".jenkins-mlflow-report"
"""The file that marks a report folder: only in a folder with this mark, files of an earlier build are removed."""
COMMANDS = (
    *("cleanup", "doctor", "history", "lease", "list", "migrate", "promote"),
    *("reclaim", "restore", "rollback", "select", "train"),
)
PICTURES = ("attempts", "candidates", "history", "precision-recall", "roc")
REPORT_FILES = (
    *(f"{name}.{form}" for name in COMMANDS for form in ("json", "csv")),
    *("gates.xml", "index.html", "report.md", "report.css", "evaluation.json"),
    *(f"{name}.svg" for name in PICTURES),
)
"""The files that commands write into the folder that --report names, except pictures of a run and logs."""
_TRIAL_BYTES = 4096


def refuse_links(folder: Path) -> None:
    """Refuse symbolic links, because a checkout may have put one in the folder's place.

    Raises:
        UsageError: The folder, one above it, or something in it is a symbolic link.
        Refused: The folder cannot be read, or its name is too long.
    """
    ways = [folder] if folder.is_absolute() else [folder, *folder.parents]
    try:
        for path in (*ways, *folder.rglob("*")):
            if path.is_symlink():
                raise UsageError(
                    f"{path} is a symbolic link; the report is not written through it",
                    state="nothing was written",
                    next_step="remove it, or choose another folder with --report",
                )
    except OSError as error:
        raise _unwritable(folder, error) from error


def refuse_foreign_files(folder: Path) -> None:
    """Refuse a folder in which a report would overwrite files that somebody else wrote.

    Raises:
        UsageError: It has a file with a name of a report's file, and nothing shows that it is a report.
    """
    if (folder / MARK).is_file() or any(_is_document(folder / f"{name}.json", name) for name in COMMANDS):
        return
    foreign = next((name for name in REPORT_FILES if (folder / name).is_file()), "")
    if foreign:
        raise not_a_report(folder, "--report", f": the report would overwrite {foreign}")


def not_a_report(folder: Path, option: str, more: str = "") -> UsageError:
    """The error for a folder with files of somebody else.

    Args:
        folder: The folder.
        option: What named the folder.
        more: What would happen to the files.
    """
    return UsageError(
        f"the folder {printable(str(folder))} has files, and none of them marks it as a report folder{more}",
        state="nothing was read, written or removed",
        next_step=f"choose a new folder with {option}; or, if it is an old report, delete the folder",
    )


def _is_document(path: Path, command: str) -> bool:
    """Whether this is a command's document as a report has it, from any version of this tool.

    Standard output has it in one line, so a file with that is nobody's report.
    """
    try:
        with path.open("rb") as file:
            beginning = file.read(_TRIAL_BYTES)
    except OSError:
        return False
    return bool(re.match(rb'\{\n "schema": \d+,\n "command": "%s"' % command.encode(), beginning))


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
        raise _unwritable(folder, error) from error


def _unwritable(folder: Path, error: OSError) -> Refused:
    return Refused(
        f"the report folder {printable(str(folder))} cannot be written: {error.strerror or error}",
        state="nothing was changed",
        next_step="choose another folder with --report, correct the permissions, or free disk space",
    )


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
