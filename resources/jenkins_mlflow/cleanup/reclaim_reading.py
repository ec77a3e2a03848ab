"""Reads what a reclaim needs to know: every living version, the journal, and the locations of files."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from jenkins_mlflow.cleanup.reclaim_facts import Home, Known, home, named_ids, open_entries
from jenkins_mlflow.cleanup.references import Unknown, claim, claimed_by, run_path_of
from jenkins_mlflow.errors import NotFound, Refused
from jenkins_mlflow.registry import homes
from jenkins_mlflow.registry.client import Registry
from jenkins_mlflow.registry.door_types import FoundLoggedModel, KeptRun
from jenkins_mlflow.registry.doors import Sends
from jenkins_mlflow.registry.journal import Journal
from jenkins_mlflow.registry.journal_entry import Entry
from jenkins_mlflow.registry.locations import Location, parse_location
from jenkins_mlflow.registry.storage import Storage
from jenkins_mlflow.registry.version import UNENDED, Version
from jenkins_mlflow.tags import KEEP_TAG

PARENT = "mlflow.parentRunId"


@dataclass(frozen=True)
class Look:
    """Reads one registry.

    Attributes:
        registry, storage, journal: Those of the registry.
        whole_runs: Whether runs may be deleted, so that references to runs have to be read, too.
    """

    registry: Registry
    storage: Storage
    journal: Journal
    whole_runs: bool

    def under(self, lock: Sends) -> Look:
        """The same for the holder of a lock."""
        held = self.registry.under(lock)
        return Look(held, Storage(held), replace(self.journal, registry=held), self.whole_runs)

    def __call__(self, runs: Iterable[KeptRun] = ()) -> Known:
        """Read the registry.

        Args:
            runs: More runs to decide about, besides those that deleted versions name.

        Raises:
            Refused: The location of a living version's files is unknown, so nothing may be deleted.
        """
        living = self.registry.every_version()
        entries = self.journal.read()
        opened = open_entries(Known(living, entries))
        run_ids, model_ids = named_ids(opened)
        kept = homes.kept_runs(self.registry, run_ids) | {run.run_id: run for run in runs}
        found = {run_id: _of_run(run) for run_id, run in kept.items()}
        for model_id in sorted(model_ids):
            if logged := homes.logged_model(self.registry, model_id):
                found[model_id] = _of_logged_model(logged)
        logged_of: dict[str, list[Home]] = {}
        if self.whole_runs:
            for model in homes.logged_models(self.registry, {run.experiment for run in kept.values()}):
                logged_of.setdefault(model.run_id, []).append(_of_logged_model(model))
        return Known(
            living,
            entries,
            self.claims(living, entries),
            self._runs(living),
            _by_run(living),
            found,
            logged_of,
            self._experiments(),
        )

    def put_away(self, run_id: str) -> None:
        """Move a run and the logged models that it made to MLflow's trash, if they are not in it."""
        door = self.registry.connection.door

        def run() -> KeptRun | None:
            return homes.kept_runs(self.registry, [run_id]).get(run_id)

        def delete_run() -> None:
            found = run()
            if found and not found.deleted:
                self.registry.send(lambda: door.delete_run(run_id))

        found = run()
        for model in homes.logged_models(self.registry, [found.experiment] if found else []):
            if model.run_id == run_id:
                self._delete_logged_model(model.model_id)
        self.registry.retrying(f"deleting the run {run_id}", delete_run)

    def _delete_logged_model(self, model_id: str) -> None:
        door = self.registry.connection.door
        with contextlib.suppress(NotFound):
            self.registry.writing(
                f"deleting the logged model {model_id}", lambda: door.delete_logged_model(model_id)
            )

    def claims(self, versions: Sequence[Version], entries: Sequence[Entry]) -> list[tuple[str, Location]]:
        """The locations that living versions refer to, including those that links lead to."""
        known = {
            (v.model, v.number): v for v in (*(old for entry in entries for old in entry.versions), *versions)
        }
        found = []
        for version in versions:
            for location in self._claim(version, known):
                found += [(version.label, place) for place in {location, self.storage.real(location)}]
        return found

    def _claim(self, version: Version, known: Mapping[tuple[str, int], Version]) -> list[Location]:
        try:
            return claim(version, known)
        except Unknown as unknown:
            try:
                uri = self.registry.storage_uri(version.model, version.number)
            except NotFound:  # it has just been deleted
                return []
            if not uri.startswith("models:/") or claimed_by(uri)[0].ids:
                return claimed_by(uri)
            if version.run_id:
                return [Location("", "", (version.run_id,))]
            raise Refused(
                f"it is not certain where the files of {version.label} are: {unknown}",
                state="nothing was deleted",
                next_step="delete that version, or register it again with the address of its files as source",
            ) from unknown

    def _runs(self, living: Sequence[Version]) -> dict[str, str]:
        """The runs that living versions come from, and all their parent runs."""
        found = {version.run_id: version.label for version in living if version.run_id}
        if not self.whole_runs:
            return found
        young: Collection[str] = list(found)
        while young:
            above = {}
            for run in homes.kept_runs(self.registry, young).values():
                parent = run.tags.get(PARENT, "")
                if parent and parent not in found:
                    above[parent] = f"{found[run.run_id]}, made by a run below it,"
            found |= above
            young = above
        return found

    def _experiments(self) -> list[Location]:
        found = []
        for uri in homes.experiment_locations(self.registry):
            try:
                location = parse_location(uri)
            except ValueError:  # no piece can be compared with it
                continue
            found += [location, self.storage.real(location)]
        return found


def _by_run(living: Sequence[Version]) -> dict[str, str]:
    paths = ((run_path_of(version.source), version.label) for version in living)
    return {path[0]: label for path, label in paths if path}


def _of_run(run: KeptRun) -> Home:
    return home(
        run.run_id,
        run.run_id,
        run.uri,
        ended=run.status not in UNENDED,
        deleted=run.deleted,
        kept=KEEP_TAG in run.tags,
    )


def _of_logged_model(model: FoundLoggedModel) -> Home:
    return home(model.model_id, model.run_id, model.uri)
