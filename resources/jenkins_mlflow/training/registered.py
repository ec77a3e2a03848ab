"""Training's requests to MLflow: finds a build's runs, models and versions, and registers the rest.

Facts (client 3.17.2): runs and MLflow 3 logged models both carry the tags of MLFLOW_RUN_CONTEXT, so one
search finds all models of a build. Scripts and servers of MLflow 2 have no logged models; there, the run's
tag ``mlflow.log-model.history`` lists the artifact paths. To register ``models:/m-ID``, ``model_id`` must
also be given.
"""

from __future__ import annotations

import json
import time
from collections import defaultdict
from collections.abc import Collection, Sequence

from jenkins_mlflow.errors import NotFound, RegistryError
from jenkins_mlflow.parallel import side_by_side
from jenkins_mlflow.registry.client import Registry
from jenkins_mlflow.registry.door_types import FoundRun
from jenkins_mlflow.registry.faults import unless_there
from jenkins_mlflow.registry.reading import EXPERIMENTS_PER_PAGE, VERSIONS_PER_PAGE
from jenkins_mlflow.registry.version import READY, Version
from jenkins_mlflow.tags import BUILD_TAG, CANDIDATE_TAG, OUTCOME_TAG, PRODUCTION_BEFORE
from jenkins_mlflow.text import parsed_json
from jenkins_mlflow.training.logged import LoggedModel, LoggedRun, RegisteredVersion

_RUNS_PER_PAGE = 1000
_IDS_PER_REQUEST = 1000
_MODELS_PER_PAGE = 100
_HISTORY_TAG = "mlflow.log-model.history"
_VERSIONS_TAG = "mlflow.modelVersions"


