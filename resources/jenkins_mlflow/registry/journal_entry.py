"""One version in the journal of deletions: writes and reads its entry. Pure."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Annotated, Any

from pydantic import BaseModel, Field, TypeAdapter

from jenkins_mlflow.errors import RegistryError
from jenkins_mlflow.registry.records import EXPERIMENT, joined
from jenkins_mlflow.registry.version import Version
from jenkins_mlflow.tags import JOURNAL_PART, RESTORED_FROM

_LATEST = 253_402_300_799.0  # the year 9999
_Count = Annotated[int, Field(ge=0, le=2**63)]


@dataclass(frozen=True)
class Reclaimed:
    """States that a version's files were deleted, or were about to be.

    Attributes:
        at: When, in seconds since the epoch.
        bytes: Their size at the start.
        done: Whether they are certainly all gone.
    """

    at: Annotated[float, Field(ge=0, le=_LATEST)]
    bytes: _Count
    done: bool


class _Written(BaseModel):
    """A version in the journal, which others may have written, so that nothing that needs a signature is read."""

    model: str
    number: Annotated[int, Field(ge=0, le=2**31)]
    stage: str
    aliases: tuple[str, ...]
    status: str
    created: _Count
    run_id: str | None
    source: str
    tags: dict[str, str]
    description: str = ""
    bytes: _Count | None = None  # older entries have none


@dataclass(frozen=True)
class Entry:
    """One version that was about to be deleted.

    Attributes:
        version: The version as it was, without its run.
        deleted: When, in seconds since the epoch.
        build: The address of the build that deleted it; empty outside a build.
        bytes: The size of its files then; None if that was not measured.
        run_id: The run of the journal with this entry.
        reclaimed: What happened to its files; None as long as nobody has touched them.
        in_trash: Whether that run is in MLflow's trash, where it counts but cannot be written to.
        earlier: Earlier deletions of the same version, oldest first; it was restored each time under a new
            number.
    """

    version: Version
    deleted: float
    build: str
    bytes: int | None = None
    run_id: str = ""
    reclaimed: Reclaimed | None = None
    in_trash: bool = False
    earlier: tuple[Entry, ...] = ()

    @property
    def deletions(self) -> tuple[Entry, ...]:
        """Every deletion of this version, oldest first."""
        return (*self.earlier, self)

    @property
    def versions(self) -> tuple[Version, ...]:
        """The version as it was at each deletion."""
        return tuple(entry.version for entry in self.deletions)

    @property
    def origins(self) -> set[str]:
        """The values that the tag of a version restored from this one may have."""
        named = {version.tags.get(RESTORED_FROM, version.origin) for version in self.versions}
        return named | {version.origin for version in self.versions}


def facts(version: Version) -> dict[str, Any]:
    """A version as JSON. Its run stays in MLflow, so only its metrics are included, for people."""
    # not asdict(), which copies everything below, including the run
    facts = {
        part.name: getattr(version, part.name)
        for part in fields(version)
        if part.name not in ("signed", "counted")
    }
    return facts | {"run": None, "metrics": dict(version.run.metrics) if version.run else {}}


def read_reclaimed(value: str | None) -> Reclaimed | None:
    """Read a tag. One that cannot be read means that deleting was started."""
    if value is None:
        return None
    try:
        return _reclaim_reader().validate_json(value, strict=True)
    except ValueError:
        return Reclaimed(0.0, 0, done=False)


def read_versions(run_id: str, model: str, tags: Mapping[str, str]) -> list[tuple[Version, int | None]]:
    """The versions of one run of the journal, all of the same model, each with the size of its files."""
    try:
        entries = _entry_reader().validate_json(joined(JOURNAL_PART, tags))
    except ValueError:
        entries = []
    if not entries or any(entry.model != model for entry in entries):
        raise RegistryError(
            f"the run {run_id} in the experiment {EXPERIMENT} is not a readable journal of deletions",
            state="nothing was changed",
            next_step="look at its tags in MLflow; if you need not restore anything that it names, delete it: "
            f"`mlflow runs delete --run-id {run_id}`",
        )
    return [(Version(**entry.model_dump(exclude={"bytes"})), entry.bytes) for entry in entries]


@functools.cache
def _entry_reader() -> TypeAdapter[list[_Written]]:
    return TypeAdapter(list[_Written])


@functools.cache
def _reclaim_reader() -> TypeAdapter[Reclaimed]:
    return TypeAdapter(Reclaimed)
