"""The run of a copy: found after an interruption or created, with each param and metric value logged once."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Collection
from dataclasses import dataclass

from jenkins_mlflow.errors import Refused, RegistryError
from jenkins_mlflow.registry.client import Registry
from jenkins_mlflow.registry.door_types import WholeRun
from jenkins_mlflow.registry.faults import unless_there
from jenkins_mlflow.registry.files import Files
from jenkins_mlflow.registry.records import equals
from jenkins_mlflow.tags import COPY_ID
from jenkins_mlflow.text import redact
from jenkins_mlflow.transfer.plan import CopyPlan, batches, may_go_on, missing, own_points
from jenkins_mlflow.transfer.reading import history, whole_run

_PARAMS, _POINTS = 100, 1000  # the most that MLflow accepts in one request
_RUNS = 100
NOT_REGISTERED = "it was not registered there, and nothing in production was changed"


@dataclass(frozen=True)
class CopyRun:
    """The run of one copy on the other server.

    Attributes:
        source: The registry with the version's own run; nothing is written there.
        other: The other server's registry, under the lock of this copy.
        plan: What to copy.
    """

    source: Registry
    other: Registry
    plan: CopyPlan

    @property
    def where(self) -> str:
        return redact(self.other.connection.uri)

    def find_or_make(self, used: Collection[str]) -> WholeRun:
        """The run of an interrupted copy if it can be continued, otherwise a new one.

        Args:
            used: The runs of copies that are already registered.

        Raises:
            Refused: the experiment is in the trash.
            OutOfReach: the files of such a run cannot be read from here.
        """
        experiment, door = self._experiment(), self.other.connection.door
        for run_id in self._begun(experiment, used):
            run = whole_run(self.other, run_id)
            if run and may_go_on(self.plan, Files(self.other).tree(run.uri)):
                return run
            self.other.writing(f"removing run {run_id}", functools.partial(door.delete_run, run_id))
        old, tags = self.plan.run, self.plan.run_tags
        name, started = (
            (old.name, old.started) if old else (self.plan.version.model, self.plan.version.created)
        )

        def create() -> None:
            if not self._begun(experiment, used):  # an earlier try whose answer was lost may have created it
                self.other.send(lambda: door.create_run(experiment, started, tags, name))

        self.other.retrying("creating the copy's run", create)
        made = next(iter(self._begun(experiment, used)), "")
        if run := whole_run(self.other, made) if made else None:
            return run
        raise RegistryError(
            f"the run of the copy was created on {self.where}, but cannot be found there",
            next_step="run the command again",
        )

    def log(self, run: WholeRun) -> None:
        """Log missing params and metrics, including the metrics' history, then end the run."""
        old, door = self.plan.run, self.other.connection.door
        if old is None:
            return
        params = [(key, value) for key, value in old.params.items() if run.params.get(key) != value]
        for some in batches(params, _PARAMS):
            self.other.writing("logging params", functools.partial(door.log, run.run_id, dict(some), {}, 0))
        for key in old.metrics:
            self._metric(old, run, key)
        if old.ended:
            self.other.writing("ending the run", lambda: door.end_run(run.run_id, old.status, old.ended))
        now = whole_run(self.other, run.run_id)
        if now is None or dict(now.params) != dict(old.params) or set(now.metrics) != set(old.metrics):
            raise Refused(
                f"{self.where} lacks some params or metrics of {self.plan.version.label}",
                state=NOT_REGISTERED,
                next_step="run the command again",
            )

    def _metric(self, old: WholeRun, run: WholeRun, key: str) -> None:
        door, tries = self.other.connection.door, itertools.count(int(key in run.metrics))
        wanted = own_points(history(self.source, old.run_id, key), key, self.plan.model_metrics)

        def log() -> None:
            logged = history(self.other, run.run_id, key) if next(tries) else []
            for some in batches(missing(wanted, logged), _POINTS):
                self.other.send(functools.partial(door.log_points, run.run_id, some))

        self.other.retrying(f"logging metric {key}", log)

    def _begun(self, experiment: str, used: Collection[str]) -> list[str]:
        """The runs of this copy that do not belong to a registered copy."""
        found = self.other.pages(
            "the runs of copies",
            self.other.connection.door.find_runs,
            experiment=experiment,
            condition=equals(COPY_ID, self.plan.origin.id),
            limit=_RUNS,
        )
        return [run.run_id for run in found if run.run_id not in used]

    def _experiment(self) -> str:
        name, door = self.plan.experiment, self.other.connection.door

        found = self.other.retrying(f"reading experiment {name}", lambda: door.experiment(name))
        if found is None:
            self.other.writing(
                f"creating experiment {name}", lambda: unless_there(lambda: door.create_experiment(name))
            )
            found = self.other.retrying(f"reading experiment {name}", lambda: door.experiment(name))
        if found is None or found.deleted:
            raise Refused(
                f"the experiment {name} of {self.plan.version.label} is in the trash on {self.where}",
                state="nothing was copied",
                next_step="restore it there, or delete it permanently, then run the command again",
            )
        return found.experiment_id
