"""Stores this tool's own records in MLflow: runs of one experiment, each with its facts as JSON in tags.

The journal of deletions and the history of promotions are both stored like this, because every server accepts
tags, but some accept no artifacts. JSON that is longer than a tag is cut into pieces. MLflow's own pages show
these runs.

The experiment is found by its name. If somebody has renamed it, it is found by its runs, because no other run has
the tag RECORD_TAG; that takes a search in all experiments, until the first record of a new server is written.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from jenkins_mlflow.errors import Refused
from jenkins_mlflow.registry import homes
from jenkins_mlflow.registry.client import Registry
from jenkins_mlflow.registry.door_types import FoundExperiment, KeptRun
from jenkins_mlflow.registry.doors import Door
from jenkins_mlflow.registry.faults import unless_there
from jenkins_mlflow.tags import JOURNAL_MODEL, RECORD_TAG
from jenkins_mlflow.text import argument, redact

EXPERIMENT = "jenkins-mlflow"
PIECE = 4000  # of a tag's 5,000 characters; the JSON is ASCII


def pieces(prefix: str, facts: Any) -> dict[str, str]:
    """The facts as tags with names that start with a prefix."""
    text = json.dumps(facts, ensure_ascii=True, separators=(",", ":"))
    parts = [text[start : start + PIECE] for start in range(0, len(text), PIECE)]
    return {f"{prefix}{number:05}": part for number, part in enumerate(parts)}


def joined(prefix: str, tags: Mapping[str, str]) -> str:
    """The JSON from which ``pieces`` made tags; empty if there are none."""
    return "".join(tags[key] for key in sorted(tags) if key.startswith(prefix))


def equals(tag: str, value: str) -> str:
    """MLflow's filter for runs with a tag value; empty, which finds all runs, if the value cannot be quoted."""
    quote = '"' if "'" in value else "'"
    return "" if quote in value else f"tags.`{tag}` = {quote}{value}{quote}"


@dataclass
class Records:
    """Writes and finds the runs of the experiment.

    ``find`` raises what the registry raises; every other method raises what the door raises, see
    ``faults.classify``. All raise Refused if the experiment is in MLflow's trash, where no search finds its
    runs, as if none were written.
    """

    registry: Registry
    _experiment: str = ""

    @property
    def _door(self) -> Door:
        return self.registry.connection.door

    def create(self, started: int, tags: Mapping[str, str], name: str) -> str:
        """Create a run that started at a time in milliseconds. Return its id. Not safe to repeat."""
        return self._door.create_run(self.home(create=True), started, tags, name[:250])

    def find(self, what: str, condition: str, limit: int, *, anywhere: bool = True) -> Iterator[KeptRun]:
        """The runs that match an MLflow filter, oldest first, including deleted ones; none without an experiment.

        Args:
            what: What they are, for messages.
            condition: MLflow's filter.
            limit: The largest number of runs in one request.
            anywhere: See ``home``.
        """
        experiment = self.registry.retrying(f"reading {what}", lambda: self.home(anywhere=anywhere))
        if experiment:
            yield from self.registry.pages(
                what, self._door.kept_runs, experiments=[experiment], condition=condition, limit=limit
            )

    def home(self, *, create: bool = False, anywhere: bool = True) -> str:
        """The experiment's id; empty if there is none.

        Args:
            create: Whether to create it if there is none.
            anywhere: Whether to look for a renamed one. That searches the runs of all experiments, which a file store
                does slowly.
        """
        if not self._experiment:
            found = self._door.experiment(EXPERIMENT)
            renamed = self._renamed() if found is None and anywhere else ""
            if found is None and not renamed and create:
                found = self._make()
            if found is not None and found.deleted:
                raise self._in_trash(found.experiment_id)
            self._experiment = found.experiment_id if found is not None else renamed
        return self._experiment

    def others(self) -> Iterator[str]:
        """Other experiments with a journal of deletions that is not in MLflow's trash; each may be named repeatedly.

        There is one if the experiment was renamed and a new one made, by an account that may not see the first.
        """
        found = homes.runs_outside(self.registry, self.home(), f"tags.`{JOURNAL_MODEL}` LIKE '%'")
        return (run.experiment for run in found if not run.deleted)

    def _renamed(self) -> str:
        """The experiment with the oldest record, if none has the name; empty if nothing was ever recorded."""
        found = homes.runs_outside(self.registry, "", f"tags.`{RECORD_TAG}` LIKE '%'")
        return next((run.experiment for run in found), "")

    def _in_trash(self, experiment: str) -> Refused:
        uri = self.registry.connection.uri
        where = f"MLFLOW_TRACKING_URI={argument(uri)} " if redact(uri) == uri else ""
        return Refused(
            f"the experiment {EXPERIMENT}, which has the journal of deletions and the history, is in MLflow's trash",
            state="nothing was read from it or written to it",
            next_step=f"restore it: `{where}mlflow experiments restore -x {experiment}`; then run the command again",
        )

    def _make(self) -> FoundExperiment | None:
        unless_there(lambda: self._door.create_experiment(EXPERIMENT))
        return self._door.experiment(EXPERIMENT)
