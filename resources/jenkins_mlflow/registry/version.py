"""What "in production" means, and a version with its run, as plain frozen values without a connection."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from jenkins_mlflow.metrics import comparable
from jenkins_mlflow.registry.sources import copied_from
from jenkins_mlflow.tags import (
    CHECK_TAG,
    COPY,
    FAILED,
    METHOD,
    PROMOTED_AT,
    RECOVERED,
    RESTORED_FROM,
    ROLLED_BACK_AT,
    TARGET,
)
from jenkins_mlflow.text import printable
from jenkins_mlflow.times import milliseconds

PRODUCTION = "Production"
STAGING = "Staging"
ARCHIVED = "Archived"
NO_STAGE = "None"
READY = "READY"
ACTIVE_STAGES = (PRODUCTION, STAGING)
NOTHING: Mapping[str, str] = {}
"""No tags; shared by everything that has none, and never changed."""
_NONE_MIXED: Mapping[str, tuple[str, ...]] = {}


@dataclass(frozen=True)
class Target:
    """What "in production" means: a stage, an alias, or both.

    Attributes:
        stage, alias: The marks of a version in production.
        exclusive: Whether the whole group has one champion.
        copy_to: The production model if promotions copy into one; its versions get only the alias.
    """

    stage: str | None
    alias: str | None
    exclusive: bool = False
    copy_to: str | None = None

    @property
    def marks(self) -> str:
        """Stage and alias as written in records: `Production @champion`. A copy gets only the alias."""
        stage = None if self.copy_to and not self.exclusive else self.stage
        return " ".join(text for text in (stage, f"@{self.alias}" if self.alias else "") if text)

    def counts(self, marks: str) -> bool:
        """Whether a record is about production in the sense of this target, that is, shares one of its marks.

        Args:
            marks: The ``marks`` of the target in the record; empty in records of version 0.2, which count.
        """
        return not marks or not {*marks.split(" ", 1)}.isdisjoint(self.marks.split(" ", 1))

    def is_beside(self, version: Version) -> bool:
        """Whether a version is in the stage Production while this target is another stage, which must not touch it."""
        gets = None if self.copy_to else self.stage
        return version.stage == PRODUCTION and gets not in (None, PRODUCTION)


UNCLEAR = "its run logged several models, and which of them this version is cannot be determined"

LONGEST_TRAINING = 86_400.0
"""Seconds after which an unended training counts as lost, unless the config's train.timeout says otherwise."""

LONGEST_COPYING = 3_600_000
"""Milliseconds from the record of a copy to the copy in version 0.2.0: most of it may be the wait for the lock."""
_METHODS_OF_COPIES = (COPY, RECOVERED)

UNENDED = frozenset({"RUNNING", "SCHEDULED"})
"""The statuses of a run that has not ended."""


@dataclass(frozen=True, slots=True)
class Run:
    """The training run behind a version: its metrics (last logged value each), tags and start in milliseconds.

    ``status`` is that of MLflow, for example FAILED. ``deleted``: it is in MLflow's trash. ``experiment`` is the id of
    its experiment. ``logged`` are the ids of the models that it logged, as far as the server lists them.

    If it logged several models, it has no metrics of the others than the version's own one, whose id is
    ``of_model``. ``unclear``: it is not known which one that is, and metrics were logged for some of them. ``datasets``
    counts the datasets that it used. ``mixed`` has the metrics that were logged for several of them, with their names:
    these are not in ``metrics``, because nobody knows which of the values was meant. See ``own_metrics``.
    """

    run_id: str
    metrics: Mapping[str, float] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    started: int = 0
    status: str = "FINISHED"
    deleted: bool = False
    experiment: str = ""
    logged: tuple[str, ...] = ()
    of_model: str = ""
    unclear: bool = False
    datasets: int = 0
    mixed: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: _NONE_MIXED)

    @property
    def running(self) -> bool:
        """Whether MLflow counts it as not ended, which is permanent if its process was killed."""
        return self.status in UNENDED


