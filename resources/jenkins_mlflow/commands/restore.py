"""`restore`: registers versions again that a cleanup deleted."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from jenkins_mlflow import errors
from jenkins_mlflow.cleanup.restore import Restored, plan_restore, restore
from jenkins_mlflow.commands.session import Document, Session
from jenkins_mlflow.errors import NotFound
from jenkins_mlflow.registry.journal import Entry, Journal
from jenkins_mlflow.text import argument, plural, printable


@dataclass(frozen=True)
class Choice:
    """Which deletions of a model are taken back: all that every given condition names.

    Attributes:
        version: The number that the version had.
        build: The address of the build that deleted it.
        since: When it was deleted at the earliest, in seconds since the epoch.
    """

    version: int | None = None
    build: str | None = None
    since: float | None = None

    def takes(self, entry: Entry) -> bool:
        return (
            self.version in (None, entry.version.number)
            and self.build in (None, entry.build)
            and (self.since is None or entry.deleted >= self.since)
        )


def restore_versions(session: Session, model: str, choice: Choice, *, plan_only: bool) -> Document:
    """`restore`: take deletions of a model back.

    Raises:
        NotFound: the model does not exist, or the journal has no such deletion.
    """
    registry = session.registry()
    entries = [entry for entry in Journal(registry).read(model) if choice.takes(entry)]
    if not entries:
        raise NotFound(
            f"the journal has no such deletion in {printable(model)}",
            state="nothing was changed",
            next_step=f"see what it has: `jenkins-mlflow restore --model {argument(model)} --dry-run`",
        )
    if plan_only:
        return _document(plan_restore(entries, registry.model(model)), plan_only=True)
    with session.lock(registry, "restore", [model], [model]) as lock:
        items = []
        for item in plan_restore(entries, registry.model(model)):
            lock.check()
            items.append(restore(registry, item, session.target) if item.outcome == "to restore" else item)
    return _document(items, plan_only=False)


def _document(items: list[Restored], *, plan_only: bool) -> Document:
    counts = Counter(item.outcome for item in items)
    said = [
        f"DRY RUN: would restore {plural(counts['to restore'], 'version')}"
        if plan_only
        else f"restored {plural(counts['restored'], 'version')}"
    ]
    said += [
        f"{counts[word]} {word}" for word in ("restored already", "still there", "failed") if counts[word]
    ]
    status = "failed" if counts["failed"] else "planned" if plan_only else "restored"
    return {
        "command": "restore",
        "status": status,
        "exit_code": errors.FAILED if counts["failed"] else errors.DONE,
        "message": "; ".join(said),
        "items": [
            {
                **item.entry.version.place,
                "outcome": item.outcome,
                "number": item.number,
                "note": item.note,
                "deleted": item.entry.deleted,
                "build": item.entry.build,
            }
            for item in items
        ],
    }
