"""What training asks MLflow: a build's runs, what they logged and registered, and registering the rest.

Facts (client 3.17.2): runs and MLflow 3 logged models both carry the tags of MLFLOW_RUN_CONTEXT, so a build's
models are one search, not one for each run. A 2.x script, and a 2.x server, know no logged models: there the
run's tag ``mlflow.log-model.history`` lists the artifact paths. ``model_id`` must be given beside
``models:/m-ID``.
"""

from __future__ import annotations

import contextlib
import functools
import json
import sys
from collections import defaultdict
from collections.abc import Collection, Sequence
from typing import Any

from jenkins_mlflow.errors import NotFound, RegistryError
from jenkins_mlflow.registry.client import EXPERIMENTS_PER_PAGE, VERSIONS_PER_PAGE, Registry
from jenkins_mlflow.registry.faults import classify
from jenkins_mlflow.tags import BUILD_TAG, CANDIDATE_TAG, OUTCOME_TAG, PRODUCTION_BEFORE
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
        self._client = registry.connection.client

    def prepare(self, experiment: str) -> None:
        """Make sure that the store answers and the experiment exists.

        Raises:
            RegistryError: the experiment was deleted; MLflow refuses to log to it and to create it again.
        """
        found = self._registry.retrying(
            f"reading experiment {experiment}", lambda: self._client.get_experiment_by_name(experiment)
        )
        if found is None:
            self._registry.retrying(f"creating experiment {experiment}", lambda: self._create(experiment))
        elif found.lifecycle_stage != "active":
            raise RegistryError(
                f"experiment {experiment!r} is deleted",
                state="nothing was started",
                next_step=f"mlflow experiments restore -x {found.experiment_id}, or choose another name",
            )

    def _create(self, experiment: str) -> None:
        try:
            self._client.create_experiment(experiment)
        except Exception as error:
            if not _exists_already(error):
                raise

    def runs_of_build(self, build: str) -> list[LoggedRun]:
        """All runs with the build's tag, oldest first; 1 request, and 1 for each 1,000 experiments and runs.

        Args:
            build: As ``build.safe_id`` made it: no quote can be in it.
        """
        experiments = [
            found.experiment_id
            for found in self._registry.pages(
                "the experiments", self._client.search_experiments, max_results=EXPERIMENTS_PER_PAGE
            )
        ]
        found = self._registry.pages(
            f"the runs of build {build}",
            self._client.search_runs,
            experiment_ids=experiments,
            filter_string=f"tags.`{BUILD_TAG}` = '{build}'",
            max_results=_RUNS_PER_PAGE,
            order_by=["attributes.start_time ASC", "attributes.run_id ASC"],
        )
        return [_run(run) for run in found]

    def left_running(self, experiment: str, started_before: int) -> list[LoggedRun]:
        """Runs of any build in this experiment that count as running since before then; 2 requests."""
        what = f"the runs of experiment {experiment}"
        made = self._registry.retrying(what, lambda: self._client.get_experiment_by_name(experiment))
        found = self._registry.pages(
            what,
            self._client.search_runs,
            experiment_ids=[made.experiment_id] if made else [],
            filter_string=f"attributes.status = 'RUNNING' AND attributes.start_time < {started_before}",
            max_results=_RUNS_PER_PAGE,
            order_by=["attributes.start_time ASC", "attributes.run_id ASC"],
        )
        return [_run(run) for run in found if BUILD_TAG in run.data.tags and OUTCOME_TAG not in run.data.tags]

    def versions_of_runs(self, run_ids: Collection[str]) -> dict[str, tuple[RegisteredVersion, ...]]:
        """The registered versions by run, 1,000 runs to a request."""
        ids = sorted(run_id for run_id in run_ids if run_id.isalnum())
        found: dict[str, list[RegisteredVersion]] = defaultdict(list)
        for start in range(0, len(ids), _IDS_PER_REQUEST):
            some = ", ".join(f"'{run_id}'" for run_id in ids[start : start + _IDS_PER_REQUEST])
            for version in self._registry.pages(
                "the registered versions",
                self._client.search_model_versions,
                filter_string=f"run_id IN ({some})",
                max_results=VERSIONS_PER_PAGE,
                order_by=["name ASC", "version_number ASC"],
            ):
                found[version.run_id].append(RegisteredVersion(version.name, int(version.version)))
        return {run_id: tuple(versions) for run_id, versions in found.items()}

    def models_of_runs(self, build: str, runs: Sequence[LoggedRun]) -> dict[str, tuple[LoggedModel, ...]]:
        """The models that these runs logged, oldest first; from the runs' tags where there are no others."""
        experiments = sorted({run.experiment_id for run in runs})
        found: dict[str, list[LoggedModel]] = defaultdict(list)
        try:
            for model in self._registry.pages(
                f"the models of build {build}",
                self._client.search_logged_models,
                experiment_ids=experiments,
                filter_string=f"tags.`{BUILD_TAG}` = '{build}'",
                max_results=_MODELS_PER_PAGE,
                order_by=[{"field_name": "creation_timestamp", "ascending": True}],
            ):
                if str(model.status) == "READY":
                    source = f"models:/{model.model_id}"
                    found[model.source_run_id].append(
                        LoggedModel(model.source_run_id, model.name, source, model.model_id)
                    )
        except NotFound:
            found.clear()
        return {run.run_id: tuple(found.get(run.run_id, ())) or _from_history(run) for run in runs}

    def mark(self, runs: Sequence[LoggedRun], outcome: str) -> None:
        """Tag runs with how their candidate's command ended; 1 request each."""
        for run in runs:
            self._registry.retrying(
                f"marking run {run.run_id} of {run.candidate}",
                functools.partial(self._client.set_tag, run.run_id, OUTCOME_TAG, outcome),
            )

    def end(self, runs: Sequence[LoggedRun]) -> None:
        """End runs as KILLED, MLflow's word for a run that something else ended; 1 request each."""
        for run in runs:
            with contextlib.redirect_stdout(sys.stderr):  # the client prints the run's address
                self._registry.retrying(
                    f"ending run {run.run_id} of {run.candidate}",
                    functools.partial(self._client.set_terminated, run.run_id, "KILLED"),
                )

    def register(self, model: LoggedModel, name: str) -> RegisteredVersion:
        """Register a model, unless its run has a version of that name: so a lost answer does no harm."""
        return self._registry.retrying(
            f"registering {model.name} of run {model.run_id} as {name}", lambda: self._register(model, name)
        )

    def _register(self, model: LoggedModel, name: str) -> RegisteredVersion:
        there = [v for v in self.versions_of_runs([model.run_id]).get(model.run_id, ()) if v.model == name]
        if there:
            return there[-1]
        import mlflow

        # A store opened directly resolves models:/m-ID by the process-wide address, not by this client's.
        mlflow.set_tracking_uri(self._registry.connection.uri)
        try:
            self._client.create_registered_model(name)
        except Exception as error:
            if not _exists_already(error):
                raise
        made = self._client.create_model_version(name, model.source, model.run_id, model_id=model.model_id)
        if model.model_id:
            self._link(model.model_id, name, str(made.version))
        return RegisteredVersion(name, int(made.version))

    def _link(self, model_id: str, name: str, version: str) -> None:
        """Record the version on the logged model: MLflow's UI shows it there. Some servers do so by themselves."""
        tags = self._client.get_logged_model(model_id).tags
        known = json.loads(tags.get(_VERSIONS_TAG) or "[]")
        if not any(entry["name"] == name and str(entry["version"]) == version for entry in known):
            entry = {"name": name, "version": version}
            self._client.set_logged_model_tags(model_id, {_VERSIONS_TAG: json.dumps([*known, entry])})


