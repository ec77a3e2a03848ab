"""Which metric values are numbers that can be compared, and of which metrics small values are good."""

from __future__ import annotations

import re
import sys

STORED_INFINITY = sys.float_info.max
"""The infinity of MLflow's SQL stores: 1.7976931348623157e308 (MLflow 3.17.2, sqlalchemy_store.py)."""
_LARGEST = 1.797e308  # a little lower, because a database may round

_ERRORS = ("loss", "error", "rmse", "rmsle", "mse", "mae", "mape", "brier", "perplexity")
_NEGATED = re.compile(r"(?<![a-z])neg(ative)?(?![a-z])")  # scikit-learn's scores: the larger, the better


def comparable(value: float) -> bool:
    """Whether a metric's value can be ranked and compared: neither NaN nor any form of infinity."""
    return abs(value) < _LARGEST


def is_error(name: str) -> bool:
    """Whether a metric is an error or a loss by its name, so that small values are good."""
    lower = name.lower()
    return any(word in lower for word in _ERRORS) and not _NEGATED.search(lower)
