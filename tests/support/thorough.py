"""Whether all combinations are tried, as `make test-faults` does, or a sample of them, as `make test-promises` does."""

from __future__ import annotations

import os

THOROUGH = bool(os.environ.get("ALL_FAULTS"))


def examples(most: int) -> int:
    """How many examples Hypothesis tries: this many in `make test-faults`, else a quarter, other ones in each run."""
    return most if THOROUGH else most // 4
