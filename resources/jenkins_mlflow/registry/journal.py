"""The journal of deletions: the data needed to register a version again, written before the version is deleted.

``records.py`` stores it in MLflow: one run for each model and batch of a cleanup. An unfinished run belongs
to a cleanup that was killed. The versions in it may still exist, so readers compare it with the registry.

A separate tag for each version says that its files are about to be reclaimed, and another that they are gone.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NoReturn

from jenkins_mlflow.errors import RegistryError
from jenkins_mlflow.registry.client import Registry
from jenkins_mlflow.registry.door_types import KeptRun
from jenkins_mlflow.registry.journal_entry import Entry, Reclaimed, facts, read_reclaimed, read_versions
from jenkins_mlflow.registry.records import EXPERIMENT as EXPERIMENT, Records, equals, pieces
from jenkins_mlflow.registry.version import Version
from jenkins_mlflow.tags import (
    CLEANUP,
    JOURNAL_BUILD,
    JOURNAL_KEPT,
    JOURNAL_MODEL,
    JOURNAL_PART,
    JOURNAL_RECLAIMED,
    JOURNAL_RECLAIMING,
    RECORD_TAG,
    RESTORE,
    RESTORED_FROM,
)

RUNS_PER_PAGE = 50


def _refuse(error: RegistryError) -> NoReturn:
    raise error


@dataclass
class Journal:
    """Writes and reads the journal of one registry.

    Attributes:
        registry: The registry with the journal.
        build: The address of this build.
        now: Seconds since the epoch by the store's clock.
        pass_over: Called with the error for a run that cannot be read and is skipped; by default, it is
            raised.
    """

    registry: Registry
    build: str = ""
    now: float = field(default_factory=time.time)
    pass_over: Callable[[RegistryError], None] = _refuse

    def __post_init__(self) -> None:
        self._records = Records(self.registry)

    def write(
        self, model: str, versions: Sequence[Version], sizes: Mapping[int, int | None] | None = None
    ) -> str:
        """Record that versions of a model are about to be deleted. Return the run, for ``close``.

        Args:
            model: Its name.
            versions: The versions.
            sizes: The size of each version's files in bytes, by number, if it is known.

        Raises:
            ConnectionFailed, RegistryError: it could not be written.
        """
        entries = [facts(version) | {"bytes": (sizes or {}).get(version.number)} for version in versions]
        tags = pieces(JOURNAL_PART, entries)
        tags |= {RECORD_TAG: CLEANUP, JOURNAL_MODEL: model, JOURNAL_BUILD: self.build}
        return self.registry.retrying(
            "writing the journal of deletions",
            lambda: self._records.create(int(self.now * 1000), tags, f"cleanup of {model}"),
        )

    def close(self, run_id: str, model: str, counts: Mapping[str, int]) -> None:
        """Record that the deletions of a run have ended, and with which outcomes.

        Args:
            run_id: The run.
            model: The model.
            counts: The number of versions for each outcome.
        """
        door = self.registry.connection.door

        def end() -> None:
            door.log(run_id, {"work": "cleanup", "model": model}, counts, int(self.now * 1000))
            door.finish_run(run_id)

        self.registry.retrying("ending the journal of deletions", end)

    def withdraw(self, run_id: str, versions: Sequence[Version]) -> None:
        """Record that versions in a run of the journal were not deleted after all."""
        for version in versions:
            self._tag(run_id, JOURNAL_KEPT + _key(version), "kept")

    def tell_restored(self, model: str, numbers: Mapping[int, int]) -> None:
        """Record, in a run as always, that versions were registered again, by their old numbers.

        Raises:
            ConnectionFailed, RegistryError: it could not be written.
        """
        tags = {RECORD_TAG: RESTORE, JOURNAL_BUILD: self.build}
        tags["mlflow.note.content"] = ", ".join(f"v{old} as v{new}" for old, new in numbers.items())
        params = {"work": "restore", "model": model, **({"build": self.build} if self.build else {})}
        when = int(self.now * 1000)

        def write() -> None:
            run_id = self._records.create(when, tags, f"restore of {model}")
            self.registry.connection.door.log(run_id, params, {"restored": len(numbers)}, when)
            self.registry.connection.door.finish_run(run_id)

        self.registry.retrying("writing the history of a restore", write)

    def read(self, model: str | None = None) -> list[Entry]:
        """The versions that were about to be deleted, oldest first, each once with its latest entry.

        A restored version counts as the same version: if it is deleted again, its entry has both deletions.

        Args:
            model: Read only this model's versions; None for all.

        Raises:
            ConnectionFailed, RegistryError: it could not be read.
            Refused: it is in MLflow's trash.
        """
        condition = equals(JOURNAL_MODEL, model) if model else ""
        runs = self._records.find("the journal of deletions", condition, RUNS_PER_PAGE)
        found: dict[tuple[str, str], Entry] = {}
        roots: dict[tuple[str, str], str] = {}  # by origin: the origin of the version that was restored first
        for run in runs:
            name = run.tags.get(JOURNAL_MODEL)
            if name is None or model not in (None, name):
                continue
            for written, size in self._read(run, name):
                version = self.registry.vouched(written)
                origin = version.tags.get(RESTORED_FROM, version.origin)
                root = roots[name, version.origin] = roots.get((name, origin), origin)
                if JOURNAL_KEPT + _key(version) in run.tags:
                    continue
                before = found.get((name, root))
                reclaimed = _reclaimed(run.tags, version) or (before and before.reclaimed)
                found[name, root] = Entry(
                    version,
                    run.started / 1000,
                    run.tags.get(JOURNAL_BUILD, ""),
                    before.bytes if before and size is None else size,
                    run.run_id,
                    reclaimed or None,
                    run.deleted,
                    _earlier(before, version),
                )
        return list(found.values())

    def _read(self, run: KeptRun, name: str) -> list[tuple[Version, int | None]]:
        """The versions in one run; none if it cannot be read and is skipped, as one in the trash always is."""
        try:
            return read_versions(run.run_id, name, run.tags)
        except RegistryError as error:
            if not run.deleted:
                self.pass_over(error)
            return []

    def mark_reclaimed(self, entries: Collection[Entry], reclaimed: Reclaimed) -> None:
        """Record what happened to the files of deleted versions.

        The start and the end have separate tags, so that a late request for the first does no harm.

        Raises:
            ConnectionFailed, RegistryError: it could not be written.
        """
        value = json.dumps(vars(reclaimed))
        for entry in entries:
            prefix = JOURNAL_RECLAIMED if reclaimed.done else JOURNAL_RECLAIMING
            self._tag(entry.run_id, prefix + _key(entry.version), value)

    def _tag(self, run_id: str, key: str, value: str) -> None:
        door = self.registry.connection.door
        self.registry.writing(
            "writing into the journal of deletions", lambda: door.tag_run(run_id, key, value)
        )


def _earlier(before: Entry | None, version: Version) -> tuple[Entry, ...]:
    """The deletions before this one, without attempts that did not delete the version."""
    deletions = before.deletions if before else ()
    return tuple(
        replace(entry, earlier=()) for entry in deletions if entry.version.identity != version.identity
    )


def _reclaimed(tags: Mapping[str, str], version: Version) -> Reclaimed | None:
    ended, begun = (tags.get(prefix + _key(version)) for prefix in (JOURNAL_RECLAIMED, JOURNAL_RECLAIMING))
    return read_reclaimed(ended) or read_reclaimed(begun)


def _key(version: Version) -> str:
    return f"{version.number}-{version.created}"
