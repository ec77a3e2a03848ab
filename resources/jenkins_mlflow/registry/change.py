"""One mark in the registry that changes: the stage of a version, or the holder of an alias."""

from __future__ import annotations

from dataclasses import dataclass

from jenkins_mlflow.registry.snapshot import ARCHIVED, Model

NEW = 0
"""Stands for the number of a copy that is not made yet. MLflow counts versions from 1."""


@dataclass(frozen=True)
class Change:
    """One mark, as it was found and as it is wanted.

    Attributes:
        model: The registered model.
        mark: A version's number: its stage. An alias: the number of the version that has it, None for no version.
        found, wanted: The two values. Equal where the mark is to stay as it is.
    """

    model: str
    mark: int | str
    found: str | int | None
    wanted: str | int | None

    @property
    def leaves(self) -> bool:
        """Whether the change takes something out of production."""
        return self.wanted == ARCHIVED if self.is_stage else self.wanted is None

    @property
    def is_stage(self) -> bool:
        return isinstance(self.mark, int)

    def value(self, model: Model) -> str | int | None:
        """The mark's value now; None for a version that does not exist and for an alias that no version has."""
        if isinstance(self.mark, str):
            return model.aliases.get(self.mark)
        version = model.version(self.mark)
        return version.stage if version else None

    def describe(self, *, backwards: bool = False) -> str:
        """The change for people: `churn version 2: stage None -> Production`."""
        old, new = (self.wanted, self.found) if backwards else (self.found, self.wanted)
        if self.is_stage:
            named = "the copy in " + self.model if self.mark == NEW else f"{self.model} version {self.mark}"
            return f"{named}: stage {old} -> {new}"
        return f"{self.model}: alias {self.mark} {_holder(old)} -> {_holder(new)}"


def _holder(number: str | int | None) -> str:
    if number is None:
        return "on no version"
    return "on the copy" if number == NEW else f"on version {number}"
