"""With `--rate` a deletion waits for its turn: all that it checks is checked after that, and a stop ends the wait."""

from __future__ import annotations

import signal
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Protocol

import pytest
from builders import snapshot, version
from jenkins_mlflow.build import BuildContext
from jenkins_mlflow.cleanup.apply import apply_cleanup
from jenkins_mlflow.cleanup.pace import Pace
from jenkins_mlflow.cleanup.plan import plan_cleanup
from jenkins_mlflow.cleanup.reclaim import Reclaim
from jenkins_mlflow.cleanup.reclaim_pieces import Freed, Piece
from jenkins_mlflow.commands import reclaim as command
from jenkins_mlflow.commands.session import Session
from jenkins_mlflow.config.cleanup import Cleanup
from jenkins_mlflow.config.schema import Config
from jenkins_mlflow.errors import ConnectionFailed
from jenkins_mlflow.registry.journal_entry import Entry
from jenkins_mlflow.registry.locations import Location, parse_location
from jenkins_mlflow.registry.storage import Measured
from jenkins_mlflow.registry.version import Version
from jenkins_mlflow.signals import interrupted_by
from jenkins_mlflow.terminal import Terminal
from support.registries import NOW, TARGET, Memory

COUNT = 8


class Lock:
    def check(self) -> None:
        pass


class Work(Protocol):
    """Deletes something of each of the versions 1 to 8 of the model m."""

    gone: list[int]

    def claim(self, number: int) -> None:
        """Somebody starts to use what is deleted of a version."""

    def run(self, pace: Callable[[], float], progress: Callable[[], None], workers: int) -> Any:
        """Delete; the result."""


class CleanupWork:
    """Deletes the versions."""

    def __init__(self) -> None:
        group = snapshot(*(version("m", number) for number in range(1, COUNT + 2)))
        rules = Cleanup(keep_last=1, keep_monthly=0)
        self._plan = plan_cleanup(group, group, rules, TARGET, now=NOW)
        self._memory = Memory(group)

    @property
    def gone(self) -> list[int]:
        return sorted({*range(1, COUNT + 1)} - {number for _, number in self._memory.versions})

    def claim(self, number: int) -> None:
        key = ("m", number)
        self._memory.versions[key] = replace(self._memory.versions[key], stage="Production")

    def run(self, pace: Callable[[], float], progress: Callable[[], None], workers: int) -> Any:
        return apply_cleanup(
            self._memory,  # type: ignore[arg-type]
            self._plan,
            lambda models: nullcontext(Lock()),  # type: ignore[arg-type]
            journal=self._memory,  # type: ignore[arg-type]
            pace=pace,
            progress=progress,
            workers=workers,
        )


@dataclass
class ReclaimWork:
    """Frees the files of versions that are deleted already; it is its own look, registry, journal and storage."""

    gone: list[int] = field(default_factory=list)
    claimed: set[str] = field(default_factory=set)

    def claim(self, number: int) -> None:
        self.claimed.add(f"run{number}")

    def run(self, pace: Callable[[], float], progress: Callable[[], None], workers: int) -> Any:
        pieces = tuple(self.piece(number) for number in range(1, COUNT + 1))
        look: Any = self
        return Reclaim(
            look,
            lambda: pieces,
            lambda models: nullcontext(Lock()),  # type: ignore[arg-type]
            0.0,
            progress=progress,
            pace=pace,
            workers=workers,
        ).run(pieces)

    @staticmethod
    def piece(number: int) -> Piece:
        place = parse_location(f"s3://b/1/run{number}/artifacts/model")
        return Piece((place,), (Entry(version("m", number, run_id=f"run{number}"), 0.0, ""),), "reclaim", "")

    def under(self, lock: object) -> ReclaimWork:
        return self

    @property
    def registry(self) -> ReclaimWork:
        return self

    @property
    def journal(self) -> ReclaimWork:
        return self

    @property
    def storage(self) -> ReclaimWork:
        return self

    def versions_of_run(self, run_id: str) -> list[Version]:
        return [version("other", 1, run_id=run_id)] if run_id in self.claimed else []

    def claims(self, versions: Sequence[Version], entries: object) -> list[tuple[str, Location]]:
        return [(v.label, parse_location(f"s3://b/1/{v.run_id}/artifacts/model")) for v in versions]

    def mark_reclaimed(self, entries: object, reclaimed: object) -> None:
        pass

    def measure(self, location: Location) -> Measured:
        there = self._number(location) not in self.gone
        return Measured(int(there), int(there))

    def erase(self, location: Location) -> None:
        self.gone.append(self._number(location))

    @staticmethod
    def _number(location: Location) -> int:
        return int(location.parts[-3].removeprefix("run"))


