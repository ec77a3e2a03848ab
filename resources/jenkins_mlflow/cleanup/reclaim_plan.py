"""What a reclaim would free: the files of deleted versions that nothing refers to any more. Pure.

The journal says what was deleted. What any living version of any model refers to stays, and what can still be restored.
A deleted version's files are taken only from where MLflow itself keeps the files of its run or logged model.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from typing import Literal

from jenkins_mlflow.cleanup.lease import leases, minute
from jenkins_mlflow.cleanup.reclaim_facts import Home, Known, open_entries
from jenkins_mlflow.cleanup.reclaim_pieces import Piece
from jenkins_mlflow.cleanup.references import ByKey, Unknown, claim, logged_model_of, original, run_path_of
from jenkins_mlflow.registry.journal_entry import Entry
from jenkins_mlflow.registry.locations import Location, Touched, parse_location
from jenkins_mlflow.registry.snapshot import Version
from jenkins_mlflow.tags import KEEP_TAG


def plan_reclaim(
    known: Known, *, whole_runs: bool, grace: float, now: float, models: Collection[str] | None = None
) -> tuple[Piece, ...]:
    """What a reclaim would do with the files of each deleted version.

    Args:
        known: What the registry says.
        whole_runs: Whether the runs go, too.
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
    """What a reclaim would do with the files of runs that no registered version comes from.

    Files of versions that a cleanup deleted are kept, however old they are: a reclaim without orphans frees those.

    Args:
        known: What the registry says, of these runs, too.
        run_ids: The runs that are asked about.
        whole_runs: Whether the runs go, too.
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
    if entry.in_trash:  # its run cannot be written to: nothing could say that its files are going
        return f"the run {entry.run_id} of the journal is in MLflow's trash"
    if entry.reclaimed:
        return ""  # it cannot be restored any more
    until = entry.deleted + grace
    if now < until:
        return f"can be restored until {minute(until)}"
    if models is not None and entry.version.model not in models:
        return "is of another model"
    lease = next((lease for lease in leases(entry.version.tags) if lease.runs(now)), None)
    if lease:
        return lease.description
    return f"tag {KEEP_TAG}" if KEEP_TAG in entry.version.tags else ""


class _Evaluation:
    """Decides about the files of deleted versions, with what refers to what at hand."""

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
        """A piece for each place where deleted versions have files; one below another is a part of it."""
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
        """A piece for each run that can go as a whole."""
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
        """What speaks against deleting all of a run; empty if nothing does."""
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
        """What speaks against deleting a place; empty if nothing does."""
        by = self._touched.by(location)
        if by:
            return f"{by} refers to it"
        if found.id != found.run_id and found.run_id in self._by_run:
            return f"{self._by_run[found.run_id]} refers to its run"
        if any(experiment.within(location) for experiment in self._known.experiments):
            return "the files of an experiment lie in it"
        return ""

    def _place(self, version: Version) -> tuple[Location, Home]:
        """Where a deleted version's files lie, and whose place that is.

        Raises:
            Unknown: that cannot be told, or it is not its own place.
        """
        source = original(version, self._by_key).source
        location, found = self._named(source)
        if (version.run_id or "") != found.run_id:
            raise Unknown(f"its files are at {source}, and nothing says that they are its own")
        return location, found

    def _named(self, source: str) -> tuple[Location, Home]:
        """The place that a source names, and whose it is."""
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
            raise Unknown(f"MLflow does not know {name}, which made its files, any more")
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
