"""The smoke test before a promotion: another process loads the candidate and predicts, and the answer is judged.

Anybody may have registered the candidate, so it runs without the promoting account's rights: its files are
fetched first, and the process that loads them gets neither the login nor any variable that is not listed.
"""

from __future__ import annotations

import functools
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from jenkins_mlflow.config.promote import SmokeTest
from jenkins_mlflow.deadline import run_bounded
from jenkins_mlflow.errors import UsageError
from jenkins_mlflow.promotion.model_code import code_on_loading
from jenkins_mlflow.registry.version import Version
from jenkins_mlflow.secrecy import hide_process
from jenkins_mlflow.text import number, one_line, plural

LOG = "smoke-test.log"
RUNNER = Path(__file__).with_name("smoke_runner.py")
KEPT_VARIABLES = (
    *("PATH", "HOME", "TMPDIR", "PYTHONPATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH"),
    *("TZ", "LANG", "LC_ALL", "LC_CTYPE", "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE"),
)
_LONGEST_ANSWER = 65_536


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class _Failed(_Answer):
    error: str


class _NoMlflow(_Answer):
    no_mlflow: str


class _Fetched(_Answer):
    model: str


class _Predicted(_Answer):
    rows_in: int
    rows_out: int
    values: int
    missing: int
    infinite: int
    numbers: int
    least: float | None
    most: float | None


_ANSWER: TypeAdapter[_Answer] = TypeAdapter(_Failed | _NoMlflow | _Fetched | _Predicted)


@dataclass(frozen=True)
class Checked:
    """Whether a check passed, a reason in words, and how many seconds it took."""

    passed: bool
    reason: str
    seconds: float


def smoke_test(rules: SmokeTest, version: Version, uri: str, folder: Path) -> Checked:
    """Load the version in another process and judge one prediction.

    The process runs the team's own Python, or an environment that MLflow creates.

    Args:
        rules: The config's ``promote.smoke_test`` section.
        version: The candidate.
        uri: The tracking URI.
        folder: The report folder, where the log is written.

    Raises:
        UsageError: the configured input or Python does not exist, or that Python has no MLflow.
        Interrupted: a signal arrived; the process was ended first.
    """
    if rules.input is not None and not Path(rules.input).is_file():
        raise UsageError(
            f"the smoke test's input {rules.input} does not exist here",
            state="nothing was written",
            next_step="check promote.smoke_test.input; a relative path starts at the working directory",
        )
    if not shutil.which(rules.python):
        raise _unusable(f"the smoke test's Python {rules.python} cannot be started here")
    hide_process()
    account = {**os.environ, "MLFLOW_TRACKING_URI": uri, "MLFLOW_REGISTRY_URI": uri}
    account.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as scratch:
        step = functools.partial(_step, rules, folder / LOG, Path(scratch))
        answer, seconds = step(account, "fetch", version.model, str(version.number), f"{scratch}/files")
        if "no_mlflow" in answer:  # only the fetch step says so, before any of the model's code has run
            raise _unusable(f"the smoke test's Python {answer['no_mlflow']}")
        if "model" in answer:
            files = answer["model"]
            code = code_on_loading(Path(files)) if rules.refuse_code else ""
            if code:
                answer = {"error": f"{code}, and promote.smoke_test.refuse_code is set"}
            else:
                environ = model_environment(rules, scratch)
                source, manager = rules.input or "", rules.env_manager or ""
                answer, more = step(environ, "predict", files, source, manager)
                seconds += more
    reason = judge(rules, answer)
    return Checked(not reason, reason or _passed(answer), round(seconds, 3))


def _unusable(what: str) -> UsageError:
    return UsageError(
        one_line(what, 300),
        state="nothing was written",
        next_step="name a Python with MLflow and the packages of the model in promote.smoke_test.python",
    )


def _step(
    rules: SmokeTest, log: Path, scratch: Path, environ: Mapping[str, str], *arguments: str
) -> tuple[dict[str, Any], float]:
    """Run one of the runner's steps and return its answer and how many seconds it took."""
    result = scratch / f"{arguments[0]}.json"
    ended = run_bounded([rules.python, str(RUNNER), *arguments, str(result)], environ, log, rules.timeout)
    return {"error": ended.failure} if ended.failure else read_answer(result), ended.seconds


def model_environment(rules: SmokeTest, scratch: str) -> dict[str, str]:
    """The environment for the process that runs a model's code: only listed variables, and MLflow's own.

    Args:
        rules: ``pass_env`` names more variables to pass; ``refuse_code`` is passed on to MLflow.
        scratch: A folder for anything that a model logs; MLflow finds an empty store there.
    """
    kept = {name: value for name, value in os.environ.items() if name in (*KEPT_VARIABLES, *rules.pass_env)}
    mlflow_variables = {"MLFLOW_TRACKING_URI": f"file://{scratch}/store", "MLFLOW_ALLOW_FILE_STORE": "true"}
    if rules.refuse_code:
        mlflow_variables["MLFLOW_ALLOW_PICKLE_DESERIALIZATION"] = "false"
    return kept | mlflow_variables


def read_answer(result: Path) -> dict[str, Any]:
    """Read what the runner found; empty if there is no file. The file is no more trustworthy than the model.

    Args:
        result: The file to which the runner was to write its result.
    """
    try:
        with os.fdopen(os.open(result, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:
            if stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                text = file.read(_LONGEST_ANSWER)
                return _ANSWER.validate_json(text).model_dump()
    except FileNotFoundError:
        return {}
    except (OSError, ValidationError):
        pass
    return {"error": "it left a result that cannot be read"}


def judge(rules: SmokeTest, answer: Mapping[str, Any]) -> str:
    """Say what is wrong with a prediction; empty if nothing is. Pure.

    Args:
        rules: The allowed range.
        answer: The result of smoke_runner.py.
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
        yield f"it returned {plural(answer['rows_out'], 'row')} for {plural(answer['rows_in'], 'row')} of input"
    if not answer["values"]:
        yield "it returned no value at all"
    if answer["missing"]:
        yield f"{_count(answer['missing'], values)} missing (NaN or None)"
    if answer["infinite"]:
        yield f"{_count(answer['infinite'], values)} infinite"
    least, most = answer["least"], answer["most"]
    if least is None and (rules.min is not None or rules.max is not None):
        yield "its values are not numbers, so they cannot be within the configured range"
    if least is not None and rules.min is not None and least < rules.min:
        yield f"its least value {number(least, rules.min)} is below {number(rules.min)}"
    if most is not None and rules.max is not None and most > rules.max:
        yield f"its greatest value {number(most, rules.max)} is above {number(rules.max)}"


def _count(some: int, values: str) -> str:
    """`its 1 value is`, `1 of its 3 values is`, `2 of its 3 values are`."""
    every = values == plural(some, "value")
    whole = f"its {values}" if every else f"{some} of its {values}"
    return f"{whole} {'is' if some == 1 else 'are'}"


def _passed(answer: Mapping[str, Any]) -> str:
    between = f", between {number(answer['least'])} and {number(answer['most'])}" if answer["numbers"] else ""
    return f"predicted {plural(answer['rows_out'], 'row')}{between}"
