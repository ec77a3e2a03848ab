"""Whether all combinations are tried, as `make test-faults` does, or a sample of them, as `make test-promises` does."""

from __future__ import annotations

import os

THOROUGH = bool(os.environ.get("ALL_FAULTS"))
