"""The result of `list`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

from jenkins_mlflow import errors
from jenkins_mlflow.results.base import Meaning, Part, RegistryResult, Table, day
from jenkins_mlflow.text import number, printable


@dataclass(frozen=True, kw_only=True)
class VersionPart(Part):
    """One version of a registered model."""

    version: int
    stage: str
    production: bool
    """Whether its stage or alias means production."""
    aliases: tuple[str, ...]
    created: int
    """In milliseconds since 1970."""
    status: str
    run_id: str | None
    value: float | None
    """The metric's value."""


@dataclass(frozen=True, kw_only=True)
class ModelPart(Part):
    """A registered model, its versions newest first."""

    name: str
    aliases: Mapping[str, int]
    versions: tuple[VersionPart, ...]


@dataclass(frozen=True, kw_only=True)
class ListResult(RegistryResult):
    """The result of `list`."""

    statuses: ClassVar[Mapping[str, Meaning]] = {
        "listed": Meaning((errors.DONE,), "`models` has the group's models", None)
    }
    command: Literal["list"] = "list"
    status: Literal["listed"] = "listed"
    metric: str
    """The metric shown for each version."""
    brief: bool
    """Whether the text output has only versions and stages."""
    models: tuple[ModelPart, ...]
    """The group's models."""

    def table(self) -> Table:
        return Table(
            ("model", "version", "stage", "aliases", self.metric, "created", "run"),
            [
                (m.name, v.version, v.stage, ", ".join(v.aliases), v.value, day(v.created), v.run_id)
                for m in self.models
                for v in m.versions
            ],
        )

    def lines(self) -> list[str]:
        """The registry as people know it: 📦 model, 🏆 version in production, 📌 any other version."""
        lines: list[str] = []
        for model in self.models:
            lines.append(f"📦 {printable(model.name)}")
            for version in model.versions:
                icon = "🏆" if version.production else "📌"
                details = () if self.brief else self._details(version)
                head = f"   {icon} Version {version.version} - Stage: {version.stage}"
                lines.append("  ".join((head, *details)))
        return lines

    def _details(self, version: VersionPart) -> Iterator[str]:
        yield from (f"@{printable(alias)}" for alias in version.aliases)
        if version.value is not None:
            yield f"{printable(self.metric)} {number(version.value)}"
        if version.created:
            yield day(version.created)
