"""Shortens a result to what Jenkins' controller can hold; the report's file keeps the other entries."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, TypeVar

from jenkins_mlflow.results.base import RegistryResult, Result, plain

R = TypeVar("R", bound=Result)
LARGEST = 8_000_000
"""The most characters of all lists of a result together: half of what src/jenkinsmlflow/Json.groovy reads."""


def shortened(result: RegistryResult, report: str) -> RegistryResult:
    """The result as a step returns it.

    Args:
        result: The command's result.
        report: The report folder; empty if there is none.
    """
    short = _Shortening()
    changed = short.of(result)
    if not short.left_out:
        return result
    file = Path(report) / f"{result.command}.json"
    full_result = str(file) if report and file.is_file() else ""
    return replace(changed, left_out=short.left_out, full_result=full_result)


class _Shortening:
    """The room that is left, and how many entries each list lacks."""

    def __init__(self) -> None:
        self.room = LARGEST
        self.left_out: dict[str, int] = {}

    def of(self, result: R, prefix: str = "") -> R:
        return replace(result, **dict(self._changes(result, prefix)))

    def _changes(self, result: Any, prefix: str) -> Iterator[tuple[str, Any]]:
        for field in fields(result):
            value = getattr(result, field.name)
            if isinstance(value, Result):
                yield field.name, self.of(value, f"{prefix}{field.name}.")
            elif isinstance(value, tuple):
                kept = self._fitting(value)
                if kept < len(value):
                    self.left_out[prefix + field.name] = len(value) - kept
                    yield field.name, value[:kept]

    def _fitting(self, entries: tuple[object, ...]) -> int:
        for kept, entry in enumerate(entries):
            size = len(json.dumps(plain(entry))) + 2
            if size > self.room:
                return kept
            self.room -= size
        return len(entries)
