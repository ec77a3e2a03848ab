"""Reads what is to be copied, and compares a copy with its origin. Writes nothing."""

from __future__ import annotations

from dataclasses import dataclass

from jenkins_mlflow.errors import NotFound, Refused
from jenkins_mlflow.parallel import side_by_side
from jenkins_mlflow.registry.client import Registry
from jenkins_mlflow.registry.door_types import Point, WholeRun
from jenkins_mlflow.registry.files import Files
from jenkins_mlflow.registry.storage import OutOfReach
from jenkins_mlflow.registry.version import Version
from jenkins_mlflow.transfer.origin import Contents, Origin
from jenkins_mlflow.transfer.plan import CopyPlan, plan_copy

WORKERS = 4


def look(registry: Registry, version: Version, into: str) -> CopyPlan:
    """Find out what to copy of a version.

    Raises:
        Refused: its files cannot be read from here, or there are none.
        ConnectionFailed, RegistryError: the server does not answer, or refuses.
    """
    run = whole_run(registry, version.run_id) if version.run_id else None
    uri, files = registry.storage_uri(version.model, version.number), Files(registry)
    try:
        model = (uri, files.tree(uri))
        artifacts = files.tree(run.uri) if run else {}
    except OutOfReach as error:
        raise unreadable(version, error) from error
    origin, metrics = Origin.of(version, registry.connection.uri), _own_metrics(registry, version)
    return plan_copy(origin, version, into, run, model, artifacts, metrics)


def _own_metrics(registry: Registry, version: Version) -> dict[str, float]:
    """The metrics that were logged for the version's own model, if its run logged several; 1 request if it did."""
    run, door = version.run, registry.connection.door
    if run is None or not run.of_model:
        return {}
    logged = registry.retrying(
        f"reading model {run.of_model}", lambda: door.logged_model(run.of_model)
    ).metrics
    return {name: run.metrics[name] for name in logged if name in run.metrics}


def unreadable(version: Version, why: OutOfReach) -> Refused:
    """The error for files that cannot be read from here."""
    return Refused(
        f"the files of {version.label} cannot be read from here: {why}",
        state="nothing was copied",
        next_step="run the command on a machine that can read them",
    )


def whole_run(registry: Registry, run_id: str) -> WholeRun | None:
    """Read a run, even from the trash; None if it is gone."""
    door = registry.connection.door
    try:
        return registry.retrying(f"reading run {run_id}", lambda: door.whole_run(run_id))
    except NotFound:
        return None


def history(registry: Registry, run_id: str, key: str) -> list[Point]:
    """Every value that a run has logged for a metric."""
    door = registry.connection.door
    return list(registry.pages(f"metric {key} of run {run_id}", door.points, run_id=run_id, key=key))


def contents(registry: Registry, uri: str) -> Contents:
    """Read the files at a location now, and summarise them.

    Raises:
        OutOfReach: they cannot be read from here.
    """
    files = Files(registry)
    sizes = files.tree(uri)
    digests = side_by_side(lambda path: (path, files.digest(uri, path)), list(sizes), workers=WORKERS)
    return Contents.of(dict(digests), sizes)


@dataclass(frozen=True)
class Seen:
    """The files of a copy and of its origin, and whether they are the same."""

    wanted: Contents
    found: Contents

    @property
    def same(self) -> bool:
        return self.wanted == self.found


def compare(source: Registry, plan: CopyPlan, other: Registry, copy: Version) -> Seen:
    """Read and compare a version's files on both servers.

    Raises:
        Refused: they cannot be read from here.
    """
    try:
        wanted = contents(source, plan.model.uri)
        return Seen(wanted, contents(other, other.storage_uri(copy.model, copy.number)))
    except OutOfReach as error:
        raise unreadable(copy, error) from error
