"""All talk with the MLflow Model Registry: reading it in pages, and the few writes a stage needs.

Facts (MLflow 3.17.2 client, servers 2.22 to 3.17): ``search_model_versions`` over REST returns tags but never
aliases or metrics, so aliases come from ``search_registered_models`` and metrics from ``search_runs``. Page limits
are 1,000 models, 200,000 versions and 50,000 runs. ``name LIKE 'p%'`` works on every store; there is no OR.
"""

from __future__ import annotations

import fnmatch
import functools
import re
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from jenkins_mlflow.errors import ConnectionFailed, JenkinsMlflowError, NotFound, RegistryError
from jenkins_mlflow.registry.clock import StoreClock, store_clock
from jenkins_mlflow.registry.connection import Connection, local_path
from jenkins_mlflow.registry.faults import RetryPolicy, call_with_retries, classify
from jenkins_mlflow.registry.snapshot import Model, Run, Snapshot, Version
from jenkins_mlflow.tags import FLAG_PREFIX
from jenkins_mlflow.text import redact

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion

T = TypeVar("T")

MODELS_PER_PAGE = 1000
VERSIONS_PER_PAGE = 10_000
EXPERIMENTS_PER_PAGE = 1000
IDS_PER_REQUEST = 1000


def literal_prefix(pattern: str) -> str:
    """The part of an fnmatch pattern before its first wildcard or character that a filter string cannot carry."""
    return re.split(r"[*?\[\\%'\"]", pattern, maxsplit=1)[0]


def name_filters(patterns: Sequence[str]) -> list[str]:
    """The fewest MLflow filters that together cover the patterns.

    They may return too much (LIKE's ``_`` matches any character): the caller matches the names again.

    >>> name_filters(["heart-disease-*", "heart-disease-svm"])
    ["name LIKE 'heart-disease-%'"]
    """
    prefixes = {literal_prefix(pattern) for pattern in patterns}
    shortest = sorted(p for p in prefixes if not any(p != q and p.startswith(q) for q in prefixes))
    return [_name_filter(prefix, patterns) for prefix in shortest]


def _name_filter(prefix: str, patterns: Sequence[str]) -> str:
    if not prefix:
        return ""
    only_itself = all(pattern == prefix for pattern in patterns if literal_prefix(pattern).startswith(prefix))
    return f"name = '{prefix}'" if only_itself else f"name LIKE '{prefix}%'"


def matches(name: str, patterns: Collection[str]) -> bool:
    """Whether a registered model's name belongs to the group; case counts, as it does in MLflow."""
    return any(fnmatch.fnmatchcase(name, pattern) or name == pattern for pattern in patterns)


class FilesUnknown(Exception):
    """Whether a version's files still are there cannot be told from this machine; the text says why."""


