"""Carries out a plan: reads again before each write, verifies what it wrote, stops at the first surprise."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from jenkins_mlflow.errors import JenkinsError, JenkinsMlflowError, Refused
from jenkins_mlflow.jenkins_jobs import comparison, job_xml
from jenkins_mlflow.jenkins_jobs.definition import Definition
from jenkins_mlflow.jenkins_jobs.plan import Item, Plan


class Store(Protocol):
    """The part of Jenkins that stores configurations."""

    def kind(self, name: str) -> str | None: ...
    def config(self, name: str) -> str | None: ...
    def create(self, name: str, xml: str) -> None: ...
    def change(self, name: str, xml: str) -> None: ...


@dataclass(frozen=True)
class Applied:
    """The outcome of each attempted change, and the error that stopped the work."""

    outcomes: dict[str, str]
    stopped: JenkinsMlflowError | None = None


def apply(store: Store, plan: Plan, say: Callable[[str], None]) -> Applied:
    """Create and update. After an error nothing more is written: the next run starts from the new state."""
    outcomes: dict[str, str] = {}
    for item in plan.changes:
        try:
            _write(store, item)
        except JenkinsMlflowError as error:
            outcomes[item.name] = "failed"
            return Applied(outcomes, error)
        outcomes[item.name] = "created" if item.action == "create" else "updated"
        say(f"{outcomes[item.name]}: {item.kind} {item.name}")
    return Applied(outcomes)


def _write(store: Store, item: Item) -> None:
    if _stored(store, item) != _meaning(item, item.stored):
        raise Refused(
            f"{item.name} was changed in Jenkins while you looked at the difference",
            state="it was not changed by this command",
            next_step="run the command again to see what it would change",
        )
    if item.action == "create":
        store.create(item.name, item.xml)
    else:
        store.change(item.name, item.xml)
    wanted = job_xml.FOLDER if item.kind == "folder" else item.xml
    if _stored(store, item) != _meaning(item, wanted):
        raise JenkinsError(
            f"Jenkins has not stored {item.name} as it was sent",
            state=f"{item.name} exists, but differs from jobs.yaml",
            next_step="run the command again to see how; a plugin may be missing (Pipeline, Git), or JENKINS_URL may "
            "redirect to another address",
        )


def read(store: Store, definition: Definition) -> dict[str, str | None]:
    """Read the current state: the class of each folder, the XML of each job, None for what does not exist."""
    folders = {name: store.kind(name) for name in definition.folders}
    if None in folders.values():  # a missing folder is empty
        return folders | {definition.full_name(name): None for name in definition.jobs}
    return folders | {name: store.config(name) for name in map(definition.full_name, definition.jobs)}


def _stored(store: Store, item: Item) -> str | None:
    return _meaning(item, store.kind(item.name) if item.kind == "folder" else store.config(item.name))


def _meaning(item: Item, stored: str | None) -> str | None:
    if stored is None or item.kind == "folder":
        return stored
    return comparison.canonical(comparison.parse(item.name, stored))
