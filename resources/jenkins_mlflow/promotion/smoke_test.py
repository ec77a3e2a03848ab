"""The smoke test before a promotion: the candidate is loaded elsewhere, predicts, and its answer is looked at."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jenkins_mlflow.bounded import run_bounded
from jenkins_mlflow.config.schema import SmokeTest
from jenkins_mlflow.errors import UsageError
from jenkins_mlflow.registry.snapshot import Version
from jenkins_mlflow.text import number, one_line, plural

LOG = "smoke-test.log"
RUNNER = Path(__file__).with_name("smoke_runner.py")


@dataclass(frozen=True)
class Checked:
    """Whether a check passed, in words why not, and how many seconds it took."""

    passed: bool
    reason: str
    seconds: float


def smoke_test(rules: SmokeTest, version: Version, uri: str, folder: Path) -> Checked:
    """Load the version in another process, by the team's own Python or in an environment that MLflow makes, and judge
    one prediction.

    The process gets the tracking URI, and whatever secrets belong to it, by its environment alone.

    Args:
        rules: The config's ``promote.smoke_test`` section.
        version: The candidate.
        uri: The tracking URI.
        folder: The report folder, for the log.

    Raises:
        UsageError: the configured input does not exist.
        Interrupted: a signal arrived; the process was ended first.
    """
    if rules.input is not None and not Path(rules.input).is_file():
        raise UsageError(
            f"the smoke test's input {rules.input} does not exist here",
            state="nothing was written",
            next_step="check promote.smoke_test.input; it is looked for from the working directory",
        )
    environ = {**os.environ, "MLFLOW_TRACKING_URI": uri, "MLFLOW_REGISTRY_URI": uri}
    environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")
    with tempfile.TemporaryDirectory() as scratch:
        result = Path(scratch) / "result.json"
        address = f"models:/{version.model}/{version.number}"
        argv = [rules.python, str(RUNNER), address, rules.input or "", str(result), rules.env_manager or ""]
        ended = run_bounded(argv, environ, folder / LOG, rules.timeout)
        answer = (
            json.loads(result.read_text(encoding="utf-8")) if result.is_file() and not ended.failure else {}
        )
    reason = ended.failure or judge(rules, answer)
    return Checked(not reason, reason or _passed(answer), round(ended.seconds, 3))


def judge(rules: SmokeTest, answer: Mapping[str, Any]) -> str:
    """What is wrong with a prediction; empty if nothing is. Pure.

    Args:
        rules: The allowed range.
        answer: What smoke_runner.py found.
    """
    return next(_complaints(rules, answer), "")


def _complaints(rules: SmokeTest, answer: Mapping[str, Any]) -> Iterator[str]:
    if "error" in answer:
        yield one_line(str(answer["error"]), 300)
        return
    if "values" not in answer:  # a model may end the process itself, with exit code 0
        yield "it ended without a prediction"
        return
    values = plural(answer["values"], "value")
    if answer["rows_in"] != answer["rows_out"]:
        yield f"it gave {plural(answer['rows_out'], 'row')} for {plural(answer['rows_in'], 'row')} of input"
    if not answer["values"]:
        yield "it gave no value at all"
    if answer["missing"]:
        yield f"{answer['missing']} of its {values} are missing (NaN or None)"
    if answer["infinite"]:
        yield f"{answer['infinite']} of its {values} are infinite"
    least, most = answer["least"], answer["most"]
    if least is None and (rules.min is not None or rules.max is not None):
        yield "its values are no numbers, so they cannot be within the configured range"
    if least is not None and rules.min is not None and least < rules.min:
        yield f"its least value {number(least, rules.min)} is below {number(rules.min)}"
    if most is not None and rules.max is not None and most > rules.max:
        yield f"its greatest value {number(most, rules.max)} is above {number(rules.max)}"


def _passed(answer: Mapping[str, Any]) -> str:
    between = f", between {number(answer['least'])} and {number(answer['most'])}" if answer["numbers"] else ""
    return f"predicted {plural(answer['rows_out'], 'row')}{between}"
