"""What `restore` brings back: nothing twice, nothing whose files are gone, and no model that would stay empty."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TypeVar

import pytest
from builders import version
from jenkins_mlflow.build import BuildContext
from jenkins_mlflow.cleanup.files_left import files_left
from jenkins_mlflow.cleanup.reclaim_facts import Known, home, open_entries
from jenkins_mlflow.cleanup.reclaim_plan import plan_orphans
from jenkins_mlflow.commands.restore import Choice, restore_versions
from jenkins_mlflow.commands.session import Session
from jenkins_mlflow.config.schema import Config
from jenkins_mlflow.errors import NotFound
from jenkins_mlflow.registry import homes
from jenkins_mlflow.registry.door_types import KeptRun
from jenkins_mlflow.registry.journal import Journal
from jenkins_mlflow.registry.journal_entry import Entry, facts
from jenkins_mlflow.registry.reading import FilesUnknown
from jenkins_mlflow.registry.records import Records, pieces
from jenkins_mlflow.registry.snapshot import Model
from jenkins_mlflow.registry.version import Version
from jenkins_mlflow.results.restore import RestoreResult
from jenkins_mlflow.tags import JOURNAL_MODEL, JOURNAL_PART, JOURNAL_RECLAIMED, RESTORED_FROM
from jenkins_mlflow.terminal import Terminal

T = TypeVar("T")


@dataclass
class Memory:
    """As much of a registry and its journal as a restore asks for."""

    versions: dict[int, Version] = field(default_factory=dict)
    registered: bool = True
    gone: set[str] = field(default_factory=set)
    unknown: set[str] = field(default_factory=set)
    runs: list[KeptRun] = field(default_factory=list)
    made: int = 0

    connection: Any = field(default_factory=lambda: SimpleNamespace(door=None, uri="http://m"))

    def add(self, like: Version, tags: dict[str, str]) -> int:
        self.made += 1
        made = version("m", self.made, created=1000 * self.made, source=like.source, tags=tags)
        self.versions[made.number] = made
        return made.number

    def delete(self, *numbers: int, reclaimed: bool = False) -> None:
        """A cleanup: what it writes down, and the deletion."""
        doomed = [self.versions.pop(number) for number in numbers]
        tags = {JOURNAL_MODEL: "m", **pieces(JOURNAL_PART, [facts(one) for one in doomed])}
        if reclaimed:
            tags |= {
                f"{JOURNAL_RECLAIMED}{one.number}-{one.created}": json.dumps(
                    {"at": 1.0, "bytes": 5, "done": True}
                )
                for one in doomed
            }
        at = len(self.runs) + 1
        self.runs.append(KeptRun(f"r{at}", "7", "", "FINISHED", at, False, tags, at))

    def vouched(self, found: Version) -> Version:
        return found

    def under(self, lock: object) -> Memory:
        return self

    def retrying(self, what: str, call: Callable[[], T]) -> T:
        return call()

    def names(self) -> list[str]:
        return ["m"] if self.registered else []

    def find_model(self, name: str) -> Model | None:
        return self.model(name) if self.registered else None

    def model(self, name: str) -> Model:
        return Model("m", tuple(sorted(self.versions.values(), key=lambda one: -one.number)))

    def make_model(self, name: str) -> bool:
        missing, self.registered = not self.registered, True
        return missing

    def register_version(self, like: Version, tags: dict[str, str]) -> int:
        return self.add(like, tags)

    def has_files_at(self, uri: str) -> bool:
        if uri in self.unknown:
            raise FilesUnknown("no access")
        return uri not in self.gone


@pytest.fixture
def memory(monkeypatch: pytest.MonkeyPatch) -> Memory:
    found = Memory()

    def find(self: Records, what: str, condition: str, limit: int) -> Iterator[KeptRun]:
        yield from found.runs

    monkeypatch.setattr(Records, "find", find)
    monkeypatch.setattr(Session, "registry", lambda session: found)
    monkeypatch.setattr(Session, "lock", lambda *args: nullcontext())
    monkeypatch.setattr(Journal, "tell_restored", lambda *args: None)
    monkeypatch.setattr(Memory, "now", lambda memory: 0.0, raising=False)
    return found


def restore(folder: Path, choice: Choice = Choice(), *, plan_only: bool = False) -> RestoreResult:  # noqa: B008
    session = Session(Config(), "http://m", Terminal(quiet=True), folder, BuildContext())
    return restore_versions(session, "m", choice, plan_only=plan_only)


def train(memory: Memory, *sources: str) -> None:
    for source in sources:
        memory.add(version("m", 0, source=source), {})


@pytest.mark.parametrize("plan_only", [True, False])
def test_a_version_whose_files_are_gone_cannot_come_back(
    plan_only: bool, memory: Memory, tmp_path: Path
) -> None:
    """Registered again it would look like a model, and be none. What cannot be told is restored with a note."""
    train(memory, "s3://b/1", "s3://b/2", "s3://b/3")
    memory.delete(1, 2, 3)
    memory.gone, memory.unknown = {"s3://b/1"}, {"s3://b/2"}
    result = restore(tmp_path, plan_only=plan_only)
    word = "to restore" if plan_only else "restored"
    assert [(item.version, item.outcome, item.note) for item in result.items] == [
        (1, "cannot come back", "its files are gone"),
        (2, word, "it could not be checked whether its files still exist: no access"),
        (3, word, ""),
    ]
    assert len(memory.versions) == (0 if plan_only else 2)


@pytest.mark.parametrize("reclaimed", [True, False])
def test_where_nothing_comes_back_no_model_is_registered(
    reclaimed: bool, memory: Memory, tmp_path: Path
) -> None:
    """The model was deleted as a whole, and the files of its versions are gone."""
    train(memory, "s3://b/1")
    memory.delete(1, reclaimed=reclaimed)
    memory.gone, memory.registered = {"s3://b/1"}, False
    result = restore(tmp_path)
    assert (result.exit_code, result.message) == (1, "restored 0 versions; 1 cannot come back")
    assert not memory.registered
    memory.gone = set()
    if not reclaimed:
        assert restore(tmp_path).exit_code == 0
        assert memory.registered


@pytest.mark.parametrize("plan_only", [True, False])
@pytest.mark.parametrize(
    ("choice", "why", "todo"),
    [
        (
            Choice(),
            "the journal has no deletion of this model",
            "see which versions it has: `jenkins-mlflow list --models m`",
        ),
        (
            Choice(version=7),
            "the journal has no matching deletion",
            (
                "see all that can be restored, without --version, --build and --since: "
                "`jenkins-mlflow restore --model m --dry-run`"
            ),
        ),
    ],
)
def test_no_advice_is_the_command_that_was_just_run(
    choice: Choice, why: str, todo: str, plan_only: bool, memory: Memory, tmp_path: Path
) -> None:
    with pytest.raises(NotFound) as caught:
        restore(tmp_path, choice, plan_only=plan_only)
    assert caught.value.message == f"no deleted version of m can be restored: {why}"
    assert caught.value.next_step == todo


LOGGED, RUN = "m-" + "a" * 32, "b" * 32


@pytest.mark.parametrize(
    ("source", "address"),
    [
        ("s3://b/1", "s3://b/1"),
        (f"models:/{LOGGED}", "s3://b/logged"),
        (f"runs:/{RUN}/model", "s3://b/run/model"),
        ("models:/n/3", "s3://b/n/3"),
        ("models:/m-" + "c" * 32, "MLflow does not know the logged model"),
        ("runs:/" + "d" * 32 + "/model", "MLflow no longer knows the run"),
        ("models:/n/4", "it is a copy of n version 4, which was deleted"),
    ],
)
def test_files_are_looked_for_where_the_source_leads(
    source: str, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The version is deleted: MLflow does not say any more where its files are."""

    def storage_uri(name: str, number: int) -> str:
        if number == 4:
            raise NotFound("gone")
        return f"s3://b/{name}/{number}"

    logged = {LOGGED: SimpleNamespace(uri="s3://b/logged")}
    runs = {RUN: KeptRun(RUN, "7", "s3://b/run/", "FINISHED", 0, False, {})}
    monkeypatch.setattr(homes, "logged_model", lambda registry, name: logged.get(name))
    monkeypatch.setattr(homes, "kept_runs", lambda registry, ids: runs)
    asked: list[str] = []

    def has_files_at(uri: str) -> bool:
        asked.append(uri)
        return True

    registry: Any = SimpleNamespace(storage_uri=storage_uri, has_files_at=has_files_at)
    if address.startswith("s3:"):
        assert files_left(registry, source)
        assert asked == [address]
    else:
        with pytest.raises(FilesUnknown, match=address):
            files_left(registry, source)


