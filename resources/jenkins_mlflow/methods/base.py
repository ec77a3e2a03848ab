"""What a method is: one way to change stages. `promote.methods` names them in the order in which they are tried."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol

from jenkins_mlflow.registry.snapshot import Version


@dataclass(frozen=True)
class Transition:
    """The stage that a version is to get."""

    version: Version
    stage: str


class Method(Protocol):
    """One way to change the stages of one model's versions.

    Attributes:
        name: As ``promote.methods`` names it.
    """

    name: ClassVar[str]

    def obstacle(self, transitions: Sequence[Transition]) -> str:
        """Why it cannot or should not be tried for these, on one line; empty when it can. Writes nothing."""

    def carry_out(self, transitions: Sequence[Transition]) -> None:
        """Make the transitions in their order: what goes into production comes first.

        Called after ``obstacle`` gave none. May be repeated, also after a lost answer; raises whatever MLflow raises.
        """
