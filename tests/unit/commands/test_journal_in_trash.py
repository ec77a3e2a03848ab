"""A journal in MLflow's trash is not an empty one: nothing is decided by it, and a deleted run of it still counts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from builders import version
from jenkins_mlflow.build import BuildContext
from jenkins_mlflow.cleanup.reclaim_facts import Known
from jenkins_mlflow.cleanup.reclaim_plan import plan_reclaim
from jenkins_mlflow.cleanup.reclaim_reading import Look
from jenkins_mlflow.commands.doctor.diagnosis import journal as doctors_finding
from jenkins_mlflow.commands.recorded import read_recorded
from jenkins_mlflow.commands.restore import Choice, restore_versions
from jenkins_mlflow.commands.session import Session
from jenkins_mlflow.config.schema import Config
from jenkins_mlflow.errors import Refused
from jenkins_mlflow.history.book import Book, pieces_of
from jenkins_mlflow.history.event import Event
from jenkins_mlflow.registry.client import Registry
from jenkins_mlflow.registry.door_types import FoundExperiment, KeptRun, Page
from jenkins_mlflow.registry.journal import Journal
from jenkins_mlflow.registry.snapshot import Snapshot
from jenkins_mlflow.terminal import Terminal

IN_TRASH = (
    "the experiment jenkins-mlflow, which has the journal of deletions and the history, is in MLflow's trash"
)
RESTORE = (
    "restore it: `MLFLOW_TRACKING_URI=http://m mlflow experiments restore -x 7`; then run the command again"
)
OLD = version("m", 1, run_id="r" * 32, source=f"s3://b/7/{'r' * 32}/artifacts/model")


class Door:
    """As much of a door as the journal needs; whatever else is asked for, such as a write, is an error."""

    def __init__(self, *, deleted: bool) -> None:
        self.deleted = deleted
        self.runs: list[KeptRun] = []

    def experiment(self, name: str) -> FoundExperiment:
        return FoundExperiment("7", self.deleted)

    def create_run(self, experiment: str, started: int, tags: dict[str, str], name: str) -> str:
        self.runs.append(KeptRun(f"run{len(self.runs)}", "7", "", "FINISHED", 0, False, tags, started))
        return self.runs[-1].run_id

    def kept_runs(self, **asked: Any) -> Page[KeptRun]:
        return Page.of(self.runs, None)

    def versions(self, *args: Any, **asked: Any) -> Page[Any]:
        return Page.of([], None)


def registry(*, deleted: bool) -> tuple[Registry, Door]:
    door = Door(deleted=deleted)
    connection: Any = SimpleNamespace(uri="http://m", door=door)
    return Registry(connection), door


DECIDE: dict[str, Callable[[Registry], object]] = {
    "restore, and what a cleanup tells of it": lambda found: Journal(found).read(),
    "reclaim": lambda found: Look(found, None, Journal(found), whole_runs=False)(),  # type: ignore[arg-type]
    "cleanup, before it deletes": lambda found: Journal(found).write("m", [OLD]),
    "history": lambda found: list(Book(found).read()),
}


@pytest.mark.parametrize("what", DECIDE)
def test_in_the_trash_nothing_is_decided_by_it(what: str) -> None:
    """A search shows no run there, which looked as if nothing had ever been deleted."""
    found, door = registry(deleted=True)
    with pytest.raises(Refused) as refused:
        DECIDE[what](found)
    assert (refused.value.message, refused.value.next_step) == (IN_TRASH, RESTORE)
    assert door.runs == []


def test_doctor_finds_it() -> None:
    (finding,) = doctors_finding(registry(deleted=True)[0])
    assert (finding.status, finding.message, finding.fix) == ("problem", IN_TRASH, RESTORE)
    assert list(doctors_finding(registry(deleted=False)[0])) == []


def test_history_says_what_is_missing(tmp_path: Path) -> None:
    """It tells what the versions' tags know, and that this is not all."""
    session = Session(Config(), "http://m", Terminal(quiet=True), tmp_path, BuildContext())
    assert not read_recorded(session, registry(deleted=True)[0], Snapshot(())).written
    assert session.warnings == [
        f"the written history could not be read, the tags of versions are used: {IN_TRASH}; next: {RESTORE}"
    ]


def test_restore_does_not_say_that_nothing_was_deleted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found, _ = registry(deleted=True)
    monkeypatch.setattr(Session, "registry", lambda session: found)
    session = Session(Config(), "http://m", Terminal(quiet=True), tmp_path, BuildContext())
    with pytest.raises(Refused, match="is in MLflow's trash"):
        restore_versions(session, "m", Choice(), plan_only=True)


def test_a_deleted_run_counts() -> None:
    """Its versions can be restored, and neither reclaim frees their files: nothing could be written into that run."""
    found, door = registry(deleted=False)
    run = Journal(found, now=0.0).write("m", [OLD])
    door.runs = [one._replace(deleted=True) for one in door.runs]
    (entry,) = Journal(found).read("m")
    assert (entry.version.number, entry.run_id, entry.in_trash) == (1, run, True)
    known = Known([], [entry])
    (piece,) = plan_reclaim(known, whole_runs=True, grace=1.0, now=1e9)
    assert (piece.action, piece.reason) == ("wait", f"the journal's run {run} is in MLflow's trash")


def test_a_deleted_event_stays_deleted() -> None:
    """Who deletes a run of the history takes it out of what `history` tells, as before."""
    found, door = registry(deleted=False)
    event = Event("1-a", "promotion", "m", 1, 1, "1970-01-01T00:00:00Z", (("m", 1, 0),))
    kept = KeptRun("r", "7", "", "FINISHED", 0, False, pieces_of(event))
    door.runs = [kept, kept._replace(deleted=True)]
    assert [one.id for one in Book(found).read()] == ["1-a"]