def test_where_a_run_has_no_files_a_logged_model_may_have_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """MLflow 3 keeps what a run logs as a model beside the run, and leaves the source as it was given."""
    runs = {RUN: KeptRun(RUN, "7", "s3://b/run/", "FINISHED", 0, False, {})}
    monkeypatch.setattr(homes, "kept_runs", lambda registry, ids: runs)
    registry: Any = SimpleNamespace(has_files_at=lambda uri: False)
    with pytest.raises(FilesUnknown, match="MLflow 3 may keep them as a logged model of that run"):
        files_left(registry, f"runs:/{RUN}/model")
    assert not files_left(registry, "s3://b/1")


def test_however_often_it_is_deleted_a_version_comes_back_once(memory: Memory, tmp_path: Path) -> None:
    """A restored version is the one that was deleted: each cycle ends with one of it, and the cleanup counts one."""
    train(memory, "s3://b/1", "s3://b/2")
    memory.delete(1, 2)
    for _ in range(4):
        entries = Journal(memory).read("m")  # type: ignore[arg-type]
        assert len(open_entries(Known([], entries))) == 2
        assert restore(tmp_path).message == "restored 2 versions"
        assert sorted(one.source for one in memory.versions.values()) == ["s3://b/1", "s3://b/2"]
        assert restore(tmp_path).message == "restored 0 versions; 2 restored already"
        entries = Journal(memory).read("m")  # type: ignore[arg-type]
        assert open_entries(Known([*memory.versions.values()], entries)) == []
        memory.delete(*memory.versions)