WORKS = pytest.mark.parametrize("make", [CleanupWork, ReclaimWork])


@WORKS
def test_what_is_claimed_in_the_pause_is_kept(make: Callable[[], Work]) -> None:
    """Whatever a deletion looks at, it looks at it after its pause."""
    work = make()

    def pace() -> float:
        for number in range(1, COUNT + 1):
            work.claim(number)
        return 0.0

    result = work.run(pace, lambda: None, 1)
    assert work.gone == [], result


@WORKS
def test_a_signal_in_the_pause_stops_every_worker(make: Callable[[], Work]) -> None:
    """Eight workers wait for their turns when it comes: none of them deletes any more, and none waits on."""
    work = make()
    result = work.run(
        Pace(COUNT, 2.0).limiter(),
        lambda: signal.raise_signal(signal.SIGINT) if len(work.gone) == 1 else None,
        COUNT,
    )
    assert result.stopped.message == "interrupted by SIGINT"
    assert len(work.gone) == 1
    items = getattr(result, "pieces", None) or [item for item in result.items if item.action == "delete"]
    assert [item.outcome for item in items].count("not reached") == COUNT - 1


@WORKS
def test_two_signals_at_once_stop_as_one(make: Callable[[], Work]) -> None:
    work = make()

    def twice() -> None:
        if len(work.gone) == 1:
            signal.raise_signal(signal.SIGTERM)
            signal.raise_signal(signal.SIGINT)

    assert work.run(Pace(COUNT, 2.0).limiter(), twice, COUNT).stopped.message == "interrupted by SIGTERM"
    assert len(work.gone) == 1


@WORKS
def test_an_error_ends_the_pauses(make: Callable[[], Work], monkeypatch: pytest.MonkeyPatch) -> None:
    """What waits for its turn when another deletion fails does not begin."""
    work = make()

    def fail(*args: object) -> None:
        raise ConnectionFailed("no answer")

    monkeypatch.setattr(Memory, "delete_version", fail)
    monkeypatch.setattr(ReclaimWork, "erase", fail)
    result = work.run(Pace(COUNT, 0.001).limiter(), lambda: None, COUNT)
    assert (result.stopped.message, work.gone) == ("no answer", [])


def test_an_interrupted_reclaim_says_what_to_do_next(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    work = ReclaimWork()

    class Interrupted(Reclaim):
        def measured(self, pieces: Sequence[Piece]) -> tuple[Piece, ...]:
            return tuple(pieces)

        def run(self, pieces: Sequence[Piece]) -> Freed:
            return Freed(tuple(pieces), interrupted_by(signal.SIGINT))

    pieces = tuple(work.piece(number) for number in (1, 2))
    begun = Interrupted(work, lambda: pieces, lambda models: nullcontext(Lock()), 0.0)  # type: ignore[arg-type]
    monkeypatch.setattr(command, "_work", lambda *args: begun)
    monkeypatch.setattr(command, "_require_sight", lambda registry: None)
    monkeypatch.setattr(Session, "registry", lambda session: SimpleNamespace(now=lambda: 0.0))
    config = Config.model_validate({"cleanup": {"reclaim": {"mode": "artifacts"}}})
    session = Session(config, "http://x", Terminal(quiet=True), tmp_path, BuildContext())
    result = command.reclaim(session, command.ReclaimWish(yes=True))
    told = capsys.readouterr().err.splitlines()
    again = "run the command again: it continues with what is left"
    assert told == ["error: interrupted by SIGINT", f"next:  {again}"]
    assert result.error
    assert result.error.next_step == again


@pytest.mark.parametrize("after", [1, 4, 7])
def test_a_stopped_cleanup_has_deleted_the_oldest(after: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """However the plan lists them: newest first, for people."""
    work, delete = CleanupWork(), Memory.delete_version

    def delete_some(memory: Memory, name: str, number: int) -> None:
        if len(work.gone) == after:
            raise ConnectionFailed("no answer")
        delete(memory, name, number)

    monkeypatch.setattr(Memory, "delete_version", delete_some)
    assert work.run(lambda: 0.0, lambda: None, 1).stopped
    assert work.gone == list(range(1, after + 1))