@dataclass(frozen=True, slots=True)
class Version:
    """One version of a registered model.

    ``created`` is in milliseconds since the epoch, as in MLflow. ``run`` is None if the version has no run,
    if the run is gone, or if the snapshot was taken without runs. ``signed`` are the tags of its promotion
    records that are signed; None without a key: then all count. ``counted`` is its record for the target, see
    ``promotion_records.counted``; None if that is in its tags and all of them count.
    """

    model: str
    number: int
    stage: str = NO_STAGE
    aliases: tuple[str, ...] = ()
    status: str = READY
    created: int = 0
    run_id: str | None = None
    source: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    run: Run | None = None
    description: str = ""
    signed: Mapping[str, str] | None = None
    counted: Mapping[str, str] | None = None

    @property
    def record(self) -> Mapping[str, str]:
        """The tags of its promotion record that count: its own, for the same target, and signed if there is a key."""
        if self.has_copied_record:
            return {}
        return self.tags if self.counted is None else self.counted

    @property
    def has_copied_record(self) -> bool:
        """Whether its record is about the version that it was copied from.

        MLflow's copy, such as the "Promote" button of its UI, copies all tags. A record is later than its own
        version. Only version 0.2.0 dated that of a copy before making it, and wrote no target into it.
        """
        if not copied_from(self.source):
            return False
        record = max(milliseconds(self.tags.get(tag, "")) for tag in (PROMOTED_AT, ROLLED_BACK_AT))
        early = self.tags.get(METHOD) in _METHODS_OF_COPIES and not self.tags.get(TARGET)
        return 0 < record < self.created - (LONGEST_COPYING if early else 0)

    @property
    def recorded_at(self) -> str:
        """When this tool last put it into production, according to its record (ISO 8601 in UTC); empty if never."""
        return max(self.record.get(PROMOTED_AT, ""), self.record.get(ROLLED_BACK_AT, ""))

    @property
    def recorded_time(self) -> int:
        """The same in milliseconds since 1970; 0 if no tag contains a valid time."""
        return max(self.record_time(PROMOTED_AT), self.record_time(ROLLED_BACK_AT))

    def record_time(self, tag: str) -> int:
        """The time in one tag of the record; also 0 if a restored version inherited the tag from the deleted one."""
        time = milliseconds(self.record.get(tag, ""))
        return 0 if RESTORED_FROM in self.tags and time < self.created else time

    @property
    def label(self) -> str:
        """Its name in messages: `heart-disease-svm version 3`."""
        return printable(f"{self.model} version {self.number}")

    @property
    def identity(self) -> tuple[str, int, int]:
        """Model, number and creation time, which distinguish it from a later version with the same number."""
        return (self.model, self.number, self.created)

    @property
    def origin(self) -> str:
        """What a version restored from this one has in a tag: its number and its first registration time."""
        return f"{self.number}@{self.first_created}"

    @property
    def first_created(self) -> int:
        """When it was first registered, in milliseconds; for a restored version, when the deleted one was."""
        _, _, first = self.tags.get(RESTORED_FROM, "").partition("@")
        known = first.isascii() and first.isdecimal() and len(first) < 15
        return min(self.created, int(first)) if known else self.created

    def metric(self, name: str) -> float | None:
        """The metric's value; None if it is missing or cannot be compared."""
        value = self.run.metrics.get(name) if self.run else None
        return value if value is not None and comparable(value) else None

    def unread(self, name: str) -> str:
        """Why it is unknown whether a metric was logged for it; empty if that is known."""
        if self.run is None:
            return "its run cannot be read" if self.run_id else ""
        if name in self.run.mixed:
            return "its run logged it for several datasets"
        return UNCLEAR if self.run.unclear and name not in self.run.metrics else ""

    def in_production(self, target: Target) -> bool:
        """Whether it is in production, that is, has the stage or the alias for that. This is the only definition.

        If promotions copy into a production model, only its versions are, unless the group is exclusive.
        """
        if target.copy_to and not target.exclusive and self.model != target.copy_to:
            return False
        return (target.stage is not None and self.stage == target.stage) or target.alias in self.aliases


def last_recorded(versions: Iterable[Version]) -> Version | None:
    """The version of a model that is in production according to the records, whatever is there now.

    It is the last one that was put there and did not fail its check.
    """
    recorded = [v for v in versions if v.recorded_time and v.record.get(CHECK_TAG) != FAILED]
    return max(recorded, key=lambda version: (version.recorded_time, version.number), default=None)


def newest_record(versions: Iterable[Version]) -> int:
    """When the last of these versions was promoted or returned to, in seconds since 1970; 0 if none was.

    A new record is always later than earlier ones, see ``promotion.record.next_time``.
    """
    return max((version.recorded_time // 1000 for version in versions), default=0)
