"""Plans a reclaim: the files of deleted versions that nothing refers to any more. Pure.

The journal says what was deleted. Files that any living version of any model refers to stay, and so do those
that can still be restored. A deleted version's files are taken only from where MLflow itself keeps the files
of its run or logged model.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from typing import Literal

from jenkins_mlflow.cleanup.lease import leases, minute
from jenkins_mlflow.cleanup.reclaim_facts import Home, Known, open_entries
from jenkins_mlflow.cleanup.reclaim_pieces import Piece
from jenkins_mlflow.cleanup.references import ByKey, Unknown, claim, original, run_path_of
from jenkins_mlflow.registry.journal_entry import Entry
from jenkins_mlflow.registry.locations import Location, Touched, parse_location
from jenkins_mlflow.registry.sources import logged_model_of
from jenkins_mlflow.registry.version import Version
from jenkins_mlflow.tags import KEEP_TAG


def plan_reclaim(
    known: Known, *, whole_runs: bool, grace: float, now: float, models: Collection[str] | None = None
) -> tuple[Piece, ...]:
    """Plan what a reclaim does with the files of each deleted version.

    Args:
        known: The reading of the registry.
        whole_runs: Whether the runs are deleted, too.
        grace: How long after its deletion a version can be restored, in seconds.
        now: Seconds since the epoch by the store's clock.
        models: Only the deleted versions of these models; None for all.
    """
    entries = open_entries(known)
    held = {entry.version.identity: _held(entry, grace, now, models) for entry in entries}
    kept = [entry for entry in entries if held[entry.version.identity]]
    ours = [entry for entry in entries if models is None or entry.version.model in models]
    due = [entry for entry in ours if not held[entry.version.identity]]
    evaluation = _Evaluation(known, kept, held)
    pieces = [
        Piece((), (entry,), "wait", why, until=entry.deleted + grace, bytes=entry.bytes)
        for entry in ours
        if (why := held[entry.version.identity])
    ]
    pieces += evaluation.runs(due) if whole_runs else ()
    gone = {entry.version.identity for piece in pieces for entry in piece.entries}
    pieces += evaluation.files([entry for entry in due if entry.version.identity not in gone])
    return tuple(pieces)


def plan_orphans(known: Known, run_ids: Collection[str], *, whole_runs: bool) -> tuple[Piece, ...]:
    """Plan what a reclaim does with the files of runs that no registered version comes from.

    Files of versions that a cleanup deleted are kept, however old they are: a reclaim without orphans deletes
        those.

    Args:
        known: The reading of the registry, which includes these runs.
        run_ids: The runs to decide about.
        whole_runs: Whether the runs are deleted, too.
    """
    entries = [entry for entry in open_entries(known) if not entry.reclaimed]
    held = {entry.version.identity: "deleted by a cleanup" for entry in entries}
    evaluation = _Evaluation(known, entries, held)
    pieces = []
    for run_id in run_ids:
        found = known.homes[run_id]
        reason = evaluation.against_run(found)
        action: Literal["reclaim", "keep"] = "keep" if reason else "reclaim"
        why = "its run is in MLflow's trash" if found.deleted else "no registered version comes from its run"
        goes = run_id if whole_runs and not found.deleted else ""
        locations = evaluation.run_locations(found)
        pieces.append(Piece(locations, (), action, reason or why, goes, orphan=run_id))
    return tuple(pieces)


def _held(entry: Entry, grace: float, now: float, models: Collection[str] | None) -> str:
    """Why a deleted version must stay restorable; empty if it need not."""
    if entry.in_trash:  # its run cannot be changed, so the deletion of its files could not be recorded
        return f"the journal's run {entry.run_id} is in MLflow's trash"
    if entry.reclaimed:
        return ""  # it cannot be restored any more
    until = entry.deleted + grace
    if now < until:
        return f"can be restored until {minute(until)}"
    if models is not None and entry.version.model not in models:
        return "belongs to another model"
    lease = next((lease for lease in leases(entry.version.tags) if lease.runs(now)), None)
    if lease:
        return lease.description
    return f"tag {KEEP_TAG}" if KEEP_TAG in entry.version.tags else ""


class _Evaluation:
    """Decides about the files of deleted versions, knowing what refers to what."""

    def __init__(self, known: Known, kept: Sequence[Entry], held: Mapping[tuple[str, int, int], str]) -> None:
        self._known = known
        self._by_key: ByKey = {
            (v.model, v.number): v for v in (*(v for e in known.entries for v in e.versions), *known.living)
        }
        claims = list(known.claims)
        self._runs = dict(known.runs)
        self._by_run = dict(known.by_run)
        for entry in kept:
            label = f"{entry.version.label} ({held[entry.version.identity]})"
            for version in entry.versions:
                if version.run_id:
                    self._runs.setdefault(version.run_id, label)
                claims += [(label, location) for location in self._claimed(version)]
                path = run_path_of(version.source)
                if path:
                    self._by_run.setdefault(path[0], label)
        self._touched = Touched(claims)

    def _claimed(self, version: Version) -> list[Location]:
        try:
            return claim(version, self._by_key)
        except Unknown:
            return [Location("", "", (version.run_id,))] if version.run_id else []

    def files(self, entries: Sequence[Entry]) -> list[Piece]:
        """One piece for each location of deleted versions' files, including locations below it."""
        places: dict[Location, list[Entry]] = defaultdict(list)
        homes: dict[Location, Home] = {}
        pieces = []
        for entry in entries:
            try:
                location, found = self._place(entry.version)
            except Unknown as unknown:
                pieces.append(Piece((), (entry,), "leave", str(unknown), bytes=entry.bytes))
                continue
            places[location].append(entry)
            homes[location] = found
        for location in sorted(places, key=lambda location: len(location.parts)):
            above = next((other for other in places if other != location and location.within(other)), None)
            if above is not None and not self._against(above, homes[above]):
                places[above] += places.pop(location)
        for location, at_location in places.items():
            reason = self._against(location, homes[location])
            action: Literal["reclaim", "keep"] = "keep" if reason else "reclaim"
            pieces.append(Piece((location,), tuple(at_location), action, reason or "nothing refers to it"))
        return pieces

    def runs(self, entries: Sequence[Entry]) -> list[Piece]:
        """One piece for each run that can be deleted completely."""
        of_run: dict[str, list[Entry]] = defaultdict(list)
        for entry in entries:
            if entry.version.run_id:
                of_run[entry.version.run_id].append(entry)
        pieces = []
        for run_id, run_entries in of_run.items():
            found = self._known.homes.get(run_id)
            if found is None or self.against_run(found):
                continue
            locations = self.run_locations(found)
            inside = [entry for entry in run_entries if self._inside(entry.version, locations)]
            if inside:
                pieces.append(Piece(locations, tuple(inside), "reclaim", "nothing refers to its run", run_id))
        return pieces

    def _inside(self, version: Version, locations: Sequence[Location]) -> bool:
        try:
            location, _ = self._place(version)
        except Unknown:
            return False
        return any(location.within(other) for other in locations)

    def run_locations(self, found: Home) -> tuple[Location, ...]:
        homes = (found, *self._known.logged.get(found.id, ()))
        return tuple(each.location for each in homes if each.location)

    def against_run(self, found: Home) -> str:
        """What prevents the deletion of all of a run; empty if nothing does."""
        homes = (found, *self._known.logged.get(found.id, ()))
        problems = (
            f"{self._runs[found.id]} comes from its run" if found.id in self._runs else "",
            "its run has not ended" if not found.ended else "",
            f"its run has the tag {KEEP_TAG}" if found.kept else "",
            *(each.problem for each in homes),
            *(self._against(each.location, each) for each in homes if each.location),
        )
        return next(filter(None, problems), "")

    def _against(self, location: Location, found: Home) -> str:
        """What prevents the deletion of a location; empty if nothing does."""
        by = self._touched.by(location)
        if by:
            return f"{by} refers to it"
        if found.id != found.run_id and found.run_id in self._by_run:
            return f"{self._by_run[found.run_id]} refers to its run"
        if any(experiment.within(location) for experiment in self._known.experiments):
            return "it contains the files of an experiment"
        return ""

    def _place(self, version: Version) -> tuple[Location, Home]:
        """The location of a deleted version's files, and the run or logged model that owns it.

        Raises:
            Unknown: The location is unknown, or not the version's own.
        """
        source = original(version, self._by_key).source
        location, found = self._named(source)
        if (version.run_id or "") != found.run_id:
            raise Unknown(f"its files are at {source}, and nothing shows that they are its own")
        return location, found

    def _named(self, source: str) -> tuple[Location, Home]:
        """The location that a source names, and its owner."""
        if model_id := logged_model_of(source):
            return self._of(self._home(model_id), ())
        if path := run_path_of(source):
            return self._of(self._home(path[0]), path[1])
        try:
            location = parse_location(source)
        except ValueError as error:
            raise Unknown(f"its files are at {source}: {error}") from error
        for name in reversed(location.ids):
            found = self._known.homes.get(name)
            if found and found.location and location.within(found.location):
                return location, found
        raise Unknown(
            f"its files are at {source}, which is not where MLflow keeps the files of a run that it names"
        )

    def _home(self, name: str) -> Home:
        found = self._known.homes.get(name)
        if found is None:
            raise Unknown(f"MLflow no longer knows {name}, which made its files")
        if found.problem:
            raise Unknown(found.problem)
        return found

    @staticmethod
    def _of(found: Home, path: tuple[str, ...]) -> tuple[Location, Home]:
        assert found.location is not None, "a home without a problem has a location"
        if any(name in (".", "..") for name in path):
            raise Unknown("it has . or .. in its path")
        try:
            location = parse_location(found.location.below(*path).uri)
        except ValueError as error:
            raise Unknown(str(error)) from error
        return location, found
