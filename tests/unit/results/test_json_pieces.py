"""A document written piece by piece is the document."""

from __future__ import annotations

import json
import tracemalloc

import pytest
from builders import snapshot, version
from jenkins_mlflow.cleanup.plan import dry_run, plan_cleanup
from jenkins_mlflow.commands.cleanup import cleanup_result
from jenkins_mlflow.config.cleanup import Cleanup
from jenkins_mlflow.results.base import document, json_pieces
from jenkins_mlflow.results.cleanup import CleanupResult
from support.registries import NOW, TARGET


def result(versions: int) -> CleanupResult:
    group = snapshot(*(version("mödel", number) for number in range(1, versions + 1)))
    return cleanup_result(dry_run(plan_cleanup(group, group, Cleanup(keep_last=2), TARGET, now=NOW)))


@pytest.mark.parametrize("versions", [0, 1, 1000, 1001, 2500])
@pytest.mark.parametrize("ascii_only", [True, False])
def test_the_pieces_are_the_document(versions: int, ascii_only: bool) -> None:
    whole = json.dumps(document(result(versions)), ensure_ascii=ascii_only)
    assert "".join(json_pieces(result(versions), ascii_only=ascii_only)) == whole


def test_no_piece_is_the_whole() -> None:
    """Writing ten times the versions takes no more memory: it grows with the largest piece only."""
    peaks = []
    for versions in (2000, 20_000):
        one = result(versions)
        tracemalloc.start()
        for _ in json_pieces(one):
            pass
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.5 * peaks[0]
