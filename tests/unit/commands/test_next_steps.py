"""The last line of a command says what to do next, where nothing was registered yet, too."""

from __future__ import annotations

from jenkins_mlflow.results.promote import PromoteResult
from jenkins_mlflow.results.select import SelectResult
from jenkins_mlflow.results.train import TrainResult

EMPTY = SelectResult(
    status="no_candidate",
    message="There is no candidate to choose from; production is unchanged.",
    metric="roc_auc",
    direction="maximize",
    selected=None,
    champion=None,
    replaces=None,
    beside=(),
    candidates=(),
)


def test_an_empty_registry_needs_a_model() -> None:
    """The data scientist's first `select` or `promote`, before anything was registered."""
    first = "train a model and register it: in the training script, or by train.register"
    assert EMPTY.next_step == first
    promoted = PromoteResult(status="no_candidate", message=EMPTY.message, selection=EMPTY)
    assert promoted.next_step == first


def test_a_training_that_registered_nothing() -> None:
    trained = TrainResult(status="trained", message="", on_failure="stop", candidates=())
    assert trained.next_step == "register a model: in the training script, or by train.register"
