"""The result of `doctor`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

from jenkins_mlflow import errors
from jenkins_mlflow.results.base import Meaning, Part, RegistryResult, Table
from jenkins_mlflow.text import printable

Status = Literal["fine", "drift", "problems"]
_WORDS = {"fine": "ok", "note": "note", "problem": "PROBLEM"}


@dataclass(frozen=True)
class Finding(Part):
    """One thing that was checked."""

    what: str
    status: Literal["fine", "problem", "note"]
    message: str
    fix: str = ""
    """What to do, often a command to copy; empty if all is well."""
    drift: bool = False
    """Whether it says that production was changed without this tool."""


@dataclass(frozen=True, kw_only=True)
class DoctorResult(RegistryResult):
    """The result of `doctor`."""

    statuses: ClassVar[Mapping[str, Meaning]] = {
        "fine": Meaning((errors.DONE,), "no problem was found", None),
        "drift": Meaning(
            (errors.DRIFT,), "production was changed without this tool, and nothing else is wrong", "drift"
        ),
        "problems": Meaning(
            (errors.FAILED,), "at least one problem was found; `findings` says what to do", None
        ),
    }
    command: Literal["doctor"] = "doctor"
    status: Status
    findings: tuple[Finding, ...]
    """Everything that was checked."""

    def advised(self, advice: Callable[[str], str]) -> DoctorResult:
        findings = tuple(replace(f, message=advice(f.message), fix=advice(f.fix)) for f in self.findings)
        return replace(super().advised(advice), findings=findings)

    def lines(self) -> list[str]:
        """A line for each finding, and one below it with what to do: a command in it can be copied whole."""
        width = max((len(finding.what) for finding in self.findings), default=0)
        lines: list[str] = []
        for finding in self.findings:
            what, message = printable(finding.what).ljust(width), printable(finding.message)
            lines.append(f"{_WORDS[finding.status]:<7}  {what}  {message}")
            lines += [f"         do: {printable(finding.fix)}"] if finding.fix else []
        return lines

    def table(self) -> Table:
        return Table(
            ("", "what", "found", "what to do"),
            [(_WORDS[f.status], f.what, f.message, f.fix) for f in self.findings],
        )
