"""Says what was in production before, when nothing is now. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from jenkins_mlflow.registry.version import Target, Version
from jenkins_mlflow.text import argument, listed

_NAMED = 3


@dataclass(frozen=True)
class Past:
    """What was in production before, if nothing is.

    Attributes:
        recorded: The version in production according to the records that still exist.
        gone: The models that were in production and are no longer registered. If there are any, ``recorded`` is only
            the newest record that is left, and says nothing about what was in production last.
        deleted: The short names of versions that were in production and no longer exist. If there are any,
            ``recorded`` was in production before them.
        uri: The address of the server that has them, if it is not the session's own.
    """

    recorded: Version | None = None
    gone: Sequence[str] = ()
    deleted: Sequence[str] = ()
    uri: str = ""

    def lost(self, target: Target) -> tuple[str, str]:
        """Why nothing is in production, and what brings it back; both are empty if nothing ever was."""
        nothing = nothing_is(target)
        if self.gone:
            return f"{nothing}: {listed(self.gone, _NAMED)}, in production before, was deleted or renamed", ""
        if self.deleted:
            why = f"{nothing}: {listed(self.deleted, _NAMED)}, in production before, was deleted"
            last = self.recorded
            back = f"returns to {short_name(last)}, the last one before it that still exists" if last else ""
            return why, f"{self._rollback(last, f'--to {last.number}')} {back}" if last else ""
        if self.recorded is None:
            return "", ""
        why = f"{nothing}: {short_name(self.recorded)} was taken out"
        return why, f"{self._rollback(self.recorded, '--recorded')} brings it back"

    def _rollback(self, version: Version, option: str) -> str:
        server = f" --tracking-uri {argument(self.uri)}" if self.uri else ""
        return f"`jenkins-mlflow rollback --model {argument(version.model)} {option}{server}`"


def nothing_is(target: Target) -> str:
    """`nothing is in Production`, or, where only an alias marks production, `nothing has the alias champion`."""
    return f"nothing is in {target.stage}" if target.stage else f"nothing has the alias {target.alias}"


def short_name(version: Version, *, beside: Version | None = None) -> str:
    """`heart-disease-svm v2`, or just `v2` next to a version of the same model."""
    return (
        f"v{version.number}"
        if beside and beside.model == version.model
        else f"{version.model} v{version.number}"
    )
