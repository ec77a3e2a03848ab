"""Which version `promote --model M` means, with and without a number."""

from __future__ import annotations

from dataclasses import replace

import pytest
from builders import snapshot, version
from jenkins_mlflow.commands.promote.promote import named
from jenkins_mlflow.errors import NotFound, Refused

TRAINED = version("m", 1, metrics={})


def test_the_newest_that_is_ready() -> None:
    (model,) = snapshot(TRAINED, version("m", 2), version("m", 3, status="PENDING_REGISTRATION")).models
    assert named(model, None, "job-2") == 2


@pytest.mark.parametrize(("tag", "value"), [("outcome", "timeout"), ("outcome", "lost"), ("change", "PR-7")])
def test_the_newest_is_refused_if_its_training_speaks_against_it(tag: str, value: str) -> None:
    """To promote an older one instead without a word would surprise; a number is a person's decision."""
    (model,) = snapshot(
        TRAINED, version("m", 2, metrics={}, run_tags={f"jenkins_mlflow.{tag}": value})
    ).models
    with pytest.raises(Refused, match="m version 2 is the newest version, but"):
        named(model, None, "job-2")
    assert named(model, 2, "job-2") == 2


def test_the_newest_is_refused_if_its_model_is_not_known() -> None:
    """As in a selection: its metrics may be those of another model of its run."""
    newest = version("m", 2, metrics={})
    assert newest.run
    (model,) = snapshot(TRAINED, replace(newest, run=replace(newest.run, unclear=True))).models
    with pytest.raises(Refused, match="m version 2 is the newest version, but its run logged several models"):
        named(model, None, "job-2")
    assert named(model, 2, "job-2") == 2


def test_nothing_is_ready() -> None:
    (model,) = snapshot(version("m", 1, status="FAILED_REGISTRATION")).models
    with pytest.raises(NotFound, match="has no version that is READY"):
        named(model, None, None)
