"""What a step returns is bounded: a large registry's cleanup must not fail a build after its work."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from builders import snapshot, version
from jenkins_mlflow.agent import short
from jenkins_mlflow.agent.short import shortened
from jenkins_mlflow.cleanup.plan import dry_run, plan_cleanup
from jenkins_mlflow.commands.cleanup import cleanup_result
from jenkins_mlflow.config.cleanup import Cleanup
from jenkins_mlflow.results.base import json_pieces
from jenkins_mlflow.results.cleanup import CleanupResult
from support.environments import ROOT
from support.registries import NOW, TARGET


def result(versions: int) -> CleanupResult:
    group = snapshot(*(version("m", number) for number in range(1, versions + 1)))
    made = cleanup_result(dry_run(plan_cleanup(group, group, Cleanup(keep_last=2), TARGET, now=NOW)))
    return replace(made, warnings=("a", "b"))


def test_the_controller_reads_whatever_is_sent() -> None:
    """A real bound, on a result that is larger than it."""
    (limit,) = re.findall(r"line.length\(\) > (\d+)", (ROOT / "src/jenkinsmlflow/Json.groovy").read_text())
    large = replace(result(100), items=result(100).items * 1000)
    text = "".join(json_pieces(shortened(large, ""), ascii_only=True))
    assert short.LARGEST < len(text) + 100_000 < 2 * short.LARGEST <= int(limit)


def test_what_is_left_out_is_counted_and_the_whole_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The counts, the warnings and what fits stay."""
    whole = result(50)
    (tmp_path / "cleanup.json").touch()
    monkeypatch.setattr(short, "LARGEST", 5000)
    cut = shortened(whole, str(tmp_path))
    assert isinstance(cut, CleanupResult)
    assert 10 < len(cut.items) < 50
    assert cut.items == whole.items[: len(cut.items)]
    assert cut.left_out == {"items": 50 - len(cut.items)}
    assert cut.full_result == str(tmp_path / "cleanup.json")
    assert replace(cut, items=whole.items, left_out={}, full_result="") == whole
    assert shortened(whole, str(tmp_path / "none")).full_result == ""


def test_a_result_that_fits_stays_as_it_is() -> None:
    whole = result(50)
    assert shortened(whole, "mlflow-report") is whole
    assert (whole.left_out, whole.full_result) == ({}, "")
