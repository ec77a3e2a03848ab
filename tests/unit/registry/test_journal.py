"""The journal of deletions is read as what it is: tags that others may have written."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st
from jenkins_mlflow.build import BuildContext
from jenkins_mlflow.commands.session import Session
from jenkins_mlflow.config.schema import Config
from jenkins_mlflow.errors import RegistryError
from jenkins_mlflow.registry.client import Registry
from jenkins_mlflow.registry.connection import connect
from jenkins_mlflow.registry.door_types import KeptRun
from jenkins_mlflow.registry.journal import Journal
from jenkins_mlflow.registry.journal_entry import Entry, facts
from jenkins_mlflow.registry.records import Records
from jenkins_mlflow.registry.signing import Keys
from jenkins_mlflow.tags import JOURNAL_MODEL, JOURNAL_PART, JOURNAL_RECLAIMED
from jenkins_mlflow.terminal import Terminal
from support.thorough import examples

ENTRY: dict[str, Any] = {
    "model": "m",
    "number": 3,
    "stage": "None",
    "aliases": ["old"],
    "status": "READY",
    "created": 7,
    "run_id": None,
    "source": "s",
    "tags": {"jenkins_mlflow.promoted_at": "2026"},
    "run": None,
    "metrics": {},
}


def read(
    tags: dict[str, str],
    keys: Keys = Keys(),  # noqa: B008  it never changes
    *,
    deleted: bool = False,
) -> list[Entry]:
    """What a run of the journal with these tags says of the model m."""

    def find(self: Records, what: str, condition: str, limit: int) -> Iterator[KeptRun]:
        yield KeptRun("r", "7", "", "FINISHED", 0, deleted, {JOURNAL_MODEL: "m", **tags}, 1000)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Records, "find", find)
        return Journal(Registry(connect("http://127.0.0.1:9"), keys=keys)).read("m")


def written(**changed: object) -> dict[str, str]:
    return {f"{JOURNAL_PART}00000": json.dumps([{**ENTRY, **changed}])}


def test_what_was_written_is_read() -> None:
    (entry,) = read(written(bytes=5))
    assert (entry.version.model, entry.version.number, entry.version.aliases) == ("m", 3, ("old",))
    assert (entry.bytes, entry.deleted, entry.version.record) == (5, 1.0, ENTRY["tags"])


def test_with_a_key_it_vouches_for_nothing_itself() -> None:
    """Whatever a run of the journal says, only the signature among the version's tags counts."""
    (entry,) = read(written(counted={"jenkins_mlflow.promoted_at": "2026"}), Keys(("k" * 32,)))
    assert entry.version.record == {}


@pytest.mark.parametrize(
    "changed",
    [
        {"model": "other"},
        {"number": "x"},
        {"number": -1},
        {"number": 2**40},
        {"created": []},
        {"created": 1e400},
        {"created": 10**400},
        {"aliases": [[1]]},
        {"tags": {"a": 1}},
        {"tags": 7},
        {"stage": [1]},
        {"source": None},
        {"description": {}},
        {"bytes": "many"},
    ],
)
def test_an_entry_of_another_form_is_named(changed: dict[str, object]) -> None:
    """And one of another model than the run names: a restore of m writes into m."""
    with pytest.raises(
        RegistryError, match="the run r in the experiment jenkins-mlflow is not a readable journal"
    ) as caught:
        read(written(**changed))
    assert caught.value.state == "nothing was changed"


def test_what_cannot_be_read_is_skipped_with_a_warning_once(tmp_path: Path) -> None:
    """One run that somebody has made stops no cleanup; the warning says how to get rid of it."""
    session = Session(Config(), "http://m", Terminal(quiet=True), tmp_path, BuildContext())

    def find(self: Records, what: str, condition: str, limit: int) -> Iterator[KeptRun]:
        yield KeptRun("bad", "7", "", "FINISHED", 0, False, {JOURNAL_MODEL: "m"})
        yield KeptRun("good", "7", "", "FINISHED", 0, False, {JOURNAL_MODEL: "m", **written()}, 1000)

    registry = Registry(connect("http://127.0.0.1:9"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Records, "find", find)
        for _ in range(2):
            assert [entry.run_id for entry in session.journal(registry).read()] == ["good"]
        with pytest.raises(RegistryError, match="the run bad in the experiment jenkins-mlflow"):
            Journal(registry).read()
    (warning,) = session.warnings
    assert warning == (
        "the run bad in the experiment jenkins-mlflow is not a readable journal of deletions: "
        "it is skipped, so what it names cannot be restored; next: look at its tags in MLflow; "
        "if you need not restore anything that it names, delete it: `mlflow runs delete --run-id bad`"
    )


def test_what_cannot_be_read_and_was_deleted_is_nothing() -> None:
    """Who follows the advice of the warning is rid of it, and reclaims orphans again."""
    assert read(written(number="x"), deleted=True) == []


@pytest.mark.parametrize(
    "text",
    ["", "7", "[]", "{", '{"at": 1e999, "bytes": 1, "done": true}', '{"at": 1, "bytes": 1e999}', "[" * 4900],
)
def test_what_cannot_be_read_of_a_reclaim_counts_as_begun(text: str) -> None:
    (entry,) = read({**written(), f"{JOURNAL_RECLAIMED}3-7": text})
    assert entry.reclaimed is not None
    assert (entry.reclaimed.at, entry.reclaimed.done) == (0.0, False)


VALUES: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=examples(100))
@given(
    st.dictionaries(
        st.sampled_from([*ENTRY, "bytes", "counted", "signed", "description"]), VALUES, max_size=4
    ),
    VALUES,
)
def test_any_entry_is_read_or_named(changed: dict[str, object], reclaimed: object) -> None:
    try:
        entries = read({**written(**changed), f"{JOURNAL_RECLAIMED}3-7": json.dumps(reclaimed)})
    except RegistryError:
        return
    for entry in entries:
        assert entry.version.model == "m"
        assert {entry.version.identity: json.dumps(facts(entry.version))}
