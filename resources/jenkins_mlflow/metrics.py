"""Which metric values are numbers that can be compared."""

from __future__ import annotations

# MLflow's SQL stores keep an infinity as +-1.7976931348623157e308, which is finite (MLflow 3.17.2,
# mlflow/store/tracking/sqlalchemy_store.py). The bound is a little lower because a database may round.
_STORED_INFINITY = 1.797e308


def comparable(value: float) -> bool:
    """Whether a metric's value can be ranked and compared: no NaN, and no infinity in any of its forms."""
    return abs(value) < _STORED_INFINITY
