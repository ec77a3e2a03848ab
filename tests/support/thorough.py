"""Whether all combinations are tried, as `make test-faults` and `make test-matrix` do, or a sample of them."""

from __future__ import annotations

import os

THOROUGH = bool(os.environ.get("ALL_FAULTS"))
