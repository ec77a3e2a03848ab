"""The file store to migrate: its location, and whether it changes while it is read. Never written to.

The target database must not be in it either.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
from collections.abc import Collection, Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

import yaml

from jenkins_mlflow.errors import UsageError
from jenkins_mlflow.registry.connection import local_path
from jenkins_mlflow.text import printable, redact

DATABASES = ("sqlite", "postgresql", "mysql")
TRASH, MODELS, TRACES, DATASETS = ".trash", "models", "traces", "datasets"
META = "meta.yaml"
# Files of runs, logged models and traces may be huge, and stay where they are.
_FILES = "artifacts"
_KINDS = (MODELS, TRACES)
_DESCRIPTIONS = (
    *(META, "trace_info.yaml", "assessments/*.yaml"),
    *("inputs/*/meta.yaml", "outputs/*/meta.yaml"),
)
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # ten times as fast, and not in every installation


def check_target(uri: str, source: str) -> None:
    """Refuse a target that is not a database, or is inside the folder.

    Args:
        uri: The URI of the target.
        source: The file store, as given.

    Raises:
        UsageError: MLflow or the migration does not support the target, it is not persistent, or it is in the
            folder.
    """
    kind, path = urlsplit(uri).scheme.split("+")[0], local_path("sqlite" + uri[uri.find(":") :])
    # SQLite accepts all of these, and discards the database at the end
    forgotten = path is None or path.name in ("", ":memory:") or str(path).startswith("file:")
    if kind not in DATABASES or (kind == "sqlite" and forgotten):
        raise UsageError(
            f"--to {redact(uri)} is not a database that can be migrated to",
            state="nothing was read or written",
            next_step="give sqlite:///FILE, postgresql://... or mysql://...",
        )
    if kind == "sqlite" and path and path.resolve().is_relative_to((folder := find_folder(source)).resolve()):
        raise UsageError(
            f"--to {uri} is inside the folder to be copied, {printable(str(folder))}",
            state="nothing was read or written",
            next_step="give a file beside it: the folder is never changed",
        )


def find_folder(given: str) -> Path:
    """The folder that contains the experiments.

    Args:
        given: That folder, its parent, or a file: address.

    Raises:
        UsageError: No file store was found.
    """
    parts = urlsplit(given)
    if parts.scheme not in ("", "file"):
        raise UsageError(
            f"--from {given} is not a folder: only a file store can be migrated",
            state="nothing was read or written",
            next_step="give the folder that is the server's --backend-store-uri, such as ./mlruns",
        )
    path = Path(unquote(parts.path) if parts.scheme else given).absolute()
    for folder in (path / "mlruns", path):
        if folder.is_dir() and any(experiments(folder)):
            return folder
    if path.is_dir():
        why = "it contains no experiment"
    else:
        why = "it is not a folder" if path.exists() else "the folder does not exist"
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
    beside = {MODELS, TRASH, "tags", DATASETS, TRACES}
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
    """The folders in a folder, sorted; none if it does not exist."""
    if not place.is_dir():
        return []
    return sorted(Path(entry.path) for entry in os.scandir(place) if entry.is_dir())


def bad_file(place: Path) -> Path | None:
    """The first small file of a folder that MLflow could not read; None if all are well.

    What is logged is read as MLflow's store reads it: a param is a text, a metric has a point at least, and every
    YAML file is a mapping.
    """
    described = (path for pattern in _DESCRIPTIONS for path in sorted(place.glob(pattern)))
    if bad := next((path for path in described if not _is_mapping(path)), None):
        return bad
    for kind in ("params", "tags", "request_metadata", "aliases", "metrics"):
        for path in sorted((place / kind).rglob("*")):
            try:
                text = path.read_text(encoding="utf-8") if path.is_file() else None
            except (OSError, ValueError):
                return path
            if kind == "metrics" and text is not None and not _is_metric(text, place):
                return path
    return None


def _is_mapping(path: Path) -> bool:
    try:
        return isinstance(yaml.load(path.read_text(encoding="utf-8"), _LOADER), dict)  # noqa: S506  a safe one
    except (OSError, ValueError, yaml.YAMLError):
        return False


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
    """A digest that changes whenever a file of the store changes, except files of runs, models and traces."""
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
def view(
    folder: Path, hidden: Collection[Path] = (), complete: Collection[str] = (TRASH, MODELS)
) -> Iterator[Path]:
    """A copy of a folder made of links, for MLflow, which creates missing folders in a store that it opens.

    Args:
        folder: The store, or a folder in it.
        hidden: Folders in it to leave out, because MLflow cannot read them and would stop.
        complete: The folders in it that MLflow needs; those that it lacks are created in the copy.
    """
    with tempfile.TemporaryDirectory(prefix="jenkins-mlflow-") as made:
        shown = Path(made) / "mlruns"
        _show(folder, shown, frozenset(hidden))
        for name in complete:
            (shown / name).mkdir(exist_ok=True)
        yield shown


def _show(place: Path, shown: Path, hidden: frozenset[Path]) -> None:
    """Link everything in a folder; if something below is hidden, create a folder of links instead."""
    shown.mkdir()
    for entry in place.iterdir():
        if any(entry in path.parents for path in hidden):
            _show(entry, shown / entry.name, hidden)
        elif entry not in hidden:
            (shown / entry.name).symlink_to(entry)
