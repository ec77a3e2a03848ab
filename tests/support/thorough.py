"""Whether all combinations are tried, as `make test-faults` and `make test-matrix` do, or a sample of them."""

from __future__ import annotations

import os

THOROUGH = bool(os.environ.get("ALL_FAULTS"))


def examples(most: int) -> int:
    """How many examples Hypothesis tries: this many in `make test-faults`, else a quarter, other ones in each run."""
    return most if THOROUGH else most // 4
