"""How much work something is, counted without a clock: a busy machine changes nothing."""

from __future__ import annotations

import itertools
import sys
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any

from support.environments import ROOT

TESTS = str(ROOT / "tests")


def steps_of(work: Callable[[], object]) -> int:
    """How many steps the interpreter takes for it in all threads, without those of the tests' own code."""
    steps = itertools.count()  # its next() is one step of the interpreter: threads do not disturb each other

    def count(frame: FrameType, event: str, _argument: object) -> Any:
        if frame.f_code.co_filename.startswith(TESTS):
            return None
        frame.f_trace_opcodes = True
        if event == "opcode":
            next(steps)
        return count

    before = sys.gettrace()
    sys.settrace(count)
    threading.settrace(count)
    try:
        work()
    finally:
        sys.settrace(before)
        threading.settrace(before)
    return next(steps)