def _run(run: Any) -> LoggedRun:
    info, tags = run.info, run.data.tags
    seconds = round((info.end_time - info.start_time) / 1000, 3) if info.end_time else None
    return LoggedRun(
        run_id=info.run_id,
        name=info.run_name or info.run_id,
        candidate=tags.get(CANDIDATE_TAG, ""),
        experiment_id=info.experiment_id,
        finished=info.status == "FINISHED",
        seconds=seconds,
        metrics=dict(run.data.metrics),
        artifact_uri=info.artifact_uri or "",
        log_history=tags.get(_HISTORY_TAG, ""),
        outcome=tags.get(OUTCOME_TAG, ""),
        production_before=tags.get(PRODUCTION_BEFORE, ""),
    )


def _from_history(run: LoggedRun) -> tuple[LoggedModel, ...]:
    """The models in the run's own artifacts, as MLflow 2 recorded them."""
    try:
        history = json.loads(run.log_history or "[]")
        paths = [str(entry["artifact_path"]) for entry in history]
    except (ValueError, TypeError, KeyError):
        return ()  # a tag that anybody may overwrite
    unique = list(dict.fromkeys(paths))
    return tuple(LoggedModel(run.run_id, path, f"{run.artifact_uri.rstrip('/')}/{path}") for path in unique)


def _exists_already(error: Exception) -> bool:
    return "RESOURCE_ALREADY_EXISTS" in classify(error).summary
