"""Which metric values are numbers that can be compared."""

from __future__ import annotations

import sys

STORED_INFINITY = sys.float_info.max
"""The infinity of MLflow's SQL stores: 1.7976931348623157e308 (MLflow 3.17.2, sqlalchemy_store.py)."""
_LARGEST = 1.797e308  # a little lower, because a database may round


def comparable(value: float) -> bool:
    """Whether a metric's value can be ranked and compared: neither NaN nor any form of infinity."""
    return abs(value) < _LARGEST
