"""Plans `jobs apply`: its changes and obstacles, from the file and from what Jenkins has stored. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Literal

from jenkins_mlflow.config.mistakes import did_you_mean
from jenkins_mlflow.errors import Refused, UsageError
from jenkins_mlflow.jenkins_jobs import comparison, job_xml
from jenkins_mlflow.jenkins_jobs.definition import Definition
from jenkins_mlflow.text import argument


@dataclass(frozen=True)
class Item:
    """One folder or job.

    Attributes:
        stored: What Jenkins had stored when the plan was made; None if nothing.
        xml: The XML to send.
        diff: The changes, for people.
        obstacle: Why it is not changed although it differs.
    """

    name: str
    kind: Literal["folder", "job"]
    action: Literal["create", "update", "none", "refuse"]
    stored: str | None = None
    xml: str = ""
    diff: str = ""
    obstacle: str = ""


@dataclass(frozen=True)
class Plan:
    """All folders and jobs of the file, folders first, outermost first."""

    items: tuple[Item, ...]

    @property
    def changes(self) -> tuple[Item, ...]:
        return tuple(item for item in self.items if item.action in ("create", "update"))

    @property
    def refused(self) -> tuple[Item, ...]:
        return tuple(item for item in self.items if item.action == "refuse")

    def require_allowed(self) -> None:
        """Raises: Refused: A folder or job that is not managed by this tool is in the way."""
        if self.refused:
            raise Refused(
                "\n".join(f"{item.name}: {item.obstacle}" for item in self.refused),
                state="nothing was written",
                next_step="rename it in jobs.yaml; or, for a pipeline job that jobs.yaml is to manage from now on, "
                + " ".join(f"--adopt {argument(item.name)}" for item in self.refused),
            )


def plan(definition: Definition, stored: Mapping[str, str | None], adopted: Collection[str] = ()) -> Plan:
    """Decide for each folder and job.

    Args:
        definition: The file.
        stored: By full name the class of each folder and the XML of each job, None for what does not exist.
        adopted: Jobs that may be taken over, by short or full name.

    Raises:
        UsageError: An adopted job is not in the file.
        JenkinsError: A stored XML cannot be read.
    """
    jobs = {definition.full_name(name): name for name in definition.jobs}
    taken = {definition.resolve(name) for name in adopted}
    if unknown := taken - jobs.keys():
        name = min(unknown)
        raise UsageError(
            f"--adopt {name}: not a job of jobs.yaml{did_you_mean(name, [*definition.jobs, *jobs])}",
            next_step=f"choose one of {', '.join(definition.jobs)}",
        )
    folders = [_folder(name, stored[name]) for name in definition.folders]
    planned_jobs = [
        _job(definition, short, name, stored[name], adopt=name in taken) for name, short in jobs.items()
    ]
    return Plan((*folders, *planned_jobs))


def _folder(name: str, kind: str | None) -> Item:
    """An existing folder is used as it is, no matter who made it: often only its class may be read."""
    if kind is None:
        new = job_xml.folder()
        diff = comparison.difference(name, "", comparison.canonical(new))
        return Item(name, "folder", "create", xml=job_xml.text(new), diff=diff)
    if "folder" not in kind.casefold():
        return Item(
            name, "folder", "refuse", kind, obstacle=f"a {kind} with this name exists, which is not a folder"
        )
    return Item(name, "folder", "none", kind)


def _job(definition: Definition, short: str, name: str, stored: str | None, *, adopt: bool) -> Item:
    wanted = job_xml.job(definition, short)
    if stored is None:
        diff = comparison.difference(name, "", comparison.canonical(wanted))
        return Item(name, "job", "create", xml=job_xml.text(wanted), diff=diff)
    current = comparison.parse(name, stored)
    if current.tag != job_xml.ROOT:
        what = f"a {current.tag} with this name exists, which Jenkins cannot turn into a pipeline job"
        return Item(name, "job", "refuse", stored, obstacle=what)
    merged = comparison.merge(current, wanted)
    before, after = comparison.canonical(current), comparison.canonical(merged)
    if before == after:
        return Item(name, "job", "none", stored)
    diff = comparison.difference(name, before, after)
    if not job_xml.is_own(current) and not adopt:
        what = "a job with this name exists that jenkins-mlflow did not create (its description lacks the marker)"
        return Item(name, "job", "refuse", stored, diff=diff, obstacle=what)
    return Item(name, "job", "update", stored, job_xml.text(merged), diff)
