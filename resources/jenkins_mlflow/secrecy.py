"""Keeping this process's secrets from the programs that it starts under the same user."""

from __future__ import annotations

import ctypes
import sys

_PR_SET_DUMPABLE = 4


def hide_process() -> None:
    """Close /proc/PID/environ, mem and fd of this process to its user's other processes; Linux only.

    Whatever this process starts is open again. Root may read everything all the same.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
