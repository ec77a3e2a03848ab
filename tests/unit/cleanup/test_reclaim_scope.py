"""Of which models a reclaim frees files: of those that a cleanup with the same config would work on."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from builders import version
from jenkins_mlflow.build import BuildContext
from jenkins_mlflow.cleanup.reclaim_facts import Known, home
from jenkins_mlflow.cleanup.reclaim_pieces import Piece
from jenkins_mlflow.cleanup.reclaim_reading import Look
from jenkins_mlflow.commands import reclaim as command
from jenkins_mlflow.commands.reclaim import ReclaimWish
from jenkins_mlflow.commands.session import Session
from jenkins_mlflow.config.schema import Config
from jenkins_mlflow.registry.journal_entry import Entry
from jenkins_mlflow.terminal import Terminal

RUNS = {name: name * 32 for name in "abcd"}


def pieces(
    folder: Path, monkeypatch: pytest.MonkeyPatch, wish: ReclaimWish, **rules: Any
) -> tuple[Piece, ...]:
    """What the command plans where a version was deleted of each of the models a, b, c and d."""
    entries = [
        Entry(version(name, 1, run_id=run, source=f"s3://b/1/{run}/artifacts/model"), 0.0, "")
        for name, run in RUNS.items()
    ]
    homes = {run: home(run, run, f"s3://b/1/{run}/artifacts") for run in RUNS.values()}
    monkeypatch.setattr(Look, "__call__", lambda look: Known([], entries, homes=homes))
    reclaim = {"mode": "artifacts", "grace": "0s"}
    config = Config.model_validate({"models": "[abc]", "cleanup": {"reclaim": reclaim, **rules}})
    session = Session(config, "http://x", Terminal(quiet=True), folder, BuildContext())
    registry: Any = SimpleNamespace(connection=SimpleNamespace(door=None, uri="http://x", over_http=True))
    return command._work(session, registry, wish, 1e9).plan()


@pytest.mark.parametrize(
    ("rules", "model", "freed"),
    [
        ({}, None, ["a", "b", "c"]),
        ({"exclude": ["b"]}, None, ["a", "c"]),
        ({"include": ["b", "d"]}, None, ["b"]),
        ({"include": ["a", "b"], "exclude": "a*"}, None, ["b"]),
        ({"exclude": ["b"]}, "b", ["b"]),
    ],
)
def test_a_model_that_cleanups_leave_out_keeps_its_files(
    rules: dict[str, Any],
    model: str | None,
    freed: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Also where the reclaim is the end of a cleanup. A model that the command names is asked for in any case."""
    found = pieces(tmp_path, monkeypatch, ReclaimWish(model=model), **rules)
    assert sorted(piece.models[0] for piece in found if piece.action == "reclaim") == freed
