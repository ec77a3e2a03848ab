"""The file store that is migrated: where it is, and whether it stays as it is while it is read. Never written to.

Nor is the database that it is migrated to in it.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
from collections.abc import Collection, Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

from jenkins_mlflow.errors import UsageError
from jenkins_mlflow.registry.connection import local_path
from jenkins_mlflow.text import printable, redact

DATABASES = ("sqlite", "postgresql", "mysql")
TRASH, MODELS, TRACES = ".trash", "models", "traces"
META = "meta.yaml"
# Files of runs, logged models and traces may be huge, and stay where they are.
_FILES = "artifacts"
_KINDS = (MODELS, TRACES)


def check_target(uri: str, source: str) -> None:
    """Refuse what is no database, or would be one in the folder.

    Args:
        uri: What is migrated to.
        source: The folder as it was given.

    Raises:
        UsageError: It is none that MLflow and the migration know, none that is kept, or in the folder.
    """
    kind, path = urlsplit(uri).scheme.split("+")[0], local_path("sqlite" + uri[uri.find(":") :])
    # SQLite takes all of these, and forgets the database at the end
    forgotten = path is None or path.name in ("", ":memory:") or str(path).startswith("file:")
    if kind not in DATABASES or (kind == "sqlite" and forgotten):
        raise UsageError(
            f"--to {redact(uri)} is no database that can be migrated to",
            state="nothing was read or written",
            next_step="give sqlite:///FILE, postgresql://... or mysql://...",
        )
    if kind == "sqlite" and path and path.resolve().is_relative_to((folder := find_folder(source)).resolve()):
        raise UsageError(
            f"--to {uri} is inside the folder that is copied, {printable(str(folder))}",
            state="nothing was read or written",
            next_step="give a file beside it: the folder is never changed",
        )


def find_folder(given: str) -> Path:
    """The folder that holds the experiments.

    Args:
        given: It, the folder it is in, or its file: address.

    Raises:
        UsageError: There is no file store.
    """
    parts = urlsplit(given)
    if parts.scheme not in ("", "file"):
        raise UsageError(
            f"--from {given} is no folder: only a file store can be migrated",
            state="nothing was read or written",
            next_step="give the folder that is the server's --backend-store-uri, such as ./mlruns",
        )
    path = Path(unquote(parts.path) if parts.scheme else given).absolute()
    for folder in (path / "mlruns", path):
        if folder.is_dir() and any(experiments(folder)):
            return folder
    if path.is_dir():
        why = "no experiment in it"
    else:
        why = "it is no folder" if path.exists() else "the folder does not exist"
    raise UsageError(
        f"there is no MLflow file store in {printable(str(path))}: {why}",
        state="nothing was written",
        next_step="give the folder that is the server's --backend-store-uri, such as ./mlruns",
    )


def experiments(folder: Path) -> Iterator[tuple[str, Path]]:
    """The experiments by id, with their folders; those in the trash last."""
    for root in (folder, folder / TRASH):
        for place in folders(root):
            if place.name not in {MODELS, TRASH} and (place / "meta.yaml").is_file():
                yield place.name, place


def runs(experiment: Path) -> list[Path]:
    """The run folders of an experiment, sorted."""
    beside = {MODELS, TRASH, "tags", "datasets", "traces"}
    return [
        place for place in folders(experiment) if place.name not in beside and (place / "meta.yaml").is_file()
    ]


def run_ids(folder: Path) -> frozenset[str]:
    """The ids of all runs."""
    return frozenset(run.name for _, place in experiments(folder) for run in runs(place))


def models(folder: Path) -> list[Path]:
    """The folders of the registered models, sorted."""
    return folders(folder / MODELS)


def folders(place: Path) -> list[Path]:
    """The folders in a folder, sorted; none if it is not there."""
    if not place.is_dir():
        return []
    return sorted(Path(entry.path) for entry in os.scandir(place) if entry.is_dir())


def bad_file(place: Path) -> Path | None:
    """The first small file beside a `meta.yaml` that MLflow could not read; None if all are well.

    What is logged is read as MLflow's store reads it: a param is a text, a metric has a point at least.
    """
    for kind in ("params", "tags", "request_metadata", "aliases", "metrics"):
        for path in sorted((place / kind).rglob("*")):
            try:
                text = path.read_text(encoding="utf-8") if path.is_file() else None
            except (OSError, ValueError):
                return path
            if kind == "metrics" and text is not None and not _is_metric(text, place):
                return path
    return None


def _is_metric(text: str, place: Path) -> bool:
    fields = (4, 6) if place.parent.name == MODELS else (2, 3, 5)
    points = [line.strip().split(" ") for line in text.splitlines()]
    try:
        return bool(points) and all(
            len(point) in fields and (int(point[0]), float(point[1]), [int(step) for step in point[2:3]])
            for point in points
        )
    except ValueError:
        return False


def fingerprint(folder: Path) -> str:
    """Changes whenever a file of the store is written, made or deleted; the files of models and runs do not count."""
    digest = hashlib.sha256()
    for place, below, names in os.walk(folder):
        inside = [part for part in Path(place).relative_to(folder).parts if part != TRASH]
        if len(inside) == 2 or (len(inside) == 3 and inside[1] in _KINDS):
            below[:] = [name for name in below if name != _FILES]
        below.sort()
        for name in sorted(names):
            path = os.path.join(place, name)  # noqa: PTH118  Path would take most of the time
            found = os.lstat(path)
            digest.update(
                f"{path}\0{found.st_size}\0{found.st_mtime_ns}\0".encode("utf-8", "surrogateescape")
            )
    return digest.hexdigest()


@contextlib.contextmanager
def view(folder: Path, hidden: Collection[Path] = ()) -> Iterator[Path]:
    """The same store, for MLflow to read: MLflow makes missing folders in a store that it opens.

    Args:
        folder: The store.
        hidden: Folders in it that are not shown: MLflow would stop at what it cannot read.
    """
    with tempfile.TemporaryDirectory(prefix="jenkins-mlflow-") as made:
        shown = Path(made) / "mlruns"
        _show(folder, shown, frozenset(hidden))
        for name in (TRASH, MODELS):
            (shown / name).mkdir(exist_ok=True)
        yield shown


def _show(place: Path, shown: Path, hidden: frozenset[Path]) -> None:
    """Links to all that is in a folder; where something below is hidden, a folder of links."""
    shown.mkdir()
    for entry in place.iterdir():
        if any(entry in path.parents for path in hidden):
            _show(entry, shown / entry.name, hidden)
        elif entry not in hidden:
            (shown / entry.name).symlink_to(entry)
