"""The state of versions, journal, runs and files that a reclaim has read. Plain values."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence, Set as AbstractSet
from dataclasses import dataclass, field

from jenkins_mlflow.cleanup.references import run_path_of
from jenkins_mlflow.registry.journal_entry import Entry
from jenkins_mlflow.registry.locations import Location, parse_location
from jenkins_mlflow.registry.sources import logged_model_of
from jenkins_mlflow.registry.version import Version
from jenkins_mlflow.tags import RESTORED_FROM


@dataclass(frozen=True)
class Home:
    """Where MLflow keeps the files of a run or a logged model.

    Attributes:
        id: The id of the run or logged model.
        run_id: The run, or the one that made the logged model.
        location: None if MLflow's address is not certain, see ``problem``.
        ended: Whether the run has ended.
        deleted: Whether the run is in MLflow's trash.
        kept: Whether the run has the tag that keeps it.
    """

    id: str
    run_id: str
    location: Location | None
    problem: str = ""
    ended: bool = True
    deleted: bool = False
    kept: bool = False


def home(
    name: str, run_id: str, uri: str, *, ended: bool = True, deleted: bool = False, kept: bool = False
) -> Home:
    """MLflow's answer about a run or logged model, checked."""
    location, problem = None, ""
    try:
        location = parse_location(uri)
    except ValueError as error:
        problem = f"MLflow keeps its files at {uri}: {error}"
    else:
        if name not in location.parts:
            location, problem = None, f"MLflow keeps its files at {uri}, which does not contain its id"
    return Home(name, run_id, location, problem, ended, deleted, kept)


@dataclass(frozen=True)
class Known:
    """A reading of the registry.

    Attributes:
        living: Every version of every registered model.
        entries: The journal.
        claims: The locations that living versions refer to, each with the label of a version.
        runs: The runs that living versions name, and their parent runs, each with the label of a version.
        by_run: The runs that living versions name in a source ``runs:/``, each with the label of a version.
        homes: The homes of the runs and logged models that deleted versions name, by id.
        logged: The logged models that each run has made.
        experiments: The locations of the files of experiments.
    """

    living: Sequence[Version]
    entries: Sequence[Entry]
    claims: Sequence[tuple[str, Location]] = ()
    runs: Mapping[str, str] = field(default_factory=dict)
    by_run: Mapping[str, str] = field(default_factory=dict)
    homes: Mapping[str, Home] = field(default_factory=dict)
    logged: Mapping[str, Sequence[Home]] = field(default_factory=dict)
    experiments: Sequence[Location] = ()


def is_back(entry: Entry, living: AbstractSet[tuple[object, ...]]) -> bool:
    """Whether a deleted version exists again, or was never deleted.

    Args:
        entry: An entry of the journal.
        living: See ``living_keys``.
    """
    keys = {version.identity for version in entry.versions}
    return not living.isdisjoint(keys | {(entry.version.model, origin) for origin in entry.origins})


def living_keys(versions: Sequence[Version]) -> set[tuple[object, ...]]:
    """The keys by which a deleted version is recognized among living ones."""
    keys: set[tuple[object, ...]] = {version.identity for version in versions}
    return keys | {(v.model, v.tags[RESTORED_FROM]) for v in versions if RESTORED_FROM in v.tags}


def open_entries(known: Known) -> list[Entry]:
    """The deletions that were neither undone nor completely reclaimed."""
    living = living_keys(known.living)
    return [
        entry
        for entry in known.entries
        if not (entry.reclaimed and entry.reclaimed.done) and not is_back(entry, living)
    ]


def named_ids(entries: Sequence[Entry]) -> tuple[set[str], set[str]]:
    """The runs and the logged models that deleted versions name."""
    runs: set[str] = set()
    logged: set[str] = set()
    for version in (version for entry in entries for version in entry.versions):
        names = {version.run_id or "", logged_model_of(version.source)}
        path = run_path_of(version.source)
        names |= {path[0]} if path else set()
        with contextlib.suppress(ValueError):
            names |= set(parse_location(version.source).ids)
        logged |= {name for name in names if name.startswith("m-")}
        runs |= {name for name in names if name and not name.startswith("m-")}
    return runs, logged
