"""The journal of deletions: what is needed to register a version again, written before the version is deleted.

It lives in MLflow, as runs of one experiment: a run for each model and piece of a cleanup. The versions are JSON in the
run's tags, cut into pieces, because every server takes tags and some take artifacts from nobody. A run that is not
finished belongs to a cleanup that was killed. What it names may still be there: a reader compares with the registry.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from jenkins_mlflow.errors import RegistryError
from jenkins_mlflow.registry.client import Registry
from jenkins_mlflow.registry.doors import Door, FoundExperiment
from jenkins_mlflow.registry.faults import classify
from jenkins_mlflow.registry.snapshot import Version
from jenkins_mlflow.tags import JOURNAL_BUILD, JOURNAL_MODEL, JOURNAL_PART

EXPERIMENT = "jenkins-mlflow"
PIECE = 4000  # of the 5,000 characters of a tag; the JSON is ASCII
RUNS_PER_PAGE = 50


@dataclass(frozen=True)
class Entry:
    """One version that was about to be deleted.

    Attributes:
        version: The version as it was, without its run.
        deleted: When, in seconds since the epoch.
        build: The address of the build that deleted it; empty outside of a build.
    """

    version: Version
    deleted: float
    build: str


@dataclass
class Journal:
    """Writes and reads the journal of one registry.

    Attributes:
        registry: Where the journal is.
        build: The address of this build.
        now: Seconds since the epoch by the store's clock.
    """

    registry: Registry
    build: str = ""
    now: float = field(default_factory=time.time)
    _experiment: str = ""

    @property
    def _door(self) -> Door:
        return self.registry.connection.door

    def write(self, model: str, versions: Sequence[Version]) -> str:
        """Write down that versions of a model are about to be deleted; the run, for ``close``.

        Raises:
            ConnectionFailed, RegistryError: it could not be written.
        """
        entries = [_facts(version) for version in versions]
        text = json.dumps(entries, ensure_ascii=True, separators=(",", ":"))
        pieces = [text[start : start + PIECE] for start in range(0, len(text), PIECE)]
        tags = {f"{JOURNAL_PART}{number:05}": piece for number, piece in enumerate(pieces)}
        tags |= {JOURNAL_MODEL: model, JOURNAL_BUILD: self.build}

        def create() -> str:
            experiment = self._home(create=True)
            return self._door.create_run(experiment, int(self.now * 1000), tags, f"cleanup of {model}"[:250])

        return self.registry.retrying("writing the journal of deletions", create)

    def close(self, run_id: str) -> None:
        """Say that the deletions of a run have ended."""
        self.registry.retrying("ending the journal of deletions", lambda: self._door.finish_run(run_id))

    def read(self, model: str) -> list[Entry]:
        """What was about to be deleted of a model, oldest first, each version once with its last entry.

        Raises:
            ConnectionFailed, RegistryError: it could not be read.
        """
        experiment = self.registry.retrying("reading the journal of deletions", self._home)
        if not experiment:
            return []
        runs = self.registry.pages(
            "the journal of deletions",
            self._door.find_runs,
            experiment=experiment,
            condition=_condition(model),
            limit=RUNS_PER_PAGE,
        )
        found: dict[tuple[int, int], Entry] = {}
        for run in runs:
            if run.tags.get(JOURNAL_MODEL) == model:
                for version in _versions(run.run_id, run.tags):
                    entry = Entry(version, run.started / 1000, run.tags.get(JOURNAL_BUILD, ""))
                    found[version.number, version.created] = entry
        return list(found.values())

    def _home(self, *, create: bool = False) -> str:
        """The journal's experiment; empty when there is none. One that was deleted is brought back to be written."""
        if not self._experiment:
            found = self._door.experiment(EXPERIMENT)
            if found is None and create:
                found = self._make()
            if found is not None and found.deleted and create:
                self._door.restore_experiment(found.experiment_id)
            self._experiment = found.experiment_id if found is not None else ""
        return self._experiment

    def _make(self) -> FoundExperiment | None:
        try:
            self._door.create_experiment(EXPERIMENT)
        except Exception as error:
            if not classify(error).exists:  # another build has just made it
                raise
        return self._door.experiment(EXPERIMENT)


def _condition(model: str) -> str:
    """The filter for a model's runs; none where its name cannot be quoted."""
    quote = '"' if "'" in model else "'"
    return "" if quote in model else f"tags.`{JOURNAL_MODEL}` = {quote}{model}{quote}"


def _facts(version: Version) -> dict[str, Any]:
    """A version as JSON; of its run only the metrics, for people: the run itself stays in MLflow."""
    facts = asdict(version)
    facts["run"] = None
    return facts | {"metrics": dict(version.run.metrics) if version.run else {}}


def _versions(run_id: str, tags: Mapping[str, str]) -> list[Version]:
    try:
        entries = json.loads("".join(tags[key] for key in sorted(tags) if key.startswith(JOURNAL_PART)))
        for entry in entries:
            entry.pop("metrics")
        return [Version(**{**entry, "aliases": tuple(entry["aliases"])}) for entry in entries]
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise RegistryError(
            f"the run {run_id} in the experiment {EXPERIMENT} is no journal of deletions that can be read",
            state="nothing was changed",
            next_step="look at its tags in MLflow",
        ) from error
