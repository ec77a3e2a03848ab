"""A method is one way to change stages. `promote.methods` lists them in the order in which to try them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol

from jenkins_mlflow.registry.version import Version


@dataclass(frozen=True)
class Transition:
    """A stage to set for a version."""

    version: Version
    stage: str


class Method(Protocol):
    """One way to change the stages of one model's versions.

    Attributes:
        name: Its name in ``promote.methods``.
    """

    name: ClassVar[str]

    def obstacle(self, transitions: Sequence[Transition]) -> str:
        """Why the method cannot or should not be tried for these, on one line; empty if it can. Writes nothing."""

    def carry_out(self, transitions: Sequence[Transition]) -> None:
        """Make the transitions in the given order: the version that goes into production comes first.

        Called only if ``obstacle`` returned nothing. May be repeated, also after a lost answer. Raises
        whatever MLflow raises.
        """
