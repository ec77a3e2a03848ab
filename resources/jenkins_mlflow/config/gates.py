"""Gates: the comparisons that a metric must pass."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BeforeValidator

from jenkins_mlflow.config.mistakes import expected
from jenkins_mlflow.config.values import schema
from jenkins_mlflow.metrics import comparable

OPERATORS: dict[str, Callable[[float, float], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    "==": operator.eq,
    "!=": operator.ne,
    ">": operator.gt,
    "<": operator.lt,
}

_NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"


def _one_word_of(alternatives: Iterable[str]) -> str:
    """A regular expression for one of the words; longer words come first."""
    return f"({'|'.join(map(re.escape, sorted(alternatives, key=len, reverse=True)))})"


_GATE = re.compile(rf"\s*{_one_word_of(OPERATORS)}\s*({_NUMBER})\s*", re.ASCII)
_SLIPS = {"=>": ">=", "=<": "<=", "=": "==", "≥": ">=", "≤": "<=", "<>": "!="}
_SLIP = re.compile(rf"\s*{_one_word_of(_SLIPS)}\s*({_NUMBER})\s*")


@dataclass(frozen=True)
class Gate:
    """A comparison that a metric must pass, such as ``>= 0.8``."""

    op: str
    limit: float

    def __post_init__(self) -> None:
        if self.op not in OPERATORS or not math.isfinite(self.limit):
            raise ValueError(f"not a comparison: {self.op} {self.limit}")

    def holds(self, value: float) -> bool:
        """Whether a metric's value passes; one that cannot be compared never does."""
        return comparable(value) and OPERATORS[self.op](value, self.limit)

    def __str__(self) -> str:
        return f"{self.op} {repr(float(self.limit)).removesuffix('.0')}"


def parse_gate(value: Any) -> Gate:
    """Read a comparison such as ``>= 0.8``."""
    if isinstance(value, Gate):
        return value
    what = 'a comparison such as ">= 0.8"'
    if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
        raise expected(what, f'; did you mean ">= {value}" or "<= {value}"?')
    match = _GATE.fullmatch(value) if isinstance(value, str) else None
    if match and math.isfinite(float(match[2])):
        return Gate(match[1], float(match[2]))
    slip = _SLIP.fullmatch(value) if isinstance(value, str) else None
    raise expected(what, f'; did you mean "{_SLIPS[slip[1]]} {slip[2]}"?' if slip else "")


GateValue = Annotated[
    Gate,
    BeforeValidator(parse_gate),
    schema({"type": "string", "pattern": rf"^\s*{_one_word_of(OPERATORS)}\s*{_NUMBER}\s*$"}),
]
