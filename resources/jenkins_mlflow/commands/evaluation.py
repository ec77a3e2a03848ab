"""Evaluates challenger and champion for the report, from the artifacts of their runs, if there are any.

All of it is optional: missing data are left out, and unreadable data lead to a note or a warning.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from jenkins_mlflow.commands.session import Session
from jenkins_mlflow.errors import JenkinsMlflowError, NotFound
from jenkins_mlflow.page.evaluation import Evaluation, Picture, Role, choose_pictures, is_picture, measured
from jenkins_mlflow.page.predictions import NAMES, read_predictions
from jenkins_mlflow.registry.client import Registry
from jenkins_mlflow.registry.files import Files
from jenkins_mlflow.registry.homes import kept_runs
from jenkins_mlflow.registry.retries import RetryPolicy
from jenkins_mlflow.registry.storage import OutOfReach
from jenkins_mlflow.registry.version import Version
from jenkins_mlflow.report import write_report
from jenkins_mlflow.results.base import Document, plain
from jenkins_mlflow.text import one_line, size

LARGEST = 1_000_000
_ONCE = RetryPolicy(attempts=1)


def keep_evaluation(session: Session, folder: Path, document: Document) -> Document:
    """Write evaluation.json, and the pictures that it names, for the versions that a result compares.

    Args:
        session: Configuration and connection.
        folder: The report folder.
        document: The result of `select` or `promote`.

    Returns:
        What evaluation.json holds; nothing if there is nothing to tell.
    """
    places = compared(document, here=session.account is None)
    if not places:
        return {}
    registry = Registry(session.registry().connection, _ONCE)
    try:
        found = [
            _evaluation(registry, folder, role, version, uri)
            for role, version, uri in _homes(registry, places)
        ]
    except JenkinsMlflowError as error:
        session.warn(f"the report shows no curves: {error.message}")
        return {}
    if all(each.empty and not each.notes for each in found):
        return {}
    evaluation = {
        "command": "evaluation",
        "build": document["build"],
        "items": [asdict(each) for each in found],
    }
    if problem := write_report(
        folder, "evaluation.json", json.dumps(plain(evaluation), ensure_ascii=False) + "\n"
    ):
        session.warn(problem)
    return evaluation


def compared(document: Mapping[str, Any], *, here: bool) -> dict[Role, tuple[str, int]]:
    """The versions that a result compares, by their role.

    Args:
        document: The result of `select` or `promote`.
        here: Whether its selection is from this server, not from another as with `promote --to-server`.
    """
    selection = document if document["command"] == "select" else document.get("selection")
    selection = (selection if here else None) or {}
    best = (each for each in selection.get("candidates", ()) if each["verdict"] in ("selected", "not better"))
    chosen = document if document.get("version") else next(best, None)
    old = document.get("previous") or selection.get("champion")
    named: dict[Role, Mapping[str, Any] | None] = {"challenger": chosen, "champion": old}
    found = {role: (each["model"], each["version"]) for role, each in named.items() if each}
    if found.get("challenger") == found.get("champion"):
        found.pop("champion", None)
    return found


def _homes(registry: Registry, places: Mapping[Role, tuple[str, int]]) -> list[tuple[Role, Version, str]]:
    """The existing versions, with the location of their runs' artifacts: 2 requests, and 1 a version."""
    versions = {}
    for role, place in places.items():
        try:
            versions[role] = registry.version(*place)
        except NotFound:  # it has been deleted, or is on another server
            continue
    runs = kept_runs(registry, {version.run_id for version in versions.values() if version.run_id})
    return [
        (role, version, runs[version.run_id].uri)
        for role, version in versions.items()
        if version.run_id in runs
    ]


def _evaluation(registry: Registry, folder: Path, role: Role, version: Version, uri: str) -> Evaluation:
    """The evaluation from the run's artifacts: from its table of predictions, else its pictures."""
    found, files = Evaluation(role, version.model, version.number), Files(registry)
    try:
        if not files.at_hand(uri):
            return found
        sizes = files.listing(uri)
        if name := next((name for name in NAMES if name in sizes), ""):
            found = replace(found, **_table(files, uri, name, sizes[name]))
        return found if found.file else replace(found, pictures=_pictures(files, uri, sizes, folder, found))
    except OutOfReach:
        return found


def _table(files: Files, uri: str, name: str, length: int) -> dict[str, Any]:
    if length > LARGEST:
        return {"notes": (f"{name} is not read: {size(length)}, more than {size(LARGEST)}",)}
    try:
        return {"file": name, **measured(read_predictions(name, files.read(uri, name, LARGEST)))}
    except ValueError as error:
        return {"notes": (one_line(str(error)),)}


def _pictures(
    files: Files, uri: str, sizes: Mapping[str, int], folder: Path, found: Evaluation
) -> tuple[Picture, ...]:
    """The pictures that the run has logged, copied into the report folder."""
    kept = []
    for kind, source in choose_pictures(name for name, length in sizes.items() if length <= LARGEST).items():
        content = files.read(uri, source, LARGEST)
        if is_picture(content) and not write_report(folder, found.picture(kind), content):
            kept.append(Picture(kind, source))
    return tuple(kept)
