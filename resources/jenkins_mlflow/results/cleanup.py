"""The result of `cleanup`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

from jenkins_mlflow import errors
from jenkins_mlflow.results.base import (
    Event,
    Meaning,
    Part,
    RegistryResult,
    Table,
    day,
    event_of_a_cleanups_error,
)
from jenkins_mlflow.results.reclaim import ReclaimResult
from jenkins_mlflow.text import argument, printable, size

_WORDS = {
    "keep": "keep",
    "delete": "🗑️  delete",
    "defer": "later",
    "deleted": "🗑️  deleted",
    "already gone": "🗑️  gone",
    "kept: changed since the plan": "kept",
    "kept: in use": "kept",
    "failed": "FAILED",
    "not reached": "not reached",
}


@dataclass(frozen=True, kw_only=True)
class PolicyPart(Part):
    """The keep rules in words. `models` is the pattern of an override; null for all other models."""

    models: str | None
    keep: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class ItemPart(Part):
    """One version, its fate in the plan with the reason, and its outcome."""

    model: str
    version: int
    stage: str
    aliases: tuple[str, ...]
    created: int
    """In milliseconds since 1970."""
    action: Literal["keep", "delete", "defer"]
    reason: str
    rule: str
    """What keeps it: `protected`, the name of a keep rule, or `unknown` if a metric that the policy needs is unknown;
    may be empty."""
    rank: int
    """Its rank under that rule, from 1; 0 if the rule has no ranks."""
    outcome: Literal[
        "", "deleted", "already gone", "kept: changed since the plan", "kept: in use", "failed", "not reached"
    ]
    error: str
    bytes: int | None = None
    """The size of its files in bytes; null if it was not measured or is not known."""
    storage: str = ""
    """The location of its files, if they were measured."""

    @property
    def line(self) -> str:
        """The version's line in the text for people."""
        marks = [self.stage] if self.stage != "None" else []
        marks += [f"@{alias}" for alias in self.aliases]
        marks += [] if self.bytes is None else [size(self.bytes)]
        details = [day(self.created), *marks, self.error or self.reason]
        word = _WORDS[self.outcome or self.action]
        return f"   {word:<12} v{self.version:<4} {printable('  '.join(details))}".rstrip()


@dataclass(frozen=True, kw_only=True)
class HeldPart(Part):
    """Deleted versions that can still be restored."""

    versions: int
    bytes: int
    """The size of the files that were measured, in bytes."""
    uncounted: int
    """The number of versions whose size was not measured."""
    first: float | None
    """When the first version may be reclaimed, in seconds since 1970; null if nothing reclaims them."""
    last: float | None


@dataclass(frozen=True, kw_only=True)
class CleanupResult(RegistryResult):
    """The result of `cleanup`; [What a cleanup keeps](retention.md) explains it."""

    statuses: ClassVar[Mapping[str, Meaning]] = {
        "deleted": Meaning((errors.DONE,), "the versions that the plan names were deleted", None),
        "planned": Meaning((errors.DONE,), "dry run, or there is nothing to delete", None),
        "nothing": Meaning(
            (errors.DONE, errors.BUSY),
            "nothing was deleted: the answer was no, or other commands hold the lock of every model",
            None,
        ),
        "refused": Meaning((errors.FAILED,), "the plan must not be carried out; `error` says why", None),
        "stopped": Meaning(
            (errors.PARTLY, errors.FAILED, 130, 143),
            "an error or a signal ended it early; `error` says which",
            "cleanup_stopped",
        ),
    }
    command: Literal["cleanup"] = "cleanup"
    status: Literal["deleted", "planned", "refused", "nothing", "stopped"]
    policy: tuple[PolicyPart, ...]
    """The rules in words."""
    items: tuple[ItemPart, ...]
    """Every version of the group, model by model, newest first."""
    bytes: int | None = None
    """The size of the files of the deleted versions, each location once; null if nothing was measured."""
    held: HeldPart | None = None
    """The versions that can still be restored; null if the journal was not read."""
    reclaim: ReclaimResult | None = None
    """The document of the reclaim at its end, or null."""
    plan_file: str | None = None
    """The file that `--plan` wrote, or null."""

    @property
    def news(self) -> Event | None:
        # Whatever the status, such as "deleted": the error may have come after the deletions.
        return event_of_a_cleanups_error(self) if self.error else super().news

    @property
    def next_step(self) -> str:
        if self.status == "planned" and any(item.action == "delete" for item in self.items):
            if self.plan_file is not None:
                return f"`jenkins-mlflow cleanup --apply {argument(self.plan_file)}` deletes these versions"
            return "run it without --dry-run to delete these versions"
        gone = [item.model for item in self.items if item.outcome == "deleted"]
        if not gone:
            return ""
        return f"`jenkins-mlflow restore --model {argument(gone[0])} --dry-run` shows what can be restored"

    @property
    def message_was_shown(self) -> bool:
        return self.error is not None and self.status in ("refused", "stopped")

    def table(self) -> Table:
        return Table(
            ("model", "version", "stage", "aliases", "action", "reason", "bytes", "outcome"),
            [
                (
                    *(
                        item.model,
                        item.version,
                        item.stage,
                        ", ".join(item.aliases),
                        item.action,
                        item.reason,
                        item.bytes,
                    ),
                    ": ".join(part for part in (item.outcome, item.error) if part),
                )
                for item in self.items
            ],
        )

    def lines(self) -> list[str]:
        """The policy in words, then for each model which versions stay by which rule, and which are deleted."""
        lines: list[str] = []
        for policy in self.policy if self.items else ():
            whose = "each model" if policy.models is None else f"models {printable(policy.models)}"
            lines.append(f"Keep for {whose}: {', '.join(policy.keep) or 'nothing'}.")
        of_model: dict[str, list[ItemPart]] = defaultdict(list)
        for item in self.items:
            of_model[item.model].append(item)
        for model, items in of_model.items():
            lines.append(f"📦 {printable(model)}")
            lines += [item.line for item in items]
        return lines + (self.reclaim.lines() if self.reclaim else [])
