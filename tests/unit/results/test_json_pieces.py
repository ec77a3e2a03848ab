"""A document written piece by piece is the document."""

from __future__ import annotations

import json
import tracemalloc
from dataclasses import replace

import pytest
from builders import snapshot, version
from jenkins_mlflow.cleanup.plan import dry_run, plan_cleanup
from jenkins_mlflow.commands.cleanup import cleanup_result
from jenkins_mlflow.config.cleanup import Cleanup
from jenkins_mlflow.results.base import document, json_pieces, plain
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
    """Writing five times the versions takes no more memory: it grows with the largest piece only."""
    peaks = []
    for versions in (1000, 5000):
        one = result(versions)
        tracemalloc.start()
        for _ in json_pieces(one):
            pass
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.5 * peaks[0]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_no_document_holds_what_is_no_number_of_json(value: float) -> None:
    """Wherever it comes from: NaN and infinities are null, and the document goes on."""
    one = result(1)
    odd = replace(one, items=(replace(one.items[0], created=value),))  # type: ignore[arg-type]
    assert json.loads("".join(json_pieces(odd)), parse_constant=pytest.fail)["items"][0]["created"] is None
    assert document(odd)["items"][0]["created"] is None
    assert plain({"a": [value, {"b": (value,)}]}) == {"a": [None, {"b": [None]}]}
