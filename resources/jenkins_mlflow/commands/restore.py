"""`restore`: registers deleted versions again."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from jenkins_mlflow.cleanup.restore import Restored, checked, plan_restore, restore
from jenkins_mlflow.commands.group import no_such_model
from jenkins_mlflow.commands.session import Session
from jenkins_mlflow.errors import JenkinsMlflowError, NotFound
from jenkins_mlflow.registry.journal import Journal
from jenkins_mlflow.registry.journal_entry import Entry
from jenkins_mlflow.registry.snapshot import Model
from jenkins_mlflow.results.restore import RestoredPart, RestoreResult
from jenkins_mlflow.text import argument, plural, printable


@dataclass(frozen=True)
class Choice:
    """Which deletions of a model to undo: those that meet every given condition.

    Attributes:
        version: The number that the version had.
        build: The address of the build that deleted it.
        since: The earliest time of its deletion, in seconds since the epoch.
    """

    version: int | None = None
    build: str | None = None
    since: float | None = None

    def takes(self, entry: Entry) -> bool:
        return any(
            self.version in (None, deletion.version.number)
            and self.build in (None, deletion.build)
            and (self.since is None or deletion.deleted >= self.since)
            for deletion in entry.deletions
        )


def restore_versions(session: Session, model: str, choice: Choice, *, plan_only: bool) -> RestoreResult:
    """`restore`: undo deletions of a model.

    Raises:
        NotFound: The journal has no such deletion.
    """
    registry = session.registry()
    journal = session.journal(registry)

    def chosen() -> list[Entry]:
        """The chosen versions, oldest first, so that their new numbers are in the order of the old ones."""
        taken = [entry for entry in journal.read(model) if choice.takes(entry)]
        return sorted(taken, key=lambda entry: (entry.version.first_created, entry.version.number))

    with session.unwritten():
        entries = chosen()
    if not entries:
        if model not in registry.names():
            raise no_such_model(registry, model)
        raise _nothing(model, choice)
    if plan_only:
        live = registry.find_model(model) or Model(model)
        return _result(checked(registry, plan_restore(entries, live)), plan_only=True)
    with session.lock(registry, "restore", [model], [model]) as lock:
        held = registry.under(lock)
        live = held.find_model(model) or Model(model)
        items = checked(held, plan_restore(chosen(), live))  # a reclaim may have come first
        if any(item.outcome == "to restore" for item in items) and held.make_model(model):
            session.warn(
                f"the registered model {printable(model)} had been deleted too: it is registered again, "
                "without the description and the tags that it had"
            )
        items = [
            restore(held, item, session.target) if item.outcome == "to restore" else item for item in items
        ]
    _tell(session, session.journal(registry, registry.now()), model, items)
    return _result(items, plan_only=False)


def _nothing(model: str, choice: Choice) -> NotFound:
    """The error if the journal has no deletion that was requested."""
    if choice == Choice():
        why = "the journal has no deletion of this model"
        todo = f"see which versions it has: `jenkins-mlflow list --models {argument(model)}`"
    else:
        why = "the journal has no matching deletion"
        todo = (
            "see all that can be restored, without --version, --build and --since: "
            f"`jenkins-mlflow restore --model {argument(model)} --dry-run`"
        )
    return NotFound(
        f"no deleted version of {printable(model)} can be restored: {why}",
        state="nothing was changed",
        next_step=todo,
    )


def _tell(session: Session, journal: Journal, model: str, items: list[Restored]) -> None:
    """Record what was restored; a failure is only a warning."""
    numbers = {
        item.entry.version.number: item.number for item in items if item.outcome == "restored" and item.number
    }
    if numbers:
        try:
            journal.tell_restored(model, numbers)
        except JenkinsMlflowError as error:
            session.warn(f"the history of this restore could not be written: {error.message}")


def _result(items: list[Restored], *, plan_only: bool) -> RestoreResult:
    counts = Counter(item.outcome for item in items)
    parts = [
        f"DRY RUN: would restore {plural(counts['to restore'], 'version')}"
        if plan_only
        else f"restored {plural(counts['restored'], 'version')}"
    ]
    parts += [
        f"{counts[word]} {word}"
        for word in ("restored already", "still there", "cannot come back", "failed")
        if counts[word]
    ]
    lost = counts["cannot come back"] == len(items)
    return RestoreResult(
        status="failed" if counts["failed"] or lost else "planned" if plan_only else "restored",
        message="; ".join(parts),
        items=tuple(
            RestoredPart(
                model=item.entry.version.model,
                version=item.entry.version.number,
                outcome=item.outcome,
                number=item.number,
                note=item.note,
                deleted=item.entry.deleted,
                build=item.entry.build,
            )
            for item in items
        ),
    )