class Registry:
    """The registry behind one connection.

    Reads are retried here. Writes are tried once: their callers own the retries, because only they can tell
    whether a write whose answer was lost took effect.

    Raises (every method):
        ConnectionFailed: the server or store cannot be reached.
        NotFound: the model or version does not exist.
        RegistryError: MLflow refused the request.
    """

    def __init__(self, connection: Connection, retry: RetryPolicy | None = None) -> None:
        self.connection = connection
        self._client: MlflowClient = connection.client
        # The client's own writes first ask whether the model is a prompt, which doubles their requests; the layer
        # below does not (MLflow 3.17.2). No command offers prompts: the searches leave them out.
        self._writer: Any = getattr(connection.client, "_get_registry_client", lambda: connection.client)()
        self._retry = retry or RetryPolicy()

    @functools.cached_property
    def _clock(self) -> StoreClock:
        return store_clock(self.connection, getattr(self._writer, "store", None))

    def now(self) -> float:
        """The store's present time, in seconds since 1970: what ages of versions are told by. 1 request."""
        return self._read("the registry's time", self._clock.now)

    @property
    def answer_time(self) -> float:
        """How long a request may take to be answered or given up, in seconds; 0 for a store opened directly."""
        from mlflow.environment_variables import MLFLOW_HTTP_REQUEST_TIMEOUT

        return float(MLFLOW_HTTP_REQUEST_TIMEOUT.get()) if self.connection.over_http else 0.0

    def snapshot(self, patterns: Sequence[str], *, with_runs: bool = False) -> Snapshot:
        """Read the group: 1 request per page of models, of versions, of experiments and of 1,000 runs.

        Args:
            patterns: Names or fnmatch patterns of registered models.
            with_runs: Whether metrics and run tags are needed.
        """
        models: dict[str, Any] = {}
        versions: dict[str, dict[int, ModelVersion]] = defaultdict(dict)
        for condition in name_filters(patterns):
            for model in self._models(condition):
                if matches(model.name, patterns) and not model.name.startswith(FLAG_PREFIX):
                    models[model.name] = model
            for found in self._versions(condition):
                if found.name in models:
                    versions[found.name][int(found.version)] = found
        runs = (
            self._runs({v.run_id for of_model in versions.values() for v in of_model.values()})
            if with_runs
            else {}
        )
        return Snapshot(tuple(_model(models[name], versions[name].values(), runs) for name in sorted(models)))

    def names(self) -> list[str]:
        """Every registered model's name, sorted: 1 request per 1,000 models."""
        return sorted(model.name for model in self._models("") if not model.name.startswith(FLAG_PREFIX))

    def model(self, name: str) -> Model:
        """Read one model again: 2 requests, however many versions it has."""
        model = self._read(f"model {name}", lambda: self._client.get_registered_model(name))
        quote = '"' if "'" in name else "'"
        condition = f"name = {quote}{name}{quote}" if '"' not in name or "'" not in name else ""
        versions = self._versions(condition)
        return _model(model, [version for version in versions if version.name == name], {})

    def find_model(self, name: str) -> Model | None:
        """Read one model again, as ``model``; None if it is not there."""
        try:
            return self.model(name)
        except NotFound:
            return None

    def version(self, name: str, number: int) -> Version:
        """Read one version with its aliases: 1 request."""
        found = self._read(
            f"{name} version {number}", lambda: self._client.get_model_version(name, str(number))
        )
        return _version(found, tuple(sorted(found.aliases)), {})

    def versions_with_tag(self, key: str) -> list[Version]:
        """Every version of the registry that has this tag, without its aliases: 1 request a page."""
        return [_version(found, (), {}) for found in self._versions(f"tags.`{key}` LIKE '%'")]

    def models_with_tag(self, key: str) -> dict[str, dict[str, str]]:
        """The tags of every model of the registry that has this tag, by name: 1 request a page."""
        return {model.name: dict(model.tags) for model in self._models(f"tags.`{key}` LIKE '%'")}

    def storage_uri(self, name: str, number: int) -> str:
        """Where the version's files lie, as the registry knows it."""
        return self._read(
            f"{name} version {number}", lambda: self._client.get_model_version_download_uri(name, str(number))
        )

    def has_files(self, name: str, number: int) -> bool:
        """Whether the version's files still are there.

        Raises:
            FilesUnknown: That cannot be told from here: they are in a folder of the server's machine, or in a storage
                that this runner has no access to.
        """
        uri = self.storage_uri(name, number)
        path = local_path(uri)
        if path is not None:
            if not path.exists() and self.connection.over_http:
                raise FilesUnknown(f"there is no {path} on this machine")
            return any(path.iterdir()) if path.is_dir() else path.exists()
        from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

        try:
            repository = get_artifact_repository(uri, tracking_uri=self.connection.uri)
            return bool(call_with_retries(repository.list_artifacts, self._retry))
        except Exception as error:  # no access, no driver (boto3), no answer: all the same here
            raise FilesUnknown(classify(error).summary) from error

    def set_stage(self, name: str, number: int, stage: str, *, archive_existing: bool = False) -> None:
        """Transition a version's stage; safe to repeat."""
        self._writer.transition_model_version_stage(name, str(number), stage, archive_existing)

    def set_alias(self, name: str, alias: str, number: int) -> None:
        """Point an alias at a version; an upsert, safe to repeat."""
        self._writer.set_registered_model_alias(name, alias, str(number))

    def delete_alias(self, name: str, alias: str) -> None:
        """Remove an alias; one that is gone already is no error."""
        self._writer.delete_registered_model_alias(name, alias)

    def tag_version(self, name: str, number: int, tags: Mapping[str, str]) -> None:
        """Set tags on a version; MLflow keeps 5,000 characters of a value."""
        for key, value in tags.items():
            self._writer.set_model_version_tag(name, str(number), key, value[:5000])

    def untag_version(self, name: str, number: int, key: str) -> None:
        """Remove a tag from a version; one that is gone already is no error."""
        try:
            self._writer.delete_model_version_tag(name, str(number), key)
        except Exception as error:
            if not classify(error).not_found:
                raise

    def tag_model(self, name: str, key: str, value: str) -> None:
        """Set a tag on a registered model; an upsert, safe to repeat."""
        self._writer.set_registered_model_tag(name, key, value)

    def untag_model(self, name: str, key: str) -> None:
        """Remove a tag from a registered model; one that is gone already is no error."""
        try:
            self._writer.delete_registered_model_tag(name, key)
        except Exception as error:
            # A database store takes it silently, a file store answers 404; the model itself being gone is the same.
            if not classify(error).not_found:
                raise

    def raise_flag(self, name: str, tags: Mapping[str, str], description: str) -> int:
        """Create a flag of lock.py; the time the store gives it, in milliseconds of the store's clock."""
        created = self._writer.create_registered_model(name, dict(tags), description)
        if self.connection.over_http:
            return int(created.creation_timestamp)
        return self.renew_flag(name, description)

    def renew_flag(self, name: str, description: str) -> int:
        """Write the store's present time into a flag; that time in milliseconds."""
        return self._clock.stamp(name, description)

    def lower_flag(self, name: str) -> None:
        """Remove a flag; one that is gone already is no error."""
        try:
            self._writer.delete_registered_model(name)
        except Exception as error:
            if not classify(error).not_found:
                raise

    def flags(self) -> list[tuple[str, int, Mapping[str, str]]]:
        """Every flag: name, when it was last renewed (milliseconds of the store's clock), tags. 1 request."""
        return [
            (model.name, int(model.last_updated_timestamp or model.creation_timestamp or 0), dict(model.tags))
            for model in self._models(f"name LIKE '{FLAG_PREFIX}%'")
            if model.name.startswith(FLAG_PREFIX)
        ]

    def register_version(self, like: Version, tags: Mapping[str, str]) -> int:
        """Register a version with another one's source, run and description; its number. Not safe to repeat."""
        # A server takes a logged model as source only with its id, which it does not give back (MLflow 3.17.2).
        logged = re.fullmatch(r"models:/(m-[0-9a-f]+)/?", like.source)
        made = self._client.create_model_version(
            like.model,
            like.source,
            like.run_id,
            tags=dict(tags),
            description=like.description or None,
            model_id=logged.group(1) if logged else None,
        )
        return int(made.version)

    def delete_version(self, name: str, number: int) -> None:
        """Delete a version: its record only, run and artifacts stay."""
        self._writer.delete_model_version(name, str(number))

    def retrying(self, what: str, call: Callable[[], T]) -> T:
        """Run a call that is safe to repeat under the retry policy, and translate its last error."""
        try:
            return call_with_retries(call, self._retry)
        except Exception as error:
            raise self.translate(what, error) from error

    def translate(self, what: str, error: Exception) -> JenkinsMlflowError:
        """The error a person can read for what MLflow's client raised while doing ``what``."""
        if isinstance(error, JenkinsMlflowError):
            return error
        fault, where = classify(error), redact(self.connection.uri)
        if fault.connection or fault.transient:
            return ConnectionFailed(
                f"{what}: no usable answer from {where}: {fault.summary}",
                next_step="check that the MLflow server runs and is reachable from here, then run the command again",
            )
        if fault.not_found:
            return NotFound(
                f"{what}: not in the registry {where}", next_step="`jenkins-mlflow list` shows what is there"
            )
        if fault.status in (401, 403):
            return RegistryError(
                f"{what}: {where} refuses access: {fault.summary}",
                next_step="set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN",
            )
        return RegistryError(
            f"{what}: {fault.summary}", next_step=f"look into the log of the MLflow server {where}"
        )

    def _read(self, what: str, call: Callable[[], T]) -> T:
        return self.retrying(f"reading {what}", call)

    def pages(self, what: str, search: Callable[..., Any], **arguments: Any) -> Iterator[Any]:
        """Everything that one of the client's searches finds, page after page.

        Args:
            what: What is read, for messages.
            search: A client method that takes ``page_token``.
            arguments: Its other arguments; give a stable order.
        """
        token: str | None = None
        while True:
            page = self._read(what, functools.partial(search, page_token=token, **arguments))
            yield from page
            token = page.token
            if not token:
                return

    def _models(self, condition: str) -> Iterator[Any]:
        return self.pages(
            "the registry",
            self._client.search_registered_models,
            filter_string=condition or None,
            max_results=MODELS_PER_PAGE,
            order_by=["name ASC"],
        )

    def _versions(self, condition: str) -> Iterator[ModelVersion]:
        return self.pages(
            "the registry",
            self._client.search_model_versions,
            filter_string=condition or None,
            max_results=VERSIONS_PER_PAGE,
            order_by=["name ASC", "version_number DESC"],
        )

    def _runs(self, wanted: Collection[str | None]) -> dict[str, Run]:
        """The runs with these ids, deleted ones included, 1,000 ids to a request."""
        from mlflow.entities import ViewType

        ids = sorted(run_id for run_id in wanted if run_id and run_id.isalnum())
        if not ids:
            return {}
        experiments = [
            experiment.experiment_id
            for experiment in self.pages(
                "the experiments",
                self._client.search_experiments,
                view_type=ViewType.ALL,
                max_results=EXPERIMENTS_PER_PAGE,
                order_by=["name ASC"],
            )
        ]
        found: dict[str, Run] = {}
        for start in range(0, len(ids), IDS_PER_REQUEST):
            some = ids[start : start + IDS_PER_REQUEST]
            condition = "attributes.run_id IN ({})".format(", ".join(f"'{run_id}'" for run_id in some))
            read_runs = functools.partial(
                self._client.search_runs, experiments, condition, ViewType.ALL, max_results=IDS_PER_REQUEST
            )
            runs = self._read("the runs of the versions", read_runs)
            for run in runs:
                found[run.info.run_id] = Run(
                    run.info.run_id,
                    dict(run.data.metrics),
                    dict(run.data.tags),
                    int(run.info.start_time or 0),
                )
        return found


def _model(model: Any, versions: Collection[ModelVersion], runs: Mapping[str, Run]) -> Model:
    aliases = {alias: int(number) for alias, number in model.aliases.items()}
    of_version: dict[int, list[str]] = defaultdict(list)
    for alias, number in sorted(aliases.items()):
        of_version[number].append(alias)
    built = (_version(found, tuple(of_version[int(found.version)]), runs) for found in versions)
    ordered = tuple(sorted(built, key=lambda version: -version.number))
    return Model(model.name, ordered, aliases, dict(model.tags or {}))


def _version(found: ModelVersion, aliases: tuple[str, ...], runs: Mapping[str, Run]) -> Version:
    return Version(
        model=found.name,
        number=int(found.version),
        stage=str(found.current_stage or "None"),
        aliases=aliases,
        status=str(found.status),
        created=int(found.creation_timestamp or 0),
        run_id=found.run_id or None,
        source=found.source or "",
        tags=dict(found.tags or {}),
        run=runs.get(found.run_id or ""),
        description=found.description or "",
    )
