"""`doctor --storage`: whether the files of versions still exist, and what could delete them. Changes nothing.

First come findings from the registry itself, then the files, those in production first, then, if requested,
loading. When the time is up, a note in the report folder says where the next run continues.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from jenkins_mlflow.cleanup.references import Unknown, original
from jenkins_mlflow.commands.session import Session
from jenkins_mlflow.config.promote import SmokeTest
from jenkins_mlflow.errors import JenkinsMlflowError, UsageError
from jenkins_mlflow.parallel import side_by_side
from jenkins_mlflow.promotion.smoke_test import smoke_test
from jenkins_mlflow.registry import homes
from jenkins_mlflow.registry.client import Registry
from jenkins_mlflow.registry.connection import address
from jenkins_mlflow.registry.door_types import KeptRun
from jenkins_mlflow.registry.reading import FilesUnknown
from jenkins_mlflow.registry.snapshot import Snapshot
from jenkins_mlflow.registry.sources import logged_model_of
from jenkins_mlflow.registry.storage import OutOfReach
from jenkins_mlflow.registry.version import ACTIVE_STAGES, Version
from jenkins_mlflow.results.doctor import Finding
from jenkins_mlflow.text import argument, parsed_json, plural
from jenkins_mlflow.transfer.origin import read_contents, read_origin
from jenkins_mlflow.transfer.reading import contents

STATE = "doctor-storage.json"
CHUNK = 64
NO_EXAMPLE = "it has no input example"


@dataclass(frozen=True)
class StorageWish:
    """The request for a check of files.

    Attributes:
        load: Whether to load the versions in production.
        seconds: Longest time for files and loading; None for no limit.
        clock: Replaced in tests.
    """

    load: bool = False
    seconds: float | None = None
    clock: Callable[[], float] = time.monotonic


def examine_storage(session: Session, registry: Registry, wish: StorageWish) -> list[Finding]:
    """The problems with the files of the group's versions, and how far the check came."""
    group = registry.snapshot(session.scope.models)
    target = session.target
    versions = list(group.versions())
    serving = [v for v in versions if v.in_production(target) or v.stage in ACTIVE_STAGES or v.aliases]
    found = [*_copies(registry, group), *_runs(registry, serving)]
    deadline = None if wish.seconds is None else wish.clock() + wish.seconds

    def over() -> bool:
        return deadline is not None and wish.clock() >= deadline

    others = sorted((v for v in versions if v not in serving), key=lambda v: (v.model, v.number))
    group_and_marks = json.dumps([session.scope.models, target.marks])
    digest = hashlib.sha256(group_and_marks.encode()).hexdigest()
    state = _State(session.report / STATE, {"registry": address(session.uri), "looked_at": digest})
    after = state.read()
    rest = [version for version in others if (version.model, version.number) > after] if after else others
    order = [*serving, *rest]
    looked, unknown = 0, ""
    for chunk in _chunks(order):
        if over():
            break
        for problem in _files(registry, chunk):
            unknown = unknown or (problem if isinstance(problem, str) else "")
            found += [problem] if isinstance(problem, Finding) else []
        looked += len(chunk)
    if unknown:
        found.append(Finding("files not seen", "note", unknown, "run it where the artifacts can be reached"))
    if wish.load:
        found += _loaded(session, [v for v in serving if v.in_production(target)], over)
    if looked < len(order):
        last = order[looked - 1] if looked > len(serving) else None
        state.write(last)
        found.append(
            Finding(
                "time",
                "note",
                f"--max-duration was over after {looked} of {plural(len(order), 'version')}",
                "run it again: it continues there",
            )
        )
    else:
        state.clear()
        begun = f" (the {len(others) - len(rest)} before them were looked at earlier)" if after else ""
        found.append(Finding("files", "fine", f"{plural(looked, 'version')} looked at{begun}"))
    return found


def _copies(registry: Registry, group: Snapshot) -> Iterator[Finding]:
    """Copies whose original was deleted, so that only they refer to its files now."""
    copies = [
        v for v in group.versions() if v.source.startswith("models:/") and not logged_model_of(v.source)
    ]
    if not copies:
        return
    known = {(version.model, version.number): version for version in registry.every_version()}
    for version in copies:
        try:
            original(version, known)
        except Unknown:
            yield Finding(
                "origin gone",
                "note",
                f"{version.label} is a copy of {version.source.removeprefix('models:/')}, which was deleted",
                "nothing, as long as its files are there: it has its own pointer to them",
            )


