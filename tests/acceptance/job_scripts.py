"""Pipeline scripts of the tests' jobs: each a function that returns Groovy.

What a step returned is printed as one line of JSON, see ``results``. Values come from parameters of the build
wherever people would have a form, so they arrive as strings.
"""

from __future__ import annotations

import json
import re
from typing import Any

HEAD = "@Library('jenkins-mlflow') _\n"
MARK = "STEP-RESULT "
STEP_RESULT = re.compile(rf"^{MARK}(\w+) (\{{.*\}})$", re.MULTILINE)


def steps(uri: str, *calls: str, agent: bool = True) -> str:
    """A scripted pipeline of calls, with MLFLOW_TRACKING_URI as a platform team would set it.

    Args:
        uri: MLflow's address.
        calls: Groovy statements.
        agent: Whether they run on an agent.
    """
    body = "\n".join(calls)
    if not agent:
        return f"{HEAD}{body}\n"
    return f"{HEAD}node {{\n  deleteDir()\n  withEnv([{text(f'MLFLOW_TRACKING_URI={uri}')}]) {{\n{body}\n  }}\n}}\n"


class Block(str):
    """Groovy in braces; no text."""

    __slots__ = ()


def block(*calls: str) -> Block:
    """Statements as an argument: ``prepare=block(...)``."""
    return Block("{ -> " + "; ".join(calls) + " }")


def call(step: str, key: str = "", **arguments: Any) -> str:
    """One step's call; with a key its result is printed."""
    given = ", ".join(f"{name}: {groovy(value)}" for name, value in arguments.items())
    called = f"{step}({given})"
    if not key:
        return called
    return f"echo({text(f'{MARK}{key} ')} + groovy.json.JsonOutput.toJson({called}))"


def results(console: str) -> dict[str, dict[str, Any]]:
    """What the calls of a build returned, by key."""
    return {key: json.loads(document) for key, document in STEP_RESULT.findall(console)}


def groovy(value: Any) -> str:
    """A value as a Groovy literal."""
    if isinstance(value, Block):
        return value
    if isinstance(value, str):
        return text(value)
    if isinstance(value, list | tuple):
        return "[" + ", ".join(groovy(each) for each in value) + "]"
    if isinstance(value, dict):
        return "[" + ", ".join(f"{name}: {groovy(each)}" for name, each in value.items()) + "]"
    return "null" if value is None else str(value).lower()


def text(value: str) -> str:
    """A Groovy text without interpolation."""
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n") + "'"
