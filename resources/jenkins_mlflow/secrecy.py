"""Hides this process's secrets from the programs that it starts as the same user."""

from __future__ import annotations

import ctypes
import sys

_PR_SET_DUMPABLE = 4


def hide_process() -> None:
    """Close /proc/PID/environ, mem and fd of this process to other processes of its user; Linux only.

    Processes that this one starts are not hidden. Root can read everything anyway.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