def _runs(registry: Registry, serving: Sequence[Version]) -> Iterator[Finding]:
    """Versions in use whose run or logged model is in MLflow's trash: `mlflow gc` would take their files."""
    runs = homes.kept_runs(registry, {version.run_id for version in serving if version.run_id})
    for version in serving:
        run = runs.get(version.run_id or "")
        if run and run.deleted:
            yield _in_trash(version, run)
        model_id = logged_model_of(version.source)
        if model_id and homes.logged_model(registry, model_id) is None:
            yield Finding(
                "logged model deleted",
                "problem",
                f"{version.label} is in use, but its logged model {model_id} is in MLflow's trash or gone: "
                "`mlflow gc` would take its files",
                "restore it in MLflow before anybody runs `mlflow gc`, or promote another version",
            )


def _in_trash(version: Version, run: KeptRun) -> Finding:
    return Finding(
        "run deleted",
        "problem",
        f"{version.label} is in use, but its run {run.run_id} is in MLflow's trash: `mlflow gc` would take its files",
        f"mlflow runs restore --run-id {argument(run.run_id)}",
    )


def _files(registry: Registry, versions: Sequence[Version]) -> list[Finding | str | None]:
    """For each version the problem with its files, the reason why they could not be checked, or None."""

    def look(version: Version) -> Finding | str | None:
        try:
            files_exist = registry.has_files(version.model, version.number)
        except FilesUnknown as unknown:
            return f"whether the files of {version.label} are there cannot be told from here: {unknown}"
        except JenkinsMlflowError as error:
            return error.message
        if files_exist:
            return _changed(registry, version)
        return Finding(
            "files gone",
            "problem",
            f"{version.label}: its files are gone",
            f"restore them from a backup, or delete version {version.number} of {argument(version.model)}",
        )

    return side_by_side(look, versions)


def _changed(registry: Registry, version: Version) -> Finding | str | None:
    """Whether a copy from another server still has the files that were verified when it was copied."""
    wanted = read_contents(version)
    if wanted is None:
        return None
    try:
        found = contents(registry, registry.storage_uri(version.model, version.number))
    except OutOfReach as error:
        return f"whether the files of {version.label} are those that were copied cannot be told from here: {error}"
    except JenkinsMlflowError as error:
        return error.message
    if found == wanted:
        return None
    origin = read_origin(version)
    of = f"{origin.model} version {origin.version} of {origin.server}" if origin else "another server"
    return Finding(
        "files changed",
        "problem",
        f"{version.label}: its files are not those that were copied from {of}: {plural(found.files, 'file')}, "
        f"{found.bytes} bytes, SHA-256 {found.sha256[:12]}…; copied were {plural(wanted.files, 'file')}, "
        f"{wanted.bytes} bytes, {wanted.sha256[:12]}…",
        f"restore them from a backup, or copy it again: `jenkins-mlflow promote --to-server ...`, then delete version "
        f"{version.number} of {argument(version.model)}",
    )


def _loaded(session: Session, versions: Sequence[Version], over: Callable[[], bool]) -> Iterator[Finding]:
    rules = session.config.promote.smoke_test or SmokeTest()
    session.report.mkdir(parents=True, exist_ok=True)
    for at, version in enumerate(versions):
        if over():
            not_loaded = plural(len(versions) - at, "version")
            yield Finding(
                "time", "note", f"--max-duration was over before {not_loaded} in production had been loaded"
            )
            return
        try:
            checked = smoke_test(rules, version, session.uri, session.report)
        except UsageError as error:
            yield Finding("loading", "problem", f"nothing can be loaded: {error.message}", error.next_step)
            return
        if checked.passed or checked.reason.startswith(NO_EXAMPLE):
            yield Finding("loading", "fine", f"{version.label} was loaded")
        else:
            yield Finding(
                "cannot be loaded",
                "problem",
                f"{version.label} is in production: {checked.reason}",
                f"`jenkins-mlflow rollback --model {argument(version.model)}`",
            )


def _chunks(versions: Sequence[Version]) -> Iterator[list[Version]]:
    rest = iter(versions)
    while chunk := list(islice(rest, CHUNK)):
        yield chunk


@dataclass(frozen=True)
class _State:
    """Where the last run stopped, stored in the report folder. It counts only for a run on the same models."""

    path: Path
    of: Mapping[str, str]

    def read(self) -> tuple[str, int] | None:
        try:
            found = parsed_json(self.path.read_text(encoding="utf-8"))
            same = all(found[key] == value for key, value in self.of.items())
            return (str(found["model"]), int(found["version"])) if same else None
        except (OSError, ValueError, TypeError, KeyError):
            return None

    def write(self, last: Version | None) -> None:
        if last is None:
            return
        content = {**self.of, "model": last.model, "version": last.number}
        with contextlib.suppress(OSError):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.path.write_text(json.dumps(content), encoding="utf-8")

    def clear(self) -> None:
        with contextlib.suppress(OSError):
            self.path.unlink(missing_ok=True)
