"""Brings deleted versions back: decides which, and registers them again under new numbers."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from jenkins_mlflow.cleanup.files_left import files_left
from jenkins_mlflow.cleanup.lease import minute
from jenkins_mlflow.errors import JenkinsMlflowError
from jenkins_mlflow.registry.client import Registry
from jenkins_mlflow.registry.journal_entry import Entry, Reclaimed
from jenkins_mlflow.registry.reading import FilesUnknown
from jenkins_mlflow.registry.snapshot import Model
from jenkins_mlflow.registry.version import ARCHIVED, NO_STAGE, STAGING, Target, Version
from jenkins_mlflow.tags import RESTORED_FROM
from jenkins_mlflow.text import size

RestoreOutcome = Literal[
    "to restore", "restored", "restored already", "still there", "cannot come back", "failed"
]


@dataclass(frozen=True)
class Restored:
    """The outcome of one journal entry.

    Attributes:
        number: The version's number now; None if it is not registered.
        note: What did not come back, or why it failed.
    """

    entry: Entry
    outcome: RestoreOutcome
    number: int | None = None
    note: str = ""


def plan_restore(entries: Sequence[Entry], live: Model) -> list[Restored]:
    """Plan what a restore does with each entry. Pure."""
    living = {version.identity: version.number for version in live.versions}
    restored = {
        version.tags[RESTORED_FROM]: version.number
        for version in live.versions
        if RESTORED_FROM in version.tags
    }
    found = []
    for entry in entries:
        number = next((living[v.identity] for v in entry.versions if v.identity in living), None)
        back = next((restored[origin] for origin in entry.origins if origin in restored), None)
        if number is not None:
            found.append(Restored(entry, "still there", number))
        elif back is not None:
            found.append(Restored(entry, "restored already", back))
        elif entry.reclaimed:
            found.append(Restored(entry, "cannot come back", note=_what_became(entry.reclaimed)))
        else:
            found.append(Restored(entry, "to restore"))
    return found


def checked(registry: Registry, planned: Sequence[Restored]) -> list[Restored]:
    """The plan without the versions whose files are gone, because nothing could load them.

    If the existence of the files cannot be determined, the version is restored with a note.

    Raises:
        ConnectionFailed, RegistryError: As for every read of the registry.
    """

    def check(item: Restored) -> Restored:
        if item.outcome != "to restore":
            return item
        try:
            has_files = files_left(registry, item.entry.version.source)
        except FilesUnknown as unknown:
            return replace(item, note=f"it could not be checked whether its files still exist: {unknown}")
        return item if has_files else replace(item, outcome="cannot come back", note="its files are gone")

    return [check(item) for item in planned]


def _what_became(reclaimed: Reclaimed) -> str:
    if reclaimed.done:
        return f"its files were reclaimed on {minute(reclaimed.at)} ({size(reclaimed.bytes)})"
    return f"a reclaim began to delete its files on {minute(reclaimed.at)}, and was interrupted"


def restore(registry: Registry, planned: Restored, target: Target) -> Restored:
    """Register one version again, with a new number; its marks only if no living version has them.

    After a lost answer, the retry finds the version that the first request registered.
    """
    old = planned.entry.version

    def register() -> int:
        (again,) = plan_restore([planned.entry], registry.model(old.model))
        if again.number is not None:
            return again.number
        return registry.register_version(old, {**old.tags, RESTORED_FROM: old.origin})

    try:
        number = registry.retrying(f"registering {old.label} again", register)
        notes = [*_marks(registry, old, number, target), *filter(None, [planned.note])]
    except JenkinsMlflowError as error:
        return Restored(planned.entry, "failed", note=error.message)
    return Restored(planned.entry, "restored", number, "; ".join(notes))


def _marks(registry: Registry, old: Version, number: int, target: Target) -> list[str]:
    """Restore aliases and stage that are free and do not mean production; return notes on the others."""
    live = registry.model(old.model)
    free = [
        alias for alias in old.aliases if alias != target.alias and live.aliases.get(alias, number) == number
    ]
    for alias in free:
        setting = functools.partial(registry.set_alias, old.model, alias, number)
        registry.retrying(f"setting the alias {alias}", setting)
    notes = [f"alias {alias} is taken, or means production" for alias in old.aliases if alias not in free]
    if old.stage == ARCHIVED or (old.stage == STAGING != target.stage and not live.staged(STAGING)):
        registry.retrying("setting the stage", lambda: registry.set_stage(old.model, number, old.stage))
    elif old.stage != NO_STAGE:
        notes.append(f"stage {old.stage} is taken, or means production")
    return notes
