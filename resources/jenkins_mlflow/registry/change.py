"""A change of one mark in the registry: the stage of a version, or the holder of an alias."""

from __future__ import annotations

from dataclasses import dataclass

from jenkins_mlflow.registry.snapshot import Model
from jenkins_mlflow.registry.version import ARCHIVED

NEW = 0
"""Stands for the number of a copy that has not been made yet. MLflow numbers versions from 1."""


@dataclass(frozen=True)
class Change:
    """One mark, with the value that was found and the value that is wanted.

    Attributes:
        model: The registered model.
        mark: A version's number, for its stage; or an alias, whose value is the number of the version that
            has it, or None.
        found, wanted: The two values; equal if the mark is to stay as it is.
    """

    model: str
    mark: int | str
    found: str | int | None
    wanted: str | int | None

    @property
    def leaves(self) -> bool:
        """Whether the change takes a version out of production."""
        return self.wanted == ARCHIVED if self.is_stage else self.wanted is None

    @property
    def is_stage(self) -> bool:
        return isinstance(self.mark, int)

    def value(self, model: Model) -> str | int | None:
        """The mark's value now; None for a version that does not exist, or an alias that no version has."""
        if isinstance(self.mark, str):
            return model.aliases.get(self.mark)
        version = model.version(self.mark)
        return version.stage if version else None

    def describe(self, *, backwards: bool = False) -> str:
        """Describe the change: `churn version 2: stage None -> Production`."""
        old, new = (self.wanted, self.found) if backwards else (self.found, self.wanted)
        if self.is_stage:
            named = "the copy in " + self.model if self.mark == NEW else f"{self.model} version {self.mark}"
            return f"{named}: stage {old} -> {new}"
        return f"{self.model}: alias {self.mark} {_holder(old)} -> {_holder(new)}"


def _holder(number: str | int | None) -> str:
    if number is None:
        return "on no version"
    return "on the copy" if number == NEW else f"on version {number}"