class MlflowTrainingRegistry:
    """Implements ``train.TrainingRegistry`` on a connected registry."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._door = registry.connection.door

    def prepare(self, experiment: str) -> None:
        """Make sure that the store answers and that the experiment exists.

        Raises:
            RegistryError: the experiment was deleted; MLflow refuses to log to it and to create it again.
        """
        found = self._registry.retrying(
            f"reading experiment {experiment}", lambda: self._door.experiment(experiment)
        )
        if found is None:
            self._registry.retrying(
                f"creating experiment {experiment}",
                lambda: unless_there(lambda: self._door.create_experiment(experiment)),
            )
        elif found.deleted:
            raise RegistryError(
                f"experiment {experiment!r} is deleted",
                state="nothing was started",
                next_step=f"mlflow experiments restore -x {found.experiment_id}, or choose another name",
            )

    def runs_of_build(self, build: str) -> list[LoggedRun]:
        """All runs with the build's tag, oldest first; 1 request, plus 1 for each 1,000 experiments and runs.

        Args:
            build: A result of ``build.safe_id``, which cannot contain a quote.
        """
        experiments = list(
            self._registry.pages("the experiments", self._door.experiments, limit=EXPERIMENTS_PER_PAGE)
        )
        found = self._registry.pages(
            f"the runs of build {build}",
            self._door.training_runs,
            experiments=experiments,
            condition=f"tags.`{BUILD_TAG}` = '{build}'",
            limit=_RUNS_PER_PAGE,
        )
        return [_run(run) for run in found]

    def left_running(self, experiment: str, started_before: int) -> list[LoggedRun]:
        """Runs of any build in this experiment that count as running and started before then; 2 requests."""
        what = f"the runs of experiment {experiment}"
        made = self._registry.retrying(what, lambda: self._door.experiment(experiment))
        found = self._registry.pages(
            what,
            self._door.training_runs,
            experiments=[made.experiment_id] if made else [],
            condition=f"attributes.status = 'RUNNING' AND attributes.start_time < {started_before}",
            limit=_RUNS_PER_PAGE,
        )
        return [_run(run) for run in found if BUILD_TAG in run.run.tags and OUTCOME_TAG not in run.run.tags]

    def versions_of_runs(self, run_ids: Collection[str]) -> dict[str, tuple[RegisteredVersion, ...]]:
        """The registered versions by run; 1 request for every 1,000 runs."""
        ids = sorted(run_id for run_id in run_ids if run_id.isalnum())
        found: dict[str, list[RegisteredVersion]] = defaultdict(list)
        for start in range(0, len(ids), _IDS_PER_REQUEST):
            some = ", ".join(f"'{run_id}'" for run_id in ids[start : start + _IDS_PER_REQUEST])
            for version in self._registry.pages(
                "the registered versions",
                self._door.versions,
                condition=f"run_id IN ({some})",
                limit=VERSIONS_PER_PAGE,
            ):
                found[version.run_id].append(RegisteredVersion(version.model, version.number))
        return {run_id: tuple(sorted(versions)) for run_id, versions in found.items()}

    def models_of_runs(self, build: str, runs: Sequence[LoggedRun]) -> dict[str, tuple[LoggedModel, ...]]:
        """The models that these runs logged, oldest first; taken from the runs' tags if there are no logged models."""
        experiments = tuple(sorted({run.experiment_id for run in runs}))
        found: dict[str, list[LoggedModel]] = defaultdict(list)
        try:
            for model in self._registry.pages(
                f"the models of build {build}",
                self._door.logged_models,
                experiments=experiments,
                condition=f"tags.`{BUILD_TAG}` = '{build}'",
                limit=_MODELS_PER_PAGE,
            ):
                if model.status == READY:
                    source = f"models:/{model.model_id}"
                    found[model.run_id].append(LoggedModel(model.run_id, model.name, source, model.model_id))
        except NotFound:
            found.clear()
        return {run.run_id: tuple(found.get(run.run_id, ())) or _from_history(run) for run in runs}

    def mark(self, runs: Sequence[LoggedRun], outcome: str) -> None:
        """Tag runs with the outcome of their candidate's command; 1 request each, in parallel."""

        def tag(run: LoggedRun) -> None:
            self._registry.retrying(
                f"marking run {run.run_id} of {run.candidate}",
                lambda: self._door.tag_run(run.run_id, OUTCOME_TAG, outcome),
            )

        side_by_side(tag, runs)

    def end(self, runs: Sequence[LoggedRun]) -> None:
        """End runs as KILLED, MLflow's status for a run that was ended from outside; 1 request each, in parallel."""
        ended = round(time.time() * 1000)

        def kill(run: LoggedRun) -> None:
            self._registry.retrying(
                f"ending run {run.run_id} of {run.candidate}",
                lambda: self._door.end_run(run.run_id, "KILLED", ended),
            )

        side_by_side(kill, runs)

    def register(self, model: LoggedModel, name: str) -> RegisteredVersion:
        """Register a model unless its run already has a version of that name, so that a lost answer does no harm."""
        return self._registry.retrying(
            f"registering {model.name} of run {model.run_id} as {name}", lambda: self._register(model, name)
        )

    def _register(self, model: LoggedModel, name: str) -> RegisteredVersion:
        existing = [v for v in self.versions_of_runs([model.run_id]).get(model.run_id, ()) if v.model == name]
        if existing:
            return existing[-1]
        unless_there(lambda: self._door.create_model(name, {}, ""))
        like = Version(name, 0, source=model.source, run_id=model.run_id)
        number = self._door.create_version(like, {}, model.model_id or "")
        if model.model_id:
            self._link(model.model_id, name, str(number))
        return RegisteredVersion(name, number)

    def _link(self, model_id: str, name: str, version: str) -> None:
        """Record the version on the logged model, where MLflow's UI shows it. Some servers do that themselves."""
        tags = self._door.logged_model(model_id).tags
        known = parsed_json(tags.get(_VERSIONS_TAG) or "[]")
        if not any(entry["name"] == name and str(entry["version"]) == version for entry in known):
            entry = {"name": name, "version": version}
            self._door.tag_logged_model(model_id, _VERSIONS_TAG, json.dumps([*known, entry]))


def _run(found: FoundRun) -> LoggedRun:
    run = found.run
    seconds = round((found.ended - run.started) / 1000, 3) if found.ended else None
    return LoggedRun(
        run_id=run.run_id,
        name=found.name or run.run_id,
        candidate=run.tags.get(CANDIDATE_TAG, ""),
        experiment_id=found.experiment_id,
        finished=found.status == "FINISHED",
        seconds=seconds,
        metrics=run.metrics,
        artifact_uri=found.artifact_uri,
        log_history=run.tags.get(_HISTORY_TAG, ""),
        outcome=run.tags.get(OUTCOME_TAG, ""),
        production_before=run.tags.get(PRODUCTION_BEFORE, ""),
    )


def _from_history(run: LoggedRun) -> tuple[LoggedModel, ...]:
    """The models in the run's artifacts, as recorded by MLflow 2."""
    try:
        history = parsed_json(run.log_history or "[]")
        paths = [str(entry["artifact_path"]) for entry in history]
    except (ValueError, TypeError, KeyError):
        return ()  # anybody may overwrite this tag
    unique = list(dict.fromkeys(paths))
    return tuple(LoggedModel(run.run_id, path, f"{run.artifact_uri.rstrip('/')}/{path}") for path in unique)
