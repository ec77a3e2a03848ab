"""The results of `promote` and `rollback`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

from jenkins_mlflow import errors
from jenkins_mlflow.results.base import Meaning, Part, Place, RegistryResult, Table
from jenkins_mlflow.results.select import NOT_SELECTED, SelectResult
from jenkins_mlflow.text import argument, arguments, printable

_CARRIED_OUT: Mapping[str, Meaning] = {
    "already": Meaning((errors.DONE,), "the version is already in production; nothing was written", None),
    "planned": Meaning((errors.DONE,), "dry run; `plan` has the steps in words", None),
    "partial": Meaning((errors.BY_HAND,), "the alias is set, a person must set the stage", "by_hand"),
    "manual": Meaning(
        (errors.BY_HAND,),
        "every method failed, everything is undone, a person must promote by hand",
        "by_hand",
    ),
    "overtaken": Meaning(
        (errors.FAILED,),
        "somebody else changed production at the same time; this command's changes are undone",
        None,
    ),
}


@dataclass(frozen=True, kw_only=True)
class AttemptPart(Part):
    """One attempt of one method."""

    method: str
    attempt: int
    outcome: Literal["done", "failed", "skipped", "undone", "not undone", "not verified"]
    seconds: float
    error: str


@dataclass(frozen=True, kw_only=True)
class NoticePart(Part):
    """How to promote by hand."""

    text: str
    files: tuple[str, ...]
    """The notice as text and as Markdown, in the report folder."""


@dataclass(frozen=True, kw_only=True)
class CheckPart(Part):
    """Whether a smoke test or a check passed, and if not, why."""

    passed: bool
    reason: str
    seconds: float


@dataclass(frozen=True, kw_only=True)
class CopyPart(Part):
    """A version that `--to-server` copies to another server."""

    server: str
    """Its name in the config."""
    tracking_uri: str
    from_model: str
    """The registered model that is copied, by its name on the first server."""
    from_version: int
    model: str
    """The registered model of the copy."""
    version: int | None
    """The version of the copy; null until the copy is made."""
    files: int
    """The number of files of the version and its run."""
    bytes: int
    """Their total size in bytes."""
    sent: int
    """The number of bytes that this command has sent; 0 if the copy already existed."""
    sha256: str | None
    """The digest of the version's files, the same on both servers; null in a dry run."""


@dataclass(frozen=True, kw_only=True)
class PromotionResult(RegistryResult):
    """The common part of the results of `promote` and `rollback`."""

    model: str | None = None
    """The model that was to go into production; null if nothing was selected."""
    version: int | None = None
    """Its version."""
    plan: tuple[str, ...] = ()
    """The steps in words, in a dry run; empty if there is nothing to do."""
    method: str | None = None
    """The [method](methods.md) that worked, or null."""
    previous: Place | None = None
    """The version that left production for it, or null; of several, the one that a rollback returns to."""
    replaced: tuple[Place, ...] = ()
    """Every version that left production for it; several if stage and alias, say, were on different ones."""
    production: tuple[Place, ...] = ()
    """What is in production now."""
    attempts: tuple[AttemptPart, ...] = ()
    """Each attempt of each method."""
    lock_seconds: float = 0.0
    """For how many seconds other commands were kept from these models; 0 if nothing had to be done."""
    missing: tuple[str, ...] = ()
    """What a person still has to do, in words."""
    notice: NoticePart | None = None
    """How to promote by hand, or null."""

    @property
    def _where(self) -> str:
        """The option that names a server other than the command's own."""
        return ""

    @property
    def next_step(self) -> str:
        if self.status == "planned":
            return "run it without --dry-run" if self.plan else ""
        if self.notice:
            return "follow the notice above"
        if self.status in ("overtaken", "partial", "manual", "check_failed") and self.model:
            return (
                f"`jenkins-mlflow list{self._where} {arguments(self.model)}` shows what is in production now"
            )
        return ""

    def table(self) -> Table:
        return Table(
            ("method", "try", "outcome", "seconds", "detail"),
            [(a.method, a.attempt or "", a.outcome, a.seconds, a.error) for a in self.attempts],
        )