@pytest.mark.parametrize("number", [1, 2, 3])
def test_every_number_that_it_had_names_it(number: int, memory: Memory, tmp_path: Path) -> None:
    train(memory, "s3://b/1")
    memory.delete(1)
    for _ in range(2):
        restore(tmp_path)
        memory.delete(*memory.versions)
    assert restore(tmp_path, Choice(version=number)).message == "restored 1 version"
    for each in (1, 2, 3):
        assert restore(tmp_path, Choice(version=each)).message == "restored 0 versions; 1 restored already"


def test_copies_that_an_earlier_release_doubled_count_as_one(memory: Memory, tmp_path: Path) -> None:
    """It restored a version and its deleted copy, side by side, each under the number of its own."""
    train(memory, "s3://b/1")
    memory.delete(1)
    for origin in ("1@1000", "1@1000", "2@1000"):
        memory.add(version("m", 0, source="s3://b/1"), {RESTORED_FROM: origin})
        memory.delete(*memory.versions)
    assert len(Journal(memory).read("m")) == 1  # type: ignore[arg-type]
    assert restore(tmp_path).message == "restored 1 version"


def test_what_was_reclaimed_under_its_last_number_is_gone_under_all(memory: Memory, tmp_path: Path) -> None:
    train(memory, "s3://b/1")
    memory.delete(1)
    restore(tmp_path)
    memory.delete(2, reclaimed=True)
    for choice in (Choice(), Choice(version=1), Choice(version=2)):
        assert restore(tmp_path, choice).message == "restored 0 versions; 1 cannot come back"


def test_a_restored_version_that_another_sits_beside_keeps_what_it_refers_to() -> None:
    """Whatever a tag claims: a deletion that is counted with another one protects the files that it names itself."""
    before = Entry(version("m", 1, run_id="a" * 32, source=f"s3://b/1/{'a' * 32}/artifacts/model"), 0.0, "")
    later = replace(
        before,
        version=version("m", 2, run_id="b" * 32, source=f"s3://b/1/{'b' * 32}/artifacts/model"),
        earlier=(before,),
    )
    runs = {name * 32: home(name * 32, name * 32, f"s3://b/1/{name * 32}/artifacts") for name in "ab"}
    planned = plan_orphans(Known([], [later], homes=runs), list(runs), whole_runs=False)
    assert {piece.action for piece in planned} == {"keep"}