@dataclass(frozen=True, kw_only=True)
class PromoteResult(PromotionResult):
    """The result of `promote`."""

    statuses: ClassVar[Mapping[str, Meaning]] = {
        "promoted": Meaning((errors.DONE,), "done, and verified in the registry", "promoted"),
        **_CARRIED_OUT,
        **NOT_SELECTED,
        "smoke_test_failed": Meaning(
            (errors.NO_CANDIDATE,),
            "the model could not be loaded, or its predictions are wrong; nothing was written",
            "rejected",
        ),
        "rolled_back": Meaning(
            (errors.FAILED,),
            "the check after the promotion failed; the previous version is in production again",
            "rolled_back",
        ),
        "check_failed": Meaning(
            (errors.FAILED, errors.BY_HAND),
            "the check failed, and the promotion could not be undone",
            "by_hand",
        ),
        "recovered": Meaning(
            (errors.DONE,), "`--recover` finished or undid every unfinished promotion", None
        ),
        "nothing": Meaning((errors.DONE,), "`--recover` found no unfinished promotion", None),
        "failed": Meaning((errors.FAILED,), "`--recover` could not recover every promotion", None),
    }
    command: Literal["promote"] = "promote"
    status: Literal[
        "promoted",
        "already",
        "planned",
        "partial",
        "manual",
        "overtaken",
        "champion_kept",
        "no_candidate",
        "champion_unmeasured",
        "smoke_test_failed",
        "rolled_back",
        "check_failed",
        "recovered",
        "nothing",
        "failed",
    ]
    selection: SelectResult | None = None
    """The document of `select`, or null if the version was given."""
    smoke_test: CheckPart | None = None
    """The outcome of the smoke test before the promotion; null if there was none."""
    check: CheckPart | None = None
    """The outcome of the check after the promotion; null if there was none."""
    copied: CopyPart | None = None
    """The copy on another server, which is what was promoted; null without `--to-server`."""

    @property
    def promoted(self) -> Place | None:
        return _place(self, "promoted", "already")

    @property
    def _where(self) -> str:
        """The option that names the server of a copy."""
        return f" --tracking-uri {argument(self.copied.tracking_uri)}" if self.copied else ""

    @property
    def next_step(self) -> str:
        if self.status == "promoted" and self.model:
            if self.previous:
                # With its number, because without it only a version with a promotion record is returned to.
                model, number = self.previous.model, self.previous.version
                back = f"`jenkins-mlflow rollback --model {argument(model)} --to {number}{self._where}`"
                return f"{back} returns to {printable(model)} version {number}"
            models = [place.model for place in self.production]
            # A copy has another name.
            shown = models[0] if models and self.model not in models else self.model
            return f"`jenkins-mlflow list{self._where} {arguments(shown)}` shows it"
        if self.selection and not self.model:
            return self.selection.next_step
        return super().next_step


@dataclass(frozen=True, kw_only=True)
class LeasedPart(Part):
    """A version that somebody runs, whatever is in production."""

    model: str
    version: int
    holder: str
    until: float | None
    """When the lease ends, in seconds since 1970; null if it never ends."""


@dataclass(frozen=True, kw_only=True)
class RollbackResult(PromotionResult):
    """The result of `rollback`."""

    statuses: ClassVar[Mapping[str, Meaning]] = {
        "rolled_back": Meaning((errors.DONE,), "done, and verified in the registry", "rolled_back"),
        **_CARRIED_OUT,
    }
    command: Literal["rollback"] = "rollback"
    status: Literal["rolled_back", "already", "planned", "partial", "manual", "overtaken"]
    from_: Place | None
    """The version that was replaced, or null."""
    leases: tuple[LeasedPart, ...] = ()
    """Who still runs another version of the model."""

    @property
    def promoted(self) -> Place | None:
        return _place(self, "rolled_back", "already")


def _place(result: PromotionResult, *statuses: str) -> Place | None:
    if result.status not in statuses or result.model is None or result.version is None:
        return None
    return Place(model=result.model, version=result.version)
